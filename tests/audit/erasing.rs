//! An erased customer opens no more; what is left is a tombstone and a certificate.

use serde_json::json;

use crate::support::{
    Mode, Server, files_under, fresh_name, full_customer, numbers, on_postgres, sql,
};
use crate::{check_whole, exported, on};

const REASON: &str = "the customer asked, ticket 7";

#[test]
fn an_erased_customer_is_an_empty_inactive_tombstone() {
    let server = Server::start(&[]);
    let api = server.sandbox();
    let key = fresh_name("key");
    let made = api
        .post_keyed("/customers", &key, &full_customer())
        .wants(201);
    let path = format!("/customers/{}/erase", made.id());
    let erasing = fresh_name("key");
    let body = json!({ "reason": REASON });
    let first = api.post_keyed(&path, &erasing, &body).wants(200);
    let certificate = first.json();
    assert_eq!(certificate["object"], "erasureCertificate");
    assert_eq!(certificate["customerId"], json!(made.id()));
    let again = api.post_keyed(&path, &erasing, &body).wants(200);
    assert_eq!(again.json(), certificate);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let anew = api.post(&path, &body).wants(200);
    assert_eq!(anew.json(), certificate, "another key, the same erasure");

    let left = api.read(&made.id()).wants(200).json();
    assert_eq!(left["status"], "inactive");
    assert_eq!(left["metadata"], json!({}));
    for name in [
        "firstName",
        "middleName",
        "lastName",
        "email",
        "phone",
        "nationality",
        "externalId",
    ] {
        assert!(left[name].is_null(), "{left:#}");
    }
    assert_eq!(left["createdAt"], made.json()["createdAt"]);
    for endorsement in left["endorsements"].as_array().expect("a list") {
        assert_eq!(endorsement["status"], "OFFBOARDED");
    }
    let patch = json!({ "firstName": "Ada" });
    api.patch(&format!("/customers/{}", made.id()), &patch)
        .problem(409, "customerInactive");
    let found = api.list("?email=ada@example.com").json();
    assert_eq!(found["data"], json!([]));
    api.post_keyed("/customers", &key, &full_customer())
        .problem(404, "notFound");
    let history = format!("/customers/{}/endorsements/usd/history", made.id());
    let changes = api.get(&history).wants(200).json();
    assert_eq!(changes["data"], json!([]), "{changes}");
    check_whole(&server);
}

#[test]
fn what_the_key_sealed_opens_no_more_and_the_key_is_in_no_file() {
    let server = Server::start(&[]);
    let api = server.sandbox();
    let made = api.create(&full_customer());
    let key = "SELECT k.wrapped FROM customers c JOIN keys.data_keys k ON k.id = c.data_key";
    let shown = sql(&server.data, key);
    let wrapped = shown.trim_start_matches("\\x").as_bytes().chunks(2);
    let byte = |digits: &[u8]| {
        let digits = std::str::from_utf8(digits).ok()?;
        u8::from_str_radix(digits, 16).ok()
    };
    let wrapped: Vec<u8> = wrapped.filter_map(byte).collect();
    assert!(wrapped.len() > 32, "{shown}");
    let stands = |server: &Server| {
        if on_postgres() {
            // What its files keep of a deleted row is the database's (docs/operations.md).
            let all = sql(&server.data, "SELECT wrapped FROM keys.data_keys");
            let with = all.lines().filter(|line| *line == shown);
            return with.map(str::to_owned).collect();
        }
        let files = files_under(&server.data);
        let with: Vec<_> = files
            .into_iter()
            .filter(|(_, bytes)| bytes.windows(wrapped.len()).any(|window| window == wrapped))
            .map(|(path, _)| path.display().to_string())
            .collect();
        with
    };
    assert!(
        !stands(&server).is_empty(),
        "the search finds it while it is there"
    );
    let path = format!("/customers/{}/erase", made.id());
    api.post(&path, &json!({ "reason": REASON })).wants(200);
    assert_eq!(stands(&server), [""; 0]);
    let led = "SELECT COUNT(*) FROM lookups WHERE target = (SELECT id FROM customers)";
    assert_eq!(numbers(&server.data, led), [0]);
    let log = exported(&server, &[]);
    let of_customer: Vec<_> = log
        .iter()
        .filter(|row| row["resource"] == json!(made.id()))
        .collect();
    assert_eq!(of_customer[0]["events"], "erased", "{of_customer:#?}");
    let last = of_customer.last().expect("two rows");
    assert_eq!(last["events"][0]["reason"], REASON);
}

#[test]
fn the_command_line_prints_the_same_certificate_and_it_says_what_it_hashes() {
    let server = Server::start(&[]);
    let api = server.sandbox();
    let id = api.create(&full_customer()).id();
    let erase = ["customers", "erase", &id, "--reason", REASON, "--json"];
    let [first, again] = [on(&server, &erase), on(&server, &erase)];
    assert!(first.status.success(), "{first:?}");
    assert_eq!(first.stdout, again.stdout);
    let certificate: serde_json::Value = serde_json::from_str(&first.stdout).expect("JSON");
    let text = certificate["text"].as_str().expect("a text");
    assert!(text.contains(&id) && text.contains("by: cli:"), "{text}");
    assert!(text.contains(certificate["destroyedKey"].as_str().expect("an id")));
    assert_eq!(certificate["sha256"].as_str().map(str::len), Some(64));
    assert!(!first.stdout.contains(REASON));
    let over_http = api.post(
        &format!("/customers/{id}/erase"),
        &json!({ "reason": REASON }),
    );
    assert_eq!(over_http.wants(200).json(), certificate);
}

#[test]
fn an_erasure_wants_its_own_scope_and_a_reason() {
    let server = Server::shared();
    let project = fresh_name("project");
    let scopes = Some("customers:read,customers:write");
    let api = server.connect(&server.key(&project, Mode::Sandbox, scopes));
    let id = api.create(&full_customer()).id();
    let path = format!("/customers/{id}/erase");
    api.post(&path, &json!({ "reason": REASON }))
        .problem(403, "scopeMissing");
    let api = server.connect(&server.key(&project, Mode::Sandbox, None));
    for body in [
        json!({}),
        json!({ "reason": " " }),
        json!({ "reason": "x".repeat(501) }),
    ] {
        api.post(&path, &body).problem(422, "validationFailed");
    }
    assert_eq!(api.read(&id).json()["status"], "active");
}
