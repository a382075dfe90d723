//! What servers do later: one of them at a time, and another one when that one dies.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oms::context::Context;
use oms::vault::MessageKeys;
use serde_json::json;

use crate::cluster;
use crate::fleet::Fleet;
use crate::receiver::{Act, Receiver};
use crate::support::{
    Answer, Api, Client, Cluster, Mode, Stopwatch, eventually, full_customer, name_of,
};

const A_WHILE: Duration = Duration::from_mins(2);

/// For how long a server that says nothing keeps its claims; one that is held up for longer may
/// find that another one did the same.
const CLAIM: Duration = Duration::from_secs(5);

const CUSTOMERS: usize = 30;

/// So many that some server hears of one's webhook before it hears of the project.
const PROJECTS: usize = 30;

fn register(api: &Api, receiver: &Receiver) -> String {
    let created = api.post("/webhooks", &json!({"url": receiver.url()}));
    created.wants(201).id()
}

/// Makes customers, each at the next server that lives, with one event each.
fn make(fleet: &Fleet, api: &Api, count: usize) {
    let living: Vec<_> = fleet.living().collect();
    for place in 0..count {
        let there = api.at(&living[place % living.len()].base);
        there.create(&json!({"type": "individual", "endorsements": []}));
    }
}

/// How often each delivery came.
fn deliveries(receiver: &Receiver) -> HashMap<String, usize> {
    let mut times = HashMap::new();
    for one in receiver.received() {
        let id = one.json()["id"].as_str().expect("each has one").to_owned();
        *times.entry(id).or_insert(0) += 1;
    }
    times
}

#[test]
fn each_delivery_of_three_servers_comes_once() {
    let Some(cluster) = cluster() else { return };
    let fleet = Fleet::start(&cluster.new_database(), 3, &[]);
    for _ in 0..3 {
        let (api, receiver) = (fleet.sandbox(), Receiver::always(Act::Answer(200)));
        let watch = Stopwatch::start();
        let webhook = register(&api, &receiver);
        make(&fleet, &api, CUSTOMERS);
        eventually(A_WHILE, "everything is recorded", || {
            let path = format!("/webhooks/{webhook}/deliveries?limit=100&status=delivered");
            let page = api.get(&path).wants(200).json();
            (page["data"].as_array()?.len() == CUSTOMERS).then_some(())
        });
        let times = deliveries(&receiver);
        assert_eq!(times.len(), CUSTOMERS, "{times:?}");
        if times.values().all(|count| *count == 1) {
            return;
        }
        assert!(watch.elapsed() > CLAIM, "twice: {times:?}");
    }
    panic!("this machine never had five seconds for it");
}

/// A server that was told of neither project nor webhook by whoever made them knows of both
/// by what is stored; what it took for granted would be a failed attempt.
#[test]
fn a_webhook_of_a_project_made_a_moment_ago_is_told_at_the_first_attempt() {
    let Some(cluster) = cluster() else { return };
    let fleet = Fleet::start(&cluster.new_database(), 3, &[]);
    let projects: Vec<_> = (0..PROJECTS)
        .map(|_| {
            let (key, receiver) = (fleet.key(Mode::Sandbox), Receiver::always(Act::Answer(200)));
            let api = Api::connect(&fleet.spread.next(), &Client::new(), &key);
            let webhook = register(&api, &receiver);
            make(&fleet, &api, 1);
            (api, receiver, webhook)
        })
        .collect();
    for (api, _receiver, webhook) in projects {
        let delivery = eventually(A_WHILE, "an attempt is recorded", || {
            let page = api.get(&format!("/webhooks/{webhook}/deliveries"));
            page.wants(200).json()["data"].as_array()?.first().cloned()
        });
        assert_eq!(delivery["status"], "delivered", "{delivery}");
        assert_eq!(delivery["attempts"], 1, "{delivery}");
    }
}

/// Who works for the only webhook of a database.
fn holder(cluster: &Cluster, url: &str) -> String {
    let name = name_of(url);
    let held = "SELECT claimed_by FROM webhook_progress";
    cluster.sql(name, held).expect("it answers")
}

