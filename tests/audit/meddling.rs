//! An intruder who can write the database, but has no keys, makes nothing believed: neither what
//! is altered nor what is put back.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Api, Key, Mode, Server, bytes, eventually, fresh_name, full_customer, numbers, sql,
};
use crate::{check_whole, on, verify};

/// The problems that `oms doctor` names.
fn problems(server: &Server) -> Vec<String> {
    let output = on(server, &["doctor", "--json"]);
    let report: Value = serde_json::from_str(&output.stdout).expect("JSON");
    let findings = report["findings"].as_array().expect("a list").iter();
    let names = findings
        .filter(|one| one["problem"] == true)
        .map(|one| one["check"].as_str().expect("a name").to_owned());
    names.collect()
}

/// That verify and doctor both tell of it, and verify by this name.
#[track_caller]
fn check_told(server: &Server, check: &str, name: &str) {
    let (whole, text) = verify(server);
    assert!(!whole && text.contains(name), "{name}: {text}");
    assert_eq!(problems(server), [check]);
}

fn id_of(customer: &str) -> String {
    let id = oms::id::CustomerId::parse(customer).expect("an id");
    bytes(id.as_bytes())
}

/// The columns of a row that the meddling is about, as text of a statement that puts them back.
fn remembered(server: &Server, table: &str, columns: &[&str], row: &str) -> String {
    let columns = columns.iter().map(|column| {
        let value = sql(
            &server.data,
            &format!("SELECT {column} FROM {table} WHERE {row}"),
        );
        let value = match value.strip_prefix("\\x") {
            Some(digits) if digits.is_empty() || digits.len() % 2 == 0 => literal(digits),
            _ if value.is_empty() => "NULL".to_owned(),
            _ => value,
        };
        format!("{column} = {value}")
    });
    let columns: Vec<_> = columns.collect();
    format!("UPDATE {table} SET {} WHERE {row}", columns.join(", "))
}

fn literal(digits: &str) -> String {
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("digits");
    let all: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect();
    bytes(&all)
}

fn sign_in(server: &Server, key: &Key) -> u16 {
    let call = server.call("POST", "/v0.9/auth/token").json(&key.login());
    call.send().status
}

/// A server with a sandbox and a live project, one customer in the live one.
struct Scene {
    server: Server,
    sandbox: Key,
    live: Api,
    customer: String,
}

impl Scene {
    fn new() -> Self {
        let server = Server::start(&[]);
        let sandbox = server.key(&fresh_name("project"), Mode::Sandbox, None);
        let live = server.project(Mode::Live);
        let customer = live.create(&full_customer()).id();
        Self {
            server,
            sandbox,
            live,
            customer,
        }
    }

    fn sql(&self, text: &str) -> String {
        sql(&self.server.data, text)
    }

    fn row(&self) -> String {
        format!("id = {}", id_of(&self.customer))
    }

    /// Ends the server and starts another one on the same data, which remembers nothing.
    fn restart(self) -> Self {
        let live = self.live;
        let server = Server::start_owning(self.server.into_folder());
        Self {
            live: live.at(&server.base),
            server,
            ..self
        }
    }

    /// That the customer is refused as a fault of ours, and the log names it and no value.
    #[track_caller]
    fn check_refused(&self) {
        let path = format!("/customers/{}", self.customer);
        for answer in [
            self.live.get(&path),
            self.live.get("/customers"),
            self.live.patch(&path, &json!({"firstName": "Grace"})),
        ] {
            answer.problem(500, "internalError");
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(!text.contains("altered") && !text.contains("Ada"), "{text}");
        }
        let named = format!("the row of customer {} was altered", self.customer);
        eventually(Duration::from_secs(10), "the log names it", || {
            let log = self.server.logged();
            let line = log.lines().find(|line| line.contains(&named))?;
            assert!(line.contains("ERROR") && !line.contains("Ada"), "{line}");
            Some(())
        });
    }
}

