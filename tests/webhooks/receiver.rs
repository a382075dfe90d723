//! A receiver of requests that does what a test tells it, also what no receiver should.

#![allow(dead_code, reason = "the benchmark uses its own part of it")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::eventually;

/// One request as it came in.
#[derive(Clone, Debug)]
pub struct Received {
    /// The first line.
    pub line: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Received {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a delivery is JSON")
    }
}

/// What a receiver does with a request.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// Answers with a status and a small body.
    Answer(u16),
    /// Sends the caller elsewhere.
    Redirect,
    /// Never answers, and keeps the connection until the caller closes it.
    Hang,
    /// Closes without an answer.
    Close,
    /// Begins a body, and closes in the middle of it.
    CloseInTheMiddle,
    /// Answers 200 and a body that has no end.
    NeverStop,
}

type Script = Arc<dyn Fn(&Received, usize) -> Act + Send + Sync>;

/// A listening receiver; it ends with the test process.
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    connections: Arc<Mutex<usize>>,
    holding: Arc<Mutex<Holding>>,
}

impl Receiver {
    /// Does the same with every request.
    pub fn always(act: Act) -> Self {
        Self::start(move |_, _| act)
    }

    /// Asks the script about each request; the number counts from 0.
    pub fn start(script: impl Fn(&Received, usize) -> Act + Send + Sync + 'static) -> Self {
        Self::listen(Arc::new(script), None)
    }

    /// The same over TLS.
    pub fn secure(act: Act, certificate: &rcgen::CertifiedKey<rcgen::KeyPair>) -> Self {
        let key = PrivateKeyDer::try_from(certificate.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions are known")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.cert.der().clone()], key.expect("a key"))
            .expect("key and certificate fit");
        Self::listen(Arc::new(move |_, _| act), Some(Arc::new(config)))
    }

    fn listen(script: Script, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let received = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(Mutex::new(0));
        let holding = Arc::new(Mutex::new(Holding::default()));
        let (all, count) = (Arc::clone(&received), Arc::clone(&connections));
        let held = Arc::clone(&holding);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                *count.lock().expect("no panic holds this") += 1;
                let (all, script, tls) = (Arc::clone(&all), Arc::clone(&script), tls.clone());
                let held = Arc::clone(&held);
                std::thread::spawn(move || match tls {
                    None => serve(stream, (&all, &held), &script),
                    Some(config) => {
                        let connection = ServerConnection::new(config).expect("a configuration");
                        serve(StreamOwned::new(connection, stream), (&all, &held), &script);
                    }
                });
            }
        });
        Self {
            address,
            received,
            connections,
            holding,
        }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    /// Everything so far.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().expect("no panic holds this").clone()
    }

    /// How many so far.
    pub fn count(&self) -> usize {
        self.received.lock().expect("no panic holds this").len()
    }

    /// How often somebody connected.
    pub fn connections(&self) -> usize {
        *self.connections.lock().expect("no panic holds this")
    }

    /// How many requests it holds without an answer just now.
    pub fn holding(&self) -> usize {
        self.holding.lock().expect("no panic holds this").now
    }

    /// How many requests it held at the same time at most.
    pub fn most_held(&self) -> usize {
        self.holding.lock().expect("no panic holds this").most
    }

    /// Waits until so many requests have come.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Received> {
        eventually(Duration::from_secs(40), "the requests come", || {
            let all = self.received();
            (all.len() >= count).then_some(all)
        })
    }
}

/// How many requests are held.
#[derive(Default)]
struct Holding {
    now: usize,
    most: usize,
}

/// A request that is held without an answer.
struct Held<'a>(&'a Mutex<Holding>);

impl<'a> Held<'a> {
    fn begin(holding: &'a Mutex<Holding>) -> Self {
        let mut held = holding.lock().expect("no panic holds this");
        held.now += 1;
        held.most = held.most.max(held.now);
        drop(held);
        Self(holding)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.lock().expect("no panic holds this").now -= 1;
    }
}

fn serve(
    mut stream: impl Read + Write,
    (all, holding): (&Mutex<Vec<Received>>, &Mutex<Holding>),
    script: &Script,
) {
    let mut buffer = Vec::new();
    while let Some(request) = read(&mut stream, &mut buffer) {
        let number = {
            let mut all = all.lock().expect("no panic holds this");
            all.push(request.clone());
            all.len() - 1
        };
        let act = script(&request, number);
        if matches!(act, Act::Hang) {
            let _held = Held::begin(holding);
            while matches!(stream.read(&mut [0; 1024]), Ok(count) if count > 0) {}
            return;
        }
        if answer(&mut stream, act).is_none() {
            return;
        }
    }
}

/// `None` when the connection is over.
fn answer(stream: &mut impl Write, act: Act) -> Option<()> {
    let mut say = |text: &str| {
        stream
            .write_all(text.as_bytes())
            .and_then(|()| stream.flush())
            .ok()
    };
    match act {
        Act::Answer(status) => say(&format!(
            "HTTP/1.1 {status} X\r\ncontent-length: 4\r\n\r\ndone"
        )),
        Act::Redirect => {
            say("HTTP/1.1 307 X\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n")
        }
        // Whoever serves the connection sees to it.
        Act::Hang => Some(()),
        Act::Close => None,
        Act::CloseInTheMiddle => {
            say("HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\nhalf");
            None
        }
        Act::NeverStop => {
            say("HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n")?;
            let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
            while say(&chunk).is_some() {}
            None
        }
    }
}

fn read(stream: &mut impl Read, buffer: &mut Vec<u8>) -> Option<Received> {
    let mut chunk = [0; 16 * 1024];
    loop {
        let end = buffer.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let mut lines = head.split("\r\n");
            let line = lines.next().unwrap_or_default().to_owned();
            let headers: Vec<_> = lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect();
            let length = headers.iter().find(|(name, _)| name == "content-length");
            let length = length.map_or(0, |(_, value)| value.parse().unwrap_or(0));
            if buffer.len() >= end + 4 + length {
                let body = buffer[end + 4..end + 4 + length].to_vec();
                buffer.drain(..end + 4 + length);
                return Some(Received {
                    line,
                    headers,
                    body,
                });
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return None,
            Ok(count) => buffer.extend_from_slice(&chunk[..count]),
        }
    }
}