/// Beats of a server in well over the time after which a silent one is taken for gone.
const BEATS: i64 = 20;

#[test]
fn a_server_that_lives_keeps_its_claim() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.new_database();
    let fleet = Fleet::start(&url, 2, &[]);
    let (api, receiver) = (fleet.sandbox(), Receiver::always(Act::Answer(200)));
    register(&api, &receiver);
    make(&fleet, &api, 1);
    receiver.wait_for(1);
    let before = holder(cluster, &url);
    let least = || {
        let beats = cluster.sql(name_of(&url), "SELECT COUNT(*), MIN(beat) FROM servers");
        let beats = beats.expect("it answers");
        let (servers, least) = beats.split_once('|').expect("two numbers");
        assert_eq!(servers, "2", "both stand there");
        least.parse::<i64>().expect("a number")
    };
    let now = least();
    eventually(A_WHILE, "both beat on", || {
        (least() >= now + BEATS).then_some(())
    });
    assert_eq!(holder(cluster, &url), before);
}

#[test]
fn when_a_server_dies_another_one_delivers() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.new_database();
    let mut fleet = Fleet::start(&url, 3, &[]);
    let (api, receiver) = (fleet.sandbox(), Receiver::always(Act::Answer(200)));
    register(&api, &receiver);
    make(&fleet, &api, 3);
    let mut told = 3;
    let told_all = |told: usize| {
        eventually(A_WHILE, "every event is told", || {
            (deliveries(&receiver).len() == told).then_some(())
        });
    };
    told_all(told);
    let first = holder(cluster, &url);
    // Whoever it is: one of the three.
    for place in [0, 1, 2] {
        fleet.kill(place);
        if place == 2 {
            fleet.replace(0);
        }
        let living = fleet.living().next().expect("one lives").base.clone();
        make(&fleet, &api.at(&living), 3);
        told += 3;
        told_all(told);
        if holder(cluster, &url) != first {
            return;
        }
    }
    panic!("nobody took over from {first}");
}

#[test]
fn three_servers_ask_the_provider_once_about_each_customer() {
    let Some(cluster) = cluster() else { return };
    let provider = Receiver::always(Act::Answer(202));
    let url = provider.url();
    let settings = [
        ("OMS_VERIFICATION_PROVIDER_URL", url.as_str()),
        ("OMS_VERIFICATION_PROVIDER_SECRET", SECRET),
    ];
    let fleet = Fleet::start(&cluster.new_database(), 3, &settings);
    let key = fleet.key(Mode::Live);
    let api = Api::connect(&fleet.spread.next(), &Client::new(), &key);
    let mut made = HashSet::new();
    for _ in 0..CUSTOMERS {
        let created = api.at(&fleet.spread.next()).create(&full_customer());
        made.insert(created.id());
    }
    eventually(A_WHILE, "the provider is asked about everybody", || {
        (provider.count() >= CUSTOMERS).then_some(())
    });
    let name = name_of(fleet.url());
    let waiting = "SELECT COUNT(*) FROM verifications WHERE accepted_at IS NULL";
    eventually(A_WHILE, "nobody waits any more", || {
        let waiting = cluster.sql(name, waiting).expect("it answers");
        (waiting == "0").then_some(())
    });
    let asked = provider.received();
    let ids: HashSet<_> = asked.iter().map(|one| one.header("webhook-id")).collect();
    assert_eq!(ids.len(), CUSTOMERS);
    assert_eq!(asked.len(), CUSTOMERS, "somebody was asked about twice");
}

/// What a provider shares with the servers that ask it.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";

/// What a verification is as the database tells: how often the provider was asked, what went
/// wrong, whether it took a request.
fn standing(cluster: &Cluster, name: &str) -> String {
    let sql = "SELECT attempts, trouble IS NULL, accepted_at IS NULL FROM verifications";
    cluster.sql(name, sql).expect("it answers")
}

