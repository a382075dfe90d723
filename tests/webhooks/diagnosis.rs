//! Why an event came or did not, for each reason that there is; and samples of every event.

use oms::core::event::EventKind;
use oms::http::examples;
use serde_json::{Value, json};

use crate::delivery::{wait_for, webhook};
use crate::receiver::{Act, Receiver};
use crate::support::{Api, InProcess, Server, eventually};

/// A customer that is one event.
fn make(api: &Api) -> String {
    api.create(&json!({"type": "individual", "endorsements": []}));
    api.get("/events").wants(200).text_at("/data/0/id")
}

fn diagnose(api: &Api, webhook: &str, event: &str) -> Value {
    let path = format!("/webhooks/{webhook}/diagnose?event={event}");
    api.get(&path).wants(200).json()
}

#[track_caller]
fn says(api: &Api, webhook: &str, event: &str, outcome: &str, words: &str) -> Value {
    let said = diagnose(api, webhook, event);
    assert_eq!(said["outcome"], outcome, "{said}");
    let message = said["message"].as_str().expect("a sentence");
    assert!(message.contains(words), "{said}");
    said
}

#[test]
fn every_reason_has_its_word() {
    let server = InProcess::start(|_| ());
    let api = server.sandbox();
    let receiver = Receiver::always(Act::Answer(500));
    let before = make(&api);
    server.advance(1);
    let id = webhook(&api, &receiver);
    let path = format!("/webhooks/{id}");
    says(
        &api,
        &id,
        &before,
        "beforeWebhook",
        "older than the webhook",
    );

    let first = make(&api);
    wait_for(&api, &id, "pending", 1);
    let said = says(
        &api,
        &id,
        &first,
        "pending",
        "1 attempts so far: answered 500",
    );
    assert_eq!(said["delivery"]["attempts"], 1);

    // Seven more, and the receiver is away: what happens then is not tried at all.
    for _ in 0..7 {
        make(&api);
    }
    wait_for(&api, &id, "pending", 8);
    let waiting = make(&api);
    let said = says(&api, &id, &waiting, "waiting", "the receiver is away");
    assert_eq!(said["delivery"], Value::Null);

    api.patch(&path, &json!({"enabled": false})).wants(200);
    says(&api, &id, &waiting, "disabled", "it was switched off");
    says(&api, &id, &first, "disabled", "it was switched off");

    let narrow = json!({"events": ["endorsement.*"]});
    api.patch(&path, &narrow).wants(200);
    // What happened before the change is told as it was subscribed to then.
    says(&api, &id, &waiting, "disabled", "it was switched off");
    let passed = make(&api);
    let words = "does not subscribe to customer.created";
    says(&api, &id, &passed, "notSubscribed", words);
    api.patch(&path, &json!({"enabled": true})).wants(200);
    let endorsed = json!({"type": "individual", "endorsements": ["usd"]});
    api.create(&endorsed);
    wait_for(&api, &id, "pending", 11);
    api.patch(&path, &json!({"events": []})).wants(200);
    let words = "did not subscribe to customer.created when it happened";
    says(&api, &id, &passed, "notSubscribed", words);
}

#[test]
fn what_came_and_what_was_given_up_say_so_as_well() {
    let server = InProcess::start(|_| ());
    let api = server.sandbox();
    let (good, gone) = (
        Receiver::always(Act::Answer(200)),
        Receiver::always(Act::Answer(410)),
    );
    let [good, gone] = [&good, &gone].map(|receiver| webhook(&api, receiver));
    let event = make(&api);
    wait_for(&api, &good, "delivered", 1);
    says(&api, &good, &event, "delivered", "at attempt 1");
    eventually(std::time::Duration::from_mins(2), "it is disabled", || {
        let said = diagnose(&api, &gone, &event);
        (said["outcome"] == "disabled").then_some(())
    });
    says(&api, &gone, &event, "disabled", "answered 410 Gone");
}

#[test]
fn what_is_not_ones_own_is_not_found() {
    let (api, stranger) = (Server::shared().sandbox(), Server::shared().sandbox());
    let receiver = Receiver::always(Act::Answer(200));
    let (id, theirs) = (webhook(&api, &receiver), webhook(&stranger, &receiver));
    let event = make(&stranger);
    let ask = |webhook: &str, query: &str| api.get(&format!("/webhooks/{webhook}/diagnose{query}"));
    ask(&id, &format!("?event={event}")).problem(404, "notFound");
    ask(&theirs, &format!("?event={event}")).problem(404, "notFound");
    ask(&id, "?event=evt_nonsense").problem(404, "notFound");
    ask(&id, "").problem(400, "queryInvalid");
    ask(&id, "?events=x").problem(400, "queryInvalid");
}

#[test]
fn there_is_a_sample_of_every_event_and_it_is_the_one_of_the_document() {
    let api = Server::shared().sandbox();
    let receiver = Receiver::always(Act::Answer(200));
    for scheme in ["oms", "standard"] {
        let body =
            json!({"url": receiver.url(), "signatureScheme": scheme, "events": ["wallet.*"]});
        let path = format!(
            "/webhooks/{}/preview",
            api.post("/webhooks", &body).wants(201).id()
        );
        let told = EventKind::ALL
            .into_iter()
            .filter(|kind| kind.is_published());
        for kind in told {
            let sample = api.post(&path, &json!({"event": kind.name()})).wants(200);
            let sample = sample.json();
            assert_eq!(sample["body"], examples::payload(kind, kind.name()));
            let raw: Value =
                serde_json::from_str(sample["raw"].as_str().expect("text")).expect("JSON");
            assert_eq!(raw, sample["body"]);
            let headers = sample["headers"].as_object().expect("an object");
            let names: Vec<_> = headers.keys().map(String::as_str).collect();
            let wanted: &[&str] = match scheme {
                "oms" => &["Webhook-Signature"],
                _ => &["webhook-id", "webhook-signature", "webhook-timestamp"],
            };
            assert_eq!(names.len(), wanted.len(), "{names:?}");
            assert!(
                names
                    .iter()
                    .zip(wanted)
                    .all(|(name, wanted)| name.eq_ignore_ascii_case(wanted))
            );
        }
    }
    assert_eq!(receiver.count(), 0, "nothing is sent");
}
