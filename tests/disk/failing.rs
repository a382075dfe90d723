//! A disk that refuses a write for another reason than want of room: the process ends.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Server, is_about_files};

/// The signal of `abort`.
const ABORTED: i32 = 6;

#[test]
fn a_disk_that_fails_under_a_commit_ends_the_process_and_its_last_word_is_in_the_log() {
    if is_about_files() {
        return;
    }
    // No file grows beyond a few MiB: to SQLite that is a disk that fails.
    let mut server = Server::start_after("trap '' XFSZ; ulimit -f 8192", &[]);
    let api = server.sandbox();
    let metadata: serde_json::Map<String, Value> = (0..30)
        .map(|number| (format!("key{number}"), json!("x".repeat(400))))
        .collect();
    let customer = json!({"type": "individual", "endorsements": [], "metadata": metadata});
    let mut taken = 0;
    while let Ok(answer) = api.posting("/customers", &customer).try_send() {
        assert!(answer.status == 201 || answer.status == 503, "{answer}");
        taken += 1;
        assert!(taken < 20_000, "the files grew beyond their limit");
    }
    let ended = server.ended(Duration::from_mins(1));
    assert_eq!(ended.signal(), Some(ABORTED), "{ended}");
    let log = server.logged();
    let line = log.lines().find(|line| line.contains("stopping at once"));
    let line = line.unwrap_or_else(|| panic!("nothing says why: {log}"));
    let line: Value = serde_json::from_str(line).expect("a line is JSON");
    assert_eq!(line["level"], "ERROR", "{line}");
}
