//! The power goes: whatever of the writes that no sync covered is left, in whole or in
//! sectors, nothing that was acknowledged is lost and nothing is doubled.
//!
//! `recording.rs` has programs do their work under `strace`. The disk is rebuilt as it may
//! have been around each sync, a server starts on it and is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use serde_json::{Value, json};

use super::damage::{copy_files, doctor_finds, doctor_finds_with};
use super::medium::Medium;
use super::recording::{
    IMPORTED, Phase, Recording, Told, Work, change_of, import, imported, record,
    record_first_start, wanted,
};
use super::trace::{Event, What};
use crate::support::{
    Api, Folder, Mode, Seeded, Server, full_customer, is_about_files, number_from_environment, oms,
};

const DEFAULT_STATES: u64 = 100;

/// States of the first start for each hundred of the others.
const FIRST_STARTS: u64 = 40;

/// Servers that are asked at once; some of them wait more than they work.
const ASKED_AT_ONCE: usize = 4;

/// A slow machine is not a fault: nothing is refused for it.
const PATIENT: (&str, &str) = ("OMS_OVERLOAD_WAIT_MS", "60000");

/// A state of the disk, what had been acknowledged, and how to name it.
struct Case {
    folder: Folder,
    told: Told,
    name: String,
}

impl Case {
    /// Holds a judgement, and keeps the disk of a state that does not stand it.
    fn judge(self, judgement: &dyn Fn(Folder, &Told)) {
        let Self { folder, told, name } = self;
        let before = Folder::in_memory();
        copy_files(&folder.path().join("data"), before.path());
        if catch_unwind(AssertUnwindSafe(|| judgement(folder, &told))).is_err() {
            let kept = ManuallyDrop::new(before);
            panic!("{name}: the disk is kept in {}", kept.path().display());
        }
    }
}

/// The disk as it goes along, and what was told by then.
struct Replay<'a> {
    medium: Medium,
    told: Told,
    random: Seeded,
    seed: u64,
    /// The data folder as it stands in the events.
    data: &'a Path,
}

impl Replay<'_> {
    /// Goes through a phase and hands over states around its syncs, so many in all.
    fn go_through(&mut self, phase: &Phase, states: usize, hand_over: &mut dyn FnMut(Case)) {
        self.told.begun.insert(phase.work);
        let is_sync = |event: &Event| matches!(event.what, What::Synced { .. });
        let syncs = phase.events.iter().filter(|event| is_sync(event)).count();
        assert!(syncs > 0, "nothing was ever synced");
        let mut order: Vec<(usize, &Event)> = phase
            .events
            .iter()
            // A sync counts when it is over, everything else from its beginning.
            .map(|event| {
                (
                    if is_sync(event) {
                        event.ended
                    } else {
                        event.began
                    },
                    event,
                )
            })
            .collect();
        order.sort_by_key(|(at, _)| *at);
        let (mut seen, mut given) = (0, 0);
        for (at, event) in order {
            seen += usize::from(is_sync(event));
            let due = if is_sync(event) {
                seen * states / syncs
            } else {
                given
            };
            // Half of the states of a sync lie before its end, half after it.
            let before = given + (due - given).div_ceil(2);
            for (until, is_over) in [(before, false), (due, true)] {
                if is_over {
                    self.medium.take(event);
                    if let What::Answered(bytes) = &event.what {
                        self.told.take(bytes);
                    }
                }
                while given < until {
                    given += 1;
                    hand_over(self.cut(&format!("{:?} {given}, line {at}", phase.work)));
                }
            }
        }
        self.told.done.insert(phase.work);
    }

    fn cut(&mut self, name: &str) -> Case {
        let folder = Folder::in_memory();
        self.medium
            .after_power_cut(&mut self.random, self.data, &folder.path().join("data"));
        Case {
            folder,
            told: self.told.clone(),
            name: format!("{name}, OMS_POWER_SEED={}", self.seed),
        }
    }
}

