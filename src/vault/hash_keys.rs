//! Keys of the hashes by which customers are found. One key an epoch: when an erasure spends it,
//! another takes over, everybody is hashed anew, and the key is destroyed. Then no copy of the
//! data, however old, leads from a value to a person any more.

use std::fmt;
use std::slice::Iter;

use aws_lc_rs::hmac::{self, HMAC_SHA256};

use super::secrets::blind_index;

/// The epoch of the key that follows from the root secret: versions before this one had no other.
pub const FIRST_EPOCH: i64 = 0;

/// The key of one epoch.
#[derive(Clone)]
pub struct HashKey {
    epoch: i64,
    in_force: bool,
    key: hmac::Key,
}

/// The keys of all epochs by which look-ups may stand, the oldest first: one, or two while
/// everybody is hashed anew.
pub struct HashKeys(Vec<HashKey>);

impl HashKey {
    /// The key of an epoch; only one that is in force hashes what is stored.
    #[must_use]
    pub fn new(epoch: i64, in_force: bool, bytes: &[u8]) -> Self {
        Self {
            epoch,
            in_force,
            key: hmac::Key::new(HMAC_SHA256, bytes),
        }
    }

    pub(super) const fn first(key: hmac::Key) -> Self {
        Self {
            epoch: FIRST_EPOCH,
            in_force: true,
            key,
        }
    }

    /// Which epoch's.
    #[must_use]
    pub const fn epoch(&self) -> i64 {
        self.epoch
    }

    /// The hash of a value: equal values of one project give equal numbers, and nothing else can
    /// be learnt from them without the key. 64 bits: whoever follows one must compare what he finds.
    #[must_use]
    pub fn hash(&self, project: i64, kind: &str, value: &[u8]) -> i64 {
        blind_index(&self.key, project, kind, value)
    }
}

impl HashKeys {
    /// Keys in any order, one at least.
    #[must_use]
    pub fn new(mut keys: Vec<HashKey>) -> Self {
        keys.sort_unstable_by_key(|key| key.epoch);
        Self(keys)
    }

    /// The key that hashes what is stored.
    #[must_use]
    pub fn newest(&self) -> &HashKey {
        let in_force = self.0.iter().rev().find(|key| key.in_force);
        in_force
            .or(self.0.last())
            .expect("there is one from the first start on")
    }

    /// The newest epoch that is known, in force or not.
    #[must_use]
    pub fn newest_known(&self) -> i64 {
        self.0.last().map_or(FIRST_EPOCH, |key| key.epoch)
    }

    /// Every key.
    pub fn iter(&self) -> Iter<'_, HashKey> {
        self.0.iter()
    }

    /// Under which hashes a value may be found.
    #[must_use]
    pub fn hashes(&self, project: i64, kind: &str, value: &[u8]) -> Vec<i64> {
        self.iter()
            .map(|key| key.hash(project, kind, value))
            .collect()
    }

    /// Every epoch, and whether it is in force.
    #[must_use]
    pub fn epochs(&self) -> Vec<(i64, bool)> {
        self.iter().map(|key| (key.epoch, key.in_force)).collect()
    }
}

impl<'a> IntoIterator for &'a HashKeys {
    type Item = &'a HashKey;
    type IntoIter = Iter<'a, HashKey>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for HashKeys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "HashKeys({:?})", self.epochs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_epoch_has_hashes_of_its_own_and_the_newest_in_force_is_used() {
        let keys = HashKeys::new(vec![
            HashKey::new(3, false, &[3; 32]),
            HashKey::new(1, true, &[1; 32]),
            HashKey::new(2, true, &[2; 32]),
        ]);
        assert_eq!((keys.newest().epoch(), keys.newest_known()), (2, 3));
        let mut hashes = keys.hashes(1, "email", b"ada@example.com");
        assert_eq!(
            hashes[1],
            keys.newest().hash(1, "email", b"ada@example.com")
        );
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 3);
    }
}
