//! SIGTERM and SIGINT let what runs finish.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::support::{Api, Mode, Server, eventually, fresh_name};

/// Makes customers until told otherwise; returns the ids that were acknowledged.
fn load(api: &Api, made: &AtomicUsize, over: &AtomicBool) -> HashSet<String> {
    let mut ids = HashSet::new();
    while !over.load(Ordering::SeqCst) {
        let call = api
            .call("POST", "/customers")
            .header("idempotency-key", fresh_name("key"));
        if let Ok(answer) = call.json(&json!({ "type": "individual" })).try_send()
            && answer.status == 201
        {
            ids.insert(answer.id());
            made.fetch_add(1, Ordering::SeqCst);
        }
    }
    ids
}

fn check_stop(signal: &str) {
    let mut server = Server::start(&[]);
    let api = server.project(Mode::Sandbox);
    let (made, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let acknowledged: HashSet<String> = thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| load(&api, &made, &over)))
            .collect();
        eventually(Duration::from_mins(1), "fifty customers are made", || {
            (made.load(Ordering::SeqCst) >= 50).then_some(())
        });
        server.signal(signal);
        let status = server.ended(Duration::from_secs(10));
        over.store(true, Ordering::SeqCst);
        assert_eq!(status.code(), Some(0), "{}", server.logged());
        clients
            .into_iter()
            .flat_map(|client| client.join().expect("a client does not panic"))
            .collect()
    });
    let server = Server::start_owning(server.into_folder());
    let kept: HashSet<String> = api
        .at(&server.base)
        .all_customers()
        .iter()
        .map(|customer| customer["id"].as_str().expect("an id").to_owned())
        .collect();
    let lost: Vec<_> = acknowledged.difference(&kept).collect();
    assert!(lost.is_empty(), "acknowledged and gone: {lost:?}");
}

#[test]
fn sigterm_under_load_exits_0_within_ten_seconds_and_loses_nothing_acknowledged() {
    check_stop("TERM");
}

#[test]
fn sigint_under_load_exits_0_within_ten_seconds_and_loses_nothing_acknowledged() {
    check_stop("INT");
}
