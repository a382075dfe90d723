//! After an erasure the key of the hashes by which customers are found is changed and destroyed,
//! so that no copy of the data, however old, leads from a value to the erased person.

use std::collections::HashSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use oms::config::{Config, Database};
use oms::context::Context;
use oms::core::event::Origin;
use oms::core::installation::Installation;
use oms::core::lookups::LookupChange;
use oms::core::rehashing;
use oms::core::roster::{self, Customer};
use oms::store::{customer, idempotency, lookup};
use serde_json::json;

use crate::support::{
    Api, Folder, Server, database_setting, eventually, full_customer, is_about_files, numbers, oms,
    sql,
};
use crate::traces::{create_some, erase, files_with, from_hex, hashes_of, id_of};
use crate::{check_whole, on};

const A_WHILE: Duration = Duration::from_mins(3);

/// The key is changed at once and not a day later.
const AT_ONCE: (&str, &str) = ("OMS_HASH_KEY_CHANGE_H", "0");

/// The epochs of hash keys that the register has.
fn epochs(data: &Path) -> Vec<i64> {
    let epochs = sql(data, "SELECT epoch FROM keys.hash_keys ORDER BY epoch");
    epochs
        .lines()
        .filter_map(|line| line.parse().ok())
        .collect()
}

/// Waits until everybody is hashed by one key that is not `before`, and that one is destroyed.
fn wait_for_change(data: &Path, before: i64) {
    eventually(A_WHILE, "the hash key is changed", || {
        let now = epochs(data);
        let stand = numbers(data, "SELECT COUNT(*), MIN(epoch) FROM lookup_epochs");
        let is_one = now.len() == 1 && stand == [1, now[0]];
        (is_one && now[0] != before).then_some(())
    });
}

#[track_caller]
fn is_well(server: &Server) {
    check_whole(server);
    let doctor = on(server, &["doctor"]);
    assert!(doctor.status.success(), "{doctor:?}");
}

fn config_of(data: &Path) -> Config {
    let mut config = Config::for_data(data);
    config.database = database_setting(data)
        .map(|(_, url)| Database::parse(&url).expect("the tests' own URL is one"));
    config
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("in order")
}

/// Every hash that somebody who has the master key and the register finds for values.
fn computed(data: &Path, project: i64, values: &[(&str, &str)]) -> HashSet<[u8; 8]> {
    let config = config_of(data);
    let opened = runtime().block_on(Installation::open(&config, &Context::system()));
    let opened = opened.expect("it opens");
    let keys = opened.secrets.hash_keys();
    let first = opened.secrets.first_hash_key();
    let all = keys.iter().chain([&first]);
    let hashes = all
        .flat_map(|key| {
            let hash = |(kind, value): &(&str, &str)| key.hash(project, kind, value.as_bytes());
            values.iter().map(hash).collect::<Vec<_>>()
        })
        .map(i64::to_be_bytes)
        .collect();
    opened.store.close();
    hashes
}

#[test]
fn an_older_copy_leads_to_nobody_who_was_erased_since() {
    if is_about_files() {
        return;
    }
    let server = Server::start(&[AT_ONCE]);
    let api = server.sandbox();
    let people = create_some(&api);
    let erased = people[4].id();
    let project = numbers::<1>(&server.data, "SELECT DISTINCT project FROM customers")[0];
    let folder = Folder::new();
    let copy = folder.path().join("before");
    fs::create_dir_all(&copy).expect("in order");
    let path = |name: &str| copy.join(name).to_str().expect("plain text").to_owned();
    let (data, keys) = (path("oms.db"), path("keys.db"));
    let output = on(&server, &["backup", &data, "--keys-file", &keys]);
    assert!(output.status.success(), "{output:?}");
    let master = server.data.join("master.key");
    fs::copy(&master, copy.join("master.key")).expect("in order");
    let values = [
        ("email", "person4@example.com"),
        ("externalId", "person-4"),
        ("document", "ssn/US/123451004"),
        ("document", "ssn/US/123-45-1004"),
    ];
    let in_copy = hashes_of(&copy, &id_of(&erased));
    let led = |hashes: &HashSet<_>| in_copy.iter().filter(|one| hashes.contains(*one)).count();
    assert_eq!(
        led(&computed(&copy, project, &values)),
        3,
        "the search finds them while the key is there"
    );
    let [before] = epochs(&server.data)[..] else {
        panic!("one key");
    };
    let wrapped = from_hex(&sql(
        &server.data,
        "SELECT hex(wrapped) FROM keys.hash_keys",
    ));
    assert!(!files_with(&server.data, &[&wrapped]).is_empty());
    erase(&api, &erased);
    wait_for_change(&server.data, before);
    eventually(A_WHILE, "the key is in no file", || {
        files_with(&server.data, &[&wrapped])
            .is_empty()
            .then_some(())
    });
    is_well(&server);
    let folder = server.into_folder();
    let now = computed(&folder.path().join("data"), project, &values);
    assert_eq!(led(&now), 0);
}

