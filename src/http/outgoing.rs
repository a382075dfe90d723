//! An answer on its way to the client: what of it was taken, by when the rest must be, and which
//! budgets it is charged to until then.
//!
//! "Taken" means that the operating system has the bytes. Over HTTP/1.1 the connection looks
//! after its answers (`activity.rs`), over HTTP/2 each stream after its own (`stream.rs`).

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::{Buf, Bytes};
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

use super::activity::Running;
use super::send_budget::{Budget, Budgets, SendBudgets, correct, give_back, wait_for};
use crate::config::Config;
use crate::error::Result;

/// Bytes that go to an HTTP/2 stream at once: what its window does not take stays here, where
/// the stream can be ended.
const STREAM_PORTION: usize = 16 << 10;

/// How slowly an answer may be taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct SendPatience {
    /// For any answer, or for as much of it as this rate makes.
    pub timeout: Duration,
    /// How much of a large answer must be taken meanwhile.
    pub min_bytes_per_s: u32,
}

impl SendPatience {
    /// So many bytes taken begin the time anew.
    fn step(&self) -> usize {
        let step = self.timeout.as_millis() * u128::from(self.min_bytes_per_s) / 1000;
        usize::try_from(step).unwrap_or(usize::MAX).max(1)
    }
}

impl From<&Config> for SendPatience {
    fn from(config: &Config) -> Self {
        Self {
            timeout: config.answer_timeout,
            min_bytes_per_s: config.answer_min_bytes_per_s,
        }
    }
}

/// An answer, from its request on: an extension of every request.
#[derive(Debug)]
pub struct Outgoing {
    connection: Arc<Budget>,
    patience: SendPatience,
    /// Once somebody pays for it. What nobody pays for is small, or lies in memory anyway.
    budgets: OnceLock<Budgets>,
    charged: AtomicUsize,
    sent: OnceLock<Instant>,
    /// When the time began anew, in milliseconds since it was sent, and what was taken by then.
    renewed_ms: AtomicU64,
    renewed_at: AtomicUsize,
    total: AtomicUsize,
    taken: AtomicUsize,
    waker: Mutex<Option<Waker>>,
}

impl Outgoing {
    pub(super) fn new(connection: &Arc<Budget>, patience: SendPatience) -> Arc<Self> {
        Arc::new(Self {
            connection: Arc::clone(connection),
            patience,
            budgets: OnceLock::new(),
            charged: AtomicUsize::new(0),
            sent: OnceLock::new(),
            renewed_ms: AtomicU64::new(0),
            renewed_at: AtomicUsize::new(0),
            total: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            waker: Mutex::default(),
        })
    }

    /// Lets this API key pay for the answer, and waits while its budgets are spent.
    ///
    /// # Errors
    /// `serviceUnavailable` when too many wait already.
    pub(super) async fn charge(&self, budgets: &SendBudgets, api_key: &str) -> Result<()> {
        let budgets = self
            .budgets
            .get_or_init(|| budgets.of(api_key, &self.connection));
        wait_for(budgets, 0).await
    }

    /// Waits until there is room for an answer of so many bytes.
    ///
    /// # Errors
    /// As [`Self::charge`].
    pub(super) async fn reserve(&self, bytes: usize) -> Result<()> {
        if let Some(budgets) = self.budgets.get() {
            wait_for(budgets, bytes).await?;
            self.charged.fetch_add(bytes, SeqCst);
        }
        Ok(())
    }

    /// The answer is there and has so many bytes.
    fn begin(&self, total: usize) {
        self.total.store(total, SeqCst);
        _ = self.sent.set(Instant::now());
        if let Some(budgets) = self.budgets.get() {
            let before = self.charged.swap(total, SeqCst);
            correct(budgets, before, total);
        }
    }

