//! The bounded queue in front of a thread that owns a connection, and the
//! promise that the one who queued is answered.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Tx;
use super::gauge::Counted;
use super::pressure::{Limits, Pressure};
use super::trail::Trail;
use crate::error::{Error, Result};
use crate::metrics::Refusal;

/// Work with a place for its result.
pub(super) trait Job: Send {
    /// How long the job has waited, and whether anybody still waits for it.
    fn waited(&self, now: Instant) -> Option<Duration>;
    /// Runs the work for what it asks first only.
    fn ask(&self, tx: &mut Tx<'_>);
    /// Runs the work; `false` when it failed and must leave nothing behind.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Tells the one who queued: the work's own result, or why it does not count.
    fn finish(self: Box<Self>, outcome: Result<()>);
}

/// Where the result of queued work arrives.
pub(super) type Receipt<T> = oneshot::Receiver<Result<T>>;

/// How full the queues are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Depth {
    /// Writes that wait.
    pub writes: usize,
    /// Reads that wait.
    pub reads: usize,
}

struct Queued<T, F> {
    since: Instant,
    work: F,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
    waiting: Option<Counted>,
    _unfinished: Counted,
    trail: Trail,
}

impl<T: Send, F: Fn(&mut Tx<'_>) -> Result<T> + Send> Job for Queued<T, F> {
    fn waited(&self, now: Instant) -> Option<Duration> {
        (!self.reply.is_closed()).then(|| now.saturating_duration_since(self.since))
    }

    fn ask(&self, tx: &mut Tx<'_>) {
        // It ended where an answer was wanted, or will say the same again.
        let _ = (self.work)(tx);
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        self.waiting = None;
        self.trail.runs();
        let result = (self.work)(tx);
        let well = result.is_ok();
        self.result = Some(result);
        self.trail.has_run();
        well
    }

    fn finish(self: Box<Self>, outcome: Result<()>) {
        let result = match (self.result, outcome) {
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (Some(result), Ok(())) => result,
            (None, Ok(())) => Err(Error::internal("a job was finished before it ran")),
        };
        // Nobody listening is a caller that has gone; the work stands either way.
        let _ = self.reply.send(result);
    }
}

/// The sending side of the queue.
pub(super) struct Queue {
    name: &'static str,
    pressure: Arc<Pressure>,
    sender: Mutex<Option<Sender<Box<dyn Job>>>>,
}

impl Queue {
    /// A queue of a fixed length and its receiving side. `name` is that of its spans.
    pub(super) fn new(name: &'static str, limits: Limits) -> (Self, Receiver<Box<dyn Job>>) {
        let (sender, receiver) = bounded(limits.queue);
        let queue = Self {
            name,
            pressure: Pressure::new(limits),
            sender: Mutex::new(Some(sender)),
        };
        (queue, receiver)
    }

    /// How hard the thread behind it is pressed.
    pub(super) fn pressure(&self) -> &Arc<Pressure> {
        &self.pressure
    }

    /// Queues work and waits for its result.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        result(self.submit(work)?).await
    }

    /// Queues work.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<Receipt<T>> {
        let (job, answer) = self.job(work);
        let sender = self.lock().clone();
        match sender.map(|sender| sender.try_send(job)) {
            Some(Ok(())) => Ok(answer),
            Some(Err(TrySendError::Full(_))) => {
                Refusal::QueueFull.add();
                Err(Error::unavailable("too many requests are waiting", 1))
            }
            None | Some(Err(TrySendError::Disconnected(_))) => {
                Err(Error::unavailable("the store is closed", 5))
            }
        }
    }

    /// Work that is to be run, and where its result arrives.
    pub(super) fn job<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> (Box<dyn Job>, Receipt<T>) {
        job(self.name, &self.pressure, work)
    }

    /// Whether it takes work and nobody waits.
    pub(super) fn is_open_and_empty(&self) -> bool {
        self.lock().as_ref().is_some_and(Sender::is_empty)
    }

    /// Takes no more work; the thread ends when it has done what is queued.
    pub(super) fn close(&self) {
        self.lock().take();
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.lock().as_ref().map_or(0, Sender::len)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Sender<Box<dyn Job>>>> {
        self.sender
            .lock()
            .expect("no code panics while it holds this lock")
    }
}

/// Work that is to be run under a pressure, and where its result arrives. `name` is that of
/// its spans.
pub(super) fn job<T: Send + 'static>(
    name: &'static str,
    pressure: &Arc<Pressure>,
    work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
) -> (Box<dyn Job>, Receipt<T>) {
    let (reply, answer) = oneshot::channel();
    let (waiting, unfinished) = pressure.enter();
    let job = Box::new(Queued {
        since: now(),
        work,
        result: None,
        reply,
        waiting: Some(waiting),
        _unfinished: unfinished,
        trail: Trail::begin(name),
    });
    (job, answer)
}

/// Waits for what arrives.
pub(super) async fn result<T>(receipt: Receipt<T>) -> Result<T> {
    receipt.await.unwrap_or_else(|_| Err(gone()))
}

/// As [`result`], where a thread may wait.
pub(super) fn result_blocking<T>(receipt: Receipt<T>) -> Result<T> {
    receipt.blocking_recv().unwrap_or_else(|_| Err(gone()))
}

pub(super) fn gone() -> Error {
    Error::unavailable("the store is away", 5)
}

/// The monotonic clock, for waiting times only; business time is the context's.
pub(super) fn now() -> Instant {
    Instant::now()
}
