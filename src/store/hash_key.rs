//! The keys of hashes in the key register, one an epoch.

use super::key_register::refuse_outdated;
use super::{Row, Tx};
use crate::context::Time;
use crate::error::Result;

/// A hash key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashKeyRow {
    /// The epoch; the highest in force hashes what is stored.
    pub epoch: i64,
    /// The wrapped key.
    pub wrapped: Vec<u8>,
    /// When it was made.
    pub made_at: Time,
    /// From when on it hashes what is stored.
    pub in_force_at: Option<Time>,
    /// When the first person was erased whom it had hashed.
    pub spent_at: Option<Time>,
}

/// Every key, the oldest first.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<HashKeyRow>> {
    tx.all(
        "SELECT epoch, wrapped, made_at, in_force_at, spent_at FROM keys.hash_keys ORDER BY epoch",
        &[],
        read,
    )
}

/// The epoch whose key hashes what is stored.
pub fn in_force(tx: &mut Tx<'_>) -> Result<Option<i64>> {
    let newest = tx.first(
        "SELECT MAX(epoch) FROM keys.hash_keys WHERE in_force_at IS NOT NULL",
        &[],
        |row| row.optional_int(0),
    )?;
    Ok(newest.flatten())
}

/// Stores the key of an epoch, unless another process was faster.
pub fn insert(tx: &mut Tx<'_>, row: &HashKeyRow) -> Result<()> {
    refuse_outdated(tx, [row.wrapped.as_slice()])?;
    tx.execute(
        "INSERT INTO keys.hash_keys (epoch, wrapped, made_at, in_force_at)
         VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        &[
            row.epoch.into(),
            row.wrapped.as_slice().into(),
            row.made_at.as_millis().into(),
            row.in_force_at.map(Time::as_millis).into(),
        ],
    )?;
    Ok(())
}

/// From now on what is stored is hashed by this key.
pub fn put_in_force(tx: &mut Tx<'_>, epoch: i64, now: Time) -> Result<()> {
    tx.execute(
        "UPDATE keys.hash_keys SET in_force_at = $1 WHERE epoch = $2 AND in_force_at IS NULL",
        &[now.as_millis().into(), epoch.into()],
    )?;
    Ok(())
}

/// Somebody is erased whom these keys may have hashed.
pub fn spend(tx: &mut Tx<'_>, now: Time) -> Result<()> {
    tx.execute(
        "UPDATE keys.hash_keys SET spent_at = $1 WHERE spent_at IS NULL",
        &[now.as_millis().into()],
    )?;
    Ok(())
}

/// Destroys the key of an epoch.
pub fn delete(tx: &mut Tx<'_>, epoch: i64) -> Result<()> {
    tx.execute(
        "DELETE FROM keys.hash_keys WHERE epoch = $1",
        &[epoch.into()],
    )?;
    Ok(())
}

/// Puts a key under another wrapping. One that was destroyed in between stays so.
pub fn rewrap(tx: &mut Tx<'_>, epoch: i64, from: &[u8], to: &[u8]) -> Result<()> {
    tx.execute(
        "UPDATE keys.hash_keys SET wrapped = $1 WHERE epoch = $2 AND wrapped = $3",
        &[to.into(), epoch.into(), from.into()],
    )?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<HashKeyRow> {
    Ok(HashKeyRow {
        epoch: row.int(0)?,
        wrapped: row.bytes(1)?,
        made_at: Time::from_millis(row.int(2)?),
        in_force_at: row.optional_int(3)?.map(Time::from_millis),
        spent_at: row.optional_int(4)?.map(Time::from_millis),
    })
}
