//! Each writer's chain: whole under concurrency, and every meddling is found.

use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::support::{Mode, Server, eventually, full_customer};
use crate::{check_whole, data_file, exported, on, verify};

/// A server with some history, all of it signed.
fn signed() -> Server {
    let server = Server::start(&[("OMS_AUDIT_CHECKPOINT_S", "1")]);
    let api = server.sandbox();
    for _ in 0..5 {
        let id = api.create(&full_customer()).id();
        api.patch(&format!("/customers/{id}"), &json!({"firstName": "Grace"}));
        api.patch(&format!("/customers/{id}"), &json!({"state": "refused"}));
    }
    let db = data_file(&server);
    eventually(Duration::from_secs(20), "everything is signed", || {
        let open: i64 = db
            .query_row(
                "SELECT (SELECT MAX(place) FROM events)
                      - COALESCE((SELECT MAX(through) FROM audit_checkpoints), 0)",
                [],
                |row| row.get(0),
            )
            .ok()?;
        (open == 0).then_some(())
    });
    server
}

/// Meddles with the file and expects this finding.
#[track_caller]
fn check_found(sql: &str, fault: &str) {
    let mut server = signed();
    // So that nobody signs what the meddling left.
    server.crash();
    check_whole(&server);
    data_file(&server).execute_batch(sql).expect("it meddles");
    let (whole, text) = verify(&server);
    assert!(!whole, "{sql}\n{text}");
    assert!(text.contains(&format!("{fault}: ")), "{sql}\n{text}");
}

#[test]
fn an_altered_record_is_found() {
    check_found(
        "UPDATE events SET actor = 'somebody' WHERE place = 4",
        "altered",
    );
    check_found(
        "UPDATE events SET hash = zeroblob(32) WHERE place = 4",
        "altered",
    );
    check_found(
        "UPDATE events SET detail = zeroblob(60) WHERE place = (SELECT MAX(place) FROM events)",
        "altered",
    );
}

#[test]
fn a_missing_record_is_found() {
    check_found("DELETE FROM events WHERE place = 5", "missing");
    check_found("DELETE FROM audit_checkpoints WHERE number = 1", "missing");
}

#[test]
fn a_moved_record_is_found() {
    check_found(
        "UPDATE events SET place = 999 WHERE place = 5; UPDATE events SET place = 5 WHERE place = 6;
         UPDATE events SET place = 6 WHERE place = 999;",
        "reordered",
    );
}

#[test]
fn an_added_record_is_found() {
    check_found(
        "INSERT INTO events SELECT 999, randomblob(16), project, randomblob(16), 1, count, kinds, actor,
                request_id, data_key, detail, writer, position, hash FROM events WHERE place = 5",
        "inserted",
    );
}

#[test]
fn a_cut_end_is_found_also_when_the_checkpoints_are_cut_with_it() {
    let last_two = "DELETE FROM events WHERE place > (SELECT MAX(place) - 2 FROM events);";
    check_found(last_two, "truncated");
    check_found(
        "DELETE FROM events WHERE place > (SELECT MAX(place) - 2 FROM events);
         DELETE FROM audit_checkpoints WHERE number = (SELECT MAX(number) FROM audit_checkpoints);",
        "truncated",
    );
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
    data_file(&server)
        .execute_batch("DELETE FROM events WHERE kinds LIKE 'customer.created%'")
        .expect("it meddles");
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
