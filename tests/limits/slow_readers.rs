//! Clients that ask and do not take the answers: what waits for them is bounded, and ends.

use std::collections::HashSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;
use socket2::{Domain, Socket, Type};

use crate::support::{Api, Event, Http2, Mode, Server, Stopwatch, fresh_name, minimal_customer};

/// A large page.
const CUSTOMERS: &str = "/v0.9/customers?limit=100";

/// A large answer that wants no token.
const BUNDLE: &str = "/docs/swagger-ui-bundle.js";

/// The most memory that the process ever had, in MiB.
fn peak_mib(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.process()));
    let status = status.expect("the process runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.and_then(|kib| kib.parse::<u64>().ok())
        .expect("a number")
        / 1024
}

/// A project of 100 customers with 15 KiB of metadata each.
fn project_of_large_customers(server: &Server) -> Api {
    let api = server.connect(&server.key(&fresh_name("project"), Mode::Sandbox, None));
    let mut body = minimal_customer();
    let text = "x".repeat(500);
    for name in 0..29 {
        body["metadata"][format!("name-{name}")] = json!(text);
    }
    for _ in 0..100 {
        api.post("/customers", &body).wants(201);
    }
    api
}

fn authorization(api: &Api) -> String {
    format!("Bearer {}", api.token)
}

/// Asks for pages on many streams whose windows are closed, and waits until each stream
/// has ended; gives how many were answered but not taken, and how many were refused.
fn attack(
    server: &Server,
    api: &Api,
    path: &str,
    (connections, streams): (usize, usize),
) -> (usize, usize) {
    let token = authorization(api);
    let headers = [("authorization", token.as_str())];
    let mut open: Vec<_> = (0..connections)
        .map(|_| Http2::connect(server.address(), 0))
        .collect();
    let mut left: HashSet<(usize, u32)> = HashSet::new();
    for (number, connection) in open.iter_mut().enumerate() {
        for _ in 0..streams {
            left.insert((number, connection.send("GET", path, &headers)));
        }
    }
    let begun = Stopwatch::start();
    let (mut answered, mut reset) = (0, 0);
    while !left.is_empty() {
        let peak = peak_mib(server);
        assert!(peak <= 256, "{peak} MiB with {} streams open", left.len());
        assert!(begun.elapsed() < Duration::from_mins(4), "{left:?}");
        for (number, connection) in open.iter_mut().enumerate() {
            while let Some(event) = connection.next(Duration::from_millis(5)) {
                match event {
                    Event::Headers { more: true, .. } => answered += 1,
                    Event::Reset { stream } => {
                        reset += usize::from(left.remove(&(number, stream)));
                    }
                    Event::End => panic!("a connection ended"),
                    Event::Headers { .. } | Event::Data { .. } => {}
                }
            }
            // What keeps the connection from being idle.
            connection.send("HEAD", "/healthz", &[]);
        }
    }
    (answered, reset)
}

fn impatient() -> Server {
    Server::start(&[
        ("OMS_ANSWER_TIMEOUT_S", "1"),
        ("OMS_BODY_READ_TIMEOUT_S", "5"),
        ("OMS_REQUEST_TIMEOUT_S", "5"),
    ])
}

#[test]
fn closed_windows_take_little_memory_and_end() {
    let server = impatient();
    let api = project_of_large_customers(&server);
    let (answered, reset) = attack(&server, &api, CUSTOMERS, (6, 120));
    assert_eq!(reset, 6 * 120, "each stream was given up");
    assert!(answered >= reset, "pages, or that there is no room");
    // Those who take their answers are served again, at once.
    api.call("GET", "/customers?limit=100").send().wants(200);
}

#[test]
#[ignore = "the whole attack takes minutes: cargo test --test limits -- --ignored --nocapture whole_attack"]
fn the_whole_attack_stays_below_256_mib() {
    let server = Server::start(&[]);
    let api = project_of_large_customers(&server);
    let before = peak_mib(&server);
    let (answered, reset) = attack(&server, &api, CUSTOMERS, (30, 120));
    let after = peak_mib(&server);
    println!("peak {before} -> {after} MiB; {answered} answered, {reset} reset");
}

#[test]
#[ignore = "the whole attack takes minutes: cargo test --test limits -- --ignored --nocapture whole_attack"]
fn the_whole_attack_by_pages_of_events_stays_below_256_mib() {
    let server = Server::start(&[]);
    let api = project_of_large_customers(&server);
    let before = peak_mib(&server);
    let path = "/v0.9/events?limit=100";
    let (answered, reset) = attack(&server, &api, path, (32, 128));
    let after = peak_mib(&server);
    println!("peak {before} -> {after} MiB; {answered} answered, {reset} reset");
}