/// Everybody is found by every value at every moment of the change, whoever comes, changes or
/// goes meanwhile, on either engine.
#[test]
fn everybody_is_found_while_the_key_is_changed() {
    let server = Server::start(&[AT_ONCE]);
    let api = server.sandbox();
    let people: Vec<_> = create_some(&api).iter().map(|one| one.id()).collect();
    let [before] = epochs(&server.data)[..] else {
        panic!("one key");
    };
    let is_over = Arc::new(AtomicBool::new(false));
    let busy = {
        let (api, is_over) = (api.at(&server.base), Arc::clone(&is_over));
        let kept = people[1..].to_vec();
        thread::spawn(move || live(&api, &kept, &is_over))
    };
    erase(&api, &people[0]);
    wait_for_change(&server.data, before);
    is_over.store(true, Ordering::Release);
    let emails = busy.join().expect("everybody was found");
    for (id, email) in &emails {
        assert_eq!(api.listed(&format!("?email={email}")), [id.as_str()]);
    }
    for (number, id) in people.iter().enumerate().skip(1) {
        let found = api.listed(&format!("?externalId=person-{number}"));
        assert_eq!(found, [id.as_str()]);
    }
    assert_eq!(api.listed("?email=person0@example.com"), [""; 0]);
    is_well(&server);
    // Another master key wraps the hash key as well.
    let output = on(&server, &["keys", "rotate-master", "--reason", "test"]);
    assert!(output.status.success(), "{output:?}");
    let mut server = server;
    server.restart();
    let api = api.at(&server.base);
    for (id, email) in &emails {
        assert_eq!(api.listed(&format!("?email={email}")), [id.as_str()]);
    }
    is_well(&server);
}

/// Creates, changes and looks up until it is over; gives everybody with the mail address of now.
fn live(api: &Api, kept: &[String], is_over: &AtomicBool) -> Vec<(String, String)> {
    let address = |number: usize| format!("person{}@example.com", number + 1);
    let kept = kept.iter().cloned().enumerate();
    let mut emails: Vec<_> = kept.map(|(number, id)| (id, address(number))).collect();
    let mut turn = 0;
    while !is_over.load(Ordering::Acquire) {
        let place = turn % emails.len();
        let (id, email) = emails[place].clone();
        let found = api.listed(&format!("?email={email}"));
        assert_eq!(found, [id.as_str()], "turn {turn}");
        if turn % 3 == 0 {
            let next = format!("turn{turn}@example.com");
            api.change(&id, &json!({ "email": next }));
            assert_eq!(
                api.listed(&format!("?email={email}")),
                [""; 0],
                "turn {turn}"
            );
            emails[place].1 = next;
        }
        if turn % 5 == 0 {
            let mut body = full_customer();
            let email = format!("came{turn}@example.com");
            body["email"] = json!(email);
            body["externalId"] = json!(format!("came-{turn}"));
            emails.push((api.create(&body).id(), email));
        }
        turn += 1;
    }
    emails
}

/// Killed at any step, the next start goes on.
#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build has no failpoints")]
fn a_kill_in_the_middle_of_a_change_is_made_good() {
    let places = ["announced", "step", "finished"];
    let threads = places.map(|place| thread::spawn(move || killed_at(place)));
    for thread in threads {
        thread.join().expect("it went on");
    }
}

fn killed_at(place: &str) {
    let named = format!("rehashing.{place}");
    let mut server = Server::start(&[AT_ONCE, ("OMS_FAILPOINT", &named)]);
    let api = server.sandbox();
    let people = create_some(&api);
    let [before] = epochs(&server.data)[..] else {
        panic!("one key");
    };
    erase(&api, &people[0].id());
    let ended = server.ended(A_WHILE);
    assert_eq!(ended.signal(), Some(9), "{ended}");
    let server = Server::start_owning_with(server.into_folder(), &[AT_ONCE]);
    wait_for_change(&server.data, before);
    let api = api.at(&server.base);
    for (number, one) in people.iter().enumerate().skip(1) {
        let found = api.listed(&format!("?email=person{number}@example.com"));
        assert_eq!(found, [one.id()], "{place}");
    }
    is_well(&server);
}

