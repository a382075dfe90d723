//! What must be true of everything that clients were told, whatever happened meanwhile.

use std::collections::HashMap;

use serde_json::Value;

use crate::fleet::Fleet;
use crate::support::{Api, Made, check_each_exactly_once, keyed};

/// Customers whose first request is sent once more.
const REPEATED: usize = 60;

/// Each wish made exactly one customer, which reads as the last answer said; a repeated request
/// gets the first answer; the events tell all of it; the audit log is whole, and so is every
/// row. Gives the ids of the events.
#[track_caller]
pub fn check(fleet: &Fleet, api: &Api, made: &[Made]) -> Vec<Value> {
    assert!(!made.is_empty(), "nothing was acknowledged");
    let here = |place: usize| {
        let living: Vec<_> = fleet.living().collect();
        api.at(&living[place % living.len()].base)
    };
    check_each_exactly_once(&here(0), made);
    let step = made.len().div_ceil(REPEATED).max(1);
    for (place, one) in made.iter().step_by(step).enumerate() {
        let again = keyed(&here(place), "POST", "/customers", &one.key)
            .json(&one.body)
            .send()
            .wants(201);
        assert_eq!(again.body, one.first.body, "{again}\nfirst {}", one.first);
        assert_eq!(again.header("idempotent-replayed"), Some("true"), "{again}");
    }
    let events = check_events(&here(1), made);
    for command in [&["audit", "verify"][..], &["doctor"]] {
        let whole = fleet.run(command);
        assert!(whole.status.success(), "{command:?}: {whole:?}");
    }
    events
}

/// The events of each customer have no gap, tell of its making once and of each change.
fn check_events(api: &Api, made: &[Made]) -> Vec<Value> {
    let mut ids = Vec::new();
    let mut events: HashMap<String, Vec<(u64, String)>> = HashMap::new();
    let mut query = "?limit=100".to_owned();
    loop {
        let page = api.get(&format!("/events{query}")).wants(200);
        let body = page.json();
        for event in body["data"].as_array().expect("a list") {
            let text = |name: &str| event[name].as_str().expect("a text").to_owned();
            ids.push(event["id"].clone());
            let sequence = event["sequence"].as_u64().expect("a number");
            let all = events.entry(text("resourceId")).or_default();
            all.push((sequence, text("event")));
        }
        if body["hasMore"] != true {
            break;
        }
        query = format!("?limit=100&cursor={}", page.text_at("/cursor"));
    }
    for one in made {
        let mut told = events.remove(&one.first.id()).unwrap_or_default();
        told.sort_unstable();
        let whole = told.iter().map(|event| event.0).eq(1..=told.len() as u64);
        assert!(whole, "key {}: {told:?}", one.key);
        let count = |kind: &str| told.iter().filter(|event| event.1 == kind).count();
        assert_eq!(count("customer.created"), 1, "key {}: {told:?}", one.key);
        let changes = count("customer.updated");
        assert_eq!(changes, one.changes, "key {}: {told:?}", one.key);
    }
    assert!(events.is_empty(), "of nobody: {events:#?}");
    ids
}
