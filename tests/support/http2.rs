//! HTTP/2 with prior knowledge from hand-made frames, for clients that misbehave.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_STREAM_AND_HEADERS: u8 = 5;
const INITIAL_WINDOW_SIZE: u16 = 4;

/// What became of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The head of an answer came; whether more follows.
    Headers { stream: u32, more: bool },
    /// Bytes of an answer came; whether more follow.
    Data {
        stream: u32,
        bytes: usize,
        more: bool,
    },
    /// The server gave the stream up.
    Reset { stream: u32 },
    /// The connection ended.
    End,
}

/// A connection whose streams all have this window, which is never enlarged.
pub struct Http2 {
    socket: TcpStream,
    next_stream: u32,
    unread: Vec<u8>,
}

impl Http2 {
    /// Connects and says how many bytes of each stream it takes.
    pub fn connect(server: SocketAddr, window: u32) -> Self {
        let mut socket = TcpStream::connect(server).expect("the server listens");
        socket.set_nodelay(true).expect("an option");
        let mut settings = INITIAL_WINDOW_SIZE.to_be_bytes().to_vec();
        settings.extend(window.to_be_bytes());
        // Only the streams are narrow, not the connection.
        let enlarge = frame(WINDOW_UPDATE, 0, 0, &(1u32 << 30).to_be_bytes());
        let first = [PREFACE, &frame(SETTINGS, 0, 0, &settings), &enlarge].concat();
        socket.write_all(&first).expect("the server reads");
        Self {
            socket,
            next_stream: 1,
            unread: Vec::new(),
        }
    }

    /// Asks for this path; gives the number of the stream.
    pub fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        let fixed = [
            (":method", method),
            (":path", path),
            (":scheme", "http"),
            (":authority", "oms"),
        ];
        let mut block = Vec::new();
        for (name, value) in fixed.iter().chain(headers) {
            // A literal without indexing and without Huffman coding.
            block.push(0);
            write_text(&mut block, name);
            write_text(&mut block, value);
        }
        let sent = frame(HEADERS, END_STREAM_AND_HEADERS, stream, &block);
        // A server that has closed says so to the reader.
        _ = self.socket.write_all(&sent);
        stream
    }

    /// What comes next; `None` when nothing does for so long.
    pub fn next(&mut self, patience: Duration) -> Option<Event> {
        self.socket
            .set_read_timeout(Some(patience))
            .expect("an option");
        loop {
            if let Some((kind, flags, stream, payload)) = self.take_frame() {
                let more = flags & END_STREAM == 0;
                match kind {
                    HEADERS => return Some(Event::Headers { stream, more }),
                    DATA => {
                        let bytes = payload.len();
                        return Some(Event::Data {
                            stream,
                            bytes,
                            more,
                        });
                    }
                    RST_STREAM => return Some(Event::Reset { stream }),
                    SETTINGS if flags & ACK == 0 => self.answer(SETTINGS, &[]),
                    PING if flags & ACK == 0 => self.answer(PING, &payload),
                    _ => {}
                }
                continue;
            }
            let mut buffer = vec![0; 64 << 10];
            match self.socket.read(&mut buffer) {
                Ok(0) => return Some(Event::End),
                Ok(count) => self.unread.extend_from_slice(&buffer[..count]),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return None,
                    _ => return Some(Event::End),
                },
            }
        }
    }

    fn answer(&mut self, kind: u8, payload: &[u8]) {
        _ = self.socket.write_all(&frame(kind, ACK, 0, payload));
    }

    fn take_frame(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let head = self.unread.get(..9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (kind, flags) = (head[3], head[4]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let payload = self.unread.get(9..9 + length)?.to_vec();
        self.unread.drain(..9 + length);
        Some((kind, flags, stream, payload))
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a small frame");
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A text of RFC 7541 section 5.2, its length as an integer of 7 bits prefix.
fn write_text(block: &mut Vec<u8>, text: &str) {
    let mut length = text.len();
    if length < 127 {
        block.push(u8::try_from(length).expect("below 127"));
    } else {
        block.push(127);
        length -= 127;
        while length >= 128 {
            block.push(u8::try_from(length % 128).expect("below 128") | 128);
            length /= 128;
        }
        block.push(u8::try_from(length).expect("below 128"));
    }
    block.extend(text.as_bytes());
}
