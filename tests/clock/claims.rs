//! What a server had claimed when it was killed, or when its clock was ahead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::machine::{A_WHILE, DAY_S, Machine, again};
use crate::receiver::{Act, Receiver};
use crate::support::{Mode, Server, eventually, full_customer, numbers, on_postgres, sql};

/// A receiver that does one thing until it is told to answer 200.
fn receiver_that(act: Act) -> (Receiver, Arc<AtomicBool>) {
    let mended = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&mended);
    let receiver = Receiver::start(move |_, _| {
        if switch.load(Ordering::SeqCst) {
            Act::Answer(200)
        } else {
            act
        }
    });
    (receiver, mended)
}

/// A customer of whom nothing happens but that it is made.
fn with_one_event() -> Value {
    json!({"type": "individual", "endorsements": []})
}

fn holder(server: &Server) -> i64 {
    numbers::<1>(&server.data, "SELECT claimed_by FROM webhook_progress")[0]
}

/// A claim has no end of its own, so what is told after a kill was taken from the dead.
#[test]
fn after_a_kill_the_next_server_tells_at_once_what_the_dead_one_had_claimed() {
    let machine = Machine::new(&[]);
    let server = machine.start();
    let (api, (receiver, mended)) = (server.sandbox(), receiver_that(Act::Hang));
    let webhook = api.post("/webhooks", &json!({"url": receiver.url()}));
    let webhook = webhook.wants(201).id();
    let made = api.create(&with_one_event()).id();
    eventually(A_WHILE, "the receiver has one", || {
        (receiver.holding() > 0).then_some(())
    });
    let dead = holder(&server);
    assert_ne!(dead, 0, "it is claimed");
    let told = receiver.count();
    let server = machine.restart_after(server, || mended.store(true, Ordering::SeqCst));
    if !on_postgres() {
        // Whoever has the lock of a folder is its server: nothing is waited for.
        assert_ne!(holder(&server), dead);
    }
    let all = receiver.wait_for(told + 1);
    assert_eq!(all[told].json()["data"]["id"], *made);
    assert_ne!(holder(&server), dead);
    let api = again(&server, &api);
    let path = format!("/webhooks/{webhook}/deliveries?status=delivered");
    eventually(A_WHILE, "it is recorded", || {
        let page = api.get(&path).wants(200).json();
        (page["data"].as_array()?.len() == 1).then_some(())
    });
}

/// What a provider shares with the server that asks it.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";

#[test]
fn after_a_kill_the_next_server_asks_the_provider_again_before_any_lease_ends() {
    let (provider, mended) = receiver_that(Act::Hang);
    let url = provider.url();
    // The attempt of the dead server would be waited for three times as long.
    let machine = Machine::new(&[
        ("OMS_VERIFICATION_PROVIDER_URL", url.as_str()),
        ("OMS_VERIFICATION_PROVIDER_SECRET", SECRET),
        ("OMS_VERIFICATION_TIMEOUT_S", "60"),
    ]);
    let server = machine.start();
    server.project(Mode::Live).create(&full_customer());
    provider.wait_for(1);
    let claimed = "SELECT COUNT(*) FROM verifications WHERE claimed_by <> 0";
    assert_eq!(numbers(&server.data, claimed), [1]);
    let server = machine.restart_after(server, || mended.store(true, Ordering::SeqCst));
    eventually(A_WHILE, "the provider takes the request", || {
        let taken = "SELECT attempts FROM verifications WHERE accepted_at IS NOT NULL";
        (sql(&server.data, taken) == "2").then_some(())
    });
    assert_eq!(numbers(&server.data, claimed), [0]);
}

#[test]
fn what_was_planned_by_a_clock_that_was_ahead_is_told_once_the_clock_is_right() {
    let machine = Machine::new(&[]);
    machine.set(10 * DAY_S, 0);
    let server = machine.start();
    let (api, (receiver, mended)) = (server.sandbox(), receiver_that(Act::Answer(500)));
    let webhook = api.post("/webhooks", &json!({"url": receiver.url()}));
    webhook.wants(201);
    let made = api.create(&with_one_event()).id();
    let planned = "SELECT COUNT(*) FROM webhook_deliveries WHERE next_at IS NOT NULL";
    eventually(A_WHILE, "another attempt is planned", || {
        (numbers(&server.data, planned) == [1]).then_some(())
    });
    let server = machine.restart_after(server, || {
        machine.set(0, 0);
        mended.store(true, Ordering::SeqCst);
    });
    eventually(A_WHILE, "it is told", || {
        (numbers(&server.data, planned) == [0]).then_some(())
    });
    let told = receiver.received();
    assert_eq!(told[told.len() - 1].json()["data"]["id"], *made);
}
