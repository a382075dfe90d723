//! A move that is killed goes on from where it was; nobody uses what is half there; two at
//! once do no harm; a source that changes is noticed.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

use oms::config::{Config, Database};
use oms::context::Random;
use oms::store::relocation::{self, Progress, Source};
use rusqlite::Connection;

use crate::place::cluster;
use crate::support::{name_of, oms};
use crate::{Stopped, at, check_sound, empty_folder, moved, moving, refused, text};

/// Runs at most: each one moves a page of some table.
const MOST_RUNS: usize = 200;

const SIGKILL: i32 = 9;

/// Dies after each page, and is run again until it is done; how often it died.
#[track_caller]
fn move_page_by_page(from: &str, to: &str) -> usize {
    for run in 0..MOST_RUNS {
        let output = moving(from, to, &[("OMS_FAILPOINT", "move.batch")]);
        if output.status.success() {
            return run;
        }
        assert_eq!(output.status.signal(), Some(SIGKILL), "{output:?}");
    }
    panic!("it never comes to an end");
}

/// Nobody opens a half, and everybody is told what to run.
#[track_caller]
fn is_nobodys(place: &str, source: &str, master_key: &Path) {
    let settings = [("OMS_MASTER_KEY_FILE", text(master_key))];
    let told = format!("oms data move --from {source} --to {place}");
    for command in [
        &[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--operator-listen",
            "127.0.0.1:0",
        ][..],
        &["keys", "list"],
        &["doctor"],
        &["audit", "verify"],
    ] {
        let output = oms(&[command, &at(place, master_key)].concat(), &settings);
        assert!(!output.status.success(), "{command:?} {output:?}");
        let said = output.stdout.clone() + &output.stderr;
        assert!(said.contains(&told), "{command:?} {output:?}");
    }
    if !place.starts_with("postgres://") {
        for command in ["backup", "backup-keys"] {
            let copy = [command, "/tmp/oms-no-copy", "--data", place];
            refused(&oms(&copy, &settings), &told);
        }
        assert!(!Path::new("/tmp/oms-no-copy").exists(), "nothing is copied");
    }
    let further = moving(place, "/tmp/oms-nowhere", &settings);
    refused(&further, &told);
}

#[test]
fn a_move_that_is_killed_after_every_page_goes_on_and_ends_whole() {
    let Some(cluster) = cluster() else { return };
    let store = Stopped::with_customers(1_100);
    let source = store.data();
    let before = store.files();
    let url = cluster.new_database();
    for point in ["move.begun", "move.batch"] {
        let killed = moving(source, &url, &[("OMS_FAILPOINT", point)]);
        assert_eq!(killed.status.signal(), Some(SIGKILL), "{killed:?}");
        is_nobodys(&url, source, &store.master_key());
    }
    let died = move_page_by_page(source, &url);
    assert!(died > 10, "it died {died} times only");
    assert_eq!(store.files(), before, "the source is as it was");
    check_sound(&url, &store.master_key());

    let folder = empty_folder(&store.master_key());
    let target = text(folder.path());
    for point in ["move.begun", "move.batch", "move.copied"] {
        let killed = moving(&url, target, &[("OMS_FAILPOINT", point)]);
        assert_eq!(killed.status.signal(), Some(SIGKILL), "{killed:?}");
        is_nobodys(target, &url, &store.master_key());
    }
    moved(&url, target);
    check_sound(target, &store.master_key());
    // A page at a time all the way, too.
    let folder = empty_folder(&store.master_key());
    let target = text(folder.path());
    assert!(move_page_by_page(&url, target) > 10);
    check_sound(target, &store.master_key());
}

#[test]
fn a_move_that_is_killed_just_before_its_end_is_compared_again() {
    let Some(cluster) = cluster() else { return };
    let store = Stopped::with_customers(10);
    let url = cluster.new_database();
    for point in ["move.copied", "move.compared"] {
        let killed = moving(store.data(), &url, &[("OMS_FAILPOINT", point)]);
        assert_eq!(killed.status.signal(), Some(SIGKILL), "{killed:?}");
        is_nobodys(&url, store.data(), &store.master_key());
    }
    // What came to the target meanwhile is found, and what is missing.
    let name = name_of(&url);
    let sql = |text: &str| cluster.sql(name, text).expect("it runs");
    sql("UPDATE customers SET version = version + 1");
    refused(
        &moving(store.data(), &url, &[]),
        "customers: the source has 10 rows",
    );
    is_nobodys(&url, store.data(), &store.master_key());
    sql("UPDATE customers SET version = version - 1");
    sql("DELETE FROM keys.data_keys WHERE id = (SELECT MAX(id) FROM keys.data_keys)");
    refused(
        &moving(store.data(), &url, &[]),
        "keys.data_keys: the source has",
    );
    is_nobodys(&url, store.data(), &store.master_key());
}

