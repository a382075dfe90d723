//! A disk that fails under a commit: nobody knows what it holds, so the process ends, and says why.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use serde_json::Value;

use super::faults::Faulty;
use crate::support::{Folder, Server, is_about_files, minimal_customer};

/// The signal of `abort`.
const ABORTED: i32 = 6;

#[test]
fn the_last_word_of_a_server_that_aborts_is_in_the_log() {
    if is_about_files() {
        return;
    }
    let mut server = Server::start(&[]);
    let api = server.sandbox();
    api.create(&minimal_customer());
    let notes = Folder::new();
    let notes = notes.path().join("trace");
    let _faulty = Faulty::on(&server, &["oms.db-wal"], "fdatasync:error=EIO", &notes);
    let answer = api.posting("/customers", &minimal_customer()).try_send();
    assert!(answer.is_err(), "{answer:?}");
    let ended = server.ended(Duration::from_mins(1));
    assert_eq!(ended.signal(), Some(ABORTED), "{ended}");
    let log = server.logged();
    let line = log.lines().find(|line| line.contains("stopping at once"));
    let line = line.unwrap_or_else(|| panic!("nothing says why: {log}"));
    let line: Value = serde_json::from_str(line).expect("a line is JSON");
    assert_eq!(line["level"], "ERROR", "{line}");
}
