//! What each idempotency key made, in the transaction that made it.

use super::sql::Sql;
use super::{Row, Tx, lookup};
use crate::error::Result;
use crate::vault::{Place, Secrets};

/// Keys that are looked at when several share a 64-bit hash, which not two ever will.
const SHARED_AT_MOST: usize = 100;

/// A key and the request that came with it, both only as keyed hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The project and, through it, the mode.
    pub project: i64,
    /// Keyed hash of the key.
    pub key_hash: [u8; 16],
    /// Keyed hash of method, path and body; in a stored record [`SEALED_FINGERPRINT`].
    pub fingerprint: [u8; 16],
}

/// Stands in records whose fingerprint is sealed with their answer: a hash of what a request
/// said of a person would outlive the person's data key.
pub const SEALED_FINGERPRINT: [u8; 16] = [0; 16];

/// The kept answer of a key.
#[derive(Clone, Debug)]
pub struct Record {
    /// UUIDv7 of the record; its time is when the key was first used.
    pub id: [u8; 16],
    /// What the key was used for.
    pub claim: Claim,
    /// The id of the resource that it made or changed, with its prefix.
    pub resource: String,
    /// The data key that seals the answer.
    pub data_key: i64,
    /// The HTTP status of the answer.
    pub status: i64,
    /// The sealed body of the answer.
    pub answer: Vec<u8>,
}

impl Claim {
    /// Where the key is found.
    #[must_use]
    pub fn lookup_hash(&self, secrets: &Secrets) -> i64 {
        secrets.blind_index(self.project, "idempotencyKey", &self.key_hash)
    }
}

impl Record {
    /// The fingerprint of a record that a version before this one stored.
    #[must_use]
    pub fn fingerprint_in_the_clear(&self) -> Option<[u8; 16]> {
        let stored = self.claim.fingerprint;
        (stored != SEALED_FINGERPRINT).then_some(stored)
    }
}

/// Where a kept answer is sealed for.
#[must_use]
pub const fn answer_place(project: i64, id: &[u8; 16]) -> Place<'_> {
    Place {
        project,
        row: id,
        field: "idempotency.answer",
    }
}

/// What a key made, if it was used: the last time, where it was used again after its time. What is
/// there counts: a key is forgotten when it is swept and not because a clock says that it is old.
pub fn find(tx: &mut Tx<'_>, claim: &Claim, hash: i64) -> Result<Option<Found>> {
    if tx.is_spread() {
        return find_unique(tx, claim);
    }
    // In memory first: what leaves it meanwhile is in the table already. Each is one statement,
    // so that a retry costs what a read costs.
    let everywhere = *lookup::EVERYWHERE.0..*lookup::EVERYWHERE.1;
    let mut targets = lookup::newest_targets(tx, hash, &everywhere, SHARED_AT_MOST)?;
    targets.sort_unstable_by(|a, b| b.cmp(a));
    for id in targets {
        let found = by_id(tx, &id)?;
        if let Some(found) = found
            && found.0.claim.project == claim.project
            && found.0.claim.key_hash == claim.key_hash
        {
            return Ok(Some(found));
        }
    }
    find_in_table(tx, claim, hash)
}

/// Where the look-up is in its table.
fn find_in_table(tx: &mut Tx<'_>, claim: &Claim, hash: i64) -> Result<Option<Found>> {
    tx.first(
        "SELECT i.project, i.key_hash, i.fingerprint, i.resource, i.data_key, i.status, i.answer,
                i.id, k.wrapped
         FROM lookups l JOIN idempotency i ON i.id = l.target
              LEFT JOIN keys.data_keys k ON k.id = i.data_key
         WHERE l.hash = $1 AND i.project = $2 AND i.key_hash = $3
         ORDER BY l.target DESC LIMIT 1",
        &[hash.into(), claim.project.into(), (&claim.key_hash).into()],
        read_found,
    )
}

/// Where the key itself is unique: the first try takes it for free and finds out by the
/// constraint.
fn find_unique(tx: &mut Tx<'_>, claim: &Claim) -> Result<Option<Found>> {
    if tx.trusts_constraints() {
        return Ok(None);
    }
    tx.first(
        "SELECT i.project, i.key_hash, i.fingerprint, i.resource, i.data_key, i.status, i.answer,
                i.id, k.wrapped
         FROM idempotency i LEFT JOIN keys.data_keys k ON k.id = i.data_key
         WHERE i.key_hash = $1 AND i.project = $2",
        &[(&claim.key_hash).into(), claim.project.into()],
        read_found,
    )
}

