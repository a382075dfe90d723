//! Whatever a receiver does and wherever the server dies, nothing is lost, and what comes twice
//! carries the same id. Receiver and server are processes of their own here.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::delivery::{deliveries, webhook};
use crate::receiver::{Act, Received, Receiver};
use crate::support::{Api, Server, eventually, full_customer, numbers};

/// How long anything here may take on a busy machine.
const A_WHILE: Duration = Duration::from_mins(2);

/// Customers of one test; each is four events.
const CUSTOMERS: usize = 5;

fn make(api: &Api) -> HashSet<String> {
    let made = (0..CUSTOMERS).map(|_| api.create(&full_customer()).id());
    made.collect()
}

/// How often each delivery came; each event must have one id for all its deliveries.
fn times(all: &[Received]) -> HashMap<String, usize> {
    let (mut times, mut ids) = (HashMap::new(), HashMap::new());
    for body in all.iter().map(Received::json) {
        let text = |name: &str| body[name].as_str().expect("each has one").to_owned();
        let known = ids.entry(text("eventId")).or_insert_with(|| text("id"));
        assert_eq!(*known, text("id"), "one event, one id");
        *times.entry(text("id")).or_insert(0) += 1;
    }
    times
}

/// Waits until every event of these customers is recorded as delivered.
fn all_told(api: &Api, webhook: &str, receiver: &Receiver, made: &HashSet<String>) {
    eventually(A_WHILE, "everything is recorded", || {
        let found = deliveries(api, webhook, "delivered");
        (found.len() == CUSTOMERS * 4).then_some(())
    });
    let all = receiver.received();
    assert_eq!(times(&all).len(), CUSTOMERS * 4);
    let whose = |one: &Received| one.json()["data"]["id"].as_str().map(str::to_owned);
    let told: HashSet<_> = all.iter().filter_map(whose).collect();
    assert_eq!(told, *made);
}

/// Customers are made and answered for, and only then the server begins to deliver: it dies
/// at this place. Gives what came before its end, after everything came from the next one.
fn killed_at(place: &str) -> (Vec<Received>, Receiver) {
    let receiver = Receiver::always(Act::Answer(200));
    let server = Server::start(&[]);
    let api = server.sandbox();
    let id = webhook(&api, &receiver);
    let path = format!("/webhooks/{id}");
    api.patch(&path, &json!({"enabled": false})).wants(200);
    let made = make(&api);
    let settings = [("OMS_FAILPOINT", place)];
    let mut server = Server::start_owning_with(server.into_folder(), &settings);
    let api = server.connect(&api.key);
    // The answer may not come any more.
    let enable = api.call("PATCH", &path).json(&json!({"enabled": true}));
    drop(enable.try_send());
    let ended = server.ended(A_WHILE);
    assert!(!ended.success(), "{ended}");
    let recorded = "SELECT COUNT(*) FROM webhook_deliveries";
    assert_eq!(numbers(&server.data, recorded), [0]);
    let before = receiver.received();
    let server = Server::start_owning(server.into_folder());
    all_told(&server.connect(&api.key), &id, &receiver, &made);
    (before, receiver)
}

#[test]
fn a_kill_between_commit_and_send_loses_nothing() {
    let (before, receiver) = killed_at("webhooks.gathered");
    assert!(before.is_empty(), "nothing was sent yet: {before:?}");
    assert!(
        times(&receiver.received())
            .values()
            .all(|count| *count == 1)
    );
}

#[test]
fn what_was_sent_and_not_recorded_comes_again_with_the_same_id() {
    let (before, receiver) = killed_at("webhooks.sent");
    let (first, all) = (times(&before), times(&receiver.received()));
    assert!(!first.is_empty(), "something was sent");
    for id in first.keys() {
        assert_eq!(all[id], 2, "{id} was sent by both servers");
    }
}

