//! Waiting without guessing: ask again until it holds or the deadline is over.

use std::thread;
use std::time::{Duration, Instant};

/// Measures how long something took.
#[derive(Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "tests measure real processes in real time"
        )]
        Self(Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// A moment after which waiting is a failure.
#[derive(Clone, Copy)]
pub struct Deadline {
    watch: Stopwatch,
    limit: Duration,
}

impl Deadline {
    /// So long from now.
    pub fn after(limit: Duration) -> Self {
        Self {
            watch: Stopwatch::start(),
            limit,
        }
    }

    /// Whether the time is over.
    pub fn is_over(self) -> bool {
        self.watch.elapsed() >= self.limit
    }
}

/// Asks until there is an answer; fails with `what` when the time is over.
#[track_caller]
pub fn eventually<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Deadline::after(limit);
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(!deadline.is_over(), "within {limit:?} never: {what}");
        thread::sleep(Duration::from_millis(3));
    }
}
