//! Section 3: the same key and the same request.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Answer, Api, InProcess, Server, eventually, fresh_name, full_customer, minimal_customer,
};

#[track_caller]
fn check_first(answer: &Answer) {
    assert_eq!(answer.header("idempotent-replayed"), None, "{answer}");
}

/// The answer is the first one again, byte for byte.
#[track_caller]
fn check_replayed(again: &Answer, first: &Answer) {
    assert_eq!(again.header("idempotent-replayed"), Some("true"), "{again}");
    assert_eq!(again.status, first.status, "{again}");
    assert_eq!(again.body, first.body, "first {first}\n\nagain {again}");
    for name in ["content-type", "etag"] {
        assert_eq!(again.header(name), first.header(name), "{name}: {again}");
    }
}

fn post_text(api: &Api, key: &str, body: &str) -> Answer {
    api.call("POST", "/customers")
        .header("idempotency-key", key)
        .text(body)
        .send()
}

#[test]
fn a_post_without_a_key_is_refused_and_stores_nothing() {
    let api = Server::shared().sandbox();
    let call = api.call("POST", "/customers").json(&minimal_customer());
    call.send().problem(400, "idempotencyKeyMissing");
    assert_eq!(api.listed(""), [""; 0]);
}

#[test]
fn a_key_is_1_to_255_visible_ascii_characters() {
    let api = Server::shared().sandbox();
    let visible: String = ('!'..='~').filter(|c| *c != '"').collect();
    for key in ["k".to_owned(), "x".repeat(255), visible] {
        let first = api
            .post_keyed("/customers", &key, &minimal_customer())
            .wants(201);
        check_first(&first);
        check_replayed(
            &api.post_keyed("/customers", &key, &minimal_customer()),
            &first,
        );
    }
}

#[test]
fn a_malformed_key_is_refused_and_stores_nothing() {
    let api = Server::shared().sandbox();
    let long = "x".repeat(256);
    let long_quoted = format!("\"{long}\"");
    let keys: [&[u8]; 8] = [
        b"",
        b"\"\"",
        b"two words",
        b"\"two words\"",
        b"tab\tinside",
        b"caf\xc3\xa9",
        long.as_bytes(),
        long_quoted.as_bytes(),
    ];
    for key in keys {
        let call = api
            .call("POST", "/customers")
            .header("idempotency-key", key);
        call.json(&minimal_customer())
            .send()
            .problem(400, "idempotencyKeyInvalid");
    }
    assert_eq!(api.listed(""), [""; 0]);
}

#[test]
fn two_keys_in_one_request_are_refused() {
    let api = Server::shared().sandbox();
    let call = api
        .posting("/customers", &minimal_customer())
        .header("idempotency-key", "another");
    call.send().problem(400, "idempotencyKeyInvalid");
}

#[test]
fn a_malformed_key_on_patch_and_delete_is_refused() {
    let api = Server::shared().sandbox();
    let made = api.create(&minimal_customer());
    let path = format!("/customers/{}", made.id());
    for method in ["PATCH", "DELETE"] {
        let call = api
            .call(method, &path)
            .header("idempotency-key", "two words");
        let call = if method == "PATCH" {
            call.json(&json!({ "firstName": "Ada" }))
        } else {
            call
        };
        call.send().problem(400, "idempotencyKeyInvalid");
    }
    assert_eq!(api.read(&made.id()).json(), made.json());
}

#[test]
fn the_quoted_form_is_the_same_key() {
    let api = Server::shared().sandbox();
    let key = fresh_name("quoted");
    let first = api
        .post_keyed("/customers", &format!("\"{key}\""), &minimal_customer())
        .wants(201);
    check_replayed(
        &api.post_keyed("/customers", &key, &minimal_customer()),
        &first,
    );
    assert_eq!(api.listed(&format!("?idempotencyKey={key}")), [first.id()]);
}

#[test]
fn the_same_request_again_gives_the_first_answer_byte_for_byte() {
    let api = Server::shared().sandbox();
    let key = fresh_name("key");
    let first = api
        .post_keyed("/customers", &key, &full_customer())
        .wants(201);
    check_first(&first);
    for _ in 0..3 {
        check_replayed(
            &api.post_keyed("/customers", &key, &full_customer()),
            &first,
        );
    }
    assert_eq!(api.listed(""), [first.id()]);
}

