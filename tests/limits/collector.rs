//! A collector of traces, as far as a test needs one: it takes OTLP over HTTP
//! and reads the spans out of it (opentelemetry-proto, trace/v1/trace.proto).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// One span as it was sent.
#[derive(Clone, Debug, Default)]
pub struct Span {
    pub trace: Vec<u8>,
    pub id: Vec<u8>,
    pub parent: Vec<u8>,
    pub name: String,
}

/// What was sent so far.
#[derive(Default)]
struct Received {
    spans: Vec<Span>,
    bytes: Vec<u8>,
    heads: Vec<String>,
}

pub struct Collector {
    /// `http://127.0.0.1:PORT`.
    pub endpoint: String,
    received: Arc<Mutex<Received>>,
}

impl Collector {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
        let received = Arc::new(Mutex::new(Received::default()));
        let into = Arc::clone(&received);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let into = Arc::clone(&into);
                thread::spawn(move || while take_one(&stream, &into).is_some() {});
            }
        });
        Self { endpoint, received }
    }

    pub fn spans(&self) -> Vec<Span> {
        self.received
            .lock()
            .expect("no panic holds this")
            .spans
            .clone()
    }

    /// Everything that was sent, to look for what must not be in it.
    pub fn bytes(&self) -> Vec<u8> {
        self.received
            .lock()
            .expect("no panic holds this")
            .bytes
            .clone()
    }

    /// The heads of the requests.
    pub fn heads(&self) -> Vec<String> {
        self.received
            .lock()
            .expect("no panic holds this")
            .heads
            .clone()
    }
}

/// One POST; `None` when the connection is over.
fn take_one(mut stream: &TcpStream, into: &Mutex<Received>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        (reader.read_line(&mut head).ok()? > 0).then_some(())?;
    }
    let head = head.to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))?;
    let mut body = vec![0; length.trim().parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    let mut received = into.lock().expect("no panic holds this");
    for resource in parts(&body, 1) {
        for scope in parts(resource, 2) {
            received
                .spans
                .extend(parts(scope, 2).into_iter().map(read_span));
        }
    }
    received.bytes.extend(&body);
    received.heads.push(head);
    drop(received);
    stream
        .write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n",
        )
        .ok()
}

fn read_span(bytes: &[u8]) -> Span {
    let one = |field| {
        parts(bytes, field)
            .first()
            .map_or(Vec::new(), |part| part.to_vec())
    };
    Span {
        trace: one(1),
        id: one(2),
        parent: one(4),
        name: String::from_utf8_lossy(&one(5)).into_owned(),
    }
}

/// The length-delimited values of one field of a protobuf message.
fn parts(mut message: &[u8], wanted: u64) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while let Some(tag) = varint(&mut message) {
        let skip = match tag & 7 {
            0 => {
                varint(&mut message);
                0
            }
            1 => 8,
            5 => 4,
            2 => {
                let length = varint(&mut message).expect("a length");
                let length = usize::try_from(length).expect("a length");
                if tag >> 3 == wanted {
                    found.push(&message[..length]);
                }
                length
            }
            kind => panic!("no wire type {kind}"),
        };
        message = &message[skip..];
    }
    found
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            break;
        }
    }
    Some(value)
}
