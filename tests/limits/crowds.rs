//! Connections that say nothing keep nobody out who does.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};

use crate::support::{Answer, Key, Mode, Server, connect_from, fresh_name, raw, read_answer};

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: oms\r\n";

fn local(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))
}

fn health(listener: SocketAddr, from: IpAddr) -> Answer {
    let request = format!("{HEALTH}Connection: close\r\n\r\n");
    raw(listener, Some(from), request.as_bytes())
}

fn login(key: &Key) -> String {
    let body = key.login().to_string();
    format!(
        "POST /v0.9/auth/token HTTP/1.1\r\nHost: oms\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A connection that was served and then says nothing more.
fn idle(server: &Server, from: IpAddr) -> TcpStream {
    let mut stream = connect_from(server.address(), Some(from));
    let request = format!("{HEALTH}\r\n");
    stream.write_all(request.as_bytes()).expect("it is read");
    read_until(&mut stream, "\r\n\r\nok");
    stream
}

fn read_until(stream: &mut TcpStream, end: &str) {
    let mut got = Vec::new();
    while !got.ends_with(end.as_bytes()) {
        let mut byte = [0];
        assert!(stream.read(&mut byte).expect("an answer") > 0, "{got:?}");
        got.push(byte[0]);
    }
}

#[test]
fn with_64_descriptors_a_hundred_silent_connections_keep_nobody_out() {
    let patient = [
        ("OMS_HEADER_READ_TIMEOUT_S", "600"),
        ("OMS_IDLE_TIMEOUT_S", "600"),
        // Each costs descriptors.
        ("OMS_READ_THREADS", "2"),
    ];
    let server = Server::start_with_descriptors(64, &patient);
    let key = server.key(&fresh_name("project"), Mode::Sandbox, None);
    let listeners = [server.address(), server.operator_address()];
    let silent = listeners.map(|listener| {
        let open = |_| connect_from(listener, Some(local(2)));
        (0..100).map(open).collect::<Vec<_>>()
    });
    for _ in 0..20 {
        let request = login(&key);
        raw(server.address(), None, request.as_bytes()).wants(200);
        for listener in listeners {
            health(listener, local(1)).wants(200);
        }
    }
    assert_eq!(silent.map(|open| open.len()), [100, 100]);
    server.operator_call("GET", "/readyz").send().wants(200);
}

#[test]
fn idle_connections_of_three_addresses_lock_no_stranger_out_and_no_request_is_cut() {
    let server = Server::start(&[
        ("OMS_MAX_CONNECTIONS", "31"),
        ("OMS_HEADER_READ_TIMEOUT_S", "600"),
        ("OMS_IDLE_TIMEOUT_S", "600"),
        ("OMS_BODY_READ_TIMEOUT_S", "600"),
        ("OMS_REQUEST_TIMEOUT_S", "600"),
    ]);
    let key = server.key(&fresh_name("project"), Mode::Sandbox, None);
    // The first of all waits for its body.
    let request = login(&key).replacen("Host: oms\r\n", "Host: oms\r\nExpect: 100-continue\r\n", 1);
    let (head, body) = request.split_at(request.find("\r\n\r\n").expect("a head") + 4);
    let mut busy = connect_from(server.address(), Some(local(1)));
    busy.write_all(head.as_bytes()).expect("it is read");
    read_until(&mut busy, "100 Continue\r\n\r\n");
    let crowd: Vec<_> = (0..60)
        .map(|count| idle(&server, local(1 + count % 3)))
        .collect();
    for _ in 0..40 {
        health(server.address(), local(4)).wants(200);
    }
    drop(crowd);
    busy.write_all(body.as_bytes()).expect("it was not closed");
    read_answer(busy, request.as_bytes()).wants(200);
}
