//! What a connection is doing, and when it has been doing it for too long.
//!
//! hyper's own head time-out starts anew with each keep-alive pause and costs a
//! timer per request. Here one timer per connection looks at what the
//! connection is doing, about as often as a head may take, so that a busy
//! connection pays nothing for it.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::Version;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use super::outgoing::Outgoing;
use crate::metrics;

/// Stands among the running requests of a connection that was closed to make room for another.
const CLOSED: u32 = 1 << 31;

/// How long a connection may wait for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// From the first byte of a head to its end.
    pub head: Duration,
    /// Between two requests.
    pub idle: Duration,
}

/// What a connection is doing. Times are milliseconds since it opened.
#[derive(Debug)]
pub(super) struct Activity {
    opened: Instant,
    /// Requests whose answers are not all handed out yet.
    running: AtomicU32,
    /// When the last answer was.
    idle_since: AtomicU64,
    /// When the first byte after it came, plus one; 0 while none has.
    head_since: AtomicU64,
    /// HTTP/2, where bytes between requests need not begin a head.
    multiplexed: AtomicBool,
    /// Whether everything that came was read.
    is_drained: AtomicBool,
    closing: Notify,
    /// Answers of HTTP/1.1, oldest first: one, or a few where requests are pipelined.
    outgoing: Mutex<VecDeque<Arc<Outgoing>>>,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            opened: Instant::now(),
            running: AtomicU32::new(0),
            idle_since: AtomicU64::new(0),
            // The first head is awaited from the accept on.
            head_since: AtomicU64::new(1),
            multiplexed: AtomicBool::new(false),
            is_drained: AtomicBool::new(false),
            closing: Notify::new(),
            outgoing: Mutex::default(),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn bytes_came(&self) {
        self.is_drained.store(false, Relaxed);
        if self.running.load(Relaxed) == 0 && self.head_since.load(Relaxed) == 0 {
            self.head_since.store(self.now() + 1, Relaxed);
        }
    }

    /// Everything that came was read.
    pub(super) fn finds_nothing(&self) {
        self.is_drained.store(true, Relaxed);
    }

    /// Since when nothing is under way, neither a request nor an answer.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let is_idle = self.running.load(Relaxed) == 0
            && self.is_drained.load(Relaxed)
            && self.untaken().is_none();
        is_idle.then(|| self.after(self.idle_since.load(Relaxed), Duration::ZERO))
    }

    /// Ends the connection, unless a request has begun meanwhile.
    pub(super) fn close(&self) -> bool {
        let closed = self.running.compare_exchange(0, CLOSED, Relaxed, Relaxed);
        closed.inspect(|_| self.closing.notify_one()).is_ok()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.running.load(Relaxed) >= CLOSED
    }

    /// Waits until the connection is closed to make room for another.
    pub(super) fn closed(&self) -> Notified<'_> {
        self.closing.notified()
    }

    /// An answer of HTTP/1.1 is on its way.
    pub(super) fn answers(&self, answer: &Arc<Outgoing>) {
        let mut outgoing = self.outgoing();
        while outgoing.front().is_some_and(|oldest| oldest.is_taken()) {
            outgoing.pop_front();
        }
        outgoing.push_back(Arc::clone(answer));
    }

    /// The oldest answer that the client has not taken.
    fn untaken(&self) -> Option<Arc<Outgoing>> {
        let mut outgoing = self.outgoing();
        while outgoing.front().is_some_and(|oldest| oldest.is_taken()) {
            outgoing.pop_front();
        }
        outgoing.front().cloned()
    }

    fn outgoing(&self) -> std::sync::MutexGuard<'_, VecDeque<Arc<Outgoing>>> {
        self.outgoing
            .lock()
            .expect("no code panics while it holds this lock")
    }

    /// Whether a head was begun, or never was one, and nothing is owed: a stop
    /// need not wait for its rest.
    pub(super) fn awaits_head(&self) -> bool {
        self.running.load(Relaxed) == 0
            && self.head_since.load(Relaxed) > 0
            && !self.multiplexed.load(Relaxed)
    }

    /// When to begin to look.
    pub(super) fn first_check(&self, patience: Patience) -> Instant {
        self.opened + patience.head
    }

    /// When to look again; `None` when the peer has used up our patience.
    pub(super) fn next_check(&self, patience: Patience) -> Option<Instant> {
        let now = Instant::now();
        // Within this time no head can run out that has not begun yet.
        let soon = now + patience.head;
        if let Some(due) = self.untaken().and_then(|answer| answer.deadline()) {
            // As long as it takes an answer it is not idle.
            self.idle_since.store(self.now(), Relaxed);
            if due <= now {
                metrics::ANSWERS_CUT.add();
            }
            return (due > now).then(|| due.min(soon));
        }
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

/// A request whose answer is not all handed out; the connection is idle when the last is dropped.
pub(super) struct Running {
    activity: Arc<Activity>,
    multiplexed: bool,
}

impl Running {
    pub(super) fn begin(activity: &Arc<Activity>, version: Version) -> Self {
        activity.running.fetch_add(1, Relaxed);
        activity.head_since.store(0, Relaxed);
        let multiplexed = version == Version::HTTP_2;
        if multiplexed {
            activity.multiplexed.store(true, Relaxed);
        }
        Self {
            activity: Arc::clone(activity),
            multiplexed,
        }
    }

    /// Whether other requests of the connection run beside it.
    pub(super) fn is_multiplexed(&self) -> bool {
        self.multiplexed
    }

    /// What its connection is doing.
    pub(super) fn activity(&self) -> &Activity {
        &self.activity
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.activity.idle_since.store(self.activity.now(), Relaxed);
        self.activity.running.fetch_sub(1, Relaxed);
    }
}

/// A stream that tells when bytes come.
pub(super) struct Watched {
    pub stream: TcpStream,
    pub activity: Arc<Activity>,
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
        } else if polled.is_pending() {
            self.activity.finds_nothing();
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
