//! A receiver that takes its time holds up nobody but itself, whoever owns it.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::delivery::{deliveries, wait_for, webhook};
use crate::receiver::{Act, Received, Receiver};
use crate::support::{Deadline, Folder, InProcess, Server, eventually, full_customer};

/// How long anything here may take on a busy machine.
const A_WHILE: Duration = Duration::from_mins(2);

/// As long as an attempt may take.
const ATTEMPT: Duration = Duration::from_secs(15);

/// All webhooks of a project but one.
const HANGING: usize = 19;

#[test]
fn nineteen_receivers_that_hang_leave_room_for_the_twentieth() {
    for _ in 0..5 {
        let api = Server::shared().sandbox();
        let dead = Receiver::always(Act::Hang);
        for _ in 0..HANGING {
            webhook(&api, &dead);
        }
        let alive = Receiver::always(Act::Answer(200));
        let told = webhook(&api, &alive);
        api.create(&full_customer());
        wait_for(&api, &told, "delivered", 4);
        // Each of them holds one request: none waits for the end of another one's.
        let deadline = Deadline::after(ATTEMPT);
        while !deadline.is_over() {
            if dead.most_held() == HANGING {
                return;
            }
            std::thread::yield_now();
        }
    }
    panic!("this machine never had fifteen seconds for it");
}

#[test]
fn a_receiver_has_sixteen_requests_at_most_and_one_for_each_resource() {
    let receiver = Receiver::always(Act::Hang);
    let api = Server::shared().sandbox();
    let id = webhook(&api, &receiver);
    let path = format!("/webhooks/{id}");
    api.patch(&path, &json!({"enabled": false})).wants(200);
    for _ in 0..20 {
        api.create(&full_customer());
    }
    api.patch(&path, &json!({"enabled": true})).wants(200);
    wait_for(&api, &id, "pending", 4);
    assert!(receiver.most_held() > 1, "one at a time");
    assert!(receiver.most_held() <= 16, "{}", receiver.most_held());
    let mut held: Vec<_> = receiver.received().iter().map(Received::json).collect();
    held.truncate(16);
    let sequences: Vec<_> = held.iter().map(|body| body["sequence"].clone()).collect();
    assert!(
        sequences.iter().all(|one| *one == json!(1)),
        "{sequences:?}"
    );
}

/// A program that ends with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Receivers that hang keep connections, and must not use up those of everybody else.
#[test]
fn the_server_opens_as_many_files_as_the_system_lets_it() {
    let folder = Folder::new();
    let serve =
        r#"ulimit -Sn 256; exec "$0" serve --listen 127.0.0.1:0 --operator-listen 127.0.0.1:0"#;
    let server = Command::new("/bin/sh")
        .args(["-c", serve, env!("CARGO_BIN_EXE_oms")])
        .env("OMS_DATA", folder.path().join("data"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it can be started");
    let process = format!("/proc/{}", server.id());
    let _server = Running(server);
    let files = || {
        let read = |name: &str| std::fs::read_to_string(format!("{process}/{name}")).ok();
        // Before, it is the shell with limits of its own.
        let limits = read("comm").filter(|name| name.trim() == "oms");
        let limits = limits.and_then(|_| read("limits"))?;
        let files = limits.lines().find(|line| line.starts_with("Max open"));
        let numbers = files?.split_whitespace().skip(3).take(2);
        Some(numbers.map(str::to_owned).collect::<Vec<_>>())
    };
    eventually(A_WHILE, "the limit is raised", || {
        files().filter(|files| files[0] == files[1] && files[0] != "256")
    });
}

/// Nobody waits for the ten minutes after which a receiver that was away is tried again.
#[test]
fn whoever_asks_for_an_attempt_gets_it_at_once() {
    let server = InProcess::start(|_| ());
    let api = server.sandbox();
    let receiver = Receiver::start(|one, _| {
        if one.json()["event"] == "webhook.test" {
            Act::Answer(200)
        } else {
            Act::Answer(503)
        }
    });
    let id = webhook(&api, &receiver);
    for _ in 0..10 {
        api.create(&json!({"type": "individual", "endorsements": []}));
    }
    // Eight failures in a row, and it is tried no more: time stands still.
    let pending = wait_for(&api, &id, "pending", 8);
    let test = api.post(&format!("/webhooks/{id}/test"), &json!({}));
    let test = test.wants(200).id();
    let taken = wait_for(&api, &id, "delivered", 1);
    assert_eq!(taken[0]["id"], test.as_str());
    let one = pending[0]["id"].as_str().expect("an id");
    let path = format!("/webhooks/{id}/deliveries/{one}/retry");
    api.post(&path, &json!({})).wants(200);
    eventually(A_WHILE, "it is tried again", || {
        let found = deliveries(&api, &id, "pending");
        let again = found.iter().find(|found| found["id"] == one);
        again
            .filter(|again| again["attempts"] != json!(1))
            .map(|_| ())
    });
}