/// The data comes from a copy that is older than the end of its hash key: everybody is hashed
/// anew before anybody is asked for, and who was erased is erased again.
#[test]
fn a_copy_whose_hash_key_is_destroyed_is_hashed_anew_at_the_restore() {
    if is_about_files() {
        return;
    }
    let server = Server::start(&[AT_ONCE]);
    let api = server.sandbox();
    let people = create_some(&api);
    let folder = Folder::new();
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    let text = |name: &str| path(name).to_str().expect("plain text").to_owned();
    let (data, keys, master) = (text("oms.backup"), text("keys.backup"), text("master"));
    fs::copy(server.data.join("master.key"), &master).expect("in order");
    let output = on(&server, &["backup", &data]);
    assert!(output.status.success(), "{output:?}");
    let erased = people[6].id();
    let hashes = hashes_of(&server.data, &id_of(&erased));
    let [before] = epochs(&server.data)[..] else {
        panic!("one key");
    };
    erase(&api, &erased);
    wait_for_change(&server.data, before);
    let output = on(&server, &["backup-keys", &keys]);
    assert!(output.status.success(), "{output:?}");
    let again = Folder::new();
    let restored = again.path().join("data");
    let to = restored.to_str().expect("plain text");
    let setting = [("OMS_MASTER_KEY_FILE", master.as_str())];
    let output = oms(&["restore", &data, "--keys", &keys, "--data", to], &setting);
    assert!(output.status.success(), "{output:?}");
    let doctor = oms(&["doctor", "--data", to], &setting);
    assert!(doctor.status.success(), "{doctor:?}");
    assert_eq!(files_with(&restored, &hashes), [""; 0]);
    let server = Server::start_owning_with(again, &setting);
    let api = api.at(&server.base);
    for (number, one) in people.iter().enumerate() {
        let found = api.listed(&format!("?email=person{number}@example.com"));
        let wanted: &[String] = if number == 6 { &[] } else { &[one.id()] };
        assert_eq!(found, wanted);
    }
    assert_eq!(api.read(&erased).json()["status"], "inactive");
}

/// What a version before this one stored is found, and hashed by a key of its own soon.
#[test]
fn what_an_older_version_hashed_is_found_and_hashed_anew() {
    if is_about_files() {
        return;
    }
    let server = Server::start(&[]);
    let api = server.sandbox();
    let people = create_some(&api);
    let folder = server.into_folder();
    let data = folder.path().join("data");
    let lines = older_hashes(&data);
    assert_eq!(lines.len(), 4 * people.len(), "three values and a used key");
    sql(
        &data,
        &format!(
        "DELETE FROM lookup_journal; DELETE FROM lookups WHERE target IN (SELECT id FROM customers);
         DELETE FROM lookup_epochs; DELETE FROM keys.hash_keys; {}",
        lines.concat()
    ),
    );
    let server = Server::start_owning_with(folder, &[]);
    let api = api.at(&server.base);
    let all_are_found = || {
        for (number, one) in people.iter().enumerate() {
            let found = api.listed(&format!("?email=person{number}@example.com"));
            assert_eq!(found, [one.id()]);
        }
    };
    all_are_found();
    wait_for_change(&server.data, 0);
    all_are_found();
    is_well(&server);
}

/// Statements that store the look-ups of everybody as a version before this one did.
fn older_hashes(data: &Path) -> Vec<String> {
    let config = config_of(data);
    let opened = runtime().block_on(Installation::open(&config, &Context::system()));
    let opened = opened.expect("it opens");
    let page = opened
        .store
        .read_blocking(|tx| customer::after(tx, (0, [0; 16]), 100));
    let key = opened.secrets.first_hash_key();
    let mut lines = Vec::new();
    for found in page.expect("in order") {
        let customer = Customer::open(found, &opened.master)
            .expect("it opens")
            .expect("a key");
        let identity = customer.open_identity().expect("it opens");
        let id = crate::support::bytes(customer.row.id.as_bytes());
        for hash in customer.hashes(&identity, &key) {
            lines.push(format!("INSERT INTO lookups VALUES ({hash}, {id});"));
        }
    }
    let page = opened
        .store
        .read_blocking(|tx| idempotency::after(tx, &[0; 16], 100));
    for (record, _) in page.expect("in order") {
        let hash = record.claim.lookup_hash(&opened.secrets);
        let id = crate::support::bytes(&record.id);
        lines.push(format!(
            "INSERT OR IGNORE INTO lookups VALUES ({hash}, {id});"
        ));
    }
    opened.store.close();
    lines
}