/// The provider refuses the person, at one of the servers.
fn reject(base: &str, id: &str) -> Answer {
    let keys = MessageKeys::parse(SECRET).expect("a secret");
    let reasons = [json!({"developerReason": "Another face.", "reason": "Please come in person."})];
    let body = json!({"verificationId": id, "result": "rejected", "reasons": reasons}).to_string();
    let now = Context::system().now();
    let message = format!("msg_{id}");
    Client::new()
        .call("POST", &format!("{base}/v0.9/verifications/{id}/result"))
        .header("webhook-id", &message)
        .header("webhook-timestamp", now.as_seconds().to_string())
        .header(
            "webhook-signature",
            keys.sign(&message, now, body.as_bytes()),
        )
        .text(&body)
        .send()
}

/// How often a server may have given up the attempt before it could be killed.
const ROUNDS: usize = 5;

/// A provider that holds its answers until it is told to give them.
fn holding_provider() -> (Receiver, Arc<AtomicBool>) {
    let answers = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&answers);
    let provider = Receiver::start(move |_, _| {
        if told.load(Ordering::SeqCst) {
            Act::Answer(202)
        } else {
            Act::Hang
        }
    });
    (provider, answers)
}

#[test]
fn when_a_server_dies_while_the_provider_holds_its_answer_another_one_asks_with_the_same_id() {
    let Some(cluster) = cluster() else { return };
    for _ in 0..ROUNDS {
        let (provider, answers) = holding_provider();
        let url = provider.url();
        let settings = [
            ("OMS_VERIFICATION_PROVIDER_URL", url.as_str()),
            ("OMS_VERIFICATION_PROVIDER_SECRET", SECRET),
            ("OMS_VERIFICATION_TIMEOUT_S", "5"),
        ];
        let mut fleet = Fleet::start(&cluster.new_database(), 1, &settings);
        let name = name_of(fleet.url()).to_owned();
        let key = fleet.key(Mode::Live);
        let api = Api::connect(&fleet.spread.next(), &Client::new(), &key);
        let customer = api.create(&full_customer()).id();
        let first = provider.wait_for(1).remove(0);
        fleet.kill(0);
        if standing(cluster, &name) != "1|t|t" {
            continue;
        }
        answers.store(true, Ordering::SeqCst);
        fleet.replace(0);
        fleet.add(1);
        eventually(A_WHILE, "another server's request is taken", || {
            (standing(cluster, &name) == "2|t|f").then_some(())
        });
        let asked = provider.received();
        assert_eq!(asked.len(), 2, "{asked:#?}");
        let id = asked[1].json()["verificationId"].clone();
        let id = id.as_str().expect("it says which").to_owned();
        assert_eq!(asked[1].header("webhook-id"), first.header("webhook-id"));
        assert_eq!(asked[1].body, first.body);
        // It took both requests, and answers both.
        let bases: Vec<_> = fleet.living().map(|server| server.base.clone()).collect();
        let answers: Vec<_> = bases.iter().map(|base| reject(base, &id)).collect();
        assert_eq!(answers[0].clone().wants(200).body, answers[1].body);
        check_decided_once(&api.at(&bases[1]), &customer);
        return;
    }
    panic!("no server could be killed within its attempt");
}

/// Events of endorsements: of three that were requested, and of two that the provider refused.
const TOLD: usize = 3 + 2;

/// The customer is refused, and the history tells of it once.
fn check_decided_once(api: &Api, customer: &str) {
    let shown = api.read(customer).json();
    assert_eq!(shown["endorsements"][2]["status"], "REJECTED", "{shown}");
    for name in ["cryptoCustody", "usd"] {
        let path = format!("/customers/{customer}/endorsements/{name}/history");
        let history = api.get(&path).wants(200).json();
        let steps = history["data"].as_array().expect("a list");
        let by_provider = steps.iter().filter(|step| step["actor"] == "provider");
        assert_eq!(by_provider.count(), 1, "{history}");
    }
    let events = api.get("/events?limit=100").wants(200).json();
    let events = events["data"].as_array().expect("a list");
    let told = events
        .iter()
        .filter(|event| event["event"] == "endorsement.updated");
    assert_eq!(told.count(), TOLD, "{events:#?}");
}
