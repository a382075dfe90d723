//! Any bytes as what a server says: in the login, in its SCRAM, and to one who has logged in
//! and reads and writes.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use super::super::{Row, Value};
use super::session::Session;
use super::stream::Stream;
use crate::config::Database;

/// Beyond any wait that goes well.
const PATIENCE: Duration = Duration::from_secs(10);

/// What fits into a socket while nobody reads.
const MOST_BYTES: usize = 32 << 10;

const QUESTION: &str = "SELECT id, name, data FROM things WHERE id = $1";
const CHANGE: &str = "UPDATE things SET name = $2 WHERE id = $1";

/// A login that goes well, with the answers to the four settings and to the four statements
/// that are prepared first.
const LOGIN: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I\
    C\0\0\0\x08SET\0Z\0\0\0\x05IC\0\0\0\x08SET\0Z\0\0\0\x05IC\0\0\0\x08SET\0Z\0\0\0\x05I\
    C\0\0\0\x09SHOW\0Z\0\0\0\x05I\
    n\0\0\0\x04Z\0\0\0\x05In\0\0\0\x04Z\0\0\0\x05In\0\0\0\x04Z\0\0\0\x05In\0\0\0\x04Z\0\0\0\x05I";

/// Listens to a server that says this, and then nothing more.
pub(crate) fn hear_any(data: &[u8]) {
    let Some((kind, said)) = data.split_first() else {
        return;
    };
    let said = &said[..said.len().min(MOST_BYTES)];
    match kind % 3 {
        0 => hear(said),
        1 => hear(&[LOGIN, said].concat()),
        _ => prove(said),
    }
}

fn database() -> Database {
    Database::parse("postgres://oms:pencil@localhost/oms").expect("a URL")
}

fn hear(said: &[u8]) {
    let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
    ours.set_read_timeout(Some(PATIENCE)).expect("a time");
    theirs.write_all(said).expect("it fits");
    theirs.shutdown(Shutdown::Write).expect("it is open");
    if let Ok(mut session) = Session::over(Stream::Socket(ours), &database()) {
        read_and_write(&mut session);
    }
}

/// Everything that a transaction does with a connection; what fails is tried no further.
fn read_and_write(session: &mut Session) {
    let mut show = |row: &Row<'_>| {
        for column in 0..4 {
            drop((row.optional_int(column), row.optional_text(column)));
            drop((row.optional_bytes(column), row.array::<16>(column)));
        }
        Ok(())
    };
    let values = [Value::Int(1)];
    let read = session
        .begin(false)
        .and_then(|()| session.query(QUESTION, &values, &mut show))
        .and_then(|()| session.send(CHANGE, &[Value::Int(1), Value::Text("a")]))
        .and_then(|()| session.execute(CHANGE, &[Value::Int(2), Value::Null]))
        .and_then(|_| session.commit());
    if read.is_err() {
        session.roll_back();
    }
    if session.begin_reading().is_err() {
        return;
    }
    let ask = |session: &mut Session, show: &mut dyn FnMut(&Row<'_>) -> _| {
        drop(session.query(QUESTION, &[Value::Int(1)], show));
    };
    let question = session.gather_first(|session| ask(session, &mut show));
    let rows = session.answer().map(|mut found| found.next());
    if let (Some(question), Ok(Some(rows))) = (question, rows) {
        let answer = Some(question.answered(rows));
        session.with_answer(answer, |session| ask(session, &mut show));
    }
    session.end_reading();
}

/// A server that asks for SCRAM and knows the client's nonce: what it adds to it, and what it
/// says at the end, is up to the input.
fn prove(said: &[u8]) {
    let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
    ours.set_read_timeout(Some(PATIENCE)).expect("a time");
    let at = said.iter().position(|byte| *byte == b'\n');
    let (salt, last) = said.split_at(at.unwrap_or(said.len()));
    thread::scope(|scope| {
        scope.spawn(move || {
            let offer = sasl(10, b"SCRAM-SHA-256\0\0");
            let mut heard = [0; 512];
            let told = theirs
                .read(&mut heard)
                .and_then(|_| theirs.write_all(&offer))
                .and_then(|()| theirs.read(&mut heard));
            // The nonce stands behind the last `r=` of the client's first message.
            let heard = String::from_utf8_lossy(&heard[..told.unwrap_or_default()]).into_owned();
            let nonce = heard.rsplit_once("r=").map_or("", |(_, nonce)| nonce);
            let step = sasl(11, &[b"r=", nonce.as_bytes(), salt].concat());
            drop(theirs.write_all(&step));
            drop(theirs.write_all(last.get(1..).unwrap_or_default()));
            drop(theirs.shutdown(Shutdown::Write));
            drop(theirs.read(&mut [0; 512]));
        });
        drop(Session::over(Stream::Socket(ours), &database()));
    });
}

fn sasl(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 8).expect("short").to_be_bytes();
    [b"R", &length[..], &[0, 0, 0, kind], body].concat()
}