#[test]
fn of_a_thousand_that_wait_most_are_told_to_come_again() {
    let server = impatient();
    let api = project_of_large_customers(&server);
    let bearer = authorization(&api);
    let headers = [("authorization", bearer.as_str())];
    let mut open: Vec<_> = (0..8)
        .map(|_| Http2::connect(server.address(), 0))
        .collect();
    for connection in &mut open {
        for _ in 0..128 {
            connection.send("GET", CUSTOMERS, &headers);
        }
    }
    let refused = || {
        let text = server.operator_call("GET", "/metrics").send().text();
        let lines = text.lines().filter(|line| line.contains("untaken"));
        lines
            .filter_map(|line| line.split(' ').nth(1)?.parse::<u64>().ok())
            .sum::<u64>()
    };
    crate::support::eventually(Duration::from_mins(1), "most are refused", || {
        (refused() > 512).then_some(())
    });
}

#[test]
fn a_stream_that_is_not_taken_ends_and_the_others_go_on() {
    let server = Server::start(&[("OMS_ANSWER_TIMEOUT_S", "1")]);
    let mut connection = Http2::connect(server.address(), 1000);
    let slow = connection.send("GET", BUNDLE, &[]);
    let patience = Duration::from_secs(20);
    let (mut taken, mut others) = (0, 0);
    let mut other = connection.send("GET", "/healthz", &[]);
    loop {
        match connection.next(patience).expect("something comes") {
            Event::Data { stream, bytes, .. } if stream == slow => taken += bytes,
            Event::Reset { stream } => {
                assert_eq!(stream, slow);
                break;
            }
            Event::Data {
                stream,
                more: false,
                ..
            } if stream == other => {
                others += 1;
                other = connection.send("GET", "/healthz", &[]);
            }
            Event::End => panic!("the connection ended"),
            Event::Headers { .. } | Event::Data { .. } => {}
        }
    }
    assert_eq!(taken, 1000, "the window was used");
    assert!(others > 0, "others were answered meanwhile");
}

/// A connection that buffers little on its side.
fn narrow(server: &Server) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("an option");
    socket
        .connect(&server.address().into())
        .expect("it listens");
    let stream = TcpStream::from(socket);
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("an option");
    stream
}

fn cut(server: &Server) -> u64 {
    let text = server.operator_call("GET", "/metrics").send().text();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("oms_answers_cut_total "));
    line.and_then(|count| count.parse().ok()).expect("a number")
}

#[test]
fn an_answer_over_http_1_that_is_not_taken_ends_the_connection() {
    let server = Server::start(&[
        ("OMS_ANSWER_TIMEOUT_S", "1"),
        ("OMS_HEADER_READ_TIMEOUT_S", "1"),
    ]);
    let request = format!("GET {BUNDLE} HTTP/1.1\r\nhost: x\r\n\r\n");
    let mut sockets: Vec<_> = (0..8).map(|_| narrow(&server)).collect();
    for socket in &mut sockets {
        // More than the system buffers; and those behind the first buy it no time.
        socket.write_all(request.repeat(8).as_bytes()).unwrap();
    }
    crate::support::eventually(Duration::from_secs(20), "they are cut", || {
        (cut(&server) == 8).then_some(())
    });
    for mut socket in sockets {
        let mut got = Vec::new();
        // A reset is an end as well.
        _ = socket.read_to_end(&mut got);
        assert!(got.len() < 8 * 1_400_000, "{} bytes", got.len());
    }
}

#[test]
fn an_answer_that_is_taken_slowly_but_enough_comes_whole() {
    let server = Server::start(&[
        ("OMS_ANSWER_TIMEOUT_S", "1"),
        ("OMS_ANSWER_MIN_BYTES_PER_S", "4096"),
        ("OMS_HEADER_READ_TIMEOUT_S", "1"),
    ]);
    let mut socket = narrow(&server);
    let request = format!("GET {BUNDLE} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let (mut got, mut buffer) = (0, [0; 16 << 10]);
    let begun = Stopwatch::start();
    loop {
        let count = socket.read(&mut buffer).expect("it goes on");
        if count == 0 {
            break;
        }
        got += count;
        // Half a MiB a second, longer than the time-out in all.
        let due = Duration::from_micros(u64::try_from(got).unwrap() * 2);
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
    }
    assert!(got > 1_000_000, "{got} bytes");
    assert!(begun.elapsed() > Duration::from_secs(2));
    assert_eq!(cut(&server), 0);
}
