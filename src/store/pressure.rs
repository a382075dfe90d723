//! How hard the writer is pressed: a gauge that the queue and the writer move,
//! and that the edge reads to refuse a write before anything is done for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::gauge::{Counted, Gauge};
use super::queue::now;
use crate::config::Config;
use crate::metrics;

/// Batches of writes that are under way at once: one that is committed and one that is made
/// ready meanwhile. More would only take the processors from everybody else.
const BATCHES_UNDER_WAY: usize = 2;

/// What is under way, and what would be too much.
#[derive(Debug)]
pub(super) struct Pressure {
    opened: Instant,
    limits: Limits,
    /// Where requests wait for their turn, first come, first served.
    door: Arc<Semaphore>,
    gauge: crate::sync::Arc<Gauge>,
}

/// What is too much.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Jobs that the queue holds.
    pub queue: usize,
    /// Jobs of the largest batch.
    pub batch: usize,
    /// The longest that a write should wait for those ahead of it.
    pub wait: Duration,
}

impl Limits {
    /// Those of the queue of writes.
    pub(super) fn of_writes(config: &Config) -> Self {
        Self {
            queue: config.write_queue,
            batch: config.write_batch,
            wait: config.overload_wait,
        }
    }

    /// Writes that are under way at once. So few are taken whatever they would take: a pace
    /// that was measured on single writes says little of what a batch can do.
    const fn under_way(&self) -> usize {
        BATCHES_UNDER_WAY * self.batch
    }

    /// Those of the queue of reads, each of which runs by itself.
    pub(super) fn of_reads(config: &Config) -> Self {
        Self {
            queue: config.read_queue,
            batch: 1,
            wait: config.overload_wait,
        }
    }
}

/// A request that was let in to be made ready and written, until this is dropped.
#[derive(Debug)]
pub struct Admission {
    _one: Counted,
    _permit: OwnedSemaphorePermit,
}

impl Pressure {
    /// No pressure.
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            opened: now(),
            door: Arc::new(Semaphore::new(limits.under_way())),
            limits,
            gauge: Gauge::new(),
        })
    }

    /// Lets a request in when it is its turn; `None` when that takes too long.
    pub(super) async fn admit(&self) -> Option<Admission> {
        let one = Counted::admitted(&self.gauge, || self.clock());
        let door = Arc::clone(&self.door);
        let permit = match Arc::clone(&door).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => timeout(self.limits.wait, door.acquire_owned())
                .await
                .ok()?
                .ok()?,
        };
        Some(Admission {
            _one: one,
            _permit: permit,
        })
    }

    /// Counts a job that is being queued: as one that waits until it runs, and as one without
    /// a result until it has one.
    pub(super) fn enter(&self) -> (Counted, Counted) {
        Counted::queued(&self.gauge, || self.clock())
    }

    /// Whether one more write would be refused later or wait too long.
    pub(super) fn is_too_high(&self) -> bool {
        let ahead = self.gauge.ahead();
        // An idle store takes whatever comes, without a look at the clock.
        ahead > 0
            && (self.gauge.waiting() >= self.limits.queue
                || self.is_too_long(self.stood_still())
                || (ahead > self.limits.under_way() && self.estimate(ahead) > self.limits.wait))
    }

    /// Whether a write that waited this long is answered too late to help anybody.
    pub(super) fn is_too_long(&self, waited: Duration) -> bool {
        waited > self.limits.wait
    }

    fn estimate(&self, ahead: usize) -> Duration {
        Duration::from_nanos(self.gauge.estimate_ns(ahead))
    }

    fn stood_still(&self) -> Duration {
        Duration::from_nanos(self.gauge.stood_still_ns(|| self.clock()))
    }

    /// A batch ended, whatever came of it.
    pub(super) fn batch_ended(&self, jobs: usize) {
        metrics::BATCH_SIZE.observe(jobs as u64);
        self.gauge.batch_ended(jobs, self.clock());
    }

    fn clock(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;
    use std::task::{Context, Waker};

    use super::*;

    fn pressure(wait: Duration) -> Arc<Pressure> {
        Pressure::new(Limits {
            queue: 10,
            batch: 2,
            wait,
        })
    }

    #[tokio::test]
    async fn the_estimate_is_what_is_under_way_at_the_pace_of_all() {
        let pressure = pressure(Duration::from_millis(5));
        pressure.gauge.pace_ns.store(1_000_000, Relaxed);
        let mut inside = Vec::new();
        for _ in 0..4 {
            inside.push(pressure.admit().await.unwrap());
        }
        assert!(!pressure.is_too_high(), "two batches");
        let waiting: Vec<_> = (0..6).map(|_| pressure.enter()).collect();
        assert!(pressure.is_too_high());
        drop(waiting);
        assert!(!pressure.is_too_high());
        let mut at_the_door: Vec<_> = (0..2).map(|_| Box::pin(pressure.admit())).collect();
        for one in &mut at_the_door {
            let polled = one.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
        }
        assert!(pressure.is_too_high(), "who waits at the door counts");
        drop(at_the_door);
        assert!(!pressure.is_too_high());
    }

    #[tokio::test]
    async fn what_fits_into_two_batches_is_let_in_however_slow_single_writes_were() {
        let pressure = pressure(Duration::from_millis(5));
        pressure.gauge.pace_ns.store(1_000_000_000, Relaxed);
        let mut inside = Vec::new();
        for _ in 0..4 {
            assert!(!pressure.is_too_high());
            inside.push(pressure.admit().await.unwrap());
        }
        assert!(pressure.admit().await.is_none(), "it waited in vain");
        inside.pop();
        assert!(pressure.admit().await.is_some());
    }

    #[test]
    fn a_full_queue_is_too_much_however_fast_the_writer() {
        let pressure = pressure(Duration::from_mins(1));
        let mut waiting: Vec<_> = (0..10).map(|_| pressure.enter()).collect();
        assert!(pressure.is_too_high());
        waiting.pop();
        assert!(!pressure.is_too_high());
    }

    #[tokio::test]
    async fn a_store_that_stands_still_is_seen_before_its_batch_ends() {
        let pressure = pressure(Duration::ZERO);
        assert!(!pressure.is_too_high(), "nobody waits for it");
        let inside = pressure.admit().await;
        assert!(
            !pressure.is_too_high(),
            "what it does is no matter of the store"
        );
        let (waiting, unfinished) = pressure.enter();
        assert!(pressure.is_too_high());
        drop(waiting);
        assert!(pressure.is_too_high(), "it runs");
        drop((unfinished, inside));
        assert!(!pressure.is_too_high());
    }

    #[tokio::test]
    async fn the_pace_follows_the_last_writes_and_not_one_that_was_slow() {
        let pressure = pressure(Duration::from_secs(1));
        pressure.gauge.pace_ns.store(1_000_000, Relaxed);
        let _inside = pressure.admit().await;
        pressure.batch_ended(1_000_000);
        assert!(
            pressure.gauge.pace_ns.load(Relaxed) < 10_000,
            "many fast ones"
        );
        pressure.gauge.pace_ns.store(1_000_000, Relaxed);
        pressure.gauge.paced_at.store(0, Relaxed);
        pressure.batch_ended(1);
        let pace = pressure.gauge.pace_ns.load(Relaxed);
        assert!((900_000..2_000_000).contains(&pace), "{pace}");
    }
}
