//! Caps on connections, and the stop.

use std::net::TcpStream;

use crate::server::{Server, assert_problem, patient, quick, status};

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const HELD: &str = "GET /held HTTP/1.1\r\nhost: x\r\n\r\n";

fn assert_caps(server: &Server) {
    let mut first = server.connect();
    first.send(HELD);
    server.wait_until_held();
    let refused = server.connect().read_to_end();
    assert_eq!(status(&refused), 503);
    assert_problem(&refused, "serviceUnavailable");
    assert!(refused.contains("retry-after: 1\r\n"), "{refused}");
    assert!(refused.contains("connection: close\r\n"), "{refused}");
    server.release.notify_one();
    first.read_until("released");
    // The server sees a moment later that the first sends nothing more; then it makes room.
    loop {
        let answer = server.exchange("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        if answer.starts_with("HTTP/1.1 200") {
            break;
        }
    }
    assert_eq!(first.read_to_end(), "", "it was closed");
}

#[test]
fn one_connection_too_many_is_told_so() {
    let mut config = patient();
    config.max_connections = 1;
    assert_caps(&Server::start(&config));
}

#[test]
fn one_connection_of_an_address_too_many_is_told_so() {
    let mut config = patient();
    config.max_connections_per_address = 1;
    assert_caps(&Server::start(&config));
}

#[test]
fn a_stop_lets_a_running_request_finish() {
    let mut server = Server::start(&patient());
    let (mut busy, mut idle) = (server.connect(), server.connect());
    idle.send(GET);
    idle.read_until("hello");
    busy.send(HELD);
    server.wait_until_held();
    server.ask_to_stop();
    assert_eq!(idle.read_to_end(), "", "an idle connection ends at once");
    server.release.notify_one();
    let answer = busy.read_to_end();
    assert_eq!(status(&answer), 200);
    assert!(answer.ends_with("released"), "{answer}");
    assert_eq!(server.wait_until_stopped().cut, 0);
    assert!(TcpStream::connect(server.address).is_err());
}

#[test]
fn a_stop_cuts_what_does_not_finish() {
    let mut config = patient();
    config.shutdown_grace = quick().shutdown_grace;
    let mut server = Server::start(&config);
    let mut stuck = server.connect();
    stuck.send(HELD);
    server.wait_until_held();
    server.ask_to_stop();
    assert_eq!(server.wait_until_stopped().cut, 1);
    assert_eq!(stuck.read_to_end(), "");
}

#[test]
fn a_stop_does_not_wait_for_half_a_head() {
    let mut server = Server::start(&patient());
    let mut partial = server.connect();
    partial.send("GET / HT");
    let mut silent = server.connect();
    // A full exchange on a third connection: the two before are accepted by then.
    server.connect().send(GET);
    server.exchange("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    server.ask_to_stop();
    silent.read_to_end();
    partial.read_to_end();
    assert_eq!(server.wait_until_stopped().cut, 0);
}
