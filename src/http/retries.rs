//! Whether retries of what other servers did are common now: after an outage of one of them
//! many clients repeat what it did, and to look for the first answer is cheaper than to prepare
//! a second. What this server did itself is told by [`super::used_keys`].

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// All of the last calls were retries.
const ALL: u32 = 1 << 16;

/// The share of the newest call in the average: one sixteenth.
const SMOOTHING: u32 = 16;

/// The share of retries among the last calls whose keys this server does not know.
/// Relaxed: a call more or less costs some microseconds.
#[derive(Debug, Default)]
pub struct Retries(AtomicU32);

impl Retries {
    /// Whether the next call is rather a retry than not.
    #[must_use]
    pub fn are_common(&self) -> bool {
        self.0.load(Relaxed) > ALL / 2
    }

    /// Notes what a call was.
    pub fn note(&self, was_retry: bool) {
        let share = self.0.load(Relaxed);
        if share == 0 && !was_retry {
            return;
        }
        let newest = if was_retry { ALL } else { 0 };
        let next = (share * (SMOOTHING - 1) + newest) / SMOOTHING;
        self.0.store(next, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_retries_in_a_row_make_them_common_and_some_others_rare() {
        let retries = Retries::default();
        assert!(!retries.are_common());
        for _ in 0..SMOOTHING {
            retries.note(true);
        }
        assert!(retries.are_common());
        for _ in 0..SMOOTHING {
            retries.note(false);
        }
        assert!(!retries.are_common());
    }

    #[test]
    fn one_in_three_is_not_common() {
        let retries = Retries::default();
        for call in 0..1_000 {
            retries.note(call % 3 == 0);
            assert!(!retries.are_common(), "at call {call}");
        }
    }
}