/// Has states of each phase judged, so many in all; one that fails ends the test.
fn judge_states(
    (before, data): (Medium, &Path),
    phases: &[Phase],
    states: u64,
    judgement: &(dyn Fn(Folder, &Told) + Sync),
) {
    let seed =
        number_from_environment("OMS_POWER_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let events: usize = phases.iter().map(|phase| phase.events.len()).sum();
    println!("OMS_POWER_SEED={seed}, {states} states, {events} events");
    let mut replay = Replay {
        medium: before,
        told: Told::default(),
        random: Seeded::new(seed),
        seed,
        data,
    };
    let (give, cases) = sync_channel(ASKED_AT_ONCE);
    let cases = Mutex::new(cases);
    thread::scope(|scope| {
        for _ in 0..ASKED_AT_ONCE {
            scope.spawn(|| judge_all(&cases, judgement));
        }
        for phase in phases {
            let share = usize::try_from(states).expect("so many") * phase.share / 100;
            replay.go_through(phase, share, &mut |case| {
                give.send(case).expect("somebody asks");
            });
        }
        drop(give);
    });
}

fn judge_all(cases: &Mutex<Receiver<Case>>, judgement: &dyn Fn(Folder, &Told)) {
    loop {
        let case = cases.lock().expect("no panic holds this").recv();
        match case {
            Ok(case) => case.judge(judgement),
            Err(_) => return,
        }
    }
}

/// Starts a server on a state and asks it everything.
fn ask(recording: &Recording, folder: Folder, told: &Told) {
    let data = folder.path().join("data");
    let all = [PATIENT, ("OMS_MASTER_KEY_FILE", recording.new_key.as_str())];
    let mut settings = &all[..1];
    if told.begun.contains(&Work::Rotation) {
        end_rotation(recording, &data, told);
        settings = &all;
    }
    let server = Server::start_owning_with(folder, settings);
    let api = recording.api.at(&server.base);
    check(&api, recording, told);
    if told.begun.contains(&Work::Import) {
        check_import(&api, recording, &server, settings, told);
    }
    let _folder = server.into_folder();
    assert_eq!(doctor_finds_with(&data, settings), Vec::<String>::new());
}

/// One that was cut off goes on when it is asked for again; one that was over needs nothing.
fn end_rotation(recording: &Recording, data: &Path, told: &Told) {
    let data = data.to_str().expect("a path of plain text");
    let to = ["--to", recording.new_key.as_str(), "--data", data];
    let again = oms(&[&["keys", "rotate-master"][..], &to].concat(), &[]);
    assert!(
        !(told.done.contains(&Work::Rotation) && again.status.success()),
        "the old key still opens: {again:?}"
    );
}

fn check(api: &Api, recording: &Recording, told: &Told) {
    let erasable = &recording.told.erased;
    let mut found: BTreeMap<String, Value> = BTreeMap::new();
    for customer in api.all_customers() {
        let id = customer["id"].as_str().expect("an id");
        let Some(external) = customer["externalId"].as_str() else {
            assert!(erasable.contains(id), "nobody erased {id}");
            continue;
        };
        assert!(!told.erased.contains(id), "{external} was erased");
        let external = external.to_owned();
        let twice = found.insert(external.clone(), customer);
        assert!(twice.is_none(), "{external} is there twice");
    }
    for (external, id) in &told.ids {
        let Some(customer) = found.get(external) else {
            assert!(erasable.contains(id), "{external} is lost");
            assert_eq!(api.read(id).json()["externalId"], Value::Null);
            continue;
        };
        assert_eq!(customer["id"], **id);
        let (now, then) = (change_of(customer), told.changes[external]);
        assert!(
            now >= then,
            "{external} fell back from change {then} to {now}"
        );
    }
    // Each retry finds what is there, of whoever it is.
    let untold = |key: &&String| key.starts_with("wish") && !told.ids.contains_key(*key);
    let last = told.ids.keys().rfind(|key| found.contains_key(*key));
    for external in found.keys().filter(untold).chain(last) {
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

/// What was imported is there when the import was over; the same again makes up the rest.
fn check_import(
    api: &Api,
    recording: &Recording,
    server: &Server,
    settings: &[(&str, &str)],
    told: &Told,
) {
    let wanted: BTreeSet<String> = (0..IMPORTED).map(imported).collect();
    let found = || -> Vec<String> {
        let customers = api.all_customers();
        let external = customers
            .iter()
            .filter_map(|one| one["externalId"].as_str());
        external
            .filter(|external| wanted.contains(*external))
            .map(str::to_owned)
            .collect()
    };
    if told.done.contains(&Work::Import) {
        assert_eq!(found().len(), IMPORTED, "an import that was over is lost");
    }
    let data = server.data.to_str().expect("a path of plain text");
    let arguments = import(&recording.rows, &recording.project);
    let again = oms(&[&arguments[..], &["--data", data]].concat(), settings);
    assert!(again.status.success(), "{again:?}");
    let found = found();
    assert_eq!(found.len(), IMPORTED, "{again:?}");
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), wanted);
}

fn states() -> u64 {
    number_from_environment("OMS_POWER_STATES").unwrap_or(DEFAULT_STATES)
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged_and_doubles_nothing() {
    if is_about_files() {
        return;
    }
    let mut recording = record();
    let before = std::mem::take(&mut recording.before);
    let recording = &recording;
    judge_states(
        (before, &recording.data),
        &recording.phases,
        states(),
        &|folder, told| ask(recording, folder, told),
    );
}

#[test]
fn a_power_cut_during_the_first_start_leaves_a_folder_that_starts() {
    if is_about_files() {
        return;
    }
    let (data, phase) = record_first_start();
    judge_states(
        (Medium::default(), &data),
        &[phase],
        states() * FIRST_STARTS / 100,
        &|folder, _| {
            let server = Server::start_owning_with(folder, &[PATIENT]);
            server.project(Mode::Sandbox).create(&full_customer());
            let folder = server.into_folder();
            assert_eq!(doctor_finds(&folder.path().join("data")), [""; 0]);
        },
    );
}
