//! By which values a customer is found, and what becomes of their look-ups with a change.

use zeroize::Zeroizing;

use super::customer::{Identity, Profile};
use crate::error::Result;
use crate::store::customer::CustomerRow;
use crate::store::lookup_epoch::{self, Stale};
use crate::store::{Tx, lookup};
use crate::vault::{HashKey, HashKeys, Secrets};

/// Under which hashes a customer is found by one key.
#[must_use]
pub fn hashes(project: i64, profile: &Profile, identity: &Identity, key: &HashKey) -> Vec<i64> {
    let email = profile
        .email
        .as_ref()
        .map(|email| key.hash(project, "email", email.folded().expose().as_bytes()));
    let external_id = profile
        .external_id
        .as_ref()
        .map(|id| key.hash(project, "externalId", id.expose().as_bytes()));
    let documents = identity.documents.iter().map(|document| {
        let country = document.issuing_country().code();
        let text =
            Zeroizing::new([document.kind().name(), country, document.expose_number()].join("/"));
        key.hash(project, "document", text.as_bytes())
    });
    email
        .into_iter()
        .chain(external_id)
        .chain(documents)
        .collect()
}

/// The same by every key, in the order of the keys.
#[must_use]
pub fn by_every_key(
    project: i64,
    profile: &Profile,
    identity: &Identity,
    keys: &HashKeys,
) -> Vec<Vec<i64>> {
    let keys = keys.iter();
    keys.map(|key| hashes(project, profile, identity, key))
        .collect()
}

/// What becomes of the look-ups of a customer with a change.
#[derive(Clone, Default)]
pub struct LookupChange {
    added: Vec<i64>,
    removed: Vec<i64>,
    /// All go, and nothing names them again.
    is_erasure: bool,
    /// The epoch that hashed what comes, and the newest that was known.
    epochs: (i64, i64),
}

impl LookupChange {
    /// A new customer comes.
    #[must_use]
    pub fn of_new(project: i64, profile: &Profile, identity: &Identity, secrets: &Secrets) -> Self {
        let keys = secrets.hash_keys();
        Self {
            added: hashes(project, profile, identity, keys.newest()),
            epochs: epochs(&keys),
            ..Self::default()
        }
    }

    /// Values change: [`by_every_key`] before and after. The customer may be found by any of
    /// the keys, and new values come by the newest only.
    #[must_use]
    pub fn between(before: &[Vec<i64>], after: &[Vec<i64>], keys: &HashKeys) -> Self {
        let mut change = Self {
            epochs: epochs(keys),
            ..Self::default()
        };
        for (key, (before, after)) in keys.iter().zip(before.iter().zip(after)) {
            change.removed.extend(without(before, after));
            if key.epoch() == change.epochs.0 {
                change.added = without(after, before);
            }
        }
        change
    }

    /// The customer is erased.
    #[must_use]
    pub fn of_erased(
        project: i64,
        profile: &Profile,
        identity: &Identity,
        secrets: &Secrets,
    ) -> Self {
        let keys = secrets.hash_keys();
        Self {
            removed: by_every_key(project, profile, identity, &keys).concat(),
            is_erasure: true,
            epochs: epochs(&keys),
            ..Self::default()
        }
    }

    /// What the transaction does.
    ///
    /// # Errors
    /// When the store is away.
    pub fn write(&self, tx: &mut Tx<'_>, row: &CustomerRow) -> Result<()> {
        let target = row.id.as_bytes();
        if self.is_erasure {
            lookup::forget(tx, &self.removed, target)?;
        } else if self.added.is_empty() && self.removed.is_empty() {
            return Ok(());
        } else {
            let mut removed = self.removed.iter();
            removed.try_for_each(|hash| lookup::delete(tx, *hash, target))?;
        }
        let mut added = self.added.iter();
        added.try_for_each(|hash| lookup::insert(tx, *hash, target))?;
        let stale = Stale {
            project: row.project,
            customer: row.id,
            version: row.version,
            used: self.epochs.0,
            known: self.epochs.1,
        };
        lookup_epoch::note_if_stale(tx, stale)
    }
}

fn epochs(keys: &HashKeys) -> (i64, i64) {
    (keys.newest().epoch(), keys.newest_known())
}

fn without(these: &[i64], those: &[i64]) -> Vec<i64> {
    these
        .iter()
        .copied()
        .filter(|hash| !those.contains(hash))
        .collect()
}
