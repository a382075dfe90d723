//! What an erasure leaves in the files: nothing that leads from a value of the person to the
//! person. Every file of the data folder is read as bytes.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::check_whole;
use crate::support::{
    Answer, Api, Server, eventually, files_under, full_customer, is_about_files, numbers, oms, sql,
};

/// Bytes of a change in the journal of look-ups: hash, id, what happens.
const JOURNALLED: usize = 25;

/// The id of a customer, as it is stored.
pub fn id_of(customer: &str) -> [u8; 16] {
    let id = oms::id::CustomerId::parse(customer).expect("an id");
    *id.as_bytes()
}

pub fn from_hex(digits: &str) -> Vec<u8> {
    let digits = digits.trim_start_matches("\\x").as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks(2).filter_map(byte).collect()
}

/// The hashes beside a customer's id, as the journal and the table of look-ups have them now.
pub fn hashes_of(data: &Path, id: &[u8; 16]) -> Vec<[u8; 8]> {
    let journal = from_hex(&sql(
        data,
        "SELECT hex(group_concat(hex(ops), '')) FROM lookup_journal",
    ));
    let journal = from_hex(&String::from_utf8_lossy(&journal));
    let ops = journal.chunks_exact(JOURNALLED);
    let of_id = ops.filter(|op| op[8..24] == id[..]);
    let mut hashes: Vec<[u8; 8]> = of_id
        .filter_map(|op| op.first_chunk().copied())
        .filter(|hash| *hash != [0; 8])
        .collect();
    let folded = sql(data, "SELECT hash, hex(target) FROM lookups");
    for line in folded.lines() {
        let (hash, target) = line.split_once('|').expect("two columns");
        if from_hex(target) == id {
            let hash: i64 = hash.parse().expect("a number");
            hashes.push(hash.to_be_bytes());
        }
    }
    hashes
}

/// The files in which one of these stands.
pub fn files_with(data: &Path, needles: &[impl AsRef<[u8]>]) -> Vec<String> {
    let files = files_under(data).into_iter();
    let stands = |bytes: &[u8], needle: &[u8]| bytes.windows(needle.len()).any(|one| one == needle);
    files
        .filter(|(_, bytes)| needles.iter().any(|needle| stands(bytes, needle.as_ref())))
        .map(|(path, _)| path.display().to_string())
        .collect()
}

pub fn person(number: usize) -> Value {
    let mut body = full_customer();
    body["email"] = json!(format!("person{number}@example.com"));
    body["externalId"] = json!(format!("person-{number}"));
    body["identifyingInformation"][0]["number"] = json!(format!("123-45-{:04}", 1000 + number));
    body
}

pub fn create_some(api: &Api) -> Vec<Answer> {
    (0..8).map(|number| api.create(&person(number))).collect()
}

/// Waits until no erasure has anything left to do.
fn wait_until_done(data: &Path) {
    let open = "SELECT COUNT(*) FROM erasures WHERE done_at IS NULL";
    eventually(Duration::from_mins(1), "the erasure is complete", || {
        (numbers(data, open) == [0]).then_some(())
    });
}

pub fn erase(api: &Api, id: &str) {
    let path = format!("/customers/{id}/erase");
    api.post(&path, &json!({ "reason": "asked" })).wants(200);
}

