//! The chain of one writer of the audit log: where it stands, and how a row is linked.
//!
//! The head travels by value: a transaction begins with the writer's head, a closure that
//! is rolled back leaves the one before it, and only a commit publishes the new one. When
//! nobody knows whether a commit took place, the writer begins another chain.

use crate::vault::{ChainKey, LINK_LENGTH};

/// Where a writer's chain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The writer.
    pub writer: i64,
    /// The position of its last row; 0 before the first.
    pub position: i64,
    /// The hash of its last row.
    pub hash: [u8; LINK_LENGTH],
}

/// What a writer links its rows with.
#[derive(Debug)]
pub(super) struct Audit {
    pub key: ChainKey,
    pub writer: i64,
}

impl Audit {
    /// The head of the first chain.
    pub(super) fn first(&self) -> Head {
        Head::begin(self.writer, &self.key)
    }

    /// The head of the chain after one whose end is not known.
    pub(super) fn after(&self, lost: &Head) -> Head {
        let mut link = self.key.link(&[0; LINK_LENGTH]);
        link.bytes(b"next writer").int(lost.writer);
        let hash = link.end();
        let writer = hash[..8].try_into().map(i64::from_be_bytes);
        Head::begin(writer.expect("eight bytes") & i64::MAX, &self.key)
    }
}

impl Head {
    /// The head of a chain without rows: its hash follows from the writer.
    #[must_use]
    pub fn begin(writer: i64, key: &ChainKey) -> Self {
        let mut link = key.link(&[0; LINK_LENGTH]);
        link.bytes(b"writer").int(writer);
        Self {
            writer,
            position: 0,
            hash: link.end(),
        }
    }
}
