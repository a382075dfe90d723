//! Heads that never come, never end, or should not be.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::server::{Server, assert_problem, patient, quick, status};

#[test]
fn a_silent_connection_ends() {
    assert_eq!(Server::start(&quick()).connect().read_to_end(), "");
}

#[test]
fn a_partial_head_ends() {
    assert_eq!(
        Server::start(&quick()).exchange("GET / HTTP/1.1\r\nHos"),
        ""
    );
}

#[test]
fn a_dribbled_head_ends() {
    let server = Server::start(&quick());
    let mut socket = server.connect();
    let head = format!("GET / HTTP/1.1\r\nx-slow: {}", "a".repeat(1000));
    socket.dribble(head.as_bytes(), Duration::from_millis(20));
    assert_eq!(socket.read_to_end(), "");
}

#[test]
fn an_idle_connection_ends_after_its_answer() {
    let answer = Server::start(&quick()).exchange("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(status(&answer), 200);
    assert!(answer.ends_with("hello"));
}

#[test]
fn a_second_head_that_stops_midway_ends() {
    let server = Server::start(&quick());
    let mut socket = server.connect();
    socket.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    socket.read_until("hello");
    socket.send("GET / HT");
    assert_eq!(socket.read_to_end(), "");
}

#[test]
fn a_keep_alive_connection_outlives_the_head_timeout() {
    let mut config = quick();
    config.idle_timeout = Duration::from_mins(1);
    let server = Server::start(&config);
    let mut socket = server.connect();
    for _ in 0..3 {
        socket.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
        socket.read_until("hello");
        std::thread::sleep(config.header_read_timeout * 2);
    }
}

#[test]
fn a_thousand_headers_are_too_many() {
    let mut head = "GET / HTTP/1.1\r\n".to_owned();
    for index in 0..1000 {
        _ = write!(head, "x-{index}: 1\r\n");
    }
    let server = Server::start(&patient());
    assert_eq!(status(&server.exchange(head + "\r\n")), 431);
}

#[test]
fn a_coding_beside_the_chunks_is_not_implemented() {
    let body = "5\r\nhello\r\n0\r\n\r\n";
    for coding in ["gzip, chunked", "gzip\r\ntransfer-encoding: chunked"] {
        let head = format!("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: {coding}\r\n\r\n");
        let answer = Server::start(&patient()).exchange(head + body);
        assert_eq!(status(&answer), 501, "{coding}");
    }
}

#[test]
fn a_huge_header_is_too_large() {
    let head = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(100_000));
    assert_eq!(status(&Server::start(&patient()).exchange(head)), 431);
}

#[test]
fn what_is_no_http_is_refused() {
    let server = Server::start(&patient());
    for head in [
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0 a TLS hello \r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nbad header\r\n\r\n",
        "GET / HTTP/1.1\r\nx : 1\r\n\r\n",
    ] {
        assert_eq!(status(&server.exchange(head)), 400, "{head:?}");
    }
}

#[test]
fn a_path_that_is_no_utf8_names_nothing() {
    let server = Server::start(&patient());
    let escaped =
        server.exchange("GET /path/%ff%fe HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert_eq!(status(&escaped), 404);
    assert_problem(&escaped, "notFound");
    let raw =
        server.exchange(b"GET /path/\xff\xfe HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert_eq!(status(&raw), 400);
}

#[test]
fn nothing_is_smuggled_behind_two_lengths() {
    let server = Server::start(&patient());
    let smuggled = "GET /counted HTTP/1.1\r\nhost: x\r\n\r\n";
    let chunks = format!("0\r\n\r\n{smuggled}");
    let length = chunks.len();
    for lengths in [
        format!("content-length: {length}\r\ntransfer-encoding: chunked"),
        format!("transfer-encoding: chunked\r\ncontent-length: {length}"),
        "content-length: 5\r\ncontent-length: 6".to_owned(),
        "transfer-encoding: xchunked".to_owned(),
        "transfer-encoding: chunked, identity".to_owned(),
        "content-length: +5".to_owned(),
        "content-length: 5, 5".to_owned(),
    ] {
        let answer = server.exchange(format!(
            "POST /echo HTTP/1.1\r\nhost: x\r\n{lengths}\r\n\r\n{chunks}"
        ));
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            1,
            "{lengths}: {answer}"
        );
        assert_eq!(server.counted.load(Ordering::SeqCst), 0, "{lengths}");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let one = |path: &str| format!("GET /path/{path} HTTP/1.1\r\nhost: x\r\n\r\n");
    let last = "GET /path/c HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answers = Server::start(&patient()).exchange(one("a") + &one("b") + last);
    let bodies: Vec<_> = answers
        .split("HTTP/1.1 200 OK")
        .skip(1)
        .map(|part| &part[part.len() - 7..])
        .collect();
    assert_eq!(bodies, ["/path/a", "/path/b", "/path/c"]);
}

#[test]
fn from_http_1_1_on_a_request_has_exactly_one_host() {
    let server = Server::start(&patient());
    for hosts in ["", "host: a\r\nhost: b\r\n"] {
        let answer = server.exchange(format!(
            "GET / HTTP/1.1\r\n{hosts}connection: close\r\n\r\n"
        ));
        assert_eq!(status(&answer), 400, "{hosts:?}");
        assert_problem(&answer, "headerInvalid");
    }
    let old = server.exchange("GET / HTTP/1.0\r\n\r\n");
    assert!(old.ends_with("hello"), "{old}");
}