#[test]
fn the_first_answer_comes_again_whatever_became_of_the_customer() {
    let api = Server::shared().sandbox();
    let key = fresh_name("key");
    let first = api
        .post_keyed("/customers", &key, &full_customer())
        .wants(201);
    let path = format!("/customers/{}", first.id());
    api.patch(&path, &json!({ "lastName": "King" })).wants(200);
    api.delete(&path).wants(200);
    check_replayed(
        &api.post_keyed("/customers", &key, &full_customer()),
        &first,
    );
}

#[test]
fn the_first_answer_comes_again_after_a_restart() {
    let server = Server::start(&[]);
    let api = server.sandbox();
    let first = api
        .post_keyed("/customers", "the-key", &full_customer())
        .wants(201);
    let server = Server::start_owning(server.into_folder());
    let api = api.at(&server.base);
    check_replayed(
        &api.post_keyed("/customers", "the-key", &full_customer()),
        &first,
    );
    assert_eq!(api.listed(""), [first.id()]);
}

/// After an outage everybody repeats what was done before it: then keys are looked up first.
#[test]
fn when_many_repeat_themselves_each_gets_its_own_first_answer_and_a_new_one_is_made() {
    let server = Server::start(&[]);
    let api = server.sandbox();
    let keys: Vec<String> = (0..3).map(|_| fresh_name("key")).collect();
    let post = |key: &String, api: &Api| api.post_keyed("/customers", key, &minimal_customer());
    let firsts: Vec<Answer> = keys.iter().map(|key| post(key, &api).wants(201)).collect();
    let server = Server::start_owning(server.into_folder());
    let api = api.at(&server.base);
    for round in 0..20 {
        for (key, first) in keys.iter().zip(&firsts) {
            check_replayed(&post(key, &api), first);
        }
        if round == 15 {
            check_first(&post(&fresh_name("key"), &api).wants(201));
            api.post_keyed("/customers", &keys[0], &full_customer())
                .problem(422, "idempotencyKeyReused");
        }
    }
    assert_eq!(api.listed("").len(), keys.len() + 1);
}

#[test]
fn json_is_compared_by_value_and_not_by_spelling() {
    let api = Server::shared().sandbox();
    let first_spelling =
        r#"{"type":"individual","firstName":"Zoë","metadata":{"a":1,"b":100,"c":"x/y"}}"#;
    for spelling in [
        r#"{"metadata":{"b":100,"c":"x/y","a":1},"firstName":"Zoë","type":"individual"}"#,
        "\n{ \"type\" : \"individual\",\t\"firstName\":\"Zoë\",\r\n\"metadata\":{\"a\":1,\"b\":100,\"c\":\"x/y\"}} ",
        r#"{"type":"individual","firstName":"Zoë","metadata":{"a":1.0,"b":1e2,"c":"x/y"}}"#,
        r#"{"t\u0079pe":"individual","firstName":"Zo\u00eb","metadata":{"a":1,"b":100,"c":"x\/y"}}"#,
    ] {
        let key = fresh_name("key");
        let first = post_text(&api, &key, first_spelling).wants(201);
        check_replayed(&post_text(&api, &key, spelling), &first);
    }
}

#[test]
fn another_version_prefix_is_the_same_request() {
    let api = Server::shared().sandbox();
    let key = fresh_name("key");
    let first = api
        .post_keyed("/customers", &key, &minimal_customer())
        .wants(201);
    let call = api
        .call_as_written("POST", "/v0.13/customers")
        .header("idempotency-key", &key);
    check_replayed(&call.json(&minimal_customer()).send(), &first);
}

#[test]
fn another_token_or_key_of_the_project_is_the_same_request() {
    let server = Server::shared();
    let project = fresh_name("project");
    let key = fresh_name("key");
    let [one, two] = [(); 2]
        .map(|()| server.connect(&server.key(&project, crate::support::Mode::Sandbox, None)));
    let first = one
        .post_keyed("/customers", &key, &minimal_customer())
        .wants(201);
    check_replayed(
        &two.post_keyed("/customers", &key, &minimal_customer()),
        &first,
    );
}