    /// Some of it was taken, or is given up.
    fn take(&self, bytes: usize) {
        if let Some(budgets) = self.budgets.get() {
            let charged = |charged: usize| Some(charged.saturating_sub(bytes));
            let before = self.charged.fetch_update(SeqCst, SeqCst, charged);
            give_back(budgets, bytes.min(before.unwrap_or_default()));
        }
        let taken = self.taken.fetch_add(bytes, SeqCst) + bytes;
        if taken - self.renewed_at.load(SeqCst) >= self.patience.step()
            && let Some(sent) = self.sent.get()
        {
            self.renewed_at.store(taken, SeqCst);
            let passed = u64::try_from(sent.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.renewed_ms.store(passed, SeqCst);
        }
        if taken >= self.total.load(SeqCst)
            && let Some(waker) = self.waker().take()
        {
            waker.wake();
        }
    }

    /// Whether all of it was taken.
    pub(super) fn is_taken(&self) -> bool {
        self.taken.load(SeqCst) >= self.total.load(SeqCst)
    }

    fn poll_taken(&self, cx: &Context<'_>) -> Poll<()> {
        let mut waker = self.waker();
        if self.is_taken() {
            return Poll::Ready(());
        }
        *waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// By when the rest must be taken, or more of it; `None` before there is an answer.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let renewed = Duration::from_millis(self.renewed_ms.load(SeqCst));
        Some(*self.sent.get()? + renewed + self.patience.timeout)
    }

    fn waker(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.waker
            .lock()
            .expect("no code panics while it holds this lock")
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if let Some(budgets) = self.budgets.get() {
            give_back(budgets, *self.charged.get_mut());
        }
    }
}

/// The body of an answer, in portions that tell when they are taken.
pub(super) struct OutgoingBody {
    body: Body,
    outgoing: Arc<Outgoing>,
    /// What of a frame is still to be handed out.
    rest: Bytes,
    multiplexed: bool,
    _running: Running,
}

impl OutgoingBody {
    pub(super) fn new(body: Body, outgoing: Arc<Outgoing>, running: Running) -> Self {
        let total = body.size_hint().lower();
        outgoing.begin(usize::try_from(total).unwrap_or(usize::MAX));
        Self {
            body,
            outgoing,
            rest: Bytes::new(),
            multiplexed: running.is_multiplexed(),
            _running: running,
        }
    }

    fn portion(&mut self) -> Frame<Portion> {
        let most = if self.multiplexed {
            STREAM_PORTION
        } else {
            usize::MAX
        };
        let bytes = self.rest.split_to(self.rest.len().min(most));
        Frame::data(Portion {
            bytes,
            outgoing: Arc::clone(&self.outgoing),
        })
    }
}

impl HttpBody for OutgoingBody {
    type Data = Portion;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Portion>, axum::Error>>> {
        loop {
            if !self.rest.is_empty() {
                return Poll::Ready(Some(Ok(self.portion())));
            }
            let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
            match frame.transpose()?.map(Frame::into_data) {
                Some(Ok(data)) => self.rest = data,
                // No handler sends trailers.
                Some(Err(_)) => {}
                // A stream lives, and can be ended, until its last byte is taken.
                None if self.multiplexed => {
                    return self.outgoing.poll_taken(cx).map(|()| None);
                }
                None => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let all_out = self.rest.is_empty() && self.body.is_end_stream();
        all_out && (!self.multiplexed || self.outgoing.is_taken())
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = self.rest.len() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

/// Bytes that a client has not taken yet.
#[derive(Debug)]
pub(super) struct Portion {
    bytes: Bytes,
    outgoing: Arc<Outgoing>,
}

impl Buf for Portion {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.outgoing.take(count);
    }
}

impl Drop for Portion {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.outgoing.take(self.bytes.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn taking_enough_begins_the_time_anew_and_frees_the_budget() {
        let patience = SendPatience {
            timeout: Duration::from_secs(2),
            min_bytes_per_s: 4,
        };
        let connection = Budget::of_connection(8 << 10);
        let outgoing = Outgoing::new(&connection, patience);
        let server = SendBudgets::new(8 << 10);
        outgoing.charge(&server, "key").await.unwrap();
        outgoing.reserve(100).await.unwrap();
        assert_eq!(outgoing.deadline(), None);
        outgoing.begin(16);
        assert_eq!(outgoing.charged.load(SeqCst), 16);
        let first = outgoing.deadline().expect("it is sent");
        let mut portion = Portion {
            bytes: Bytes::from_static(&[0; 16]),
            outgoing: Arc::clone(&outgoing),
        };
        while Instant::now() < first - Duration::from_millis(1995) {
            tokio::task::yield_now().await;
        }
        portion.advance(7);
        assert_eq!(outgoing.deadline(), Some(first));
        portion.advance(1);
        assert!(outgoing.deadline() > Some(first));
        assert_eq!(outgoing.charged.load(SeqCst), 8);
        assert!(!outgoing.is_taken());
        drop(portion);
        assert!(outgoing.is_taken());
        assert_eq!(outgoing.charged.load(SeqCst), 0);
    }
}
