//! Servers that garble what they say, lie, or speak out of turn: an error, never a panic, a
//! wait without end, or memory for what only was announced.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use super::super::{Row, Value};
use super::session::Session;
use super::stream::Stream;
use super::wire::Inbox;
use crate::config::Database;

/// Beyond any wait that goes well.
const PATIENCE: Duration = Duration::from_secs(30);

const QUESTION: &str = "SELECT name, age FROM people WHERE id = $1";

fn database() -> Database {
    Database::parse("postgres://oms:pencil@localhost/oms").unwrap()
}

/// A message: its tag, its length, its body.
fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag], &length[..], body].concat()
}

/// A message about the login.
fn login(kind: u8, body: &[u8]) -> Vec<u8> {
    message(b'R', &[&[0, 0, 0, kind], body].concat())
}

fn done(tag: &str) -> Vec<u8> {
    message(b'C', &[tag.as_bytes(), b"\0"].concat())
}

/// What a server says to one who asks for a row in a transaction.
fn whole_conversation() -> Vec<u8> {
    let ready = message(b'Z', b"I");
    let set = [done("SET"), ready.clone()].concat();
    let prepared = |arguments: &[u8], columns: &[u8]| {
        let columns = match columns {
            [] => message(b'n', b""),
            some => message(b'T', some),
        };
        let parsed = message(b'1', b"");
        [parsed, message(b't', arguments), columns, ready.clone()].concat()
    };
    let ran = |rows: &[u8], tag: &str| {
        let bound = message(b'2', b"");
        [&bound, rows, &done(tag), &ready].concat()
    };
    let column = |name: &str, oid: u8, size: u8| {
        let kind = [0, 0, 0, oid, 0, size, 0xff, 0xff, 0xff, 0xff, 0, 1];
        [name.as_bytes(), b"\0", &[0; 6], &kind].concat()
    };
    let columns = [&[0, 2][..], &column("name", 25, 255), &column("age", 20, 8)].concat();
    let cells = [
        &[0, 2, 0, 0, 0, 3][..],
        b"Ada",
        &[0, 0, 0, 8],
        &[0; 7],
        &[36],
    ]
    .concat();
    [
        login(0, b""),
        message(b'S', b"server_version\x0015.0\0"),
        message(b'K', &[7; 8]),
        ready.clone(),
        set.repeat(3),
        message(
            b'T',
            &[&[0, 1][..], &column("transaction_read_only", 25, 255)].concat(),
        ),
        message(b'D', b"\0\x01\0\0\0\x03off"),
        done("SHOW"),
        ready.clone(),
        prepared(&[0, 0], &[]).repeat(4),
        ran(b"", "BEGIN"),
        prepared(&[0, 1, 0, 0, 0, 20], &columns),
        ran(&message(b'D', &cells), "SELECT 1"),
        ran(b"", "COMMIT"),
    ]
    .concat()
}

/// Asks a server that says all of this and nothing more.
fn ask(said: &[u8]) -> Result<Option<(String, i64)>, String> {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(PATIENCE)).unwrap();
    theirs.write_all(said).unwrap();
    theirs.shutdown(Shutdown::Write).unwrap();
    let open = Session::over(Stream::Socket(ours), &database());
    let mut session = open.map_err(|cause| cause.to_string())?;
    let mut found = None;
    let mut show = |row: &Row<'_>| {
        found = Some((row.text(0)?, row.int(1)?));
        Ok(())
    };
    let asked = session
        .begin(false)
        .and_then(|()| session.query(QUESTION, &[Value::Int(1)], &mut show))
        .and_then(|()| session.commit());
    asked.map(|()| found).map_err(|error| error.to_string())
}

#[test]
fn a_conversation_that_breaks_off_is_an_error_wherever_it_does() {
    let whole = whole_conversation();
    assert_eq!(ask(&whole), Ok(Some(("Ada".into(), 36))));
    for end in 0..whole.len() {
        assert!(ask(&whole[..end]).is_err(), "{end}");
    }
}

#[test]
fn a_conversation_with_a_byte_changed_ends() {
    let mut said = whole_conversation();
    let (mut good, mut bad) = (0, 0);
    for place in 0..said.len() {
        let right = said[place];
        for wrong in [0, 0xff, right ^ 1, right ^ 0x80, b'E', b'R'] {
            said[place] = wrong;
            match ask(&said) {
                Ok(_) => good += 1,
                Err(_) => bad += 1,
            }
        }
        said[place] = right;
    }
    // Names are not looked at, lengths and tags are.
    assert!(good > 100 && bad > 1000, "{good} and {bad}");
}

#[test]
fn a_message_that_is_too_long_is_not_waited_for() {
    for length in [0, 3, 0x0400_0001, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        theirs.write_all(b"D").unwrap();
        theirs.write_all(&length.to_be_bytes()).unwrap();
        let refused = Inbox::default().next(&mut &ours).err();
        let kind = refused.map(|cause| cause.kind());
        assert_eq!(kind, Some(io::ErrorKind::InvalidData), "{length:#x}");
    }
}

