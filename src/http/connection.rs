//! One connection: HTTP/1.1 or HTTP/2, with an end to every way of waiting.
//!
//! hyper's own head time-out starts anew with each keep-alive pause and costs a
//! timer per request. Here one timer per connection looks at what the
//! connection is doing, about as often as a head may take, so that a busy
//! connection pays nothing for it.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::header::{CONNECTION, EXPECT, TRANSFER_ENCODING};
use axum::http::{HeaderValue, Request, StatusCode, Version};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::body::{BodyLimits, read_body};
use super::limits::Slot;
use super::request_id::Edge;
use super::server::Peer;

/// How long a connection may wait for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// From the first byte of a head to its end.
    pub head: Duration,
    /// Between two requests.
    pub idle: Duration,
}

/// What every connection of a listener shares.
#[derive(Debug)]
pub(super) struct Shared {
    pub edge: Edge,
    pub body: BodyLimits,
    pub http: Builder<TokioExecutor>,
    pub patience: Patience,
}

/// Serves one connection to its end.
pub(super) async fn run(
    shared: Arc<Shared>,
    stream: TcpStream,
    peer: SocketAddr,
    mut stop: watch::Receiver<bool>,
    _slot: Slot,
) {
    let activity = Arc::new(Activity::new());
    let patience = shared.patience;
    let io = TokioIo::new(Watched {
        stream,
        activity: Arc::clone(&activity),
    });
    let service = service_fn(|request: Request<Incoming>| {
        let running = Running::begin(&activity, request.version());
        let shared = Arc::clone(&shared);
        async move {
            let _running = running;
            Ok::<_, std::convert::Infallible>(answer(&shared, request, peer).await)
        }
    });
    let mut connection = pin!(shared.http.serve_connection(io, service));
    let mut check = pin!(sleep_until(activity.opened + patience.head));
    let mut stopping = false;
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
                return;
            }
            // A sender that is gone means stop as well.
            _ = stop.wait_for(|stop| *stop), if !stopping => {
                stopping = true;
                if activity.awaits_head() {
                    return;
                }
                connection.as_mut().graceful_shutdown();
            }
            () = check.as_mut() => match activity.next_check(patience) {
                Some(at) => check.as_mut().reset(at),
                None => return,
            },
        }
    }
}

async fn answer(shared: &Shared, request: Request<Incoming>, peer: SocketAddr) -> Response {
    let chunked = request.headers().contains_key(TRANSFER_ENCODING);
    let expecting = request.headers().contains_key(EXPECT);
    let (parts, incoming) = request.into_parts();
    let (body, rest) = Rest::of(incoming);
    let mut request = Request::from_parts(parts, body);
    request.extensions_mut().insert(Peer(peer));
    let mut response = shared.edge.answer(request).await;
    // A client that is still sending while hyper ends the connection may never
    // read its answer. One that expects a word before it sends has sent nothing.
    let read = match rest {
        Some(rest) if !rest.is_read() => {
            !expecting && rest.read(response.status(), &shared.body).await
        }
        _ => true,
    };
    // hyper follows the chunks and drops a Content-Length beside them. A proxy
    // that followed the length would take the rest for the next request, so
    // there is no next one (RFC 9112 section 6.1). Nor is there one behind a
    // body that was left unread, and the client must hear of it.
    if chunked || !read {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

/// What whoever answers leaves of a body.
#[derive(Clone)]
struct Rest(Arc<Mutex<Incoming>>);

impl Rest {
    /// A body, and what will be left of it; `None` where there is none to read.
    fn of(incoming: Incoming) -> (Body, Option<Self>) {
        if incoming.is_end_stream() {
            return (Body::empty(), None);
        }
        let rest = Self(Arc::new(Mutex::new(incoming)));
        (Body::new(rest.clone()), Some(rest))
    }

    fn is_read(&self) -> bool {
        self.is_end_stream()
    }

    /// Reads it to its end within the limits of every body, unless the answer is
    /// that it passed them.
    async fn read(self, answer: StatusCode, limits: &BodyLimits) -> bool {
        let passed = [StatusCode::PAYLOAD_TOO_LARGE, StatusCode::REQUEST_TIMEOUT];
        !passed.contains(&answer) && read_body(Body::new(self), limits).await.is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpBody for Rest {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        Pin::new(&mut *self.lock()).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.lock().size_hint()
    }
}

/// What a connection is doing. Times are milliseconds since it opened.
#[derive(Debug)]
struct Activity {
    opened: Instant,
    /// Requests that have no answer yet.
    running: AtomicU32,
    /// When the last answer was ready.
    idle_since: AtomicU64,
    /// When the first byte after it came, plus one; 0 while none has.
    head_since: AtomicU64,
    /// HTTP/2, where bytes between requests need not begin a head.
    multiplexed: AtomicBool,
}

impl Activity {
    fn new() -> Self {
        Self {
            opened: Instant::now(),
            running: AtomicU32::new(0),
            idle_since: AtomicU64::new(0),
            // The first head is awaited from the accept on.
            head_since: AtomicU64::new(1),
            multiplexed: AtomicBool::new(false),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn bytes_came(&self) {
        if self.running.load(Relaxed) == 0 && self.head_since.load(Relaxed) == 0 {
            self.head_since.store(self.now() + 1, Relaxed);
        }
    }

    /// Whether a head was begun, or never was one, and nothing is owed: a stop
    /// need not wait for its rest.
    fn awaits_head(&self) -> bool {
        self.running.load(Relaxed) == 0
            && self.head_since.load(Relaxed) > 0
            && !self.multiplexed.load(Relaxed)
    }

    /// When to look again; `None` when the peer has used up our patience.
    fn next_check(&self, patience: Patience) -> Option<Instant> {
        let now = Instant::now();
        // Within this time no head can run out that has not begun yet.
        let soon = now + patience.head;
        if self.running.load(Relaxed) > 0 {
            return Some(soon);
        }
        let idle_end = self.after(self.idle_since.load(Relaxed), patience.idle);
        let end = match self.head_since.load(Relaxed) {
            0 => idle_end,
            _ if self.multiplexed.load(Relaxed) => idle_end,
            since => self.after(since - 1, patience.head),
        };
        (end > now).then(|| end.min(soon))
    }

    fn after(&self, millis: u64, patience: Duration) -> Instant {
        self.opened + Duration::from_millis(millis) + patience
    }
}

/// A request without an answer; the connection is idle when the last is dropped.
struct Running(Arc<Activity>);

impl Running {
    fn begin(activity: &Arc<Activity>, version: Version) -> Self {
        activity.running.fetch_add(1, Relaxed);
        activity.head_since.store(0, Relaxed);
        if version == Version::HTTP_2 {
            activity.multiplexed.store(true, Relaxed);
        }
        Self(Arc::clone(activity))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.idle_since.store(self.0.now(), Relaxed);
        self.0.running.fetch_sub(1, Relaxed);
    }
}

/// A stream that tells when bytes come.
struct Watched {
    stream: TcpStream,
    activity: Arc<Activity>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.activity.bytes_came();
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
