//! The messages of the protocol (version 3.0), gathered on their way out and found on their
//! way in. How each is written and read is `postgres-protocol`'s; what is asked for is not
//! more than this: one portal without a name, everything binary.

use std::fmt;
use std::io::{self, Read, Write};

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{ErrorResponseBody, Header, Message};
use postgres_protocol::message::frontend::{self, BindError};

use super::super::Value;
use super::row::Kind;
use crate::error::{Error, Result};

/// No message may be longer. What a row of ours can hold is far below.
const LONGEST_MESSAGE: usize = 64 << 20;

/// Bytes read at once.
const READ_SIZE: usize = 16 << 10;

/// How arguments and results are written.
const BINARY: [i16; 1] = [1];

/// Messages to the server, gathered until they are sent.
#[derive(Default)]
pub(super) struct Outbox(BytesMut);

impl Outbox {
    /// Bytes that wait.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// What came behind so many bytes.
    pub(super) fn since(&self, before: usize) -> &[u8] {
        &self.0[before.min(self.0.len())..]
    }

    /// Takes back what came behind so many bytes.
    pub(super) fn forget_since(&mut self, before: usize) {
        self.0.truncate(before);
    }

    /// Sends everything.
    pub(super) fn send(&mut self, stream: &mut impl Write) -> io::Result<()> {
        let sent = stream.write_all(&self.0).and_then(|()| stream.flush());
        self.0.clear();
        sent
    }

    /// Adds messages, all of them or none.
    pub(super) fn put(
        &mut self,
        write: impl FnOnce(&mut BytesMut) -> io::Result<()>,
    ) -> io::Result<()> {
        let start = self.0.len();
        write(&mut self.0).inspect_err(|_| self.0.truncate(start))
    }

    pub(super) fn start(&mut self, parameters: &[(&str, &str)]) -> io::Result<()> {
        self.put(|out| frontend::startup_message(parameters.iter().copied(), out))
    }

    /// Statements without arguments, in a transaction of their own unless one is open.
    pub(super) fn simple(&mut self, sql: &str) -> io::Result<()> {
        self.put(|out| frontend::query(sql, out))
    }

    /// Prepares a statement and asks for its types.
    pub(super) fn prepare(&mut self, name: &str, sql: &str) -> io::Result<()> {
        self.put(|out| {
            frontend::parse(name, sql, [], out)?;
            frontend::describe(b'S', name, out)
        })
    }

    /// Runs a prepared statement.
    ///
    /// # Errors
    /// When a value is of another kind than the statement wants.
    pub(super) fn run(&mut self, name: &str, kinds: &[Kind], values: &[Value<'_>]) -> Result<()> {
        if kinds.len() != values.len() {
            return Err(Error::internal("a statement has other arguments"));
        }
        let arguments = kinds.iter().zip(values);
        self.put(|out| {
            let put = |(kind, value): (&Kind, &_), out: &mut _| kind.put(value, out);
            let bound = frontend::bind("", name, BINARY, arguments, put, BINARY, out);
            bound.map_err(|refused| match refused {
                BindError::Conversion(cause) => io::Error::other(cause),
                BindError::Serialization(cause) => cause,
            })?;
            frontend::execute("", 0, out)
        })
        .map_err(Error::internal)
    }

    /// Asks for the results of everything so far.
    pub(super) fn sync(&mut self) {
        frontend::sync(&mut self.0);
    }

    pub(super) fn end(&mut self) {
        frontend::terminate(&mut self.0);
    }
}

/// Bytes from the server, of which the messages are parts.
pub(super) struct Inbox {
    bytes: BytesMut,
    piece: Box<[u8]>,
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            bytes: BytesMut::with_capacity(2 * READ_SIZE),
            piece: vec![0; READ_SIZE].into(),
        }
    }
}

impl Inbox {
    /// The next message. Memory is taken for what has come, not for what is announced.
    pub(super) fn next(&mut self, stream: &mut impl Read) -> io::Result<Message> {
        loop {
            if let Some(header) = Header::parse(&self.bytes)? {
                let length = usize::try_from(header.len()).map_err(io::Error::other)?;
                if length > LONGEST_MESSAGE {
                    let said = "the message of the server is too long";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, said));
                }
                if self.bytes.len() > length
                    && let Some(message) = Message::parse(&mut self.bytes)?
                {
                    return Ok(message);
                }
            }
            self.fill(stream)?;
        }
    }

    /// Bytes that are set aside.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    fn fill(&mut self, stream: &mut impl Read) -> io::Result<()> {
        match stream.read(&mut self.piece) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(got) => {
                self.bytes.extend_from_slice(&self.piece[..got]);
                Ok(())
            }
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => Ok(()),
            // So a socket says that its time is over.
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the server says nothing",
            )),
            Err(cause) => Err(cause),
        }
    }
}

/// What the server refused, without its details, which may repeat values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Failure {
    /// The SQLSTATE.
    pub code: String,
    pub message: String,
    /// The constraint that was not kept, if it was one.
    pub constraint: String,
}

impl Failure {
    /// Reads an error message, as far as it can be read.
    pub(super) fn read(body: &ErrorResponseBody) -> Self {
        let mut failure = Self::default();
        let mut fields = body.fields();
        while let Ok(Some(field)) = fields.next() {
            let text = || String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                b'C' => failure.code = text(),
                b'M' => failure.message = text(),
                b'n' => failure.constraint = text(),
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