#[test]
fn no_file_holds_a_hash_of_an_erased_customer() {
    if is_about_files() {
        return;
    }
    let server = Server::start(&[]);
    let api = server.sandbox();
    let people = create_some(&api);
    let changed = people[3].id();
    // A value of before is the person's as well.
    api.change(&changed, &json!({ "email": "before@example.com" }));
    api.change(&changed, &json!({ "email": "after@example.com" }));
    let id = id_of(&changed);
    let hashes = hashes_of(&server.data, &id);
    assert!(hashes.len() >= 5, "{hashes:?}");
    assert!(
        !files_with(&server.data, &hashes).is_empty(),
        "the search finds them"
    );
    erase(&api, &changed);
    wait_until_done(&server.data);
    assert_eq!(files_with(&server.data, &hashes), [""; 0]);
    // The others are found as before, also by those who read the journal at a start.
    let mut server = server;
    for round in 0..2 {
        let api = api.at(&server.base);
        for (number, one) in people.iter().enumerate().filter(|(number, _)| *number != 3) {
            let query = format!("?email=person{number}@example.com");
            assert_eq!(api.listed(&query), [one.id()], "round {round}");
        }
        for email in ["person3", "before", "after"] {
            assert_eq!(api.listed(&format!("?email={email}@example.com")), [""; 0]);
        }
        server.restart();
    }
    assert_eq!(files_with(&server.data, &hashes), [""; 0], "after starts");
    check_whole(&server);
    let doctor = crate::on(&server, &["doctor"]);
    assert!(doctor.status.success(), "{doctor:?}");
}

/// The fingerprint of a request is a hash of everything in it.
#[test]
fn no_fingerprint_outlives_the_data_key() {
    let server = Server::start(&[]);
    let api = server.sandbox();
    let made = api.post_keyed("/customers", "first", &person(1)).wants(201);
    let kept = sql(&server.data, "SELECT DISTINCT fingerprint FROM idempotency");
    assert_eq!(
        kept,
        format!("\\x{}", "00".repeat(16)),
        "it is sealed with the answer"
    );
    let again = api.post_keyed("/customers", "first", &person(1)).wants(201);
    assert_eq!(again.body, made.body);
    api.post_keyed("/customers", "first", &person(2))
        .problem(422, "idempotencyKeyReused");
    erase(&api, &made.id());
    for number in [1, 2] {
        api.post_keyed("/customers", "first", &person(number))
            .problem(404, "notFound");
    }
}

/// Somebody who reads the data for long, as a backup does, holds nobody up; what stands in the
/// log goes when the reading ends.
#[test]
fn the_log_is_emptied_once_nobody_reads_it() {
    if is_about_files() {
        return;
    }
    let server = Server::start(&[("OMS_AUDIT_CHECKPOINT_S", "1")]);
    let api = server.sandbox();
    let people = create_some(&api);
    let id = people[0].id();
    let hashes = hashes_of(&server.data, &id_of(&id));
    let reader = rusqlite::Connection::open(server.data.join("oms.db")).expect("in order");
    reader
        .execute_batch("BEGIN; SELECT * FROM customers")
        .expect("in order");
    erase(&api, &id);
    // Nobody here may look at the bytes meanwhile: that would give up the reader's locks.
    let open = "SELECT COUNT(*) FROM erasures WHERE done_at IS NULL";
    assert_eq!(numbers(&server.data, open), [1]);
    api.create(&person(100));
    reader.execute_batch("ROLLBACK").expect("in order");
    drop(reader);
    wait_until_done(&server.data);
    assert_eq!(files_with(&server.data, &hashes), [""; 0]);
}

#[test]
fn a_command_beside_the_server_leaves_nothing_either() {
    if is_about_files() {
        return;
    }
    let server = Server::start(&[]);
    let api = server.sandbox();
    let people = create_some(&api);
    let id = people[5].id();
    let hashes = hashes_of(&server.data, &id_of(&id));
    let output = crate::on(&server, &["customers", "erase", &id, "--reason", "asked"]);
    assert!(output.status.success(), "{output:?}");
    wait_until_done(&server.data);
    assert_eq!(files_with(&server.data, &hashes), [""; 0]);
    assert_eq!(api.listed("?email=person5@example.com"), [""; 0]);
    assert_eq!(api.listed("?email=person6@example.com"), [people[6].id()]);
    api.create(&person(200));
}

