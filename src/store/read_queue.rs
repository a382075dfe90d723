//! The queue in front of the threads that read: bounded, and projects take turns in it.

use std::sync::Arc;

use super::Tx;
use super::pressure::{Limits, Pressure};
use super::queue::{self, Job, Receipt};
use super::turns::{Refused, Turns};
use crate::error::{Error, Result};
use crate::metrics::Refusal;

/// Reads that wait, as their threads take them.
pub(super) type Reads = Arc<Turns<Box<dyn Job>>>;

/// The side that queues.
pub(super) struct ReadQueue {
    waiting: Reads,
    pressure: Arc<Pressure>,
}

impl ReadQueue {
    /// A queue, and what the reading threads take from.
    pub(super) fn new(limits: Limits) -> (Self, Reads) {
        let waiting = Arc::new(Turns::new(limits.queue));
        let queue = Self {
            waiting: Arc::clone(&waiting),
            pressure: Pressure::new(limits),
        };
        (queue, waiting)
    }

    /// Queues a read of a project and waits for its result.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        project: i64,
        work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        queue::result(self.submit(project, work)?).await
    }

    /// Queues a read and holds up its caller until the result is there.
    pub(super) fn call_blocking<T: Send + 'static>(
        &self,
        project: i64,
        work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let answer = self.submit(project, work)?;
        // The runtime forbids its own threads to block; another may.
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queue::result_blocking(answer));
            waiting.join().unwrap_or_else(|_| Err(queue::gone()))
        })
    }

    fn submit<T: Send + 'static>(
        &self,
        project: i64,
        work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<Receipt<T>> {
        let (job, answer) = queue::job("read", &self.pressure, work);
        match self.waiting.push(project, job) {
            Ok(()) => Ok(answer),
            Err(Refused::Full) => {
                Refusal::QueueFull.add();
                Err(Error::unavailable("too many requests are waiting", 1))
            }
            Err(Refused::Closed) => Err(Error::unavailable("the store is closed", 5)),
        }
    }

    /// Takes no more work; the threads end when they have done what is queued.
    pub(super) fn close(&self) {
        self.waiting.close();
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}
