//! What others find of the memory of a server: no core dump, nothing to attach to, no swap.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::{Folder, Server, eventually};

/// How long anything here may take on a busy machine.
const A_WHILE: Duration = Duration::from_mins(1);

/// The signal of `abort`.
const ABORTED: i32 = 6;

/// As every server is but those of the other tests.
const GUARDED: (&str, &str) = ("OMS_DEBUGGABLE", "false");

/// A user who is nobody else.
const STRANGER: u32 = 4711;

/// A line of `/proc/PID/NAME`.
fn line_of(process: u32, file: &str, begins: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{process}/{file}")).expect("it runs");
    let found = text.lines().find(|line| line.starts_with(begins));
    found
        .unwrap_or_else(|| panic!("no {begins}: {text}"))
        .to_owned()
}

#[test]
fn a_server_that_aborts_leaves_no_core_dump() {
    let unlimited = "ulimit -c unlimited";
    let folder = Folder::new();
    let dies = format!(
        "cd {} && {unlimited} && kill -ABRT $$",
        folder.path().display()
    );
    let control = Command::new("/bin/sh").args(["-c", &dies]).output();
    let control = control.expect("there is a shell").status;
    if !control.core_dumped() {
        println!("this machine writes no core dumps: {control}");
    }
    let mut server = Server::start_after(&format!("{unlimited} 2>/dev/null"), &[GUARDED]);
    let limit = line_of(server.process(), "limits", "Max core file size");
    let limits: Vec<_> = limit.split_whitespace().skip(4).take(2).collect();
    assert_eq!(limits, ["0", "0"], "{limit}");
    server.signal("ABRT");
    let ended = server.ended(A_WHILE);
    assert_eq!(ended.signal(), Some(ABORTED), "{ended}");
    assert!(!ended.core_dumped(), "{ended}");
}

/// A process that ends with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The user who owns what `/proc` tells of a server that another user started. It is the user's
/// own where debuggers of that user may attach, and root's where they may not.
fn owner(debuggable: &str) -> (u32, u32) {
    let folder = Folder::new();
    let program = File::open(env!("CARGO_BIN_EXE_oms")).expect("it is built");
    // By its descriptor, for a stranger may not come through to its path.
    let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
    let user = rustix::process::geteuid().as_raw();
    let user = if user == 0 {
        chown(folder.path(), Some(STRANGER), Some(STRANGER)).expect("root may");
        command.uid(STRANGER).gid(STRANGER);
        STRANGER
    } else {
        user
    };
    let child = command
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--operator-listen",
            "127.0.0.1:0",
        ])
        .env("OMS_DATA", folder.path().join("data"))
        .env("OMS_DEBUGGABLE", debuggable)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(File::create(folder.path().join("printed")).expect("a file"))
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut server = Running(child);
    let printed = || fs::read_to_string(folder.path().join("printed")).ok();
    eventually(A_WHILE, "it listens", || {
        let ended = server.0.try_wait().expect("it can be waited for");
        assert!(ended.is_none(), "it ended: {ended:?}");
        printed().filter(|text| text.contains("listening on"))
    });
    let process = fs::metadata(format!("/proc/{}/stat", server.0.id()));
    (user, process.expect("it runs").uid())
}

#[test]
fn nobody_but_root_looks_into_a_running_server() {
    let (user, owner_of_guarded) = owner("false");
    assert_ne!(owner_of_guarded, user);
    let (user, owner_of_debuggable) = owner("true");
    assert_eq!(owner_of_debuggable, user);
}

#[test]
fn a_server_knows_its_own_numbers_all_the_same() {
    let server = Server::start(&[GUARDED]);
    let text = server.operator_call("GET", "/metrics").send().text();
    for name in ["process_resident_memory_bytes ", "process_open_fds "] {
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name));
        let value: f64 = value.and_then(|value| value.parse().ok()).expect(name);
        assert!(value > 0.0, "{name}{value}");
    }
}

#[test]
fn memory_is_locked_where_that_is_asked_for_and_else_the_start_says_why_not() {
    let locked = [GUARDED, ("OMS_LOCK_MEMORY", "true")];
    let limited = Command::new("/bin/sh")
        .args(["-c", r#"ulimit -l 64; exec "$0" keys list"#])
        .arg(env!("CARGO_BIN_EXE_oms"))
        .envs(locked)
        .env("OMS_DATA", Folder::new().path().join("data"))
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&limited.stderr).into_owned();
    assert_eq!(limited.status.code(), Some(1), "{said}");
    assert!(said.contains("lock_memory"), "{said}");
    let may = Command::new("/bin/sh")
        .args(["-c", "ulimit -l unlimited"])
        .output();
    if !may.is_ok_and(|output| output.status.success()) {
        println!("NOT RUN: this machine limits locked memory");
        return;
    }
    let server = Server::start_after("ulimit -l unlimited", &locked);
    let line = line_of(server.process(), "status", "VmLck:");
    let kib = line
        .split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse().ok());
    assert!(kib > Some(1024_u64), "{line}");
    server.sandbox();
}
