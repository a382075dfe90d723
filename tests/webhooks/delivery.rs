//! Deliveries: signed, at least once, whatever the receiver does and whenever the server dies.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::receiver::{Act, Received, Receiver};
use crate::support::{Api, InProcess, Server, eventually, full_customer};

/// Makes a webhook that is told everything.
pub fn webhook(api: &Api, receiver: &Receiver) -> String {
    api.post("/webhooks", &json!({"url": receiver.url()}))
        .wants(201)
        .id()
}

fn ids(all: &[Received]) -> HashSet<String> {
    let id = |one: &Received| one.json()["id"].as_str().unwrap_or_default().to_owned();
    all.iter().map(id).collect()
}

/// The newest deliveries of a status.
pub fn deliveries(api: &Api, webhook: &str, status: &str) -> Vec<Value> {
    let page = api.get(&format!(
        "/webhooks/{webhook}/deliveries?limit=100&status={status}"
    ));
    page.wants(200).json()["data"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

/// Waits until there are so many of a status.
#[track_caller]
pub fn wait_for(api: &Api, webhook: &str, status: &str, count: usize) -> Vec<Value> {
    eventually(Duration::from_mins(2), "the deliveries come so far", || {
        let found = deliveries(api, webhook, status);
        (found.len() >= count).then_some(found)
    })
}

#[test]
fn every_change_is_told_in_order_with_the_state_that_it_left() {
    let receiver = Receiver::always(Act::Answer(200));
    let api = Server::shared().sandbox();
    let webhook = webhook(&api, &receiver);
    let made = api.create(&full_customer());
    api.change(
        &made.id(),
        &json!({"lastName": "Byron", "birthDate": "1990-05-16"}),
    )
    .wants(200);
    let all = receiver.wait_for(5);
    let bodies: Vec<_> = all.iter().map(Received::json).collect();
    let sequences: Vec<_> = bodies.iter().map(|body| body["sequence"].clone()).collect();
    assert_eq!(
        sequences[..5],
        [json!(1), json!(2), json!(3), json!(4), json!(5)]
    );
    assert_eq!(bodies[0]["data"], made.json());
    assert_eq!(bodies[0]["event"], "customer.created");
    assert_eq!(bodies[4]["event"], "customer.updated");
    let changed = bodies[4]["changed"].as_array().unwrap();
    assert!(
        changed.contains(&json!("birthDate")),
        "named, although it is never shown"
    );
    assert!(!String::from_utf8_lossy(&all[4].body).contains("1990-05-16"));
    let delivered = wait_for(&api, &webhook, "delivered", 5);
    assert!(delivered.iter().any(|one| one["id"] == bodies[0]["id"]));
    assert!(delivered.iter().all(|one| one["attempts"] == 1));
}

#[test]
fn a_test_reaches_its_webhook_only_and_a_retry_carries_the_same_id() {
    let (receiver, other) = (
        Receiver::always(Act::Answer(200)),
        Receiver::always(Act::Answer(200)),
    );
    let api = Server::shared().sandbox();
    let (id, _) = (webhook(&api, &receiver), webhook(&api, &other));
    let delivery = api
        .post(&format!("/webhooks/{id}/test"), &json!({}))
        .wants(200);
    let body = receiver.wait_for(1)[0].json();
    assert_eq!(body["event"], "webhook.test");
    assert_eq!(body["id"], delivery.json()["id"]);
    assert_eq!(body["data"]["id"], id.as_str());
    wait_for(&api, &id, "delivered", 1);
    let path = format!("/webhooks/{id}/deliveries/{}/retry", delivery.id());
    api.post(&path, &json!({})).wants(200);
    let again = receiver.wait_for(2);
    assert_eq!(again[1].body, again[0].body);
    assert!(other.received().is_empty());
}

#[test]
fn each_webhook_is_told_what_its_patterns_name() {
    let api = Server::shared().sandbox();
    let all = [
        (json!([]), 5),
        (json!(["customer.*"]), 5), // endorsement.active is customer.endorsement.granted as well
        (json!(["customer.updated"]), 1),
        (json!(["endorsement.active", "customer.deactivated"]), 3),
        (json!(["customer.*", "endorsement.*"]), 5),
        (json!(["transaction.*", "wallet.provisioned"]), 0),
    ]
    .map(|(events, count)| {
        let receiver = Receiver::always(Act::Answer(200));
        let body = json!({"url": receiver.url(), "events": events});
        let id = api.post("/webhooks", &body).wants(201).id();
        (events, count, id, receiver)
    });
    let made = api.create(&full_customer()).id();
    api.change(&made, &json!({"middleName": "King"})).wants(200);
    for (events, count, id, receiver) in &all {
        wait_for(&api, id, "delivered", *count);
        assert_eq!(receiver.count(), *count, "{events}");
    }
    // The first has all of it, so the last was looked at for all of it by now or never.
    let (_, _, id, receiver) = all.last().expect("there are some");
    api.post(&format!("/webhooks/{id}/test"), &json!({}))
        .wants(200);
    assert_eq!(receiver.wait_for(1)[0].json()["event"], "webhook.test");
}

#[test]
fn a_webhook_that_is_off_or_deleted_is_told_nothing_more() {
    let api = Server::shared().sandbox();
    let (off, deleted, other) = (
        Receiver::always(Act::Answer(200)),
        Receiver::always(Act::Answer(200)),
        Receiver::always(Act::Answer(200)),
    );
    let [first, second, third] = [&off, &deleted, &other].map(|one| webhook(&api, one));
    api.create(&full_customer());
    for id in [&first, &second, &third] {
        wait_for(&api, id, "delivered", 4);
    }
    api.patch(&format!("/webhooks/{first}"), &json!({"enabled": false}))
        .wants(200);
    api.delete(&format!("/webhooks/{second}")).wants(200);
    api.create(&full_customer());
    wait_for(&api, &third, "delivered", 8);
    assert_eq!((off.count(), deleted.count()), (4, 4));
    api.patch(&format!("/webhooks/{first}"), &json!({"enabled": true}))
        .wants(200);
    assert_eq!(wait_for(&api, &first, "delivered", 8).len(), 8);
    assert_eq!(deleted.count(), 4);
}

#[test]
fn another_project_is_told_nothing() {
    let receiver = Receiver::always(Act::Answer(200));
    let (api, stranger) = (Server::shared().sandbox(), Server::shared().sandbox());
    let id = webhook(&api, &receiver);
    stranger.create(&full_customer());
    api.create(&full_customer());
    assert_eq!(wait_for(&api, &id, "delivered", 4).len(), 4);
    assert_eq!(receiver.received().len(), 4);
}

#[test]
fn a_dead_receiver_delays_nobody_else() {
    let dead: Vec<_> = [Act::Hang, Act::Answer(500), Act::Close]
        .map(Receiver::always)
        .into();
    let alive = Receiver::always(Act::Answer(200));
    let api = Server::shared().sandbox();
    for receiver in &dead {
        webhook(&api, receiver);
    }
    let quick = webhook(&api, &alive);
    for _ in 0..30 {
        api.create(&full_customer());
    }
    let delivered = eventually(Duration::from_secs(10), "the living one has all", || {
        let found = alive.received().len();
        (found >= 120).then_some(found)
    });
    assert_eq!(delivered, 120);
    wait_for(&api, &quick, "delivered", 100);
}

#[test]
fn a_project_whose_receivers_all_hang_delays_no_other_project() {
    let (dead, alive) = (
        Receiver::always(Act::Hang),
        Receiver::always(Act::Answer(200)),
    );
    let (crowded, other) = (Server::shared().sandbox(), Server::shared().sandbox());
    for _ in 0..20 {
        webhook(&crowded, &dead);
    }
    webhook(&other, &alive);
    for _ in 0..20 {
        crowded.create(&full_customer());
    }
    eventually(Duration::from_secs(20), "somebody hangs", || {
        (dead.count() > 0).then_some(())
    });
    // One attempt hangs for 15 seconds: whoever waited for one would come too late.
    other.create(&full_customer());
    eventually(Duration::from_secs(10), "the other has all", || {
        (alive.count() >= 4).then_some(())
    });
}

#[test]
fn failures_are_tried_again_until_taken_and_a_stream_without_end_is_a_success() {
    let acts = [
        Act::Answer(500),
        Act::Close,
        Act::CloseInTheMiddle,
        Act::NeverStop,
        Act::Answer(302),
    ];
    let server = InProcess::start(|_| ());
    let mut api = server.sandbox();
    let customers: Vec<_> = (0..5).map(|_| api.create(&full_customer()).id()).collect();
    // By customer, for a request may come once more over another connection.
    let acts: HashMap<_, _> = customers.iter().cloned().zip(acts).collect();
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = Arc::clone(&mended);
    let receiver = Receiver::start(move |one, _| {
        if is_mended.load(Ordering::SeqCst) {
            return Act::Answer(200);
        }
        acts[one.json()["data"]["id"].as_str().expect("an id")]
    });
    let id = webhook(&api, &receiver);
    for customer in &customers {
        api.change(customer, &json!({"middleName": "King"}))
            .wants(200);
    }
    // Time stands still, so nothing is tried twice: 500, a connection that breaks and a redirect
    // failed; a 200 is a success, whether its body ends or not.
    let pending = wait_for(&api, &id, "pending", 3);
    assert!(
        pending.iter().all(|one| one["error"].is_string()),
        "{pending:?}"
    );
    assert_eq!(wait_for(&api, &id, "delivered", 2).len(), 2);
    mended.store(true, Ordering::SeqCst);
    server.advance(60);
    let delivered = wait_for(&api, &id, "delivered", 5);
    assert_eq!(delivered.len(), 5);
    assert_eq!(
        ids(&receiver.received()).len(),
        5,
        "a retry carries the same id"
    );
    server.advance(31 * 86_400);
    api = server.connect(&api.key);
    eventually(Duration::from_secs(90), "the history is forgotten", || {
        deliveries(&api, &id, "delivered").is_empty().then_some(())
    });
}

#[test]
fn what_nobody_takes_is_given_up_after_ten_attempts_and_410_disables() {
    let server = InProcess::start(|_| ());
    let mut api = server.sandbox();
    let receiver = Receiver::always(Act::Answer(503));
    let id = webhook(&api, &receiver);
    api.post(&format!("/webhooks/{id}/test"), &json!({}))
        .wants(200);
    // A little more than the waits between attempts, which are about three days together.
    let waits = [7, 35, 140, 700, 4200, 16_500, 48_500, 96_000, 120_000, 1];
    for (attempt, wait_s) in (1..).zip(waits) {
        eventually(Duration::from_secs(20), "it is attempted", || {
            let found = [
                deliveries(&api, &id, "pending"),
                deliveries(&api, &id, "failed"),
            ]
            .concat();
            (found[0]["attempts"] == attempt).then_some(())
        });
        server.advance(wait_s);
        api = server.connect(&api.key);
    }
    let failed = wait_for(&api, &id, "failed", 1);
    assert_eq!(
        (&failed[0]["attempts"], &failed[0]["responseStatus"]),
        (&json!(10), &json!(503))
    );
    server.advance(3 * 86_400);
    api = server.connect(&api.key);
    api.post(&format!("/webhooks/{id}/test"), &json!({}))
        .wants(200);
    eventually(Duration::from_secs(20), "it is disabled", || {
        let said = api.get(&format!("/webhooks/{id}")).wants(200).json();
        (said["status"] == "disabled").then_some(())
    });
    let said = api.get(&format!("/webhooks/{id}")).wants(200).json();
    assert_eq!(said["status"], "disabled");
    assert_eq!(said["disabledReason"], "every attempt failed for five days");

    let gone = Receiver::always(Act::Answer(410));
    let id = webhook(&api, &gone);
    api.create(&full_customer());
    let said = eventually(Duration::from_secs(20), "it is disabled", || {
        let said = api.get(&format!("/webhooks/{id}")).wants(200).json();
        (said["status"] == "disabled").then_some(said)
    });
    assert_eq!(said["disabledReason"], "the receiver answered 410 Gone");
    let count = gone.received().len();
    api.create(&full_customer());
    server.advance(86_400);
    api = server.connect(&api.key);
    api.patch(&format!("/webhooks/{id}"), &json!({"enabled": true}))
        .wants(200);
    gone.wait_for(count + 1);
}

#[test]
fn a_kill_at_any_time_loses_nothing_and_duplicates_carry_the_same_id() {
    let receiver = Receiver::always(Act::Answer(200));
    let mut server = Server::start(&[]);
    let mut api = server.sandbox();
    webhook(&api, &receiver);
    let mut made = HashSet::new();
    for round in 0..4 {
        for _ in 0..25 {
            made.insert(api.create(&full_customer()).id());
        }
        // Between commit and send in the first round, between send and record in later ones.
        if round > 0 {
            receiver.wait_for(round * 60);
        }
        server = Server::start_owning(server.into_folder());
        api = server.connect(&api.key);
    }
    let all = eventually(Duration::from_secs(40), "every event comes", || {
        let all = receiver.received();
        (ids(&all).len() >= made.len() * 4).then_some(all)
    });
    let mut events: HashMap<String, HashSet<String>> = HashMap::new();
    let mut customers = HashSet::new();
    for one in &all {
        let body = one.json();
        customers.insert(body["data"]["id"].as_str().unwrap().to_owned());
        let event = body["eventId"].as_str().unwrap().to_owned();
        events
            .entry(event)
            .or_default()
            .insert(body["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(customers, made);
    assert_eq!(events.len(), made.len() * 4);
    assert!(
        events.values().all(|ids| ids.len() == 1),
        "one event has one id"
    );
}

#[test]
fn an_erased_customer_is_told_of_without_what_was_erased() {
    let receiver = Receiver::always(Act::Answer(500));
    let server = InProcess::start(|_| ());
    let api = server.sandbox();
    let made = api.create(&full_customer());
    let id = webhook(&api, &receiver);
    api.change(&made.id(), &json!({"middleName": "King"}))
        .wants(200);
    wait_for(&api, &id, "pending", 1);
    api.post(
        &format!("/customers/{}/erase", made.id()),
        &json!({"reason": "asked for it"}),
    )
    .wants(200);
    server.advance(60);
    let again = receiver.wait_for(2);
    let body = again.last().unwrap().json();
    assert_eq!(body["data"]["firstName"], Value::Null, "{body}");
    assert_eq!(body["data"]["status"], "inactive");
}
