//! A half-done erasure is completed, and a restored copy does not bring anybody back.

use std::fs;

use serde_json::json;

use crate::support::{Server, full_customer};
use crate::{check_whole, data_file};

#[test]
fn a_start_completes_an_erasure_that_a_crash_interrupted() {
    let server = Server::start(&[]);
    let api = server.sandbox();
    let id = api.create(&full_customer()).id();
    let db = data_file(&server);
    let (key, wrapped): (i64, Vec<u8>) = db
        .query_row(
            "SELECT k.id, k.wrapped FROM customers c JOIN keys.data_keys k ON k.id = c.data_key",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .expect("the key is there");
    api.post(
        &format!("/customers/{id}/erase"),
        &json!({ "reason": "asked" }),
    )
    .wants(200);
    let folder = server.into_folder();
    // As if the process had ended between the tombstone and the key's end.
    db.execute(
        "INSERT INTO keys.data_keys VALUES (?1, ?2)",
        (key, &wrapped),
    )
    .expect("the key is put back");
    db.execute_batch("DELETE FROM keys.erased; UPDATE erasures SET done_at = NULL;")
        .expect("the steps are undone");
    let server = Server::start_owning_with(folder, &[]);
    let left: (i64, i64, i64) = db
        .query_row(
            "SELECT (SELECT COUNT(*) FROM keys.data_keys WHERE id = ?1),
                    (SELECT COUNT(*) FROM keys.erased),
                    (SELECT COUNT(*) FROM erasures WHERE done_at IS NULL)",
            [key],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .expect("it counts");
    assert_eq!(left, (0, 1, 0));
    check_whole(&server);
}

#[test]
fn a_copy_of_the_data_from_before_brings_nobody_back() {
    let server = Server::start(&[]);
    let api = server.sandbox();
    let id = api.create(&full_customer()).id();
    let copy = server.data.with_file_name("copy.db");
    data_file(&server)
        .execute("VACUUM INTO ?1", [copy.to_str()])
        .expect("a copy");
    let path = format!("/customers/{id}/erase");
    let body = json!({ "reason": "asked" });
    let certificate = api.post(&path, &body).wants(200).json();
    let folder = server.into_folder();
    let data = folder.path().join("data");
    for end in ["", "-wal", "-shm"] {
        drop(fs::remove_file(data.join(format!("oms.db{end}"))));
    }
    fs::copy(&copy, data.join("oms.db")).expect("the copy is restored");
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
