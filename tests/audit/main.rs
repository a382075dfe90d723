//! The audit log and erasure, through the front door.

#[path = "../support/mod.rs"]
mod support;

mod chains;
mod epochs;
mod erasing;
mod holds;
mod keys;
mod meddling;
mod rebinding;
mod recovery;
mod traces;

use serde_json::Value;
use support::{Output, Server, oms};

/// Runs a command on the data of a server.
fn on(server: &Server, arguments: &[&str]) -> Output {
    let data = server.data.to_str().expect("a path of plain text");
    let all: Vec<&str> = arguments.iter().copied().chain(["--data", data]).collect();
    oms(&all, &[])
}

/// What `oms audit verify` prints, and whether it finds the log whole.
fn verify(server: &Server) -> (bool, String) {
    let output = on(server, &["audit", "verify"]);
    (output.status.success(), output.stdout + &output.stderr)
}

#[track_caller]
fn check_whole(server: &Server) {
    let (whole, text) = verify(server);
    assert!(whole, "{text}");
}

/// The log as it is read out.
#[track_caller]
fn exported(server: &Server, arguments: &[&str]) -> Vec<Value> {
    let all: Vec<&str> = ["audit", "export"]
        .into_iter()
        .chain(arguments.iter().copied())
        .collect();
    let output = on(server, &all);
    assert!(output.status.success(), "{output:?}");
    output
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON object a line"))
        .collect()
}
