//! HTTP/2 with prior knowledge, from hand-made frames.

use std::io::Read;

use crate::server::{Server, Socket, patient, quick};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
/// `GET / http` from the static table, and nothing else.
const GET_ROOT: &[u8] = &[0x82, 0x84, 0x86];
const END_STREAM_AND_HEADERS: u8 = 5;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn open(server: &Server) -> Socket {
    let mut socket = server.connect();
    socket.send([PREFACE, &frame(SETTINGS, 0, 0, &[])].concat());
    socket
}

/// Reads frames until one of this kind; `None` when the connection ends before.
fn read_frame(socket: &mut Socket, wanted: u8) -> Option<Vec<u8>> {
    loop {
        let mut head = [0; 9];
        socket.0.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        socket.0.read_exact(&mut payload).ok()?;
        if head[3] == wanted {
            return Some(payload);
        }
    }
}

#[test]
fn a_request_is_answered() {
    let server = Server::start(&patient());
    let mut socket = open(&server);
    socket.send(frame(HEADERS, END_STREAM_AND_HEADERS, 1, GET_ROOT));
    let headers = read_frame(&mut socket, HEADERS).expect("an answer");
    assert_eq!(
        headers.first(),
        Some(&0x88),
        ":status 200 of the static table"
    );
}

#[test]
fn garbage_behind_the_preface_ends() {
    let server = Server::start(&patient());
    server.exchange([PREFACE, &[b'x'; 100]].concat());
}

#[test]
fn a_preface_that_stops_or_turns_bad_ends() {
    let server = Server::start(&quick());
    server.exchange(&PREFACE[..20]);
    server.exchange(PREFACE);
    server.exchange("PRI * HTTP/2.0\r\n\r\nno\r\n\r\n");
}

#[test]
fn an_idle_connection_ends() {
    let server = Server::start(&quick());
    let mut socket = open(&server);
    socket.send(frame(HEADERS, END_STREAM_AND_HEADERS, 1, GET_ROOT));
    assert!(read_frame(&mut socket, HEADERS).is_some());
    socket.read_to_end();
}

#[test]
fn a_rapid_reset_ends_the_connection() {
    let server = Server::start(&patient());
    let mut socket = open(&server);
    for stream in (1..4000).step_by(2) {
        let reset = frame(RST_STREAM, 0, stream, &8u32.to_be_bytes());
        let headers = frame(HEADERS, END_STREAM_AND_HEADERS, stream, GET_ROOT);
        socket.send([headers, reset].concat());
    }
    // GOAWAY, or an end so abrupt that it is lost; both are an end.
    read_frame(&mut socket, GOAWAY);
    socket.read_to_end();
}
