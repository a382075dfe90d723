//! A disk without room: writes are refused and nothing else, and it goes on by itself.
//!
//! The disk is a tmpfs, which only root may mount: elsewhere these tests say that they did
//! not run.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::damage::doctor_finds;
use crate::support::{
    Answer, Api, Folder, MIB, Mode, Server, SmallDisk, eventually, fresh_name, is_about_files, oms,
};

/// A small disk in the place of a data folder.
struct SmallStore {
    disk: SmallDisk,
    folder: Option<Folder>,
    data: PathBuf,
}

impl SmallStore {
    fn mount(mib: usize) -> Option<Self> {
        let folder = Folder::new();
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("in order");
        Some(Self {
            disk: SmallDisk::mount(&data, mib)?,
            folder: Some(folder),
            data,
        })
    }

    fn server(&mut self) -> Server {
        let folder = self.folder.take().expect("one server at a time");
        Server::start_owning(folder)
    }
}

fn large_customer(external: &str) -> Value {
    let metadata: serde_json::Map<_, _> = (0..20)
        .map(|number| (format!("key{number}"), json!("x".repeat(490))))
        .collect();
    json!({ "type": "individual", "externalId": external, "metadata": metadata })
}

fn create(api: &Api, key: &str) -> Answer {
    api.post_keyed("/customers", key, &large_customer(key))
}

#[track_caller]
fn says_that_it_is_full(answer: &Answer) {
    let problem = answer.problem(503, "serviceUnavailable");
    assert!(
        problem["detail"].as_str().expect("words").contains("full"),
        "{answer}"
    );
    let wait: u64 = answer.wants_header("retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&wait), "{answer}");
}

/// Creates until there is no room; gives what was acknowledged and the key of the refused one.
fn fill(api: &Api) -> (BTreeSet<String>, String) {
    let mut made = BTreeSet::new();
    for _ in 0..20_000 {
        let key = fresh_name("fill");
        let answer = create(api, &key);
        if answer.status != 201 {
            says_that_it_is_full(&answer);
            return (made, key);
        }
        made.insert(answer.id());
    }
    panic!("it never was full");
}

fn ids(api: &Api) -> BTreeSet<String> {
    let customers = api.all_customers();
    let ids = customers
        .iter()
        .map(|one| one["id"].as_str().expect("an id"));
    ids.map(str::to_owned).collect()
}

#[track_caller]
fn is_in_order(data: &Path) {
    assert_eq!(doctor_finds(data), Vec::<String>::new());
}

#[track_caller]
fn becomes_full_and_recovers(mib: usize, ballast: usize) {
    let Some(mut store) = SmallStore::mount(mib) else {
        return;
    };
    let server = store.server();
    let api = server.project(Mode::Sandbox);
    store.disk.ballast(ballast * MIB);
    let (mut made, refused) = fill(&api);
    println!("{mib} MiB, {ballast} of them taken: {} made", made.len());
    store.disk.take_the_rest();
    says_that_it_is_full(&create(&api, &fresh_name("full")));
    eventually(Duration::from_secs(5), "it is not ready", || {
        let ready = server.operator_call("GET", "/readyz").send();
        (ready.status == 503).then(|| says_that_it_is_full(&ready))
    });
    assert_eq!(server.call("GET", "/healthz").send().status, 200);
    assert_eq!(ids(&api), made, "reads go on");
    store.disk.make_room();
    eventually(Duration::from_secs(10), "it is ready again", || {
        (server.operator_call("GET", "/readyz").send().status == 200).then_some(())
    });
    made.insert(create(&api, &refused).wants(201).id());
    for _ in 0..20 {
        made.insert(create(&api, &fresh_name("after")).wants(201).id());
    }
    assert_eq!(ids(&api), made);
    is_in_order(&server.data);
    // Full once more, and killed there.
    store.disk.take_the_rest();
    let (more, _) = fill(&api);
    made.extend(more);
    store.disk.take_the_rest();
    store.folder = Some(server.into_folder());
    starts_or_says_why(&mut store, &api, &made);
}

/// On a full disk a start serves reads, or says what is the matter; with room it is as before.
fn starts_or_says_why(store: &mut SmallStore, api: &Api, made: &BTreeSet<String>) {
    let data = store.data.to_str().expect("plain text").to_owned();
    // A look that opens everything for writing, and ends.
    let output = oms(&["keys", "list", "--data", &data], &[]);
    if output.status.success() {
        let server = store.server();
        assert_eq!(ids(&api.at(&server.base)), *made, "reads on a full disk");
        store.folder = Some(server.into_folder());
    } else {
        assert!(output.stderr.contains("the disk is full"), "{output:?}");
    }
    store.disk.make_room();
    let server = store.server();
    let api = api.at(&server.base);
    assert_eq!(ids(&api), *made);
    create(&api, &fresh_name("after")).wants(201);
    is_in_order(&store.data);
    store.folder = Some(server.into_folder());
}

#[test]
fn a_disk_that_is_filled_by_creates_refuses_them_with_503_and_recovers_by_itself() {
    if !is_about_files() {
        becomes_full_and_recovers(32, 20);
    }
}

#[test]
fn the_last_room_is_not_taken_by_room_ahead_of_the_log() {
    if !is_about_files() {
        becomes_full_and_recovers(32, 12);
    }
}

#[test]
fn a_very_small_disk_does_the_same() {
    if !is_about_files() {
        becomes_full_and_recovers(12, 6);
    }
}

#[test]
fn a_start_on_a_full_disk_without_the_index_of_the_log_says_why_or_reads() {
    if is_about_files() {
        return;
    }
    let Some(mut store) = SmallStore::mount(16) else {
        return;
    };
    let server = store.server();
    let api = server.project(Mode::Sandbox);
    let made: BTreeSet<String> = (0..10)
        .map(|_| create(&api, &fresh_name("early")).wants(201).id())
        .collect();
    store.folder = Some(server.into_folder());
    for name in ["oms.db-shm", "keys.db-shm"] {
        fs::remove_file(store.data.join(name)).expect("there is one");
    }
    store.disk.take_the_rest();
    starts_or_says_why(&mut store, &api, &made);
}