#[test]
fn a_source_that_changes_between_two_runs_is_noticed() {
    let Some(cluster) = cluster() else { return };
    let store = Stopped::with_customers(10);
    let url = cluster.new_database();
    let killed = moving(store.data(), &url, &[("OMS_FAILPOINT", "move.copied")]);
    assert_eq!(killed.status.signal(), Some(SIGKILL), "{killed:?}");
    let key = [
        "keys",
        "create",
        "--project",
        "late",
        "--data",
        store.data(),
    ];
    assert!(oms(&key, &[]).status.success());
    refused(
        &moving(store.data(), &url, &[]),
        "Empty the target and move again",
    );
}

/// The two ends of a move that this process makes itself.
fn ends(store: &Stopped, url: &str) -> [Config; 2] {
    let from = Config::for_data(&PathBuf::from(store.data()));
    let to = Config {
        database: Some(Database::parse(url).expect("a URL")),
        ..from.clone()
    };
    [from, to]
}

#[test]
fn of_two_moves_at_once_the_second_takes_over_and_the_first_stops() {
    let Some(cluster) = cluster() else { return };
    let store = Stopped::with_customers(600);
    let url = cluster.new_database();
    let [from, to] = ends(&store, &url);
    let source = Source::open(&from).expect("it opens");
    let mut second = None;
    let first = relocation::run(&source, &to, None, &Random::System, &mut |progress| {
        if matches!(progress, Progress::Passed(_)) && second.is_none() {
            let source = Source::open(&from).expect("it opens");
            let run = relocation::run(&source, &to, None, &Random::System, &mut |_| {});
            second = Some(run.map(|moved| moved.len()));
        }
    });
    assert!(
        matches!(second, Some(Ok(tables)) if tables > 20),
        "{second:?}"
    );
    let first = first.expect_err("it was taken over");
    let cause = first.cause().map(ToString::to_string);
    assert!(cause.is_some_and(|cause| cause.contains("took this one over")));
    check_sound(&url, &store.master_key());
}

#[test]
fn two_processes_that_move_at_once_do_no_harm() {
    let Some(cluster) = cluster() else { return };
    let store = Stopped::with_customers(600);
    let url = cluster.new_database();
    let outputs = std::thread::scope(|scope| {
        let runs = [0, 1, 2].map(|_| scope.spawn(|| moving(store.data(), &url, &[])));
        runs.map(|run| run.join().expect("it ends"))
    });
    for output in outputs.iter().filter(|output| !output.status.success()) {
        let known = [
            "in use",
            "took this one over",
            "is not empty",
            "others keep changing",
        ];
        let told = known.iter().any(|known| output.stderr.contains(known));
        assert!(told, "{outputs:?}");
    }
    if !outputs.iter().any(|output| output.status.success()) {
        moved(store.data(), &url);
    }
    check_sound(&url, &store.master_key());
}

#[test]
fn whoever_writes_to_the_source_meanwhile_is_noticed() {
    let Some(cluster) = cluster() else { return };
    let store = Stopped::with_customers(10);
    let url = cluster.new_database();
    let [from, to] = ends(&store, &url);
    let source = Source::open(&from).expect("it opens");
    let mut written = false;
    let run = relocation::run(&source, &to, None, &Random::System, &mut |progress| {
        if matches!(progress, Progress::Passed(_)) && !written {
            let db = Connection::open(from.data.join("oms.db")).expect("it opens");
            db.execute("UPDATE customers SET version = version + 1", [])
                .expect("written");
            written = true;
        }
    });
    let error = run.expect_err("it was noticed");
    let cause = error.cause().map(ToString::to_string).unwrap_or_default();
    assert!(cause.contains("somebody wrote to"), "{cause}");
    is_nobodys(&url, store.data(), &store.master_key());
}