/// Sends it twice with one key, and a third time with another.
fn check_honoured(api: &Api, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let key = fresh_name("key");
    let call = api.call(method, path).header("idempotency-key", &key);
    let call = body.map_or(call.clone(), |body| call.json(body));
    let first = call.send().wants(200);
    check_first(&first);
    check_replayed(&call.send(), &first);
    first
}

#[test]
fn a_key_is_honoured_on_patch() {
    let api = Server::shared().sandbox();
    let id = api.create(&minimal_customer()).id();
    let path = format!("/customers/{id}");
    let first = check_honoured(&api, "PATCH", &path, Some(&json!({ "firstName": "Ada" })));
    assert_eq!(first.json()["firstName"], "Ada");
}

#[test]
fn a_patch_sent_again_with_its_key_does_not_undo_a_later_one() {
    let api = Server::shared().sandbox();
    let id = api.create(&minimal_customer()).id();
    let early = api
        .call("PATCH", &format!("/customers/{id}"))
        .header("idempotency-key", fresh_name("key"));
    let early = early.json(&json!({ "firstName": "Ada" }));
    let first = early.send().wants(200);
    api.change(&id, &json!({ "firstName": "Augusta" }))
        .wants(200);
    check_replayed(&early.send(), &first);
    assert_eq!(api.read(&id).json()["firstName"], "Augusta");
}

#[test]
fn a_key_is_honoured_on_delete() {
    let api = Server::shared().sandbox();
    let id = api.create(&minimal_customer()).id();
    let first = check_honoured(&api, "DELETE", &format!("/customers/{id}"), None);
    assert_eq!(first.json()["status"], "inactive");
}

#[test]
fn a_key_is_kept_seven_days_and_then_swept() {
    let server = InProcess::start(|config| config.token_lifetime = Duration::from_hours(720));
    let api = server.sandbox();
    let first = api
        .post_keyed("/customers", "week", &minimal_customer())
        .wants(201);
    server.advance(7 * 86_400 - 60);
    check_replayed(
        &api.post_keyed("/customers", "week", &minimal_customer()),
        &first,
    );
    server.advance(2 * 3600);
    // Sweeping is done now and then, and at every start.
    let server = server.restarted();
    let api = server.moved(&api);
    let fresh = eventually(Duration::from_secs(15), "the key is swept", || {
        let answer = api
            .post_keyed("/customers", "week", &minimal_customer())
            .wants(201);
        answer
            .header("idempotent-replayed")
            .is_none()
            .then_some(answer)
    });
    assert_ne!(fresh.id(), first.id());
}

#[test]
fn the_time_a_key_is_kept_is_a_setting() {
    let server = InProcess::start(|config| {
        config.token_lifetime = Duration::from_hours(720);
        config.idempotency_retention = Duration::from_hours(24);
    });
    let api = server.sandbox();
    let first = api
        .post_keyed("/customers", "day", &minimal_customer())
        .wants(201);
    server.advance(24 * 3600 - 60);
    check_replayed(
        &api.post_keyed("/customers", "day", &minimal_customer()),
        &first,
    );
    server.advance(2 * 3600);
    let server = server.restarted();
    let api = server.moved(&api);
    eventually(Duration::from_secs(15), "the key is swept", || {
        let answer = api
            .post_keyed("/customers", "day", &minimal_customer())
            .wants(201);
        answer.header("idempotent-replayed").is_none().then_some(())
    });
}

#[test]
fn a_key_cannot_be_kept_less_than_24_hours() {
    let folder = crate::support::Folder::new();
    let data = folder.path().join("data");
    let data = data.to_str().expect("a path of plain text");
    let settings = [("OMS_IDEMPOTENCY_RETENTION_H", "23")];
    let output = crate::support::oms(
        &[
            "serve",
            "--data",
            data,
            "--listen",
            "127.0.0.1:0",
            "--operator-listen",
            "127.0.0.1:0",
        ],
        &settings,
    );
    assert!(!output.status.success(), "{output:?}");
    let said = format!("{}{}", output.stdout, output.stderr);
    assert!(
        said.contains("idempotency_retention_h") || said.contains("IDEMPOTENCY_RETENTION_H"),
        "{said}"
    );
}
