//! A server with short time-outs and a small router, and a socket to it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Extension;
use axum::http::Uri;
use axum::routing::{get, post};
use oms::config::Config;
use oms::context::Context;
use oms::error::Error;
use oms::http::body::{BodyLimits, read_body};
use oms::http::request_id::{Edge, RequestId};
use oms::http::server::{Peer, ServerLimits, Stopped, serve};
use tokio::runtime::Runtime;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// Longer than any time-out of a test, for a machine that is busy elsewhere.
const GENEROUS: Duration = Duration::from_secs(20);

pub struct Server {
    pub address: SocketAddr,
    /// Calls of `GET /counted`.
    pub counted: Arc<AtomicUsize>,
    /// Lets `GET /held` go on.
    pub release: Arc<Notify>,
    /// Tells that `GET /held` has begun.
    pub held: Arc<Notify>,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<Stopped>>,
    runtime: Runtime,
}

/// Time-outs of some hundred milliseconds, everything else as it comes.
pub fn quick() -> Config {
    Config {
        header_read_timeout: Duration::from_millis(200),
        body_read_timeout: Duration::from_millis(600),
        request_timeout: Duration::from_secs(2),
        idle_timeout: Duration::from_millis(400),
        shutdown_grace: Duration::from_millis(300),
        ..Config::for_data(Path::new("unused"))
    }
}

/// Time-outs that no test meets.
pub fn patient() -> Config {
    Config::for_data(Path::new("unused"))
}

impl Server {
    pub fn start(config: &Config) -> Self {
        let runtime = Runtime::new().unwrap();
        let (stop, stopped) = watch::channel(false);
        let counted = Arc::new(AtomicUsize::new(0));
        let (release, held) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let router = router(config, &counted, &release, &held);
        let edge = Edge::new(router, Context::system(), config, Arc::default(), None);
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind(config.listen))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let limits = ServerLimits::from(config);
        let task = Some(runtime.spawn(serve(listener, edge, limits, stopped)));
        Self {
            address,
            counted,
            release,
            held,
            stop,
            task,
            runtime,
        }
    }

    pub fn connect(&self) -> Socket {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(GENEROUS)).unwrap();
        stream.set_write_timeout(Some(GENEROUS)).unwrap();
        stream.set_nodelay(true).unwrap();
        Socket(stream)
    }

    /// Sends this and reads until the server closes.
    pub fn exchange(&self, request: impl AsRef<[u8]>) -> String {
        let mut socket = self.connect();
        socket.send(request);
        socket.read_to_end()
    }

    pub fn wait_until_held(&self) {
        self.runtime.block_on(self.held.notified());
    }

    pub fn ask_to_stop(&self) {
        self.stop.send(true).unwrap();
    }

    pub fn wait_until_stopped(&mut self) -> Stopped {
        let task = self.task.take().expect("a server is awaited once");
        self.runtime.block_on(task).unwrap()
    }
}

fn router(
    config: &Config,
    counted: &Arc<AtomicUsize>,
    release: &Arc<Notify>,
    held: &Arc<Notify>,
) -> Router {
    let limits = BodyLimits::from(config);
    let echo = async move |body: Body| -> Result<Vec<u8>, Error> {
        Ok(read_body(body, &limits).await?.to_vec())
    };
    let counted = Arc::clone(counted);
    let count = async move || {
        counted.fetch_add(1, Ordering::SeqCst);
        "counted"
    };
    let (release, held) = (Arc::clone(release), Arc::clone(held));
    let wait = async move || {
        held.notify_one();
        release.notified().await;
        "released"
    };
    let who = async |Extension(Peer(peer)): Extension<Peer>,
                     Extension(id): Extension<RequestId>| {
        format!("{} {}", peer.ip(), id.as_str())
    };
    Router::new()
        .route("/", get(async || "hello"))
        .route("/echo", post(echo))
        .route("/counted", get(count))
        .route("/held", get(wait))
        .route("/who", get(who))
        .route("/path/{id}", get(async |uri: Uri| uri.path().to_owned()))
        .route(
            "/panic",
            get(async || -> &'static str { panic!("a private word") }),
        )
        .route("/fault", get(async || Error::internal("a private word")))
}

pub struct Socket(pub TcpStream);

impl Socket {
    /// A peer that has closed already is no failure of the sender.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        _ = self.0.write_all(bytes.as_ref());
    }

    /// Sends slowly until everything is sent or the server has closed.
    pub fn dribble(&mut self, bytes: &[u8], pause: Duration) {
        for byte in bytes.chunks(1) {
            if self.0.write_all(byte).is_err() {
                return;
            }
            std::thread::sleep(pause);
        }
    }

    /// Everything until the end; a test fails when the end does not come.
    pub fn read_to_end(&mut self) -> String {
        let mut bytes = Vec::new();
        match self.0.read_to_end(&mut bytes) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("the connection did not end: {error}"),
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Reads until this text has come.
    pub fn read_until(&mut self, text: &str) -> String {
        let mut got = String::new();
        let mut buffer = [0; 4096];
        while !got.contains(text) {
            let count = self.0.read(&mut buffer).unwrap();
            assert!(count > 0, "the connection ended before {text:?}: {got}");
            got.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        got
    }
}

/// The status line's number.
pub fn status(answer: &str) -> u16 {
    let number = answer
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3));
    number
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

/// Asserts that an answer is a problem with this code and carries what each carries.
#[track_caller]
pub fn assert_problem(answer: &str, code: &str) -> serde_json::Value {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let body: serde_json::Value = serde_json::from_str(body).expect(body);
    assert_eq!(body["code"], code, "{answer}");
    assert_eq!(body["status"], status(answer), "{answer}");
    assert!(body["type"].as_str().unwrap().ends_with(code), "{answer}");
    let id = body["requestId"].as_str().unwrap();
    for line in [
        "content-type: application/problem+json",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
        "referrer-policy: no-referrer",
        "content-security-policy: default-src 'none'; frame-ancestors 'none'",
        &format!("x-request-id: {id}"),
    ] {
        assert!(head.contains(line), "no {line} in {head}");
    }
    body
}
