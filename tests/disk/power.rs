//! The power goes: whatever of the writes that no sync covered is left, in whole or in
//! sectors, nothing that was acknowledged is lost and nothing is doubled.
//!
//! `strace` records what a server under load does to its files. The disk is rebuilt as it may
//! have been around each sync, a server starts on it and is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::damage::{copy_files, doctor_finds};
use super::medium::Medium;
use super::trace::{self, Event, What};
use crate::support::{
    Api, Folder, Mode, Seeded, Server, eventually, fresh_name, full_customer, is_about_files,
};

const DEFAULT_STATES: usize = 20;
const CLIENTS: usize = 3;
const CUSTOMERS: usize = 50;

/// Servers that are asked at once.
const ASKED_AT_ONCE: usize = 2;

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {text}")),
    )
}

/// What callers were told until a moment: customers by their external id, and the last
/// change of each.
#[derive(Clone, Default)]
struct Told {
    ids: BTreeMap<String, String>,
    changes: BTreeMap<String, u64>,
}

impl Told {
    fn take(&mut self, answer: &[u8]) {
        let text = String::from_utf8_lossy(answer);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        let wrote = head.starts_with("HTTP/1.1 201") || head.starts_with("HTTP/1.1 200");
        let Some(customer) = serde_json::from_str::<Value>(body).ok().filter(|_| wrote) else {
            return;
        };
        if let (Some(external), Some(id)) =
            (customer["externalId"].as_str(), customer["id"].as_str())
        {
            self.ids.insert(external.to_owned(), id.to_owned());
            self.changes
                .insert(external.to_owned(), change_of(&customer));
        }
    }
}

fn change_of(customer: &Value) -> u64 {
    let text = customer["metadata"]["change"].as_str().unwrap_or("0");
    text.parse().expect("a number of ours")
}

fn wanted(external: &str) -> Value {
    let mut body = full_customer();
    body["externalId"] = json!(external);
    body["metadata"] = json!({ "change": "1", "filling": "x".repeat(400) });
    body
}

/// Creates and changes until so many are made.
fn load(api: &Api) {
    let made = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while made.fetch_add(1, Ordering::SeqCst) < CUSTOMERS {
                    let key = fresh_name("wish");
                    let id = api
                        .post_keyed("/customers", &key, &wanted(&key))
                        .wants(201)
                        .id();
                    for change in 2..4 {
                        let metadata = json!({ "metadata": { "change": change.to_string() } });
                        api.patch(&format!("/customers/{id}"), &metadata).wants(200);
                    }
                }
            });
        }
    });
}

/// A state of the disk, what had been acknowledged, and how to name it.
struct Case {
    folder: Folder,
    told: Told,
    name: String,
}

/// Replays the events and hands over states around the syncs, so many in all.
fn cut_power(
    (mut medium, events): (Medium, &[Event]),
    data: &Path,
    (states, seed): (usize, u64),
    mut hand_over: impl FnMut(Case),
) {
    let syncs = events
        .iter()
        .filter(|event| matches!(event.what, What::Synced { .. }))
        .count();
    assert!(syncs > 0, "nothing was ever synced");
    let mut random = Seeded::new(seed);
    let mut told = Told::default();
    let (mut seen, mut given) = (0, 0);
    let mut order: Vec<(usize, &Event)> = events
        .iter()
        .map(|event| match event.what {
            // A sync counts when it is over, everything else from its beginning.
            What::Synced { .. } => (event.ended, event),
            _ => (event.began, event),
        })
        .collect();
    order.sort_by_key(|(at, _)| *at);
    for (at, event) in order {
        let is_sync = matches!(event.what, What::Synced { .. });
        let due = if is_sync {
            (seen + 1) * states / syncs
        } else {
            given
        };
        // Half of the states of a sync lie before its end, half after it.
        let before = given + (due - given).div_ceil(2);
        for (until, is_over) in [(before, false), (due, true)] {
            if is_over {
                medium.take(event);
                if let What::Answered(bytes) = &event.what {
                    told.take(bytes);
                }
            }
            while given < until {
                let folder = Folder::new();
                medium.after_power_cut(&mut random, data, &folder.path().join("data"));
                given += 1;
                hand_over(Case {
                    folder,
                    told: told.clone(),
                    name: format!(
                        "state {given}, line {at}, over: {is_over}, OMS_POWER_SEED={seed}"
                    ),
                });
            }
        }
        seen += usize::from(is_sync);
    }
}

/// Starts a server on a state and asks it everything.
fn ask(case: Case, api: &Api) {
    let Case { folder, told, name } = case;
    let kept = folder.path().join("data");
    let before = Folder::new();
    copy_files(&kept, before.path());
    let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let server = Server::start_owning(folder);
        check(&api.at(&server.base), &told);
        in_order(&server.into_folder().path().join("data"));
    }));
    if judged.is_err() {
        let path = std::mem::ManuallyDrop::new(before);
        panic!("{name}: the disk is kept in {}", path.path().display());
    }
}

