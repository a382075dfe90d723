//! A clock that goes days back.

use crate::machine::{DAY_S, Machine, again};
use crate::support::{Key, Server, minimal_customer};

/// As far as the clock goes back here.
const BACK_S: i64 = -3 * DAY_S;

/// Seconds to wait before the next try, where there was one try too many.
fn try_wrong(server: &Server, key: &Key) -> Option<i64> {
    let wrong = Key {
        api_secret: "wrong".to_owned(),
        ..key.clone()
    };
    let answer = server
        .call("POST", "/v0.9/auth/token")
        .json(&wrong.login())
        .send();
    if answer.status == 401 {
        return None;
    }
    answer.problem(429, "tooManyRequests");
    let wait = answer.wants_header("retry-after");
    Some(wait.parse().expect("whole seconds"))
}

#[test]
fn a_lock_of_a_minute_lasts_a_minute_whatever_the_clock_does() {
    let machine = Machine::new(&[("OMS_AUTH_FAILURES_PER_MINUTE", "3")]);
    let server = machine.start();
    let key = server.sandbox().key;
    let mut wait = None;
    for _ in 0..100 {
        wait = try_wrong(&server, &key);
        if wait.is_some() {
            break;
        }
    }
    assert!((1..=60).contains(&wait.expect("it is locked")), "{wait:?}");
    for set in [BACK_S, 3 * DAY_S] {
        machine.set(set, 0);
        let wait = try_wrong(&server, &key).expect("it still is");
        assert!((1..=60).contains(&wait), "{wait} with the clock at {set}");
    }
    machine.set(BACK_S, 61);
    assert_eq!(try_wrong(&server, &key), None);
}

#[test]
fn a_rate_is_counted_on_whatever_the_clock_does() {
    let limits = [
        ("OMS_RATE_LIMIT_PER_KEY_PER_S", "1"),
        ("OMS_RATE_LIMIT_PER_KEY_BURST", "3"),
    ];
    let machine = Machine::new(&limits);
    let server = machine.start();
    let api = server.sandbox();
    let list = || api.get("/customers");
    let refused = (0..50).find_map(|_| Some(list()).filter(|answer| answer.status == 429));
    let refused = refused.expect("the burst is used up");
    assert_eq!(refused.wants_header("retry-after"), "1");
    machine.set(BACK_S, 0);
    let refused = (0..50).find_map(|_| Some(list()).filter(|answer| answer.status == 429));
    let refused = refused.expect("the bucket is still empty");
    assert_eq!(refused.wants_header("retry-after"), "1");
    machine.set(BACK_S, 60);
    list().wants(200);
}

#[test]
fn ids_rise_and_nothing_is_forgotten_when_the_clock_goes_back() {
    let machine = Machine::new(&[("OMS_IDEMPOTENCY_RETENTION_H", "24")]);
    let server = machine.start();
    let api = server.sandbox();
    let first = api.post_keyed("/customers", "once", &minimal_customer());
    let first = first.wants(201).id();
    machine.set(BACK_S, 0);
    let second = api.create(&minimal_customer()).id();
    assert!(second > first);
    let server = machine.restart(server);
    let api = again(&server, &api);
    let third = api.create(&minimal_customer()).id();
    assert!(third > second);
    crate::machine::swept(&server);
    let replayed = api.post_keyed("/customers", "once", &minimal_customer());
    assert_eq!(replayed.wants(201).id(), first);
}
