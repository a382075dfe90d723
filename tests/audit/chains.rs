//! Each writer's chain: whole under concurrency, and every meddling is found.

use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::support::{
    Mode, Server, bytes, eventually, full_customer, loss_in, numbers, on_postgres, sql,
};
use crate::{check_whole, exported, on, verify};

/// The writer with most records: the server.
const SERVER: &str = "(SELECT writer FROM events GROUP BY writer ORDER BY COUNT(*) DESC LIMIT 1)";

/// The record at a position of the server's chain.
fn at(position: u32) -> String {
    format!("writer = {SERVER} AND position = {position}")
}

/// How many writers have written more than is signed.
fn unsigned() -> &'static str {
    if on_postgres() {
        "SELECT COUNT(*) FROM writers w WHERE w.position > 0 AND NOT EXISTS
             (SELECT 1 FROM audit_checkpoints c WHERE POSITION(w.hash IN c.heads) > 0)"
    } else {
        "SELECT (SELECT MAX(place) FROM events)
              - COALESCE((SELECT MAX(through) FROM audit_checkpoints), 0)"
    }
}

/// A server with some history, all of it signed.
fn signed() -> Server {
    let server = Server::start(&[
        ("OMS_AUDIT_CHECKPOINT_S", "1"),
        ("OMS_DATABASE_WRITE_CONNECTIONS", "1"),
    ]);
    let api = server.sandbox();
    for _ in 0..5 {
        let id = api.create(&full_customer()).id();
        api.patch(&format!("/customers/{id}"), &json!({"firstName": "Grace"}));
        api.patch(&format!("/customers/{id}"), &json!({"state": "refused"}));
    }
    eventually(Duration::from_secs(20), "everything is signed", || {
        (numbers(&server.data, unsigned()) == [0]).then_some(())
    });
    server
}

/// Meddles with the store and expects this finding.
#[track_caller]
fn check_found(meddling: &str, fault: &str) {
    let mut server = signed();
    // So that nobody signs what the meddling left.
    server.crash();
    check_whole(&server);
    sql(&server.data, meddling);
    let (mut whole, mut text) = verify(&server);
    // Files whose end is cut are not even opened before somebody accepts it.
    if let Some(name) = loss_in(&text) {
        let name = name.to_owned();
        let output = on(&server, &["audit", "verify", "--accept-loss", &name]);
        (whole, text) = (output.status.success(), output.stdout + &output.stderr);
    }
    assert!(!whole, "{meddling}\n{text}");
    assert!(text.contains(&format!("{fault}: ")), "{meddling}\n{text}");
}

#[test]
fn an_altered_record_is_found() {
    let fourth = at(4);
    check_found(
        &format!("UPDATE events SET actor = 'somebody' WHERE {fourth}"),
        "altered",
    );
    let zeros = bytes(&[0; 32]);
    check_found(
        &format!("UPDATE events SET hash = {zeros} WHERE {fourth}"),
        "altered",
    );
    let zeros = bytes(&[0; 60]);
    check_found(
        &format!(
            "UPDATE events SET detail = {zeros} WHERE writer = {SERVER}
             AND position = (SELECT MAX(position) FROM events WHERE writer = {SERVER})"
        ),
        "altered",
    );
}

#[test]
fn a_missing_record_is_found() {
    check_found(&format!("DELETE FROM events WHERE {}", at(5)), "missing");
    check_found("DELETE FROM audit_checkpoints WHERE number = 1", "missing");
}

#[test]
fn a_moved_record_is_found() {
    if on_postgres() {
        // Without an order of all records, one has no other place than its position.
        let to = |from, to| format!("UPDATE events SET position = {to} WHERE {}", at(from));
        let swap = [to(5, 999), to(6, 5), to(999, 6)].join(";");
        return check_found(&swap, "altered");
    }
    check_found(
        "UPDATE events SET place = 999 WHERE place = 5; UPDATE events SET place = 5 WHERE place = 6;
         UPDATE events SET place = 6 WHERE place = 999;",
        "reordered",
    );
}

