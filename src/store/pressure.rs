//! How hard the writer is pressed: a gauge that the queue and the writer move,
//! and that the edge reads to refuse a write before anything is done for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use super::queue::now;
use crate::metrics;

/// The share of the newest batch in the average time of a job: one eighth.
const SMOOTHING: u64 = 8;

/// What waits in front of the writer and how fast it works. Relaxed atomics:
/// an estimate that is a moment old refuses a request more or less, no harm.
#[derive(Debug)]
pub(super) struct Pressure {
    opened: Instant,
    /// Jobs that were queued and have not run.
    waiting: AtomicUsize,
    /// Nanoseconds per job, averaged over the last batches.
    job_ns: AtomicU64,
    /// When the running batch began, in nanoseconds since `opened`; 0 when none runs.
    batch_since: AtomicU64,
    /// Threads that run a batch, where there are several.
    running: AtomicUsize,
    capacity: usize,
    longest_wait: Duration,
}

/// One job that waits; it is counted until it is dropped.
#[derive(Debug)]
pub(super) struct Waiting(Arc<Pressure>);

impl Pressure {
    /// No pressure, in front of a queue of this length.
    pub(super) fn new(capacity: usize, longest_wait: Duration) -> Arc<Self> {
        Arc::new(Self {
            opened: now(),
            waiting: AtomicUsize::new(0),
            job_ns: AtomicU64::new(0),
            batch_since: AtomicU64::new(0),
            running: AtomicUsize::new(0),
            capacity,
            longest_wait,
        })
    }

    /// Counts a job that is being queued.
    pub(super) fn enter(self: &Arc<Self>) -> Waiting {
        self.waiting.fetch_add(1, Relaxed);
        Waiting(Arc::clone(self))
    }

    /// Whether one more job would be refused or wait too long.
    pub(super) fn is_too_high(&self) -> bool {
        let waiting = self.waiting.load(Relaxed);
        // An idle writer takes whatever comes, without a look at the clock.
        waiting > 0 && (waiting >= self.capacity || self.wait(waiting) > self.longest_wait)
    }

    /// The longer of two estimates: what the waiting jobs take at the writer's
    /// pace, and what the running batch has taken, which tells of a stuck disk.
    fn wait(&self, waiting: usize) -> Duration {
        let ahead = self.job_ns.load(Relaxed).saturating_mul(waiting as u64);
        let running = match self.batch_since.load(Relaxed) {
            0 => 0,
            since => self.clock().saturating_sub(since),
        };
        Duration::from_nanos(ahead.max(running))
    }

    /// A batch begins.
    pub(super) fn batch_begins(&self, jobs: usize) {
        metrics::BATCH_SIZE.observe(jobs as u64);
        self.batch_since.store(self.clock(), Relaxed);
    }

    /// The batch ended, whatever came of it.
    pub(super) fn batch_ended(&self, jobs: usize) {
        let since = self.batch_since.swap(0, Relaxed);
        self.note(jobs, self.clock().saturating_sub(since));
    }

    /// One of several threads begins a batch.
    pub(super) fn one_begins(&self, jobs: usize) {
        metrics::BATCH_SIZE.observe(jobs as u64);
        if self.running.fetch_add(1, Relaxed) == 0 {
            self.batch_since.store(self.clock(), Relaxed);
        }
    }

    /// One of several threads has ended its batch. While others run, they are given the time
    /// from here: what matters is that none has ended for long.
    pub(super) fn one_ended(&self, jobs: usize, took: Duration) {
        let since = match self.running.fetch_sub(1, Relaxed) {
            1 => 0,
            _ => self.clock(),
        };
        self.batch_since.store(since, Relaxed);
        self.note(jobs, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    fn note(&self, jobs: usize, took_ns: u64) {
        let newest = took_ns / (jobs as u64).max(1);
        let average = match self.job_ns.load(Relaxed) {
            0 => newest,
            average => (average * (SMOOTHING - 1) + newest) / SMOOTHING,
        };
        self.job_ns.store(average, Relaxed);
    }

    fn clock(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_nanos())
            .unwrap_or(u64::MAX)
            .max(1)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_is_the_queue_at_the_writers_pace() {
        let pressure = Pressure::new(10, Duration::from_millis(4));
        pressure.job_ns.store(1_000_000, Relaxed);
        let mut waiting: Vec<_> = (0..4).map(|_| pressure.enter()).collect();
        assert!(!pressure.is_too_high());
        waiting.push(pressure.enter());
        assert!(pressure.is_too_high());
        waiting.clear();
        assert!(!pressure.is_too_high());
    }

    #[test]
    fn a_full_queue_is_too_much_however_fast_the_writer() {
        let pressure = Pressure::new(2, Duration::from_mins(1));
        let _first = pressure.enter();
        assert!(!pressure.is_too_high());
        let _second = pressure.enter();
        assert!(pressure.is_too_high());
    }

    #[test]
    fn a_stuck_batch_is_seen_while_it_runs() {
        let pressure = Pressure::new(10, Duration::ZERO);
        pressure.batch_begins(1);
        assert!(!pressure.is_too_high(), "nobody waits behind it");
        let _waiting = pressure.enter();
        assert!(pressure.is_too_high());
        pressure.batch_ended(1);
        pressure.job_ns.store(0, Relaxed);
        assert!(!pressure.is_too_high());
    }

    #[test]
    fn the_pace_follows_the_last_batches() {
        let pressure = Pressure::new(10, Duration::from_secs(1));
        pressure.job_ns.store(8_000_000_000, Relaxed);
        pressure.batch_begins(1_000);
        pressure.batch_ended(1_000);
        let average = pressure.job_ns.load(Relaxed);
        assert!(
            (7_000_000_000..7_100_000_000).contains(&average),
            "{average}"
        );
    }
}
