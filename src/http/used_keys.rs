//! Which idempotency keys were used, as a hint that fits in memory: a retry is answered by a
//! reader, at once or after days, and a first call is not looked up in vain.
//!
//! Only a hint. It may take a new key for a used one, and then the reader finds nothing; it does
//! not know the keys that other servers used, and those the transaction finds. Until the keys of
//! before the start are read, every key may be one of them.

use std::collections::VecDeque;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use fastbloom::AtomicBloomFilter;

/// Keys of one generation, whose filter takes 1.8 MiB.
const KEYS: usize = if cfg!(test) { 1_000 } else { 1 << 20 };

/// Generations that are kept at most: 58 MiB, for 33 million keys. Older keys are then found
/// as those of other servers are.
const GENERATIONS: usize = 32;

/// New keys that one generation takes for used ones.
const FALSE_POSITIVES: f64 = 0.001;

/// The keys that were used.
#[derive(Debug, Default)]
pub struct UsedKeys {
    /// Whether the keys of before the start are in.
    is_complete: AtomicBool,
    generations: RwLock<VecDeque<Generation>>,
}

/// The keys that were used about the same time.
#[derive(Debug)]
struct Generation {
    filter: AtomicBloomFilter,
    keys: usize,
    /// The newest record among them.
    newest: [u8; 16],
}

impl Generation {
    fn new() -> Self {
        Self {
            filter: AtomicBloomFilter::with_false_pos(FALSE_POSITIVES)
                .seed(&0)
                .expected_items(KEYS),
            keys: 0,
            newest: [0; 16],
        }
    }
}

impl UsedKeys {
    /// Whether a key may have been used. `hash` is where its record is found.
    #[must_use]
    pub fn may_contain(&self, hash: i64) -> bool {
        let generations = self
            .generations
            .read()
            .expect("no code panics while it holds this lock");
        let mut newest_first = generations.iter().rev();
        !self.is_complete.load(Relaxed)
            || newest_first.any(|one| one.filter.contains_hash(hash.cast_unsigned()))
    }

    /// Notes a key and the id of its record.
    pub fn note(&self, hash: i64, id: [u8; 16]) {
        let mut generations = self
            .generations
            .write()
            .expect("no code panics while it holds this lock");
        if generations.back().is_none_or(|last| last.keys >= KEYS) {
            if generations.len() == GENERATIONS {
                generations.pop_front();
            }
            generations.push_back(Generation::new());
        }
        if let Some(last) = generations.back_mut() {
            last.filter.insert_hash(hash.cast_unsigned());
            last.keys += 1;
            last.newest = last.newest.max(id);
        }
    }

    /// From now on only keys that were noted may have been used.
    pub fn complete(&self) {
        self.is_complete.store(true, Relaxed);
    }

    /// Forgets generations of which every record is older than an id.
    pub fn forget_before(&self, oldest: &[u8; 16]) {
        let mut generations = self
            .generations
            .write()
            .expect("no code panics while it holds this lock");
        generations.retain(|one| one.newest >= *oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Random;

    fn hashes(random: &Random, count: usize) -> Vec<i64> {
        let hash = |_| i64::from_be_bytes(random.bytes());
        (0..count).map(hash).collect()
    }

    #[test]
    fn every_key_may_be_used_until_those_of_before_are_known() {
        let keys = UsedKeys::default();
        assert!(keys.may_contain(7));
        keys.complete();
        assert!(!keys.may_contain(7));
        keys.note(7, [1; 16]);
        assert!(keys.may_contain(7));
    }

    #[test]
    fn what_was_noted_is_known_and_little_else() {
        let (keys, random) = (UsedKeys::default(), Random::seeded(5));
        keys.complete();
        let used = hashes(&random, 5 * KEYS);
        for hash in &used {
            keys.note(*hash, [1; 16]);
        }
        assert!(used.iter().all(|hash| keys.may_contain(*hash)));
        let wrong = hashes(&random, 20_000);
        let wrong = wrong.iter().filter(|hash| keys.may_contain(**hash)).count();
        assert!(wrong < 200, "{wrong} of 20,000 at 0.1 % in each of five");
    }

    #[test]
    fn what_is_older_than_every_kept_key_is_forgotten_and_memory_is_bounded() {
        let (keys, random) = (UsedKeys::default(), Random::seeded(6));
        keys.complete();
        let (old, new) = (hashes(&random, KEYS), hashes(&random, KEYS));
        for (age, hashes) in [(1, &old), (2, &new)] {
            for hash in hashes {
                keys.note(*hash, [age; 16]);
            }
        }
        keys.forget_before(&[2; 16]);
        let known = old.iter().filter(|hash| keys.may_contain(**hash)).count();
        assert!(known < 20, "{known} of 1,000 at 0.1 %");
        assert!(new.iter().all(|hash| keys.may_contain(*hash)));
        for hash in hashes(&random, (GENERATIONS + 3) * KEYS) {
            keys.note(hash, [3; 16]);
        }
        let generations = keys.generations.read().unwrap().len();
        assert_eq!(generations, GENERATIONS);
    }
}
