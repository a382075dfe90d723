//! A store that lived on files lives on in PostgreSQL, and then on files again, as if nothing
//! had been: customers, retries, tokens, webhooks, erasures, holds, the audit log.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::place::cluster;
use crate::receiver::{Act, Receiver};
use crate::support::{Api, Folder, Server, eventually, fresh_name, full_customer};
use crate::{check_sound, empty_folder, moved, moving, stopped, text};

/// What was done and answered before a move.
struct Before {
    api: Api,
    webhook: String,
    kept: Vec<Kept>,
    erased: Kept,
    held: String,
    /// Everything that must be answered the same after it.
    answers: Vec<(String, Value)>,
}

/// A request with its key and its answer.
struct Kept {
    key: String,
    body: Value,
    id: String,
    answer: String,
}

fn person(email: &str) -> Value {
    let mut person = full_customer();
    person["email"] = json!(email);
    person["externalId"] = json!(email);
    person
}

fn create(api: &Api, email: &str) -> Kept {
    let (key, body) = (fresh_name("key"), person(email));
    let answer = api.post_keyed("/customers", &key, &body).wants(201);
    Kept {
        key,
        body,
        id: answer.id(),
        answer: answer.text(),
    }
}

impl Before {
    fn begin(server: &Server, receiver: &Receiver, broken: &Receiver) -> Self {
        let api = server.sandbox();
        let hook = |url: String| {
            api.post("/webhooks", &json!({ "url": url }))
                .wants(201)
                .id()
        };
        let webhook = hook(receiver.url());
        hook(broken.url());
        let first = create(&api, "first@example.com");
        api.change(&first.id, &json!({ "firstName": "Augusta" }))
            .wants(200);
        let erased = create(&api, "erased@example.com");
        let path = format!("/customers/{}/erase", erased.id);
        api.post(&path, &json!({ "reason": "asked" })).wants(200);
        let held = create(&api, "held@example.com");
        let hold = [
            "customers",
            "hold",
            &held.id,
            "--until",
            "2999-01-01",
            "--reason",
            "a case",
        ];
        let output = server.run(&hold);
        assert!(output.status.success(), "{output:?}");
        Self {
            webhook,
            held: held.id.clone(),
            kept: vec![first, held],
            erased,
            answers: Vec::new(),
            api,
        }
    }

    /// Goes on where it is now: another customer, who is told of.
    fn live_on(&mut self, receiver: &Receiver) {
        let told = receiver.count();
        let email = format!("{}@example.com", fresh_name("more"));
        let more = create(&self.api, &email);
        self.api
            .change(&more.id, &json!({ "metadata": { "seen": true } }))
            .wants(200);
        // A customer with three endorsements is told of in four events, and then of a change.
        receiver.wait_for(told + 5);
        self.kept.push(more);
        eventually(
            std::time::Duration::from_secs(40),
            "everything is recorded as delivered",
            || {
                let path = format!(
                    "/webhooks/{}/deliveries?limit=100&status=delivered",
                    self.webhook
                );
                let delivered = self.api.get(&path).wants(200).json();
                let count = delivered["data"].as_array().map_or(0, Vec::len);
                (count >= receiver.count()).then_some(())
            },
        );
        let mut paths = vec![
            "/customers?limit=100".to_owned(),
            "/events?limit=100".to_owned(),
            "/webhooks".to_owned(),
            format!(
                "/webhooks/{}/deliveries?limit=100&status=delivered",
                self.webhook
            ),
            format!("/customers/{}", self.erased.id),
        ];
        for kept in &self.kept {
            let email = kept.body["email"].as_str().expect("text");
            paths.push(format!("/customers?email={email}"));
            paths.push(format!("/customers/{}/endorsements/usd/history", kept.id));
        }
        let answer = |path: String| {
            let answer = self.api.get(&path).wants(200).json();
            (path, answer)
        };
        self.answers = paths.into_iter().map(answer).collect();
    }

