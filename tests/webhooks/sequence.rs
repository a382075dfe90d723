//! The numbers and names by which a webhook is told: from 1 and without a gap for each resource,
//! whatever it subscribes to, whenever that changes, and however often something is sent.

use serde_json::{Value, json};

use crate::delivery::wait_for;
use crate::receiver::{Act, Receiver};
use crate::support::{Api, InProcess, Server, full_customer};

fn subscribe(api: &Api, receiver: &Receiver, events: &Value) -> String {
    let body = json!({"url": receiver.url(), "events": events});
    api.post("/webhooks", &body).wants(201).id()
}

/// The names and numbers of what came about a resource, in the order of numbers.
fn told(receiver: &Receiver, resource: &str) -> Vec<(String, i64)> {
    let all = receiver.received().into_iter().map(|one| one.json());
    let about = all.filter(|body| body["data"]["id"] == resource);
    let mut told: Vec<_> = about
        .map(|body| {
            let name = body["event"].as_str().expect("a name").to_owned();
            (name, body["sequence"].as_i64().expect("a number"))
        })
        .collect();
    told.sort_by_key(|(_, sequence)| *sequence);
    told
}

fn numbers(receiver: &Receiver, resource: &str) -> Vec<i64> {
    let told = told(receiver, resource).into_iter();
    told.map(|(_, number)| number).collect()
}

fn rename(api: &Api, customer: &str, name: &str) {
    api.change(customer, &json!({ "middleName": name }))
        .wants(200);
}

#[test]
fn each_webhook_counts_from_one_what_it_is_told_of_a_resource() {
    let api = Server::shared().sandbox();
    let early = Receiver::always(Act::Answer(200));
    let of_early = subscribe(&api, &early, &json!(["customer.updated"]));
    let old = api.create(&full_customer()).id();
    rename(&api, &old, "A");
    let [all, some] = [(); 2].map(|()| Receiver::always(Act::Answer(200)));
    let of_all = subscribe(&api, &all, &json!([]));
    let of_some = subscribe(
        &api,
        &some,
        &json!(["customer.updated", "endorsement.active"]),
    );
    // The fifth and sixth event of the old customer are the first ones of the late webhooks.
    rename(&api, &old, "B");
    rename(&api, &old, "C");
    let new = api.create(&full_customer()).id();
    rename(&api, &new, "D");
    wait_for(&api, &of_early, "delivered", 4);
    wait_for(&api, &of_all, "delivered", 7);
    wait_for(&api, &of_some, "delivered", 6);
    assert_eq!(numbers(&early, &old), [1, 2, 3]);
    assert_eq!(numbers(&early, &new), [1]);
    assert_eq!(numbers(&all, &old), [1, 2]);
    assert_eq!(numbers(&all, &new), [1, 2, 3, 4, 5]);
    assert_eq!(numbers(&some, &old), [1, 2]);
    let updated = told(&some, &new).pop().expect("it was told");
    assert_eq!(updated, ("customer.updated".to_owned(), 4));
}

#[test]
fn a_change_of_the_subscription_counts_from_then_on_and_goes_on_with_the_numbers() {
    let server = InProcess::start(|_| ());
    let api = server.sandbox();
    let receiver = Receiver::always(Act::Answer(200));
    let id = subscribe(&api, &receiver, &json!([]));
    let path = format!("/webhooks/{id}");
    let customer = api.create(&full_customer()).id();
    wait_for(&api, &id, "delivered", 4);
    // What waits was told by what was subscribed to when it happened.
    api.patch(&path, &json!({"enabled": false})).wants(200);
    rename(&api, &customer, "A");
    api.patch(&path, &json!({"events": ["customer.deactivated"]}))
        .wants(200);
    rename(&api, &customer, "B");
    api.patch(&path, &json!({"events": ["customer.updated"]}))
        .wants(200);
    rename(&api, &customer, "C");
    api.patch(&path, &json!({"enabled": true})).wants(200);
    wait_for(&api, &id, "delivered", 6);
    let middle = |number: i64| {
        let all = receiver.received().into_iter().map(|one| one.json());
        let mut found = all.filter(|body| body["sequence"] == number);
        let found = found.next().expect("it was told");
        found["data"]["middleName"].clone()
    };
    assert_eq!(numbers(&receiver, &customer), [1, 2, 3, 4, 5, 6]);
    assert_eq!((middle(5), middle(6)), (json!("A"), json!("C")));
}

