//! What follows from time alone, on a clock that the test moves.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::delivery::{wait_for, webhook};
use crate::receiver::{Act, Received, Receiver};
use crate::support::{Api, InProcess};

/// A day, in seconds.
const DAY_S: i64 = 86_400;

fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, &parts.concat()).as_ref().to_vec()
}

/// The signatures that a secret would make of a delivery: the one of its scheme.
fn signed(secret: &str, one: &Received) -> String {
    if one.header("webhook-id").is_empty() {
        let time = one.header("webhook-signature");
        let time = time
            .strip_prefix("t=")
            .and_then(|rest| rest.split(',').next());
        let time = time.expect("the time stands first").as_bytes();
        let signature = hmac_sha256(secret.as_bytes(), &[time, b".", &one.body]);
        let hex: Vec<_> = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        return format!("v1={}", hex.concat());
    }
    let key = secret
        .strip_prefix("whsec_")
        .expect("every secret begins so");
    let key = STANDARD.decode(key).expect("base64");
    let [id, time] = ["webhook-id", "webhook-timestamp"].map(|name| one.header(name).as_bytes());
    let signature = hmac_sha256(&key, &[id, b".", time, b".", &one.body]);
    format!("v1,{}", STANDARD.encode(signature))
}

/// Asks for a sign of life and gives what came.
fn test(api: &Api, webhook: &str, receiver: &Receiver) -> Received {
    let before = receiver.count();
    let path = format!("/webhooks/{webhook}/test");
    api.post(&path, &json!({})).wants(200);
    receiver.wait_for(before + 1)[before].clone()
}

#[test]
fn after_a_rotation_both_secrets_sign_for_24_hours_and_not_longer() {
    for scheme in ["oms", "standard"] {
        let receiver = Receiver::always(Act::Answer(200));
        let server = InProcess::start(|_| ());
        let api = server.sandbox();
        let body = json!({"url": receiver.url(), "signatureScheme": scheme});
        let made = api.post("/webhooks", &body).wants(201);
        let (id, old) = (made.id(), made.text_at("/secret"));
        let split = |one: &Received| -> Vec<String> {
            let signatures = one.header("webhook-signature").split([',', ' ']);
            match scheme {
                "oms" => signatures.skip(1).map(str::to_owned).collect(),
                _ => one
                    .header("webhook-signature")
                    .split(' ')
                    .map(str::to_owned)
                    .collect(),
            }
        };
        let one = test(&api, &id, &receiver);
        assert_eq!(split(&one), [signed(&old, &one)], "{scheme}");

        let rotated = api.post(&format!("/webhooks/{id}/rotateSecret"), &json!({}));
        let new = rotated.wants(200).text_at("/secret");
        assert_ne!(old, new);
        server.advance(DAY_S - 60);
        let api = server.connect(&api.key);
        let one = test(&api, &id, &receiver);
        assert_eq!(
            split(&one),
            [signed(&new, &one), signed(&old, &one)],
            "{scheme}, 23:59 later"
        );
        server.advance(120);
        let one = test(&server.connect(&api.key), &id, &receiver);
        assert_eq!(split(&one), [signed(&new, &one)], "{scheme}, 24:01 later");
    }
}

fn at(delivery: &Value, name: &str) -> Timestamp {
    let text = delivery[name].as_str().expect("a moment");
    text.parse().expect("RFC 3339")
}

#[test]
fn waits_are_jittered_so_that_not_all_come_at_once() {
    let receiver = Receiver::always(Act::Answer(500));
    let server = InProcess::start(|_| ());
    let api = server.sandbox();
    let id = webhook(&api, &receiver);
    for _ in 0..7 {
        api.create(&json!({"type": "individual", "endorsements": []}));
    }
    let pending = wait_for(&api, &id, "pending", 7);
    let wait_ms = |one: &Value| {
        let (last, next) = (at(one, "lastAttemptAt"), at(one, "nextAttemptAt"));
        next.as_millisecond() - last.as_millisecond()
    };
    let waits: Vec<_> = pending.iter().map(wait_ms).collect();
    assert!(
        waits.iter().all(|wait| (4500..=5500).contains(wait)),
        "{waits:?}"
    );
    assert!(waits.iter().any(|wait| *wait != waits[0]), "{waits:?}");
}

/// A webhook keeps its place while it is off; what is too old by then is passed over.
#[test]
fn what_happens_while_a_webhook_is_off_is_told_later_but_not_after_30_days() {
    let receiver = Receiver::always(Act::Answer(200));
    let server = InProcess::start(|_| ());
    let api = server.sandbox();
    let path = format!("/webhooks/{}", webhook(&api, &receiver));
    api.patch(&path, &json!({"enabled": false})).wants(200);
    api.create(&json!({"type": "individual", "endorsements": []}));
    let forgotten = api.get("/events").wants(200).text_at("/data/0/id");
    server.advance(31 * DAY_S);
    let api = server.connect(&api.key);
    let late = api.create(&json!({"type": "individual", "endorsements": []}));
    api.patch(&path, &json!({"enabled": true})).wants(200);
    assert_eq!(receiver.wait_for(1)[0].json()["data"], late.json());
    let said = api.get(&format!("{path}/diagnose?event={forgotten}"));
    assert_eq!(said.wants(200).json()["outcome"], "forgotten");
    assert_eq!(receiver.count(), 1);
}
