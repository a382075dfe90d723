//! As much of HTTP/1.1 as a load generator needs to read: status, length, whether the connection stays.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::Result;

/// An answer larger than this is an error.
pub const ANSWER_BYTES_MAX: usize = 8 << 20;

/// One answer of the server.
#[derive(Debug)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// Status line and headers.
    pub head: &'a [u8],
    /// The body, complete.
    pub body: &'a [u8],
}

/// What the head of an answer says about its length.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    status: u16,
    bytes: usize,
    body_bytes: usize,
    /// Whether the connection may be used again.
    pub reusable: bool,
}

impl Head {
    /// Reads the head, or none while it is incomplete.
    pub fn parse(input: &[u8]) -> io::Result<Option<Self>> {
        let Some(end) = find(input, b"\r\n\r\n") else {
            return Ok(None);
        };
        let text = &input[..end];
        let status = text
            .get(9..12)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let status = status.and_then(|digits| digits.parse().ok());
        let status = status.ok_or_else(|| io::Error::other("not an HTTP answer"))?;
        let mut length = None;
        let mut reusable = true;
        for line in text.split(|byte| *byte == b'\n').skip(1) {
            if let Some(value) = header(line, b"content-length:") {
                length = std::str::from_utf8(value)
                    .ok()
                    .and_then(|value| value.trim().parse().ok());
            } else if let Some(value) = header(line, b"connection:") {
                reusable = !value.trim_ascii().eq_ignore_ascii_case(b"close");
            }
        }
        let body_bytes = match (status, length) {
            (204 | 304, _) => 0,
            (_, Some(length)) => length,
            (_, None) => return Err(io::Error::other("an answer without content-length")),
        };
        Ok(Some(Self {
            status,
            bytes: end + 4,
            body_bytes,
            reusable,
        }))
    }

    /// Bytes of head and body.
    pub fn answer_bytes(self) -> usize {
        self.bytes + self.body_bytes
    }

    /// The whole answer, once `input` holds it.
    pub fn answer(self, input: &[u8]) -> Answer<'_> {
        let (head, rest) = input.split_at(self.bytes);
        Answer {
            status: self.status,
            head,
            body: &rest[..self.body_bytes],
        }
    }
}

/// The value of a header line whose lower-case name and colon are `name`.
fn header<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then_some(value)
}

/// Where `needle` begins in `hay`.
pub fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len())
        .position(|window| window == needle)
}

/// One request on a connection of its own, outside any measurement: status and body.
pub fn once(address: SocketAddr, request: &[u8]) -> Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(request)?;
    let mut input = Vec::new();
    loop {
        let mut chunk = [0; 16 << 10];
        let read = stream.read(&mut chunk)?;
        input.extend_from_slice(&chunk[..read]);
        if let Some(head) = Head::parse(&input)?
            && input.len() >= head.answer_bytes()
        {
            return Ok((head.status, head.answer(&input).body.to_vec()));
        }
        if read == 0 || input.len() > ANSWER_BYTES_MAX {
            return Err("the server hung up in the middle of an answer".into());
        }
    }
}