#[test]
fn a_key_that_is_lent_another_project_is_refused() {
    let scene = Scene::new();
    let lent = format!(
        "UPDATE api_keys SET project = (SELECT project FROM api_keys WHERE api_key = '{}'),
                changed_at = changed_at + 1000000 WHERE api_key = '{}'",
        scene.live.key.api_key, scene.sandbox.api_key
    );
    let api = scene.server.connect(&scene.sandbox);
    scene.sql(&lent);
    let path = format!("/customers/{}", scene.customer);
    // What the running server remembers of the key is forgotten as soon as it looks again.
    eventually(Duration::from_secs(10), "the token ends", || {
        let answer = api.get(&path);
        assert_ne!(answer.status, 200, "{answer:?}");
        (answer.status == 401).then_some(())
    });
    assert_eq!(sign_in(&scene.server, &scene.sandbox), 401);
    let scene = scene.restart();
    assert_eq!(sign_in(&scene.server, &scene.sandbox), 401);
    assert_eq!(sign_in(&scene.server, &scene.live.key), 200);
    let named = scene.server.logged();
    assert!(
        named.contains("the row of an API key was altered"),
        "{named}"
    );
    check_told(&scene.server, "alteredGrant", &scene.sandbox.api_key);
}

#[test]
fn more_scopes_or_another_secret_are_not_believed() {
    let scene = Scene::new();
    let few = scene
        .server
        .key(&fresh_name("project"), Mode::Live, Some("events:read"));
    let name = &few.api_key;
    for set in [
        "scopes = '*'".to_owned(),
        format!(
            "secret_hash = (SELECT secret_hash FROM api_keys WHERE api_key = '{}')",
            scene.sandbox.api_key
        ),
        "mac = NULL".to_owned(),
    ] {
        let columns = ["scopes", "secret_hash", "mac"];
        let row = format!("api_key = '{name}'");
        assert_eq!(sign_in(&scene.server, &few), 200);
        let back = remembered(&scene.server, "api_keys", &columns[1..], &row);
        scene.sql(&format!("UPDATE api_keys SET {set} WHERE {row}"));
        assert_eq!(sign_in(&scene.server, &few), 401, "{set}");
        check_told(&scene.server, "alteredGrant", name);
        scene.sql(&format!(
            "{back}; UPDATE api_keys SET scopes = 'events:read' WHERE {row}"
        ));
    }
    check_whole(&scene.server);
}

#[test]
fn a_revoked_key_is_not_revived() {
    let scene = Scene::new();
    let row = format!("api_key = '{}'", scene.sandbox.api_key);
    let before = remembered(&scene.server, "api_keys", &["revoked_at", "mac"], &row);
    let revoked = scene.server.keys(&["revoke", &scene.sandbox.api_key]);
    assert!(revoked.status.success(), "{revoked:?}");
    let after = remembered(&scene.server, "api_keys", &["revoked_at", "mac"], &row);
    check_whole(&scene.server);
    scene.sql(&format!(
        "UPDATE api_keys SET revoked_at = NULL WHERE {row}"
    ));
    assert_eq!(sign_in(&scene.server, &scene.sandbox), 401);
    check_told(&scene.server, "alteredGrant", &scene.sandbox.api_key);
    scene.sql(&after);
    check_whole(&scene.server);
    // The whole row of before: it is as it was once stored, and the log tells that it was revoked.
    scene.sql(&before);
    let (whole, text) = verify(&scene.server);
    assert!(!whole && text.contains(&scene.sandbox.api_key), "{text}");
    scene.sql(&format!("DELETE FROM api_keys WHERE {row}"));
    let (whole, text) = verify(&scene.server);
    let missing = format!("missing: API key {}", scene.sandbox.api_key);
    assert!(!whole && text.contains(&missing), "{text}");
}

#[test]
fn a_project_keeps_its_mode_and_its_policy() {
    let scene = Scene::new();
    let project = format!(
        "id = (SELECT project FROM api_keys WHERE api_key = '{}')",
        scene.sandbox.api_key
    );
    scene.sql(&format!(
        "UPDATE projects SET mode = 'live' WHERE {project}"
    ));
    assert_eq!(sign_in(&scene.server, &scene.sandbox), 401);
    scene.sql(&format!(
        "UPDATE projects SET mode = 'sandbox' WHERE {project}"
    ));
    check_whole(&scene.server);
    // Nothing is decided by a policy that nobody of ours put in force.
    let live = format!(
        "SELECT project FROM api_keys WHERE api_key = '{}'",
        scene.live.key.api_key
    );
    let [number] = numbers(&scene.server.data, &live);
    scene.sql(&format!(
        "INSERT INTO policies (project, number, source, created_at)
         VALUES ({number}, 1, 'name = \"nothing\"', 0);
         UPDATE projects SET revision = revision + 1 WHERE id = {number}"
    ));
    eventually(Duration::from_secs(10), "it is refused", || {
        let answer = scene.live.post("/customers", &full_customer());
        (answer.status != 201).then(|| answer.problem(503, "serviceUnavailable"))
    });
    check_told(&scene.server, "alteredGrant", &format!("project {number}"));
}

