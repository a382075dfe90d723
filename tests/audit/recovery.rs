//! A half-done erasure is completed, and a restored copy does not bring anybody back.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::check_whole;
use crate::support::{
    Server, accept_loss, full_customer, is_about_files, loss_in, numbers, oms, sql,
};

/// What the store says of an erasure: whether the data key is there, whether the ledger has
/// it, whether the note of it is still open.
fn left(data: &Path, key: i64) -> [i64; 3] {
    numbers(
        data,
        &format!(
            "SELECT (SELECT COUNT(*) FROM keys.data_keys WHERE id = {key}),
                    (SELECT COUNT(*) FROM keys.erased WHERE data_key = {key}),
                    (SELECT COUNT(*) FROM erasures WHERE data_key = {key} AND done_at IS NULL)"
        ),
    )
}

/// The server is killed at a place of an erasure; the next start goes on from there.
fn killed_at(place: &str, found: [i64; 3]) {
    let mut server = Server::start(&[("OMS_FAILPOINT", place)]);
    let api = server.sandbox();
    let id = api.create(&full_customer()).id();
    let other = api.create(&full_customer()).json();
    let first = "SELECT data_key FROM customers ORDER BY id LIMIT 1";
    let [key] = numbers(&server.data, first);
    let path = format!("/customers/{id}/erase");
    let body = json!({ "reason": "asked" });
    let call = api
        .call("POST", &path)
        .header("idempotency-key", "erase-1")
        .json(&body);
    call.try_send().expect_err("nobody answers");
    let ended = server.ended(Duration::from_secs(20));
    assert_eq!(ended.signal(), Some(9), "{ended}");
    assert_eq!(left(&server.data, key), found, "{place}");
    let server = Server::start_owning_with(server.into_folder(), &[]);
    assert_eq!(left(&server.data, key), [0, 1, 0], "{place}");
    let api = api.at(&server.base);
    let customer = api.read(&id).json();
    assert_eq!(
        (&customer["status"], &customer["lastName"]),
        (&json!("inactive"), &json!(null))
    );
    assert_eq!(
        api.read(other["id"].as_str().unwrap_or_default()).json(),
        other
    );
    // The retry of the request that nobody answered gets what it was to get.
    let retried = api.post_keyed(&path, "erase-1", &body).wants(200);
    assert_eq!(api.post(&path, &body).wants(200).json(), retried.json());
    let said = retried.text_at("/text");
    assert!(
        said.contains(&format!("destroyed data key: {key}\n")),
        "{said}"
    );
    check_whole(&server);
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build has no failpoints")]
fn killed_with_the_tombstone_written_and_the_key_still_there() {
    killed_at("erasure.noted", [1, 0, 1]);
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build has no failpoints")]
fn killed_with_the_key_destroyed_and_its_log_not_emptied() {
    killed_at("erasure.destroyed", [0, 1, 1]);
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build has no failpoints")]
fn killed_with_nothing_left_to_do_but_to_say_so() {
    killed_at("erasure.scrubbed", [0, 1, 1]);
}

/// At the terminal, too: killed, the next command goes on.
#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build has no failpoints")]
fn a_command_that_is_killed_is_completed_by_the_next() {
    let server = Server::start(&[]);
    let id = server.sandbox().create(&full_customer()).id();
    let [key] = numbers(&server.data, "SELECT data_key FROM customers");
    let data = server.data.to_str().expect("a path of plain text");
    let erase = [
        "customers",
        "erase",
        &id,
        "--reason",
        "asked",
        "--json",
        "--data",
        data,
    ];
    let output = oms(&erase, &[("OMS_FAILPOINT", "erasure.noted")]);
    assert_eq!(output.status.signal(), Some(9), "{output:?}");
    let output = oms(&erase, &[]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(left(&server.data, key), [0, 1, 0]);
    check_whole(&server);
}

#[test]
fn a_copy_of_the_data_from_before_brings_nobody_back() {
    if is_about_files() {
        return;
    }
    let server = Server::start(&[]);
    let api = server.sandbox();
    let id = api.create(&full_customer()).id();
    let copy = server.data.with_file_name("copy.db");
    sql(
        &server.data,
        &format!("VACUUM main INTO '{}'", copy.display()),
    );
    let path = format!("/customers/{id}/erase");
    let body = json!({ "reason": "asked" });
    let certificate = api.post(&path, &body).wants(200).json();
    let folder = server.into_folder();
    let data = folder.path().join("data");
    for end in ["", "-wal", "-shm"] {
        drop(fs::remove_file(data.join(format!("oms.db{end}"))));
    }
    fs::copy(&copy, data.join("oms.db")).expect("the copy is restored");
    // What came after the copy is missing, which must be accepted first.
    let text = data.to_str().expect("a path of plain text");
    let refused = oms(&["keys", "list", "--data", text], &[]).stderr;
    accept_loss(&data, loss_in(&refused).expect("an older copy is refused"));
    let server = Server::start_owning_with(folder, &[]);
    let api = api.at(&server.base);
    let left = api.read(&id).wants(200).json();
    assert_eq!(
        (&left["status"], &left["firstName"]),
        (&json!("inactive"), &json!(null))
    );
    assert_eq!(api.list("?email=ada@example.com").json()["data"], json!([]));
    assert_eq!(api.post(&path, &body).wants(200).json(), certificate);
}