fn check(api: &Api, told: &Told) {
    let mut found: BTreeMap<String, Value> = BTreeMap::new();
    for customer in api.all_customers() {
        let external = customer["externalId"]
            .as_str()
            .expect("ours have one")
            .to_owned();
        let twice = found.insert(external.clone(), customer);
        assert!(twice.is_none(), "{external} is there twice");
    }
    for (external, id) in &told.ids {
        let customer = found
            .get(external)
            .unwrap_or_else(|| panic!("{external} is lost"));
        assert_eq!(customer["id"], *id);
        let (now, then) = (change_of(customer), told.changes[external]);
        assert!(
            now >= then,
            "{external} fell back from change {then} to {now}"
        );
    }
    // Each retry finds what is there, of whoever it is.
    let kept: BTreeSet<_> = found
        .keys()
        .filter(|key| !told.ids.contains_key(*key))
        .collect();
    for external in kept.into_iter().chain(told.ids.keys().next_back()) {
        let again = api
            .post_keyed("/customers", external, &wanted(external))
            .wants(201);
        assert_eq!(
            again.id(),
            found[external]["id"],
            "{external} was made again"
        );
    }
    api.post("/customers", &json!({ "type": "individual" }))
        .wants(201);
}

fn in_order(data: &Path) {
    assert_eq!(doctor_finds(data), Vec::<String>::new());
}

/// Asks the states that come; one that fails ends the test.
fn ask_all(cases: &Mutex<Receiver<Case>>, judge: &(dyn Fn(Case) + Sync)) {
    loop {
        let case = cases.lock().expect("no panic holds this").recv();
        match case {
            Ok(case) => judge(case),
            Err(_) => return,
        }
    }
}

fn judge_states(start: (Medium, &[Event]), data: &Path, judge: &(dyn Fn(Case) + Sync)) {
    let states = from_environment("OMS_POWER_STATES").map_or(DEFAULT_STATES, |states| {
        usize::try_from(states).expect("so many")
    });
    let seed = from_environment("OMS_POWER_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!(
        "OMS_POWER_SEED={seed} OMS_POWER_STATES={states}, {} events",
        start.1.len()
    );
    let (give, cases) = sync_channel(ASKED_AT_ONCE);
    let cases = Mutex::new(cases);
    thread::scope(|scope| {
        for _ in 0..ASKED_AT_ONCE {
            scope.spawn(|| ask_all(&cases, judge));
        }
        cut_power(start, data, (states, seed), |case| {
            give.send(case).expect("somebody asks");
        });
        drop(give);
    });
}

/// A server under `strace`; its end, and the end of the trace.
fn traced(folder: Folder, trace: &Path, work: impl FnOnce(&Server)) -> (Folder, PathBuf) {
    let mut server = Server::start_traced(folder, trace, &["-e", trace::CALLS]);
    work(&server);
    server.signal("TERM");
    let ended = server.ended(Duration::from_mins(1));
    assert!(ended.success(), "{ended}: {}", server.logged());
    eventually(Duration::from_mins(1), "the trace ends", || {
        let text = std::fs::read(trace).expect("there is one");
        text.ends_with(b"+++ exited with 0 +++\n").then_some(())
    });
    let data = server.data.clone();
    (server.into_folder(), data)
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged_and_doubles_nothing() {
    if is_about_files() {
        return;
    }
    let mut server = Server::start(&[]);
    let api = server.project(Mode::Sandbox);
    server.signal("TERM");
    server.ended(Duration::from_mins(1));
    let folder = server.into_folder();
    let before = Medium::of_folder(&folder.path().join("data"));
    let notes = Folder::new();
    let trace = notes.path().join("trace");
    let (_folder, data) = traced(folder, &trace, |server| load(&api.at(&server.base)));
    let events = trace::read(&trace, &data);
    let mut told = Told::default();
    for event in &events {
        if let What::Answered(bytes) = &event.what {
            told.take(bytes);
        }
    }
    assert_eq!(told.ids.len(), CUSTOMERS, "every answer was seen");
    judge_states((before, &events), &data, &|case| ask(case, &api));
}

#[test]
fn a_power_cut_during_the_first_start_leaves_a_folder_that_starts() {
    if is_about_files() {
        return;
    }
    let notes = Folder::new();
    let trace = notes.path().join("trace");
    let (_folder, data) = traced(Folder::new(), &trace, |_| {});
    let events = trace::read(&trace, &data);
    judge_states((Medium::default(), &events), &data, &|case| {
        let Case { folder, name, .. } = case;
        println!("{name}");
        let server = Server::start_owning(folder);
        server.project(Mode::Sandbox).create(&full_customer());
        in_order(&server.into_folder().path().join("data"));
    });
}