#[test]
fn a_kill_while_the_receiver_has_not_answered_yet_loses_nothing() {
    let answers = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&answers);
    let receiver = Receiver::start(move |_, _| {
        if switch.load(Ordering::SeqCst) {
            Act::Answer(200)
        } else {
            Act::Hang
        }
    });
    let server = Server::start(&[]);
    let api = server.sandbox();
    let id = webhook(&api, &receiver);
    let made = make(&api);
    eventually(A_WHILE, "the receiver has one", || {
        (receiver.holding() > 0).then_some(())
    });
    let folder = server.into_folder();
    answers.store(true, Ordering::SeqCst);
    let held = receiver.received();
    let server = Server::start_owning(folder);
    all_told(&server.connect(&api.key), &id, &receiver, &made);
    let all = times(&receiver.received());
    assert!(times(&held).keys().all(|id| all[id] >= 2));
}

/// Asks a webhook of this receiver for a sign of life, and waits for what came of it.
fn tested(api: &Api, receiver: &Receiver) -> (String, String) {
    let id = webhook(api, receiver);
    let delivery = api.post(&format!("/webhooks/{id}/test"), &json!({}));
    (id, delivery.wants(200).id())
}

fn delivered(api: &Api, (webhook, delivery): &(String, String)) -> Value {
    eventually(A_WHILE, "the receiver takes it", || {
        let found = deliveries(api, webhook, "delivered");
        found.into_iter().find(|one| one["id"] == **delivery)
    })
}

#[test]
fn whatever_a_receiver_does_it_is_told_in_the_end() {
    let api = Server::shared().sandbox();
    // What is no answer of success is tried again; of a success nobody needs the body.
    let all = [
        (Act::Answer(500), false),
        (Act::Answer(404), false),
        (Act::Redirect, false),
        (Act::Close, false),
        (Act::Hang, false),
        (Act::CloseInTheMiddle, true),
        (Act::NeverStop, true),
    ]
    .map(|(act, is_success)| {
        let receiver = Receiver::start(move |_, number| match number {
            0 => act,
            _ => Act::Answer(204),
        });
        let sent = tested(&api, &receiver);
        (act, is_success, receiver, sent)
    });
    for (act, is_success, receiver, sent) in all {
        let recorded = delivered(&api, &sent);
        assert_eq!(recorded["error"], Value::Null, "{act:?}: {recorded}");
        let attempts = recorded["attempts"].as_u64().expect("a number");
        assert_eq!(attempts == 1, is_success, "{act:?}: {recorded}");
        let came = receiver.received();
        assert!(came.iter().all(|one| one.body == came[0].body), "{act:?}");
        assert_eq!(came.len() == 1, is_success, "{act:?}");
    }
}

#[test]
fn a_receiver_that_is_gone_is_sent_nothing_more() {
    let server = Server::start(&[]);
    let api = server.sandbox();
    let receiver = Receiver::always(Act::Answer(410));
    let (id, delivery) = tested(&api, &receiver);
    let path = format!("/webhooks/{id}");
    let said = eventually(A_WHILE, "it is disabled", || {
        let said = api.get(&path).wants(200).json();
        (said["status"] == "disabled").then_some(said)
    });
    assert_eq!(said["enabled"], false);
    assert_eq!(said["disabledReason"], "the receiver answered 410 Gone");
    assert!(server.logged().contains("a webhook is disabled"));
    let shown = api.get(&format!("{path}/deliveries")).wants(200).json();
    assert_eq!(shown["data"][0]["id"], delivery.as_str());
    assert_eq!(shown["data"][0]["responseStatus"], 410);
    let metrics = server.operator_call("GET", "/metrics").send().wants(200);
    for line in [
        "oms_webhook_attempts_total{outcome=\"refused\"} 1",
        "oms_webhook_attempt_duration_seconds_count 1",
        "oms_webhooks_disabled_total 1",
    ] {
        assert!(metrics.text().lines().any(|one| one == line), "{metrics}");
    }
    // Whoever is told after it was told after the server had looked at what else there is.
    make(&api);
    let other = Receiver::always(Act::Answer(200));
    delivered(&api, &tested(&api, &other));
    assert_eq!(receiver.count(), 1);
}
