//! A log that nobody reads: the server's output is a pipe that is full. Nothing else stops.

use std::io::{BufRead, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_setfl};
use serde_json::{Value, json};

use crate::receiver::{Act, Receiver};
use crate::support::{Api, Folder, Server, eventually, full_customer, minimal_customer, raw, sql};

/// How long anything here may take on a busy machine.
const A_WHILE: Duration = Duration::from_mins(1);

/// Requests that are written at once on one connection.
const AT_ONCE: usize = 250;

/// Asks for nothing so many times, and waits for the answers.
fn flood(server: &Server, count: usize) {
    let one = "GET /nowhere HTTP/1.1\r\nHost: x\r\n";
    for _ in 0..count / AT_ONCE {
        let most = format!("{one}\r\n").repeat(AT_ONCE - 1);
        let all = format!("{most}{one}Connection: close\r\n\r\n");
        raw(server.address(), None, all.as_bytes()).wants(404);
    }
}

/// The lines that were dropped so far.
fn dropped(server: &Server) -> u64 {
    let text = server.operator_call("GET", "/metrics").send().text();
    let mut lines = text.lines();
    let count = lines.find_map(|line| line.strip_prefix("oms_log_lines_dropped_total "));
    count.and_then(|count| count.parse().ok()).expect("a count")
}

/// Lines until some are dropped: then the pipe and the queue are full.
fn fill(server: &Server) {
    while dropped(server) == 0 {
        flood(server, 2_500);
    }
}

/// Disables a webhook, which is a warning.
fn warn(api: &Api) {
    let gone = Receiver::always(Act::Answer(410));
    let webhook = api.post("/webhooks", &json!({"url": gone.url()}));
    let webhook = webhook.wants(201).id();
    api.create(&full_customer());
    eventually(A_WHILE, "the webhook is disabled", || {
        let webhook = api.get(&format!("/webhooks/{webhook}")).wants(200);
        (webhook.json()["enabled"] == json!(false)).then_some(())
    });
}

/// Alters a row, whose customer is then an error.
fn fail(server: &Server, api: &Api) {
    let id = api.create(&minimal_customer()).id();
    sql(&server.data, "UPDATE customers SET status = 1");
    let altered = api.get(&format!("/customers/{id}"));
    altered.problem(500, "internalError");
}

#[test]
fn a_log_that_nobody_reads_stops_neither_the_api_nor_the_operators_listener_nor_the_end() {
    let (mut server, _unread) = Server::start_unread(&[]);
    let api = server.sandbox();
    flood(&server, 2_500);
    warn(&api);
    fail(&server, &api);
    // Once more where there is no room for what is said.
    fill(&server);
    warn(&api);
    fail(&server, &api);
    api.create(&minimal_customer());
    server.operator_call("GET", "/readyz").send().wants(200);
    server.signal("TERM");
    let ended = server.ended(A_WHILE);
    assert!(ended.success(), "{ended}");
}

#[test]
fn a_log_that_is_read_again_says_how_many_lines_were_dropped_and_has_every_warning() {
    let (server, unread) = Server::start_unread(&[]);
    let api = server.sandbox();
    fill(&server);
    warn(&api);
    fail(&server, &api);
    let read = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&read);
    thread::spawn(move || {
        for line in unread.lines().map_while(Result::ok) {
            lines.lock().expect("no panic holds this").push(line);
        }
    });
    eventually(A_WHILE, "the log says how many were dropped", || {
        let lines = read.lock().expect("no panic holds this").clone();
        let lines = lines.iter().filter(|line| line.starts_with('{'));
        let lines: Vec<Value> = lines
            .map(|line| serde_json::from_str(line).expect("a line is JSON"))
            .collect();
        let told = lines.iter().filter(|line| line["level"] == "WARN");
        let told: u64 = told.filter_map(|line| line["dropped"].as_u64()).sum();
        let has = |level: &str, word: &str| {
            let mut lines = lines.iter().filter(|line| line["level"] == level);
            lines.any(|line| line.to_string().contains(word))
        };
        let all = told == dropped(&server)
            && has("WARN", "the receiver answered 410 Gone")
            && has("ERROR", "was altered");
        all.then_some(())
    });
}

/// A pipe in which not one byte has room, with the end that nobody reads.
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    fcntl_setfl(writer.as_fd(), OFlags::NONBLOCK).expect("a pipe need not block");
    for piece in [4096, 1] {
        while writer.write(&vec![b'x'; piece]).is_ok() {}
    }
    fcntl_setfl(writer.as_fd(), OFlags::empty()).expect("a pipe may block");
    (reader, writer)
}

/// A process that ends with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts a server whose outputs are full from the beginning.
fn serve(listen: &str, data: &Path) -> (Running, std::io::PipeReader) {
    let (reader, writer) = full_pipe();
    let child = Command::new(env!("CARGO_BIN_EXE_oms"))
        .args(["serve", "--operator-listen", "off", "--listen", listen])
        .arg("--data")
        .arg(data)
        .stdin(Stdio::null())
        .stdout(writer.try_clone().expect("a descriptor"))
        .stderr(writer)
        .spawn()
        .expect("it starts");
    (Running(child), reader)
}

#[test]
fn a_greeting_that_nobody_reads_keeps_no_server_from_serving_and_ending() {
    let folder = Folder::new();
    // An address of its own, for nobody can read which port would have been free.
    let [.., high, low] = std::process::id().to_be_bytes();
    let address = format!("127.{high}.{low}.77:{}", 20_000 + u32::from(low));
    let (mut server, _unread) = serve(&address, &folder.path().join("data"));
    let address: SocketAddr = address.parse().expect("an address");
    eventually(A_WHILE, "it listens", || TcpStream::connect(address).ok());
    let request = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    raw(address, None, request).wants(200);
    // A signal before it listens to signals ends it as well, with another status.
    let id = server.0.id().to_string();
    let sent = Command::new("kill").args(["-s", "TERM", &id]).status();
    assert!(sent.is_ok_and(|status| status.success()), "it runs");
    eventually(A_WHILE, "it ends", || {
        server.0.try_wait().expect("it can be waited for")
    });
}

#[test]
fn a_start_that_fails_ends_although_nobody_reads_why() {
    let folder = Folder::new();
    let file = folder.path().join("no-folder");
    std::fs::write(&file, "").expect("it can be written");
    let (mut server, _unread) = serve("127.0.0.1:0", &file);
    let ended = eventually(A_WHILE, "it ends", || {
        server.0.try_wait().expect("it can be waited for")
    });
    assert_eq!(ended.code(), Some(1), "{ended}");
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build has no failpoints")]
fn a_panic_is_a_line_of_the_log_like_any_other() {
    let server = Server::start(&[("OMS_FAILPOINT", "panic@webhooks.gathered")]);
    let api = server.sandbox();
    let receiver = Receiver::always(Act::Answer(200));
    let webhook = api.post("/webhooks", &json!({"url": receiver.url()}));
    webhook.wants(201);
    api.create(&minimal_customer());
    let line = eventually(A_WHILE, "the panic is logged", || {
        let log = server.logged();
        let line = log.lines().find(|line| line.contains("panicked"))?;
        Some(serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
    });
    assert_eq!(line["level"], "ERROR", "{line}");
    let text = line.to_string();
    assert!(text.contains("webhooks.gathered"), "{text}");
    assert!(text.contains("src/failpoint.rs"), "{text}");
    api.create(&minimal_customer());
}