#[test]
fn an_older_copy_that_is_restored_leaves_nothing_of_who_was_erased_since() {
    if is_about_files() {
        return;
    }
    let server = Server::start(&[]);
    let api = server.sandbox();
    let people = create_some(&api);
    let id = people[2].id();
    let folder = crate::support::Folder::new();
    let path = |name: &str| {
        folder
            .path()
            .join(name)
            .to_str()
            .expect("plain text")
            .to_owned()
    };
    let (data, keys, master) = (path("oms.backup"), path("keys.backup"), path("master"));
    std::fs::copy(server.data.join("master.key"), &master).expect("in order");
    let output = crate::on(&server, &["backup", &data]);
    assert!(output.status.success(), "{output:?}");
    let hashes = hashes_of(&server.data, &id_of(&id));
    erase(&api, &id);
    let output = crate::on(&server, &["backup-keys", &keys]);
    assert!(output.status.success(), "{output:?}");
    let restored = path("restored");
    let arguments = ["restore", &data, "--keys", &keys, "--data", &restored];
    let setting = [("OMS_MASTER_KEY_FILE", master.as_str())];
    let output = oms(&arguments, &setting);
    assert!(output.status.success(), "{output:?}");
    let restored = Path::new(&restored);
    wait_until_done(restored);
    assert_eq!(files_with(restored, &hashes), [""; 0]);
    let left = "SELECT COUNT(*) FROM customers WHERE status = 1";
    assert_eq!(numbers(restored, left), [1]);
}

/// A kill anywhere between the steps leaves a note, and the next start does the rest.
#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build has no failpoints")]
fn a_kill_between_the_steps_leaves_nothing_after_the_next_start() {
    if is_about_files() {
        return;
    }
    for place in ["noted", "forgotten", "destroyed", "scrubbed"] {
        let place = format!("erasure.{place}");
        let mut server = Server::start(&[("OMS_FAILPOINT", &place)]);
        let api = server.sandbox();
        let people = create_some(&api);
        let id = people[7].id();
        let hashes = hashes_of(&server.data, &id_of(&id));
        let path = format!("/customers/{id}/erase");
        let call = api.posting(&path, &json!({ "reason": "asked" }));
        call.try_send().expect_err("nobody answers");
        let _ = server.ended(Duration::from_secs(20));
        let server = Server::start_owning_with(server.into_folder(), &[]);
        wait_until_done(&server.data);
        assert_eq!(files_with(&server.data, &hashes), [""; 0], "{place}");
        check_whole(&server);
    }
}

/// Whoever copies the logs back at the same moment, again and again, refuses nobody.
#[test]
fn nobody_is_refused_while_others_copy_the_logs_back() {
    if is_about_files() {
        return;
    }
    let server = Server::start(&[]);
    let api = server.sandbox();
    let people = create_some(&api);
    let is_over = Arc::new(AtomicBool::new(false));
    let copying: Vec<_> = ["keys.db", "oms.db"]
        .map(|file| {
            let (path, is_over) = (server.data.join(file), Arc::clone(&is_over));
            thread::spawn(move || {
                let file = rusqlite::Connection::open(path).expect("in order");
                while !is_over.load(Ordering::Acquire) {
                    let copied = file.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
                    copied.expect("in order");
                }
            })
        })
        .into();
    for one in &people {
        erase(&api, &one.id());
        let output = server.keys(&["create", "--project", "more"]);
        assert!(output.status.success(), "{output:?}");
    }
    is_over.store(true, Ordering::Release);
    for thread in copying {
        thread.join().expect("it copied");
    }
    wait_until_done(&server.data);
}

/// On either engine.
#[test]
fn no_look_up_leads_to_an_erased_customer() {
    let server = Server::start(&[]);
    let api = server.sandbox();
    let id = create_some(&api)[1].id();
    erase(&api, &id);
    wait_until_done(&server.data);
    let of = crate::support::bytes(&id_of(&id));
    let led = format!("SELECT COUNT(*) FROM lookups WHERE target = {of}");
    assert_eq!(numbers(&server.data, &led), [0]);
}
