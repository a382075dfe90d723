//! What is under way at the writer and how fast it is done, in atomics that everybody moves.
//! Relaxed: an estimate that is a moment old refuses a request more or less, no harm. Times
//! are nanoseconds of a clock that its callers read, and only when they are needed.

use crate::sync::Arc;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// The average time of a write remembers about as many.
const MEMORY: u64 = 256;

/// The counts and the pace.
#[derive(Debug)]
pub(super) struct Gauge {
    /// Requests that wait at the door or were let in.
    admitted: AtomicUsize,
    /// Jobs that were queued and have not run.
    waiting: AtomicUsize,
    /// Jobs that were queued and have no result.
    unfinished: AtomicUsize,
    /// Nanoseconds that a write takes from the time of all, averaged while there is work.
    pub(super) pace_ns: AtomicU64,
    /// When a batch ended last, or requests came after a pause.
    pub(super) paced_at: AtomicU64,
    /// When a batch ended last, or jobs came after a pause.
    moved_at: AtomicU64,
}

/// One request or job; it is counted until this is dropped.
#[derive(Debug)]
pub(super) struct Counted {
    gauge: Arc<Gauge>,
    count: Count,
}

/// One of the counts.
type Count = fn(&Gauge) -> &AtomicUsize;

impl Counted {
    /// A request that comes to the door.
    pub(super) fn admitted(gauge: &Arc<Gauge>, clock: impl Fn() -> u64) -> Self {
        Self::ahead(gauge, |gauge| &gauge.admitted, clock)
    }

    /// A job that is queued: as one that waits until it runs, and as one without a result
    /// until it has one.
    pub(super) fn queued(gauge: &Arc<Gauge>, clock: impl Fn() -> u64) -> (Self, Self) {
        let waiting = Self::ahead(gauge, |gauge| &gauge.waiting, &clock);
        let (is_first, unfinished) = Self::of(gauge, |gauge| &gauge.unfinished);
        if is_first {
            gauge.moved_at.store(clock(), Relaxed);
        }
        (waiting, unfinished)
    }

    fn ahead(gauge: &Arc<Gauge>, count: Count, clock: impl Fn() -> u64) -> Self {
        let (is_first, one) = Self::of(gauge, count);
        if is_first && gauge.ahead() == 1 {
            gauge.paced_at.store(clock(), Relaxed);
        }
        one
    }

    fn of(gauge: &Arc<Gauge>, count: Count) -> (bool, Self) {
        let is_first = count(gauge).fetch_add(1, Relaxed) == 0;
        let gauge = Arc::clone(gauge);
        (is_first, Self { gauge, count })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.count)(&self.gauge).fetch_sub(1, Relaxed);
    }
}

impl Gauge {
    /// Nothing is under way.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            admitted: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            unfinished: AtomicUsize::new(0),
            pace_ns: AtomicU64::new(0),
            paced_at: AtomicU64::new(0),
            moved_at: AtomicU64::new(0),
        })
    }

    /// How many come before one that came now.
    pub(super) fn ahead(&self) -> usize {
        let admitted = self.admitted.load(Relaxed);
        admitted.max(self.waiting())
    }

    /// Jobs that were queued and have not run.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// How long so many take at the pace of the last ones.
    pub(super) fn estimate_ns(&self, ahead: usize) -> u64 {
        self.pace_ns.load(Relaxed).saturating_mul(ahead as u64)
    }

    /// How long no batch has ended, although there are jobs. A request that takes its time
    /// before it has any says nothing of the store.
    pub(super) fn stood_still_ns(&self, clock: impl Fn() -> u64) -> u64 {
        if self.unfinished.load(Relaxed) == 0 {
            return 0;
        }
        let since = self.moved_at.load(Relaxed);
        clock().saturating_sub(since)
    }

    /// A batch ended, whatever came of it.
    pub(super) fn batch_ended(&self, jobs: usize, clock: u64) {
        let took = clock.saturating_sub(self.paced_at.swap(clock, Relaxed));
        self.moved_at.store(clock, Relaxed);
        let average = self.pace_ns.load(Relaxed).saturating_mul(MEMORY);
        let pace = average.saturating_add(took) / (MEMORY + jobs as u64);
        self.pace_ns.store(pace, Relaxed);
    }
}