    /// What holds at a server that goes on.
    fn holds_at(&mut self, server: &Server) {
        // With the token of before: the signing keys are there, and the same.
        self.api = self.api.at(&server.base);
        let api = &self.api;
        for (path, answer) in &self.answers {
            assert_eq!(&api.get(path).wants(200).json(), answer, "{path}");
        }
        for kept in &self.kept {
            let again = api
                .post_keyed("/customers", &kept.key, &kept.body)
                .wants(201);
            assert_eq!(again.text(), kept.answer);
            assert_eq!(again.header("idempotent-replayed"), Some("true"));
            api.post_keyed("/customers", &kept.key, &person("other@example.com"))
                .problem(422, "idempotencyKeyReused");
        }
        api.post_keyed("/customers", &self.erased.key, &self.erased.body)
            .problem(404, "notFound");
        let found = api.list("?email=erased@example.com").json();
        assert_eq!(found["data"], json!([]));
        let erase = format!("/customers/{}/erase", self.held);
        api.post(&erase, &json!({ "reason": "asked" }))
            .problem(409, "customerOnHold");
        server.connect(&api.key).list("");
    }
}

#[track_caller]
fn told_once(receiver: &Receiver) {
    let mut seen = HashSet::new();
    for one in receiver.received() {
        let id = one.json()["id"].clone();
        assert!(seen.insert(id.to_string()), "{id} was told twice");
    }
}

fn database_setting(url: &str) -> [(&str, &str); 1] {
    [("OMS_DATABASE", url)]
}

#[test]
fn a_store_moves_there_and_back_and_lives_on_as_if_nothing_had_been() {
    let Some(cluster) = cluster() else { return };
    let (receiver, broken) = (
        Receiver::always(Act::Answer(200)),
        Receiver::always(Act::Answer(500)),
    );
    let server = Server::start(&[]);
    let mut life = Before::begin(&server, &receiver, &broken);
    life.live_on(&receiver);
    let first = stopped(server);
    let data = first.path().join("data");
    let master_key = data.join("master.key");
    let signed = check_sound(text(&data), &master_key);

    let url = cluster.new_database();
    let there = moved(text(&data), &url);
    assert_eq!(check_sound(&url, &master_key), signed);
    let server = Server::start_owning_with(first, &database_setting(&url));
    life.holds_at(&server);
    life.live_on(&receiver);
    let first = stopped(server);
    let signed_there = check_sound(&url, &master_key);
    assert!(signed_there > signed, "nothing was signed there");

    // Into a folder that is not there yet, with the key elsewhere.
    let second = Folder::new();
    let target = second.path().join("data");
    let kept = second.path().join("kept.key");
    std::fs::copy(&master_key, &kept).expect("copied");
    let back = moving(&url, text(&target), &[("OMS_MASTER_KEY_FILE", text(&kept))]);
    assert!(back.status.success(), "{back:?}");
    assert_ne!(there.stdout, back.stdout);
    drop(first);
    let master_key = target.join("master.key");
    std::fs::copy(&kept, &master_key).expect("copied");
    let server = Server::start_owning(second);
    life.holds_at(&server);
    life.live_on(&receiver);
    let second = stopped(server);
    let signed_back = check_sound(text(&target), &master_key);
    assert!(signed_back > signed_there, "nothing was signed here again");
    told_once(&receiver);

    // And once more, over what both engines have written.
    let url = cluster.new_database();
    moved(text(&target), &url);
    check_sound(&url, &master_key);
    let server = Server::start_owning_with(second, &database_setting(&url));
    life.holds_at(&server);
    life.live_on(&receiver);
    drop(stopped(server));
    told_once(&receiver);
}

#[test]
fn stores_move_between_two_of_one_kind_and_each_copy_is_the_same() {
    let Some(cluster) = cluster() else { return };
    let store = crate::Stopped::with_customers(700);
    let urls = [cluster.new_database(), cluster.new_database()];
    let folders = [
        empty_folder(&store.master_key()),
        empty_folder(&store.master_key()),
    ];
    let folders = folders.each_ref().map(|folder| text(folder.path()));
    let way = [store.data(), &urls[0], &urls[1], folders[0], folders[1]];
    // Rows and hashes stand before the first empty line.
    let told = |from: &str, to: &str| {
        let output = moved(from, to);
        let (rows, _) = output.stdout.split_once("\n\n").expect("two parts");
        rows.to_owned()
    };
    let first = told(way[0], way[1]);
    assert!(
        first.contains("customers                     700 rows"),
        "{first}"
    );
    for ends in way[1..].windows(2) {
        assert_eq!(told(ends[0], ends[1]), first, "{ends:?}");
        check_sound(ends[1], &store.master_key());
    }
}
