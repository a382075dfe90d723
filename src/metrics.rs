//! What this process counts: plain atomics that the vault, the store and the
//! edge raise, and that a scrape reads. They count the process, not one server
//! of several in it, and know nobody.
//!
//! Never a name, an id or a value of anybody.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A number that only rises.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Zero.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// One more.
    pub fn add(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// How many so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that rises and falls, and never below zero.
#[derive(Debug, Default)]
pub struct Level(AtomicU64);

impl Level {
    /// Zero.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// One more.
    pub fn rise(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// One less; each fall has had its rise.
    pub fn fall(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// So many now, where somebody counts them.
    pub fn set(&self, count: u64) {
        self.0.store(count, Relaxed);
    }

    /// How many now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Buckets of a histogram below the last, which has no bound.
const BUCKETS: usize = 16;

/// How often which size was seen. Each bucket's bound is twice the one before,
/// so that finding it is one instruction and observing takes no lock.
#[derive(Debug)]
pub struct Histogram {
    /// The first bound; microseconds where it measures time.
    first: u64,
    buckets: [AtomicU64; BUCKETS + 1],
    sum: AtomicU64,
}

/// What a histogram has seen, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The upper bound of each bucket but the last, and how many were not above it.
    pub cumulative: [(u64, u64); BUCKETS],
    /// How many in all.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
}

impl Histogram {
    /// An empty one whose first bucket ends here.
    #[must_use]
    pub const fn starting_at(first: u64) -> Self {
        Self {
            first,
            buckets: [const { AtomicU64::new(0) }; BUCKETS + 1],
            sum: AtomicU64::new(0),
        }
    }

    /// Sees one value.
    pub fn observe(&self, value: u64) {
        // The number of doublings of the first bound that reach the value.
        let times = value.div_ceil(self.first).max(1);
        let bucket = u64::BITS - (times - 1).leading_zeros();
        let bucket = usize::try_from(bucket).unwrap_or(BUCKETS).min(BUCKETS);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    /// Sees one duration, in microseconds.
    pub fn observe_time(&self, took: Duration) {
        self.observe(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// What it has seen.
    #[must_use]
    pub fn seen(&self) -> Seen {
        let (mut count, mut bound) = (0, self.first);
        let mut cumulative = [(0, 0); BUCKETS];
        for (place, bucket) in cumulative.iter_mut().zip(&self.buckets) {
            count += bucket.load(Relaxed);
            *place = (bound, count);
            bound *= 2;
        }
        Seen {
            cumulative,
            count: count + self.buckets[BUCKETS].load(Relaxed),
            sum: self.sum.load(Relaxed),
        }
    }
}

/// Why a request was turned away for its number or its time, not its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The API key sent too many.
    KeyRate,
    /// The address sent too many.
    AddressRate,
    /// Too many failed sign-ins.
    SignIns,
    /// The writer's queue would make it wait too long; refused at the edge.
    Overload,
    /// A queue of the store was full.
    QueueFull,
    /// It had waited too long when its turn came.
    Waited,
    /// One connection too many.
    Connections,
    /// The body came too slowly or was too large.
    Body,
    /// The answer was not ready in time.
    Deadline,
    /// Too many answers wait for their clients.
    Untaken,
}

impl Refusal {
    /// Every reason with its label.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::KeyRate, "key_rate"),
        (Self::AddressRate, "address_rate"),
        (Self::SignIns, "sign_ins"),
        (Self::Overload, "overload"),
        (Self::QueueFull, "queue_full"),
        (Self::Waited, "waited"),
        (Self::Connections, "connections"),
        (Self::Body, "body"),
        (Self::Deadline, "deadline"),
        (Self::Untaken, "untaken"),
    ];

    /// Counts one.
    pub fn add(self) {
        REFUSED[self as usize].add();
    }

    /// How many so far.
    #[must_use]
    pub fn count(self) -> u64 {
        REFUSED[self as usize].get()
    }
}

static REFUSED: [Counter; Refusal::ALL.len()] = [const { Counter::new() }; Refusal::ALL.len()];

/// What came of an attempt to deliver to a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The receiver took it.
    Delivered,
    /// The receiver answered something else than 2xx.
    Refused,
    /// There was no answer in time.
    TimedOut,
    /// The name leads nowhere, nobody takes the connection, or it broke.
    Unreachable,
    /// The URL leads where no delivery may go.
    OutOfReach,
}

impl DeliveryOutcome {
    /// Every outcome with its label.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Delivered, "delivered"),
        (Self::Refused, "refused"),
        (Self::TimedOut, "timed_out"),
        (Self::Unreachable, "unreachable"),
        (Self::OutOfReach, "out_of_reach"),
    ];

    /// Counts one.
    pub fn add(self) {
        ATTEMPTED[self as usize].add();
    }

    /// How many so far.
    #[must_use]
    pub fn count(self) -> u64 {
        ATTEMPTED[self as usize].get()
    }
}

static ATTEMPTED: [Counter; DeliveryOutcome::ALL.len()] =
    [const { Counter::new() }; DeliveryOutcome::ALL.len()];

/// Microseconds of one attempt to deliver: 1 ms to 33 s.
pub static DELIVERY_TIME: Histogram = Histogram::starting_at(1000);

/// Webhooks that were disabled because their receivers fail.
pub static WEBHOOKS_DISABLED: Counter = Counter::new();

/// Webhooks of this process that were not told everything yet.
pub static WEBHOOKS_BEHIND: Level = Level::new();

/// Age in seconds of the oldest event that one of them was not told yet.
pub static WEBHOOK_LAG_S: Level = Level::new();

/// Deliveries that wait for another attempt, of all webhooks of the store.
pub static RETRIES_WAITING: Level = Level::new();

/// Values that were sealed.
pub static SEALED: Counter = Counter::new();

/// Values that were opened.
pub static OPENED: Counter = Counter::new();

/// Tokens whose signature was checked.
pub static TOKENS_VERIFIED: Counter = Counter::new();

/// Tokens that were remembered, so that only their time was checked.
pub static TOKENS_REMEMBERED: Counter = Counter::new();

/// Log lines that were dropped because the log could not be written fast enough.
pub static LOG_DROPPED: Counter = Counter::new();

/// Answers that were given up because their clients did not take them in time.
pub static ANSWERS_CUT: Counter = Counter::new();

/// Requests that the verification provider took.
pub static PROVIDER_ASKED: Counter = Counter::new();

/// Requests that it did not take.
pub static PROVIDER_FAILED: Counter = Counter::new();

/// Open connections, on all listeners.
pub static CONNECTIONS: Level = Level::new();

/// Whether customers are being screened again: 1 for each thread at it.
pub static RESCREENING: Level = Level::new();

/// Customers that were screened again.
pub static RESCREENED: Counter = Counter::new();

/// Customers who got another standing by that.
pub static RESCREENED_ANEW: Counter = Counter::new();

/// Customers who could not be screened again, because their rows do not open.
pub static RESCREENING_PASSED_OVER: Counter = Counter::new();

/// Writes in one commit.
pub static BATCH_SIZE: Histogram = Histogram::starting_at(1);

/// Microseconds of one commit, which is one fsync: 64 µs to 2 s.
pub static COMMIT_TIME: Histogram = Histogram::starting_at(64);

/// Microseconds of one checkpoint: 64 µs to 2 s.
pub static CHECKPOINT_TIME: Histogram = Histogram::starting_at(64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lies_in_the_first_bucket_that_is_not_below_it() {
        let histogram = Histogram::starting_at(4);
        for (value, bucket) in [(0, 0), (4, 0), (5, 1), (8, 1), (9, 2), (131_072, 15)] {
            let before = histogram.buckets[bucket].load(Relaxed);
            histogram.observe(value);
            let after = histogram.buckets[bucket].load(Relaxed);
            assert_eq!(after, before + 1, "{value}");
        }
        histogram.observe(131_073);
        histogram.observe_time(Duration::MAX);
        let seen = histogram.seen();
        assert_eq!(seen.count, 8);
        assert_eq!(seen.cumulative[0], (4, 2));
        assert_eq!(seen.cumulative[15], (131_072, 6));
    }

    #[test]
    fn every_refusal_and_every_outcome_has_its_own_counter() {
        for (place, (refusal, _)) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal as usize, place);
        }
        for (place, (outcome, _)) in DeliveryOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, place);
        }
    }
}
