//! What is not moved, and what is said about it. Nothing is changed by any of it.

use std::fs;

use rusqlite::Connection;

use crate::place::cluster;
use crate::support::{Folder, Server, name_of, oms};
use crate::{Stopped, empty_folder, moved, moving, refused, stopped, text};

#[test]
fn a_source_on_which_a_server_runs_is_refused() {
    let Some(cluster) = cluster() else { return };
    let server = Server::start(&[]);
    let data = text(&server.data).to_owned();
    let url = cluster.new_database();
    let output = moving(&data, &url, &[]);
    refused(&output, "is in use: process");
    refused(&output, &server.process().to_string());
    let folder = stopped(server);
    moved(&data, &url);
    let master_key = folder.path().join("data").join("master.key");
    let server = Server::start_owning_with(folder, &[("OMS_DATABASE", &url)]);
    let target = empty_folder(&master_key);
    refused(
        &moving(&url, text(target.path()), &[]),
        "connections of oms are open",
    );
    // The folder is as it was.
    let folder = stopped(server);
    moved(&url, text(target.path()));
    drop(folder);
}

#[test]
fn a_target_that_is_not_empty_is_refused_and_stays_as_it_is() {
    let Some(cluster) = cluster() else { return };
    let [one, other] = [Stopped::with_customers(3), Stopped::with_customers(2)];
    let url = cluster.new_database();
    moved(one.data(), &url);
    refused(&moving(other.data(), &url, &[]), "is not empty (projects)");
    refused(&moving(one.data(), &url, &[]), "is not empty (projects)");
    let customers = cluster.sql(name_of(&url), "SELECT COUNT(*) FROM customers");
    assert_eq!(customers.as_deref(), Ok("3"));

    let before = other.files();
    refused(
        &moving(
            &url,
            other.data(),
            &[("OMS_MASTER_KEY_FILE", text(&one.master_key()))],
        ),
        "is not empty (oms.db)",
    );
    assert_eq!(other.files(), before);
    let folder = empty_folder(&one.master_key());
    fs::write(folder.path().join("letter.txt"), "dear").expect("written");
    refused(
        &moving(&url, text(folder.path()), &[]),
        "is not empty (letter.txt)",
    );
    let folder = empty_folder(&one.master_key());
    fs::write(folder.path().join("oms.db"), "no database at all").expect("written");
    fs::write(folder.path().join("keys.db"), "nor this").expect("written");
    refused(
        &moving(&url, text(folder.path()), &[]),
        "is not empty (oms.db)",
    );
    let garbled = fs::read_to_string(folder.path().join("oms.db")).expect("it is there");
    assert_eq!(garbled, "no database at all");
    let file = folder.path().join("oms.db");
    refused(
        &moving(
            &url,
            text(&file),
            &[("OMS_MASTER_KEY_FILE", text(&one.master_key()))],
        ),
        "cannot be used",
    );
}

#[test]
fn an_unfinished_move_takes_rows_of_its_own_source_only() {
    let Some(cluster) = cluster() else { return };
    let [one, other] = [Stopped::with_customers(3), Stopped::with_customers(2)];
    let url = cluster.new_database();
    let killed = moving(one.data(), &url, &[("OMS_FAILPOINT", "move.batch")]);
    assert!(!killed.status.success(), "{killed:?}");
    refused(&moving(other.data(), &url, &[]), one.data());
    let garble = "UPDATE unfinished_move SET edge = '\\x07'";
    cluster.sql(name_of(&url), garble).expect("it runs");
    refused(&moving(one.data(), &url, &[]), "does not say how far it is");
}

#[test]
fn stores_of_another_schema_are_refused_with_what_to_run() {
    let Some(cluster) = cluster() else { return };
    let store = Stopped::with_customers(1);
    let url = cluster.new_database();
    let set = |version: &str| {
        let db = Connection::open(store.folder.path().join("data/oms.db")).expect("it opens");
        let version = format!("PRAGMA user_version = {version}");
        db.execute_batch(&version).expect("set");
    };
    let known: i64 = {
        let db = Connection::open(store.folder.path().join("data/oms.db")).expect("it opens");
        db.query_row("PRAGMA user_version", [], |row| row.get(0))
            .expect("a number")
    };
    set(&(known - 1).to_string());
    let migrate = format!("run: oms migrate --data {}", store.data());
    refused(&moving(store.data(), &url, &[]), &migrate);
    set("99");
    refused(
        &moving(store.data(), &url, &[]),
        "use the newer oms that wrote it",
    );
    set(&known.to_string());
    let sql = |text: &str| cluster.sql(name_of(&url), text).expect("it runs");
    moved(store.data(), &url);
    let last = sql("SELECT MAX(number) FROM schema_steps WHERE part = 'data'");
    sql(&format!(
        "DELETE FROM schema_steps WHERE part = 'data' AND number = {last}"
    ));
    let target = empty_folder(&store.master_key());
    let migrate = format!("run: oms migrate --database {url}");
    refused(&moving(&url, text(target.path()), &[]), &migrate);
    sql(&format!(
        "INSERT INTO schema_steps VALUES ('data', {last}), ('data', 99)"
    ));
    refused(
        &moving(&url, text(target.path()), &[]),
        "use the newer oms that wrote it",
    );
    // A newer target.
    let newer = cluster.new_database();
    let migrated = oms(&["migrate", "--database", &newer], &[]);
    assert!(migrated.status.success(), "{migrated:?}");
    let step = "INSERT INTO schema_steps VALUES ('data', 99)";
    cluster.sql(name_of(&newer), step).expect("it runs");
    refused(&moving(store.data(), &newer, &[]), "run a newer oms");
}

#[test]
fn places_that_are_away_or_wrong_are_named() {
    let Some(cluster) = cluster() else { return };
    let store = Stopped::with_customers(1);
    let nowhere = "postgres://oms:hush@127.0.0.1:1/none";
    for output in [
        moving(store.data(), nowhere, &[]),
        moving(nowhere, "/tmp/x", &[]),
    ] {
        refused(&output, "127.0.0.1:1");
        assert!(!output.stderr.contains("hush"), "{output:?}");
    }
    let empty = Folder::new();
    refused(
        &moving(text(empty.path()), &cluster.new_database(), &[]),
        "holds no store",
    );
    refused(
        &moving(&cluster.new_database(), text(empty.path()), &[]),
        "holds no store",
    );
    refused(&moving(store.data(), store.data(), &[]), "the same place");
    refused(&moving(store.data(), "postgres://there/oms", &[]), "--to");
}

#[test]
fn a_folder_wants_the_right_master_key_and_a_database_wants_none() {
    let Some(cluster) = cluster() else { return };
    let store = Stopped::with_customers(3);
    let url = cluster.new_database();
    let kept = store.folder.path().join("kept.key");
    fs::rename(store.master_key(), &kept).expect("moved away");
    moved(store.data(), &url);
    let target = Folder::new();
    let place = target.path().join("new");
    refused(&moving(&url, text(&place), &[]), "will need the master key");
    let wrong = target.path().join("wrong.key");
    let other = Stopped::with_customers(0);
    fs::copy(other.master_key(), &wrong).expect("copied");
    let output = moving(&url, text(&place), &[("OMS_MASTER_KEY_FILE", text(&wrong))]);
    refused(&output, "master key");
    assert!(!place.exists(), "nothing was made");
    let right = moving(&url, text(&place), &[("OMS_MASTER_KEY_FILE", text(&kept))]);
    assert!(right.status.success(), "{right:?}");
    crate::check_sound(text(&place), &kept);
}
