//! Sections 3 and 4: what a client meets while the store cannot take its write.

use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::support::{
    Answer, Api, Mode, Server, WriteLock, eventually, fresh_name, minimal_customer,
};

#[track_caller]
fn check_retry_after(answer: &Answer) {
    let wait: u64 = answer
        .wants_header("retry-after")
        .parse()
        .expect("whole seconds");
    assert!((1..=60).contains(&wait), "{answer}");
}

/// The same request from several clients at once while the store takes no
/// write, until one of them has been answered; then the store is back.
fn while_locked(
    server: &Server,
    calls: Vec<crate::support::Call>,
    seen: impl Fn(&Answer) -> bool,
) -> Vec<Answer> {
    let lock = WriteLock::take(&server.data);
    let (sender, answers) = std::sync::mpsc::channel();
    let count = calls.len();
    for call in calls {
        let sender = sender.clone();
        thread::spawn(move || sender.send(call.send()));
    }
    let mut got: Vec<Answer> = Vec::new();
    eventually(
        Duration::from_secs(30),
        "an answer of the wanted kind",
        || {
            got.extend(answers.try_iter());
            assert!(got.len() < count || got.iter().any(&seen), "{got:#?}");
            got.iter().any(&seen).then_some(())
        },
    );
    lock.release();
    while got.len() < count {
        got.push(
            answers
                .recv_timeout(Duration::from_mins(1))
                .expect("every call is answered"),
        );
    }
    got
}

#[test]
fn a_full_write_queue_is_503_with_retry_after_and_leaves_no_key_behind() {
    let server = Server::start(&[("OMS_WRITE_QUEUE", "1")]);
    let api = server.sandbox();
    let keys: Vec<String> = (0..12).map(|_| fresh_name("key")).collect();
    let call = |key: &String| {
        api.call("POST", "/customers")
            .header("idempotency-key", key)
            .json(&json!({ "type": "individual", "externalId": key }))
    };
    let answers = while_locked(&server, keys.iter().map(call).collect(), |answer| {
        answer.status == 503
    });
    for answer in &answers {
        if answer.status != 201 {
            answer.problem(503, "serviceUnavailable");
            check_retry_after(answer);
        }
    }
    for key in &keys {
        let again = eventually(Duration::from_secs(30), "there is room again", || {
            Some(call(key).send()).filter(|answer| answer.status != 503)
        });
        let id = again.wants(201).id();
        assert_eq!(api.listed(&format!("?externalId={key}")), [id]);
    }
}

#[test]
fn while_the_first_request_runs_the_same_key_is_409_with_retry_after() {
    let server = Server::start(&[]);
    let api = server.sandbox();
    let key = fresh_name("key");
    let call = api
        .call("POST", "/customers")
        .header("idempotency-key", &key)
        .json(&minimal_customer());
    let answers = while_locked(&server, vec![call.clone(), call.clone()], |answer| {
        answer.status == 409
    });
    for answer in answers.iter().filter(|answer| answer.status == 409) {
        answer.problem(409, "idempotencyInProgress");
        check_retry_after(answer);
    }
    let again = call.send().wants(201);
    assert_eq!(api.listed(""), [again.id()]);
    if let Some(first) = answers.iter().find(|answer| answer.status == 201) {
        assert_eq!(again.body, first.body, "{again}");
        assert_eq!(again.header("idempotent-replayed"), Some("true"), "{again}");
    }
}

#[test]
fn reading_goes_on_while_the_store_takes_no_write() {
    let server = Server::start(&[]);
    let api: Api = server.project(Mode::Sandbox);
    let made = api.create(&minimal_customer());
    let lock = WriteLock::take(&server.data);
    assert_eq!(api.read(&made.id()).json(), made.json());
    assert_eq!(api.listed(""), [made.id()]);
    server.call("GET", "/healthz").send().wants(200);
    lock.release();
}

#[test]
fn readiness_ends_while_the_store_takes_no_write_and_comes_back() {
    let server = Server::start(&[]);
    let lock = WriteLock::take(&server.data);
    let told = server.call("GET", "/readyz").send();
    let told = told.problem(503, "serviceUnavailable");
    // Before the store itself gives up, after ten seconds.
    let soon = "the store has taken no write within 2 seconds";
    assert_eq!(told["detail"], soon, "{told}");
    server.call("GET", "/healthz").send().wants(200);
    lock.release();
    eventually(Duration::from_secs(30), "it is ready again", || {
        (server.call("GET", "/readyz").send().status == 200).then_some(())
    });
}

/// Two are let in at once; the others wait for their turn.
#[test]
fn more_writers_than_are_let_in_at_once_are_all_served() {
    let server = Server::start(&[("OMS_WRITE_BATCH", "1")]);
    let api = server.sandbox();
    let calls: Vec<_> = (0..24)
        .map(|_| {
            let call = api.posting("/customers", &minimal_customer());
            thread::spawn(move || call.send())
        })
        .collect();
    let ids: Vec<String> = calls
        .into_iter()
        .map(|call| call.join().expect("it was answered").wants(201).id())
        .collect();
    let mut listed = api.listed("?limit=100");
    listed.sort_unstable();
    let mut made = ids;
    made.sort_unstable();
    assert_eq!(listed, made);
}