/// A server that stood still while the key was changed writes by the key of before: what it
/// writes is noted, and put in order by those that know.
#[test]
fn what_is_written_by_a_key_of_before_is_put_in_order() {
    let server = Server::start(&[]);
    let api = server.sandbox();
    let people = create_some(&api);
    let project = numbers::<1>(&server.data, "SELECT DISTINCT project FROM customers")[0];
    // Nobody else may put it in order.
    let folder = server.into_folder();
    let config = config_of(&folder.path().join("data"));
    runtime().block_on(async {
        let context = Context::system();
        let slow = Installation::open(&config, &context)
            .await
            .expect("it opens");
        let quick = Installation::open(&config, &context)
            .await
            .expect("it opens");
        // A change is ready and not written yet.
        let id = oms::id::CustomerId::parse(&people[2].id()).expect("an id");
        let found = slow.store.read(move |tx| customer::find(tx, project, id));
        let found = found.await.expect("in order").expect("it is there");
        let customer = Customer::open(found, &slow.master)
            .expect("it opens")
            .expect("a key");
        let key = slow
            .master
            .unwrap_data_key(customer.row.data_key, &wrapped(&slow, &customer).await);
        let origin = Origin {
            actor: "test".into(),
            request_id: "test".into(),
        };
        let events = [oms::core::event::Event::with_reason(
            oms::core::event::EventKind::CustomerErased,
            "test",
        )];
        let key = key.expect("it opens");
        let event = oms::core::event::seal(&events, (project, id), &origin, &key, &context);
        let draft = roster::tombstone(
            &customer,
            &event.expect("sealed"),
            &key,
            &context,
            &slow.secrets,
        )
        .expect("in order");
        let newest = quick.secrets.hash_keys().newest().epoch();
        rehashing::begin(&quick, newest).await.expect("in order");
        let next = quick.secrets.hash_keys().newest_known();
        assert!(next > newest);
        rehashing::put_in_force(&quick, next)
            .await
            .expect("in order");
        retire(&quick, newest).await;
        rehashing::destroy(&quick, vec![newest])
            .await
            .expect("in order");
        let hashes = quick
            .secrets
            .hash_keys()
            .hashes(project, "email", b"person2@example.com");
        let leads = |hash: i64| {
            quick
                .store
                .read(move |tx| lookup::leads(tx, hash, id.as_bytes()))
        };
        assert!(leads(hashes[0]).await.expect("in order"), "by the new key");
        // Look-ups of somebody who stays, by the key of before.
        let identity = customer.open_identity().expect("it opens");
        let change = LookupChange::of_new(project, &customer.profile, &identity, &slow.secrets);
        let row = customer.row.clone();
        let write = slow.store.write(move |tx| change.write(tx, &row));
        write.await.expect("in order");
        let old = slow.secrets.hash_keys();
        let old = old.hashes(project, "email", b"person2@example.com")[0];
        assert!(leads(old).await.expect("in order"), "it knew no better");
        while rehashing::fix_stale(&quick).await.expect("in order") > 0 {}
        assert!(!leads(old).await.expect("in order"));
        assert!(leads(hashes[0]).await.expect("in order"));
        // The end of somebody whom it knows by the key of before only.
        let written = slow.store.write(draft.writer()).await;
        assert!(written.expect("in order"));
        while rehashing::fix_stale(&quick).await.expect("in order") > 0 {}
        assert!(
            !leads(hashes[0]).await.expect("in order"),
            "nothing leads there now"
        );
        slow.store.close();
        quick.store.close();
    });
    let server = Server::start_owning(folder);
    let api = api.at(&server.base);
    for (number, one) in people.iter().enumerate().filter(|(number, _)| *number != 2) {
        let found = api.listed(&format!("?email=person{number}@example.com"));
        assert_eq!(found, [one.id()]);
    }
}

async fn retire(installation: &Installation, epoch: i64) {
    let owner = [1; 16];
    let taken = rehashing::take_on(installation, epoch, owner).await;
    let mut place = taken.expect("in order").expect("nobody else is at it");
    while let Some(next) = rehashing::step(installation, epoch, owner, place)
        .await
        .expect("in order")
    {
        place = next;
    }
    assert!(
        rehashing::finish(installation, epoch)
            .await
            .expect("in order")
    );
}

async fn wrapped(installation: &Installation, customer: &Customer) -> Vec<u8> {
    let key = customer.row.data_key;
    let read = installation
        .store
        .read(move |tx| oms::store::key_register::data_key(tx, key));
    read.await.expect("in order").expect("it is there")
}
