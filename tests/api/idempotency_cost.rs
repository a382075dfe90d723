//! Section 3: what a retry must not wait for.

use rusqlite::Connection;

use crate::support::{Api, Server, fresh_name, full_customer, minimal_customer};

/// Keeps every writer of a data folder from writing until it is dropped.
fn hold_the_pen(folder: &std::path::Path) -> Connection {
    let held = Connection::open(folder.join("oms.db")).expect("in order");
    let begun = held
        .busy_timeout(std::time::Duration::from_secs(10))
        .and_then(|()| held.execute_batch("BEGIN IMMEDIATE"));
    begun.expect("the pen is free now and then");
    held
}

fn check_replays(api: &Api, keys: &[String], bodies: &[String], when: &str) {
    for (key, body) in keys.iter().zip(bodies) {
        let again = api
            .post_keyed("/customers", key, &full_customer())
            .wants(201);
        assert_eq!(again.wants_header("idempotent-replayed"), "true", "{when}");
        assert_eq!(String::from_utf8_lossy(&again.body), **body, "{when}");
    }
}

/// At once and after a start, which stands for hours: all that a retry needs can be read.
#[test]
fn a_retry_waits_for_no_write() {
    if crate::support::is_about_files() {
        return;
    }
    let server = Server::start(&[]);
    let api = server.sandbox();
    let keys: Vec<String> = (0..20).map(|_| fresh_name("key")).collect();
    let post = |key: &String| {
        let made = api
            .post_keyed("/customers", key, &full_customer())
            .wants(201);
        String::from_utf8_lossy(&made.body).into_owned()
    };
    let bodies: Vec<String> = keys.iter().map(post).collect();
    let held = hold_the_pen(&server.data);
    check_replays(&api, &keys, &bodies, "at once");
    drop(held);
    let server = Server::start_owning(server.into_folder());
    let api = api.at(&server.base);
    let held = hold_the_pen(&server.data);
    check_replays(&api, &keys, &bodies, "after a start");
    let other = api.post_keyed("/customers", &keys[0], &minimal_customer());
    other.problem(422, "idempotencyKeyReused");
    drop(held);
    let fresh = api.post_keyed("/customers", &fresh_name("key"), &full_customer());
    assert_eq!(fresh.wants(201).header("idempotent-replayed"), None);
}