#[test]
fn a_retry_and_a_resend_carry_the_same_number() {
    let api = Server::shared().sandbox();
    let receiver = Receiver::always(Act::Answer(200));
    let id = subscribe(&api, &receiver, &json!(["customer.updated"]));
    let customer = api.create(&full_customer()).id();
    rename(&api, &customer, "A");
    rename(&api, &customer, "B");
    let delivered = wait_for(&api, &id, "delivered", 2);
    let (first, second) = (&delivered[1], &delivered[0]);
    let path = |one: &Value| {
        let delivery = one["id"].as_str().expect("an id");
        format!("/webhooks/{id}/deliveries/{delivery}/retry")
    };
    api.post(&path(first), &json!({})).wants(200);
    receiver.wait_for(3);
    rename(&api, &customer, "C");
    receiver.wait_for(4);
    api.post(&path(second), &json!({})).wants(200);
    receiver.wait_for(5);
    assert_eq!(numbers(&receiver, &customer), [1, 1, 2, 2, 3]);
    let test = format!("/webhooks/{id}/test");
    for _ in 0..2 {
        api.post(&test, &json!({})).wants(200);
    }
    receiver.wait_for(7);
    assert_eq!(
        numbers(&receiver, &id),
        [1, 2],
        "tests count for themselves"
    );
}

#[test]
fn what_is_too_old_to_be_told_leaves_no_gap() {
    let server = InProcess::start(|_| ());
    let mut api = server.sandbox();
    let receiver = Receiver::always(Act::Answer(200));
    let id = subscribe(&api, &receiver, &json!([]));
    let path = format!("/webhooks/{id}");
    let customer = api.create(&full_customer()).id();
    wait_for(&api, &id, "delivered", 4);
    api.patch(&path, &json!({"enabled": false})).wants(200);
    rename(&api, &customer, "passed over");
    server.advance(31 * 86_400);
    api = server.connect(&api.key);
    rename(&api, &customer, "told");
    api.patch(&path, &json!({"enabled": true})).wants(200);
    receiver.wait_for(5);
    rename(&api, &customer, "told too");
    receiver.wait_for(6);
    assert_eq!(numbers(&receiver, &customer), [1, 2, 3, 4, 5, 6]);
    assert_eq!(told(&receiver, &customer)[4].0, "customer.updated");
    let all = receiver.received();
    assert_eq!(all[4].json()["data"]["middleName"], "told");
}

#[test]
fn an_event_is_told_once_under_the_name_that_was_subscribed_to() {
    let api = Server::shared().sandbox();
    let (canonical, alias) = ("endorsement.active", "customer.endorsement.granted");
    let all = [
        (json!([]), canonical, 4),
        (json!([alias]), alias, 3),
        (json!(["customer.endorsement.*"]), alias, 3),
        (json!(["endorsement.*", alias]), alias, 3),
        (json!([alias, canonical]), canonical, 3),
    ]
    .map(|(events, name, count)| {
        let receiver = Receiver::always(Act::Answer(200));
        let id = subscribe(&api, &receiver, &events);
        (events, name, count, id, receiver)
    });
    let customer = api.create(&full_customer()).id();
    for (events, name, count, id, receiver) in &all {
        let delivered = wait_for(&api, id, "delivered", *count);
        assert_eq!(receiver.count(), *count, "{events}");
        let told = told(receiver, &customer);
        let (last, _) = told.last().expect("it was told");
        assert_eq!(last, name, "{events}");
        assert!(
            delivered.iter().any(|one| one["event"] == *name),
            "{events}"
        );
        let body = receiver.received().pop().expect("it was told").json();
        assert_eq!(body["occurredAt"], body["createdAt"], "{body}");
    }
}

#[test]
fn published_names_are_taken_and_those_that_nothing_emits_are_noted() {
    let api = Server::shared().sandbox();
    let body = json!({
        "url": "https://example.com/hooks", "complianceOnly": true,
        "events": ["customer.*", "transaction.statusChanged", "wallet.depositDetected", "cashIn.*",
                   "virtualAccount.statusChanged"],
    });
    let made = api.post("/webhooks", &body).wants(201);
    let webhook = made.json();
    assert_eq!(webhook["events"], body["events"]);
    assert_eq!(webhook["complianceOnly"], true);
    let notes = webhook["notes"].as_array().expect("notes");
    assert_eq!(notes.len(), 4, "{made}");
    assert_eq!(notes[0], "nothing emits transaction.statusChanged yet");
    let path = format!("/webhooks/{}", made.id());
    let changed = json!({"complianceOnly": false, "events": ["customer.created"]});
    let changed = api.patch(&path, &changed).wants(200).json();
    assert_eq!(
        (&changed["complianceOnly"], &changed["notes"]),
        (&json!(false), &json!([]))
    );
    assert_eq!(api.get(&path).wants(200).json(), changed);
    let plain = json!({"url": "https://example.com/hooks"});
    let plain = api.post("/webhooks", &plain).wants(201).json();
    assert_eq!(plain["complianceOnly"], false);
    let wrong = json!({"url": "https://example.com/hooks", "events": ["customer.endorsed"]});
    api.post("/webhooks", &wrong)
        .field_error("/events/0", "valueInvalid");
}