#[test]
fn an_added_record_is_found() {
    if on_postgres() {
        let (id, resource) = (bytes(&[1; 16]), bytes(&[2; 16]));
        let add = |writer: &str, position: &str| {
            format!(
                "INSERT INTO events (writer, position, id, project, resource, sequence, count, kinds,
                                     actor, request_id, data_key, detail, hash)
                 SELECT {writer}, {position}, {id}, project, {resource}, 1, count, kinds, actor,
                        request_id, data_key, detail, hash FROM events WHERE {}",
                at(5)
            )
        };
        // By a writer whom nobody knows, and behind the end of one whom everybody knows.
        check_found(&add("4711", "1"), "inserted");
        return check_found(&add("writer", "999"), "inserted");
    }
    check_found(
        "INSERT INTO events SELECT 999, randomblob(16), project, randomblob(16), 1, count, kinds, actor,
                request_id, data_key, detail, writer, position, hash, state, NULL FROM events WHERE place = 5",
        "inserted",
    );
}

#[test]
fn a_cut_end_is_found_also_when_the_checkpoints_are_cut_with_it() {
    let last_two = format!(
        "DELETE FROM events WHERE writer = {SERVER}
         AND position > (SELECT MAX(position) - 2 FROM events WHERE writer = {SERVER});"
    );
    check_found(&last_two, "truncated");
    let with_checkpoint = format!(
        "{last_two} DELETE FROM audit_checkpoints
         WHERE number = (SELECT MAX(number) FROM audit_checkpoints);"
    );
    check_found(&with_checkpoint, "truncated");
}

#[test]
fn an_altered_checkpoint_is_found() {
    check_found(
        "UPDATE audit_checkpoints SET made_at = made_at + 1 WHERE number = 1",
        "altered",
    );
}

#[test]
fn the_server_and_the_command_line_write_two_chains_at_once() {
    let server = Server::start(&[]);
    let api = server.sandbox();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    api.create(&full_customer());
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..4 {
                server.key("other", Mode::Sandbox, None);
            }
        });
    });
    check_whole(&server);
    let log = exported(&server, &[]);
    let writers: std::collections::BTreeSet<_> =
        log.iter().map(|row| row["writer"].to_string()).collect();
    assert!(writers.len() >= 2 + 4, "{writers:?}");
    let creates = log
        .iter()
        .filter(|row| row["what"][0] == "customer.created");
    assert_eq!(creates.count(), 100);
}

#[test]
fn a_crash_leaves_the_log_whole_and_the_next_start_signs_its_end() {
    let server = Server::start(&[("OMS_AUDIT_CHECKPOINT_S", "3600")]);
    let api = server.sandbox();
    api.create(&full_customer());
    let folder = server.into_folder();
    let server = Server::start_owning_with(folder, &[]);
    assert!(on(&server, &["keys", "create"]).status.success());
    check_whole(&server);
    sql(
        &server.data,
        "DELETE FROM events WHERE kinds LIKE 'customer.created%'",
    );
    assert!(!verify(&server).0);
}

#[test]
fn the_log_says_who_when_what_and_in_which_request() {
    let server = Server::start(&[]);
    let api = server.sandbox();
    let made = api.create(&full_customer());
    let log = exported(&server, &["--from", "2020-01-01", "--format", "jsonl"]);
    let row = log
        .iter()
        .find(|row| row["what"][0] == "customer.created")
        .expect("the creation is there");
    assert_eq!(row["who"], json!(api.key.api_key));
    assert_eq!(row["resource"], json!(made.id()));
    assert_eq!(row["requestId"], json!(made.wants_header("x-request-id")));
    assert_eq!(row["events"][0]["kind"], "customer.created");
    let key = log.iter().find(|row| row["what"][0] == "apiKey.created");
    let key = key.expect("the key is there");
    assert_eq!(key["resource"], "installation");
    assert!(exported(&server, &["--to", "2020-01-01"]).is_empty());
    assert!(
        !exported(&server, &[])
            .iter()
            .any(|row| row.to_string().contains("Lovelace"))
    );
}
