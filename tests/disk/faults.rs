//! Every call of a create that reaches the disk fails once, each in its turn: what is
//! acknowledged stays, what is not can be asked for again, and afterwards nothing is refused.
//!
//! `strace` lets the n-th call of each thread fail; a create alone is carried out by one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::damage::doctor_finds;
use crate::support::{
    Answer, Api, Deadline, Folder, Mode, Server, eventually, fresh_name, full_customer,
    is_about_files,
};

/// More calls than a create makes of any kind.
const MOST_CALLS: usize = 60;

/// Long enough for a busy machine.
const A_WHILE: Duration = Duration::from_mins(1);

/// How long `strace` may take to let go of a server.
const LETTING_GO: Duration = Duration::from_secs(5);

/// What a create writes to.
const FILES: [&str; 5] = [
    "oms.db-wal",
    "keys.db-wal",
    "oms.db",
    "keys.db",
    "last-commit",
];

/// A call and how it fails. A write of nothing is what a short one ends in.
const FAULTS: [(&str, &str); 5] = [
    ("pwrite64", "error=ENOSPC"),
    ("pwrite64", "error=EIO"),
    ("pwrite64", "retval=0"),
    ("fdatasync", "error=EIO"),
    ("fdatasync", "error=ENOSPC"),
];

/// `strace` on a running server, which lets calls on some of its files fail.
pub struct Faulty(Child);

impl Faulty {
    /// `fault` says which calls, as strace's `inject` wants it.
    pub fn on(server: &Server, files: &[&str], fault: &str, notes: &Path) -> Self {
        let call = fault.split(':').next().expect("a call");
        let mut command = Command::new("strace");
        command.args(["-f", "-q", "-o"]).arg(notes);
        for file in files {
            command.arg("-P").arg(server.data.join(file));
        }
        let mut child = command
            .args(["-e", &format!("trace={call}")])
            .args(["-e", &format!("inject={fault}")])
            .args(["-p", &server.process().to_string()])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("strace is there: apt-get install strace");
        let status = format!("/proc/{}/status", server.process());
        eventually(A_WHILE, "strace looks on", || {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let traced = text.lines().any(|line| {
                line.strip_prefix("TracerPid:")
                    .is_some_and(|pid| pid.trim() != "0")
            });
            if let Ok(Some(ended)) = child.try_wait() {
                panic!("strace ended: {ended}");
            }
            traced.then_some(())
        });
        Self(child)
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        // SIGTERM lets it go of the server; one that dies just then it may wait for in vain.
        let id = self.0.id().to_string();
        drop(Command::new("kill").args(["-s", "TERM", &id]).status());
        let deadline = Deadline::after(LETTING_GO);
        while !deadline.is_over() && matches!(self.0.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(10));
        }
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn create(api: &Api, key: &str) -> Result<Answer, String> {
    let mut body = full_customer();
    body["externalId"] = json!(key);
    api.call("POST", "/customers")
        .header("idempotency-key", key)
        .json(&body)
        .try_send()
}

fn all(api: &Api) -> BTreeSet<String> {
    let customers = api.all_customers();
    let ids: Vec<_> = customers
        .iter()
        .map(|one| one["id"].as_str().expect("an id").to_owned())
        .collect();
    let different: BTreeSet<_> = ids.iter().cloned().collect();
    assert_eq!(ids.len(), different.len());
    different
}

/// Lets the n-th call fail; gives whether there was one.
fn fail_one(
    server: &mut Server,
    api: &mut Api,
    made: &mut BTreeSet<String>,
    (call, fault): (&str, &str),
    number: usize,
) -> bool {
    let name = format!("{call} {fault} {number}");
    let key = fresh_name("fault");
    let notes = Folder::new();
    let notes = notes.path().join("trace");
    let fault = format!("{call}:{fault}:when={number}");
    let faulty = Faulty::on(server, &FILES, &fault, &notes);
    let answer = create(api, &key);
    drop(faulty);
    let notes = fs::read_to_string(&notes).unwrap_or_default();
    let again = create_after(server, api, &key);
    match &answer {
        Ok(first) if first.status == 201 => assert_eq!(again.body, first.body, "{name}"),
        Ok(refused) => drop(refused.problem(503, "serviceUnavailable")),
        Err(_) => {}
    }
    made.insert(again.id());
    assert_eq!(all(api), *made, "{name}");
    let ready = server.operator_call("GET", "/readyz").send();
    assert_eq!(ready.status, 200, "{name}: {ready}");
    notes.contains("(INJECTED)")
}

/// Asks until it is answered. After a failed sync nobody knows what the disk holds: a server
/// that met one ends, says why, and is started again.
fn create_after(server: &mut Server, api: &mut Api, key: &str) -> Answer {
    eventually(A_WHILE, "it is made", || match create(api, key) {
        Ok(answer) if answer.status == 503 => None,
        Ok(answer) => Some(answer.wants(201)),
        Err(_) => {
            server.ended(A_WHILE);
            let logged = server.logged();
            let said = logged.contains("the disk failed under a commit");
            assert!(said, "{logged}");
            server.restart();
            *api = api.at(&server.base);
            None
        }
    })
}

fn fails_everywhere(fault: (&str, &str)) {
    if is_about_files() {
        return;
    }
    let mut server = Server::start(&[]);
    let mut api = server.project(Mode::Sandbox);
    let mut made = BTreeSet::new();
    // Keys were made ahead, so that a create alone is what is seen.
    for _ in 0..10 {
        made.insert(
            create(&api, &fresh_name("before"))
                .expect("it answers")
                .wants(201)
                .id(),
        );
    }
    let mut reached = 0;
    for number in 1..MOST_CALLS {
        if !fail_one(&mut server, &mut api, &mut made, fault, number) {
            break;
        }
        reached = number;
    }
    println!("{fault:?}: {reached} calls");
    assert!(reached > 0, "{fault:?}: no call failed");
    assert!(
        reached + 1 < MOST_CALLS,
        "{fault:?}: not every call was reached"
    );
    let folder = server.into_folder();
    assert_eq!(
        doctor_finds(&folder.path().join("data")),
        Vec::<String>::new()
    );
}

#[test]
fn a_write_that_finds_no_room_is_refused_and_nothing_else() {
    fails_everywhere(FAULTS[0]);
}

#[test]
fn a_write_that_fails_loses_nothing() {
    fails_everywhere(FAULTS[1]);
}

#[test]
fn a_write_that_is_cut_short_loses_nothing() {
    fails_everywhere(FAULTS[2]);
}

#[test]
fn a_sync_that_fails_acknowledges_nothing() {
    fails_everywhere(FAULTS[3]);
}

#[test]
fn a_sync_that_finds_no_room_acknowledges_nothing() {
    fails_everywhere(FAULTS[4]);
}