#[test]
fn an_older_setting_of_a_project_that_is_put_back_is_told_of() {
    let scene = Scene::new();
    let of = |column: &str| {
        format!(
            "SELECT p.{column} FROM projects p JOIN api_keys k ON k.project = p.id
             WHERE k.api_key = '{}'",
            scene.sandbox.api_key
        )
    };
    let (name, [number]) = (
        scene.sql(&of("name")),
        numbers(&scene.server.data, &of("id")),
    );
    let set = |verification: &str| {
        let arguments = ["projects", "set", &name, "--verification", verification];
        let output = scene.server.run(&arguments);
        assert!(output.status.success(), "{output:?}");
    };
    set("policy");
    let row = format!("id = {number}");
    let strict = scene.sql(&format!("SELECT mac FROM projects WHERE {row}"));
    let strict = literal(strict.trim_start_matches("\\x"));
    set("auto");
    check_whole(&scene.server);
    scene.sql(&format!(
        "UPDATE projects SET verification = 'policy', mac = {strict} WHERE {row}"
    ));
    let (whole, text) = verify(&scene.server);
    assert!(
        !whole && text.contains(&format!("project {number}")),
        "{text}"
    );
}

#[test]
fn what_stands_in_the_clear_of_a_customer_is_not_believed_when_it_was_altered() {
    let scene = Scene::new();
    let row = scene.row();
    // All three endorsements active; another status; a version; times.
    for set in [
        "endorsements = 1092",
        "status = 1",
        "version = version + 1",
        "signed_at = NULL",
        "updated_at = updated_at + 1",
    ] {
        let column = set.split(' ').next().expect("a column");
        let back = remembered(&scene.server, "customers", &[column], &row);
        scene.sql(&format!("UPDATE customers SET {set} WHERE {row}"));
        scene.check_refused();
        check_told(&scene.server, "sealedCustomer", &scene.customer);
        scene.sql(&back);
        scene.live.read(&scene.customer);
        check_whole(&scene.server);
    }
    // A list that filters by what was altered hides the customer at most.
    scene.sql(&format!("UPDATE customers SET status = 1 WHERE {row}"));
    let listed = scene.live.get("/customers?status=inactive");
    listed.problem(500, "internalError");
    let active = scene.live.get("/customers?status=active").wants(200);
    assert_eq!(active.json()["data"], json!([]));
}

#[test]
fn an_older_row_that_is_put_back_is_told_of() {
    let scene = Scene::new();
    let columns = [
        "version",
        "status",
        "signed_at",
        "updated_at",
        "endorsements",
        "profile",
        "identity",
        "review",
    ];
    let row = scene.row();
    let whole = remembered(&scene.server, "customers", &columns, &row);
    let identity = remembered(&scene.server, "customers", &["identity"], &row);
    let path = format!("/customers/{}", scene.customer);
    let later = json!({"birthDate": "1991-01-02", "firstName": "Grace"});
    scene.live.patch(&path, &later).wants(200);
    check_whole(&scene.server);
    // Of two versions nothing is mixed.
    let new = remembered(&scene.server, "customers", &["identity"], &row);
    scene.sql(&identity);
    scene.check_refused();
    scene.sql(&new);
    scene.live.read(&scene.customer);
    // The whole row of before is one that was stored once; the log tells that it changed since.
    scene.sql(&whole);
    check_told(&scene.server, "customerPutBack", &scene.customer);
    let row = scene.row();
    scene.sql(&format!("DELETE FROM customers WHERE {row}"));
    let (fine, text) = verify(&scene.server);
    let missing = format!("missing: customer {}", scene.customer);
    assert!(!fine && text.contains(&missing), "{text}");
}

#[test]
fn what_a_customer_was_before_is_told_as_it_was_only() {
    let scene = Scene::new();
    let path = format!("/customers/{}", scene.customer);
    scene
        .live
        .patch(&path, &json!({"firstName": "Grace"}))
        .wants(200);
    let created = || scene.live.get("/events?type=customer.created");
    created().wants(200);
    let customer = id_of(&scene.customer);
    scene.sql(&format!(
        "UPDATE customer_versions SET endorsements = 1092 WHERE customer = {customer}"
    ));
    created().problem(500, "internalError");
}
