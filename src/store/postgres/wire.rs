//! The messages of the protocol (version 3.0), out and in. It is asked for
//! nothing else than this: one portal without a name, everything binary.

use std::fmt;
use std::io::{self, Read, Write};
use std::ops::Range;

use super::super::Value;
use super::row::Kind;
use crate::error::{Error, Result};

/// Protocol version 3.0.
const VERSION: i32 = 3 << 16;

/// The request code for TLS.
const TLS_REQUEST: i32 = 80_877_103;

/// A longer message than this is none.
const LONGEST_MESSAGE: usize = 1 << 30;

/// Bytes read at once.
const READ_SIZE: usize = 16 << 10;

/// Messages to the server, gathered until they are sent.
#[derive(Default)]
pub(super) struct Outbox(Vec<u8>);

impl Outbox {
    /// Bytes that wait.
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Sends everything.
    pub(super) fn send(&mut self, stream: &mut impl Write) -> io::Result<()> {
        let sent = stream.write_all(&self.0).and_then(|()| stream.flush());
        self.0.clear();
        sent
    }

    /// A message; its length counts itself and stands before the body.
    fn message(&mut self, tag: Option<u8>, body: impl FnOnce(&mut Vec<u8>)) {
        self.0.extend(tag);
        let start = self.0.len();
        self.0.extend_from_slice(&[0; 4]);
        body(&mut self.0);
        let length = i32::try_from(self.0.len() - start).expect("no message is that long");
        self.0[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }

    pub(super) fn ask_for_tls(&mut self) {
        self.message(None, |body| body.extend(TLS_REQUEST.to_be_bytes()));
    }

    pub(super) fn start(&mut self, parameters: &[(&str, &str)]) {
        self.message(None, |body| {
            body.extend(VERSION.to_be_bytes());
            for (name, value) in parameters {
                put_text(body, name);
                put_text(body, value);
            }
            body.push(0);
        });
    }

    /// A password, or the next step of SASL.
    pub(super) fn answer_login(&mut self, bytes: &[u8]) {
        self.message(Some(b'p'), |body| body.extend_from_slice(bytes));
    }

    /// Statements without arguments, in a transaction of their own unless one is open.
    pub(super) fn simple(&mut self, sql: &str) {
        self.message(Some(b'Q'), |body| put_text(body, sql));
    }

    /// Prepares a statement and asks for its types.
    pub(super) fn prepare(&mut self, number: u32, sql: &str) {
        self.message(Some(b'P'), |body| {
            put_name(body, number);
            put_text(body, sql);
            body.extend([0, 0]);
        });
        self.message(Some(b'D'), |body| {
            body.push(b'S');
            put_name(body, number);
        });
    }

    /// Runs a prepared statement.
    ///
    /// # Errors
    /// When a value is of another kind than the statement wants.
    pub(super) fn run(&mut self, number: u32, kinds: &[Kind], values: &[Value<'_>]) -> Result<()> {
        if kinds.len() != values.len() {
            return Err(Error::internal("a statement has other arguments"));
        }
        let start = self.0.len();
        let mut fits = true;
        self.message(Some(b'B'), |body| {
            body.push(0);
            put_name(body, number);
            body.extend([0, 1, 0, 1]);
            put_count(body, values.len());
            for (kind, value) in kinds.iter().zip(values) {
                fits &= kind.put(body, value);
            }
            body.extend([0, 1, 0, 1]);
        });
        if !fits {
            self.0.truncate(start);
            return Err(Error::internal("an argument is of another kind"));
        }
        self.message(Some(b'E'), |body| body.extend([0; 5]));
        Ok(())
    }

    /// Asks for the results of everything so far.
    pub(super) fn sync(&mut self) {
        self.message(Some(b'S'), |_| {});
    }

    pub(super) fn end(&mut self) {
        self.message(Some(b'X'), |_| {});
    }
}

fn put_text(body: &mut Vec<u8>, text: &str) {
    body.extend_from_slice(text.as_bytes());
    body.push(0);
}

/// The name of a prepared statement: `s` and its number, in hexadecimal digits.
fn put_name(body: &mut Vec<u8>, number: u32) {
    body.push(b's');
    let digits = number.to_be_bytes();
    for digit in digits.iter().flat_map(|byte| [byte >> 4, byte & 0xf]) {
        body.push(b"0123456789abcdef"[usize::from(digit)]);
    }
    body.push(0);
}

fn put_count(body: &mut Vec<u8>, count: usize) {
    let count = u16::try_from(count).expect("a statement has few arguments");
    body.extend(count.to_be_bytes());
}

/// Bytes from the server, and the message that is looked at.
#[derive(Default)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
    read: usize,
}

impl Inbox {
    /// The next message: its tag, and where its body lies.
    pub(super) fn next(&mut self, stream: &mut impl Read) -> io::Result<(u8, Range<usize>)> {
        self.fill(5, stream)?;
        let head = &self.bytes[self.read..self.read + 5];
        let tag = head[0];
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if !(4..LONGEST_MESSAGE).contains(&length) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "what answers is no PostgreSQL server",
            ));
        }
        self.fill(length + 1, stream)?;
        let body = self.read + 5..self.read + 1 + length;
        self.read = body.end;
        Ok((tag, body))
    }

    /// The body that was just found.
    pub(super) fn body(&self, place: Range<usize>) -> &[u8] {
        &self.bytes[place]
    }

    /// Reads until so many bytes lie behind what was read.
    fn fill(&mut self, count: usize, stream: &mut impl Read) -> io::Result<()> {
        if self.bytes.len() - self.read >= count {
            return Ok(());
        }
        self.bytes.drain(..self.read);
        self.read = 0;
        while self.bytes.len() < count {
            let have = self.bytes.len();
            let want = (count - have).max(READ_SIZE);
            self.bytes.resize(have + want, 0);
            let got = match stream.read(&mut self.bytes[have..]) {
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => Ok(None),
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                other => other.map(Some),
            };
            let kept = got.as_ref().map_or(0, |got| got.unwrap_or(0));
            self.bytes.truncate(have + kept);
            got?;
        }
        Ok(())
    }
}

/// What the server refused, without its details, which may repeat values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// The SQLSTATE.
    pub code: String,
    pub message: String,
}

impl Failure {
    /// Reads the body of an error message.
    pub(super) fn read(body: &[u8]) -> Self {
        let mut failure = Self {
            code: String::new(),
            message: String::new(),
        };
        for field in body.split(|byte| *byte == 0) {
            let Some((kind, text)) = field.split_first() else {
                break;
            };
            let text = String::from_utf8_lossy(text).into_owned();
            match kind {
                b'C' => failure.code = text,
                b'M' => failure.message = text,
                _ => {}
            }
        }
        failure
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Failure {}