#[test]
fn a_message_that_does_not_come_takes_no_memory() {
    let mut inbox = Inbox::default();
    let mut said = &b"D\x03\xff\xff\xffand the rest never comes"[..];
    let broken = inbox.next(&mut said).err().map(|cause| cause.kind());
    assert_eq!(broken, Some(io::ErrorKind::UnexpectedEof));
    assert!(inbox.capacity() < 1 << 20);
}

/// Reads a message of the client and gives its body; the first has no tag.
fn hear(stream: &mut UnixStream, tag: Option<u8>) -> String {
    let mut head = vec![0; 4 + usize::from(tag.is_some())];
    stream.read_exact(&mut head).unwrap();
    assert!(tag.is_none_or(|tag| head[0] == tag), "{head:?}");
    let length = head.last_chunk::<4>().unwrap();
    let mut body = vec![0; u32::from_be_bytes(*length) as usize - 4];
    stream.read_exact(&mut body).unwrap();
    String::from_utf8_lossy(&body).into_owned()
}

/// Logs in at a server that asks for SCRAM, answers the first step with what is made of the
/// client's nonce, and the second with messages.
fn prove(salt: impl Fn(&str) -> String + Sync, last: &[Vec<u8>]) -> String {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            theirs.set_read_timeout(Some(PATIENCE)).unwrap();
            hear(&mut theirs, None);
            let offer = login(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
            theirs.write_all(&offer).unwrap();
            let first = hear(&mut theirs, Some(b'p'));
            let (_, nonce) = first.split_once("n,,n=,r=").unwrap();
            theirs
                .write_all(&login(11, salt(nonce).as_bytes()))
                .unwrap();
            let mut tag = [0];
            // A client that was told nonsense has hung up.
            if theirs.read(&mut tag).unwrap() == 0 || tag == *b"X" {
                return;
            }
            theirs.write_all(&last.concat()).unwrap();
            drop(theirs.shutdown(Shutdown::Write));
            drop(io::copy(&mut theirs, &mut io::sink()));
        });
        let refused = Session::over(Stream::Socket(ours), &database()).err();
        refused.map(|cause| cause.to_string()).unwrap_or_default()
    })
}

#[test]
fn a_server_that_does_not_know_the_password_is_left() {
    let salt = |nonce: &str| format!("r={nonce}+,s=W22Z,i=4096");
    let ready = [login(0, b""), message(b'Z', b"I")].concat();
    let wrong = login(12, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    for (last, said) in [
        (vec![wrong, ready.clone()], "SCRAM verification error"),
        (
            vec![login(12, b"v="), ready.clone()],
            "SCRAM verification error",
        ),
        (vec![login(12, b"e=other-error")], "other-error"),
        // As if it had been convinced, without its own proof.
        (vec![ready], "out of turn"),
        (vec![login(11, b"r=again,s=W22Z,i=1")], "out of turn"),
        (
            vec![message(b'E', b"SFATAL\0C28P01\0Mno entry\0\0")],
            "no entry (28P01)",
        ),
    ] {
        let told = prove(salt, &last);
        assert!(told.contains(said), "{said}: {told}");
    }
}

#[test]
fn a_login_that_is_not_ours_or_costs_too_much_is_refused() {
    type Salt = fn(&str) -> String;
    let answers: [(Salt, &str); 5] = [
        (|_| "r=somebody's,s=W22Z,i=4096".into(), "nonce"),
        (
            |nonce| format!("r={nonce}+,s=W22Z,i=4294967295"),
            "iteration",
        ),
        (|nonce| format!("r={nonce}+,s=W22Z,i=-1"), "integer"),
        (|nonce| format!("r={nonce}+,s=!,i=4096"), "unexpected"),
        (|nonce| format!("r={nonce}+"), "EOF"),
    ];
    for (salt, said) in answers {
        let told = prove(salt, &[]);
        assert!(told.contains(said), "{said}: {told}");
    }
}

#[test]
fn a_login_by_other_means_is_refused() {
    for (asked, said) in [
        (login(5, b"salt"), "other than SCRAM-SHA-256"),
        (login(7, b""), "other than SCRAM-SHA-256"),
        (login(99, b""), "unknown authentication tag"),
        (
            login(10, b"SCRAM-SHA-256-PLUS\0\0"),
            "offers no SCRAM-SHA-256",
        ),
        (login(10, b"SCRAM-SHA-256"), "EOF"),
        (message(b'Z', b"I"), "other than SCRAM-SHA-256"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "too long"),
    ] {
        let told = ask(&asked).unwrap_err();
        assert!(told.contains(said), "{said}: {told}");
    }
}
