//! What this server let through and the other servers on its database have not heard of.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

/// Senders that are told of together; of more, those who sent most.
pub const TOLD_AT_MOST: usize = 4096;

/// Senders that are counted until they are told of.
const COUNTED_AT_MOST: usize = 4 * TOLD_AT_MOST;

/// A sender, as a keyed hash that is the same on every server.
pub type Sender = i64;

/// The counts since they were last told, by sender.
#[derive(Debug, Default)]
pub struct Tally(Mutex<HashMap<Sender, u32>>);

impl Tally {
    /// Counts one of a sender.
    pub fn add(&self, sender: Sender) {
        let mut counts = self.lock();
        let is_full = counts.len() >= COUNTED_AT_MOST;
        if let Some(count) = counts.get_mut(&sender) {
            *count = count.saturating_add(1);
        } else if !is_full {
            counts.insert(sender, 1);
        }
    }

    /// Takes what is to be told.
    pub fn take(&self) -> Vec<(Sender, u32)> {
        let mut counts: Vec<_> = std::mem::take(&mut *self.lock()).into_iter().collect();
        if counts.len() > TOLD_AT_MOST {
            counts.sort_unstable_by_key(|(_, count)| std::cmp::Reverse(*count));
            counts.truncate(TOLD_AT_MOST);
        }
        counts
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Sender, u32>> {
        self.0
            .lock()
            .expect("no code panics while it holds this lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_once_and_those_who_sent_most_first() {
        let tally = Tally::default();
        for sender in 0..COUNTED_AT_MOST + 10 {
            tally.add(i64::try_from(sender).unwrap());
        }
        tally.add(7);
        let told = tally.take();
        assert_eq!(told.len(), TOLD_AT_MOST);
        assert_eq!(told[0], (7, 2));
        assert_eq!(tally.take(), []);
    }
}