/// Whether a record is found by its key, and how many look-ups lead to it.
pub fn is_found(tx: &mut Tx<'_>, record: &Record, hash: i64) -> Result<(bool, u64)> {
    if tx.is_spread() {
        return Ok((true, 0));
    }
    let leads = lookup::leads(tx, hash, &record.id)?;
    Ok((leads, u64::from(leads)))
}

/// A record with the wrapped data key that opens it; `None` once the key is destroyed.
pub type Found = (Record, Option<Vec<u8>>);

/// The records after an id, in their order, to look at every one.
pub fn after(tx: &mut Tx<'_>, edge: &[u8; 16], limit: i64) -> Result<Vec<Found>> {
    static AFTER: Sql = Sql::new(
        "SELECT i.project, i.key_hash, i.fingerprint, i.resource, i.data_key, i.status, i.answer,
                i.id, k.wrapped
         FROM idempotency i LEFT JOIN keys.data_keys k ON k.id = i.data_key
         WHERE {all i} AND i.id > $1 ORDER BY i.id LIMIT $2",
    );
    tx.all(AFTER.of(tx), &[edge.into(), limit.into()], read_found)
}

/// The record of an id.
pub fn by_id(tx: &mut Tx<'_>, id: &[u8; 16]) -> Result<Option<Found>> {
    static BY_ID: Sql = Sql::new(
        "SELECT i.project, i.key_hash, i.fingerprint, i.resource, i.data_key, i.status, i.answer,
                i.id, k.wrapped
         FROM idempotency i LEFT JOIN keys.data_keys k ON k.id = i.data_key
         WHERE {at i.id $1}",
    );
    tx.first(BY_ID.of(tx), &[id.into()], read_found)
}

/// How many there are.
pub fn count(tx: &mut Tx<'_>) -> Result<i64> {
    let count = tx.first("SELECT COUNT(*) FROM idempotency", &[], |row| row.int(0))?;
    Ok(count.unwrap_or_default())
}

fn read_found(row: &Row<'_>) -> Result<Found> {
    let record = Record {
        id: row.array(7)?,
        claim: Claim {
            project: row.int(0)?,
            key_hash: row.array(1)?,
            fingerprint: row.array(2)?,
        },
        resource: row.text(3)?,
        data_key: row.int(4)?,
        status: row.int(5)?,
        answer: row.bytes(6)?,
    };
    Ok((record, row.optional_bytes(8)?))
}

/// Keeps an answer. The caller has made sure, in this transaction, that the key is free.
pub fn insert(tx: &mut Tx<'_>, record: &Record, hash: i64) -> Result<()> {
    let is_unique = tx.is_spread();
    tx.send(
        "INSERT INTO idempotency
         (id, project, key_hash, fingerprint, resource, data_key, status, answer)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            (&record.id).into(),
            record.claim.project.into(),
            (&record.claim.key_hash).into(),
            (&record.claim.fingerprint).into(),
            record.resource.as_str().into(),
            record.data_key.into(),
            record.status.into(),
            record.answer.as_slice().into(),
        ],
    )?;
    if is_unique {
        return Ok(());
    }
    lookup::insert(tx, hash, &record.id)
}

/// A record without what it keeps: its project, the hash of its key, its id.
pub type Used = (i64, [u8; 16], [u8; 16]);

/// Records older than an id, the oldest first, to be swept.
pub fn older_than(tx: &mut Tx<'_>, edge: &[u8; 16], limit: i64) -> Result<Vec<Used>> {
    static OLDER: Sql = Sql::new(
        "SELECT i.project, i.key_hash, i.id FROM idempotency i
         WHERE {all i} AND i.id < $1 ORDER BY i.id LIMIT $2",
    );
    tx.all(OLDER.of(tx), &[edge.into(), limit.into()], |row| {
        Ok((row.int(0)?, row.array(1)?, row.array(2)?))
    })
}

/// Records newer than an id, the oldest first.
pub fn newer_than(tx: &mut Tx<'_>, edge: &[u8; 16], limit: i64) -> Result<Vec<Used>> {
    static NEWER: Sql = Sql::new(
        "SELECT i.project, i.key_hash, i.id FROM idempotency i
         WHERE {all i} AND i.id > $1 ORDER BY i.id LIMIT $2",
    );
    tx.all(NEWER.of(tx), &[edge.into(), limit.into()], |row| {
        Ok((row.int(0)?, row.array(1)?, row.array(2)?))
    })
}

/// Forgets a key.
pub fn delete(tx: &mut Tx<'_>, old: &Used, hash: i64) -> Result<()> {
    let (project, key_hash, id) = old;
    tx.send(
        "DELETE FROM idempotency WHERE id = $1 AND key_hash = $2 AND project = $3",
        &[id.into(), key_hash.into(), (*project).into()],
    )?;
    if tx.is_spread() {
        return Ok(());
    }
    lookup::delete(tx, hash, id)
}
