//! What makes rows that grant something hard to forge: a keyed hash over all that the row
//! says. It is keyed, so that an intruder who can write the database but has no keys can
//! neither make such a row nor alter one.

use std::fmt;

use aws_lc_rs::constant_time;
use aws_lc_rs::hmac::{self, HMAC_SHA256};

use super::{KEY_LENGTH, Link};

/// Authenticates rows.
#[derive(Clone)]
pub struct RowKey(hmac::Key);

impl RowKey {
    pub(super) fn new(bytes: &[u8; KEY_LENGTH]) -> Self {
        Self(hmac::Key::new(HMAC_SHA256, bytes))
    }

    /// Begins the hash of a row of this table; its columns follow.
    #[must_use]
    pub fn mac(&self, table: &str) -> Link {
        let mut mac = Link::new(&self.0);
        mac.bytes(table.as_bytes());
        mac
    }

    /// Whether a stored hash is the one that a row has, in the same time either way.
    #[must_use]
    pub fn matches(&self, stored: Option<&[u8]>, mac: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(stored.unwrap_or_default(), mac).is_ok()
    }
}

impl fmt::Debug for RowKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("RowKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_matches_its_own_hash_only() {
        let key = RowKey::new(&[1; KEY_LENGTH]);
        let mac = |key: &RowKey, table, value| {
            let mut mac = key.mac(table);
            mac.int(value);
            mac.end()
        };
        let one = mac(&key, "api_keys", 1);
        assert!(key.matches(Some(&one), &mac(&key, "api_keys", 1)));
        assert!(!key.matches(Some(&one), &mac(&key, "api_keys", 2)));
        assert!(!key.matches(Some(&one), &mac(&key, "projects", 1)));
        let other = RowKey::new(&[2; KEY_LENGTH]);
        assert!(!key.matches(Some(&one), &mac(&other, "api_keys", 1)));
        assert!(!key.matches(None, &one) && !key.matches(Some(b""), &one));
    }
}
