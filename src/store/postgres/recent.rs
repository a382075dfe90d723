//! The idempotency keys that this server used lately, so that a retry that comes soon looks
//! for what its key made, and does not try in vain to make it again. Only a hint: another
//! server's are not here, and a restart forgets them.

use std::collections::HashSet;
use std::sync::RwLock;

/// Keys after which those that are as many ones older are forgotten; 5 MiB in all.
const KEPT: usize = if cfg!(test) { 8 } else { 100_000 };

/// Hashes of keys, in two halves, of which the older is forgotten as a whole.
#[derive(Debug, Default)]
pub(super) struct Recent(RwLock<Halves>);

#[derive(Debug, Default)]
struct Halves {
    newer: HashSet<i64>,
    older: HashSet<i64>,
}

impl Recent {
    /// Notes keys that a commit used.
    pub(super) fn note(&self, hashes: &[i64]) {
        if hashes.is_empty() {
            return;
        }
        let mut halves = self
            .0
            .write()
            .expect("no code panics while it holds this lock");
        for hash in hashes {
            if halves.newer.len() >= KEPT {
                halves.older = std::mem::take(&mut halves.newer);
            }
            halves.newer.insert(*hash);
        }
    }

    /// Whether a key was used lately.
    pub(super) fn contains(&self, hash: i64) -> bool {
        let halves = self
            .0
            .read()
            .expect("no code panics while it holds this lock");
        halves.newer.contains(&hash) || halves.older.contains(&hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_known_and_memory_is_bounded() {
        let recent = Recent::default();
        let all: Vec<i64> = (0..100).collect();
        recent.note(&all);
        assert!((92..100).all(|hash| recent.contains(hash)));
        assert!((0..80).all(|hash| !recent.contains(hash)));
    }
}
