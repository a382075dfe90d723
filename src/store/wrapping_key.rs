//! The wrapping keys' statements, and those that put everything under a new one.

use super::Tx;
use crate::context::Time;
use crate::error::Result;
use crate::vault::WrappedWrappingKey;

/// Every wrapping key, once per key that wraps it.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<WrappedWrappingKey>> {
    tx.all(
        "SELECT id, by, rank, wrapped FROM keys.wrapping_keys ORDER BY rank, id, by",
        &[],
        |row| {
            Ok(WrappedWrappingKey {
                id: row.int(0)?,
                by: row.int(1)?,
                rank: row.int(2)?,
                wrapped: row.bytes(3)?,
            })
        },
    )
}

/// The id of the key that wraps what is new.
pub fn newest(tx: &mut Tx<'_>) -> Result<Option<i64>> {
    tx.first(
        "SELECT id FROM keys.wrapping_keys ORDER BY rank DESC LIMIT 1",
        &[],
        |row| row.int(0),
    )
}

/// Stores a wrapping key under one key that wraps it.
pub fn insert(tx: &mut Tx<'_>, key: &WrappedWrappingKey, now: Time) -> Result<()> {
    tx.execute(
        "INSERT INTO keys.wrapping_keys (id, by, rank, wrapped, created_at)
         VALUES ($1, $2, $3, $4, $5)",
        &[
            key.id.into(),
            key.by.into(),
            key.rank.into(),
            key.wrapped.as_slice().into(),
            now.as_millis().into(),
        ],
    )?;
    Ok(())
}

/// Forgets every wrapping key but this one under this master key.
pub fn delete_all_but(tx: &mut Tx<'_>, id: i64, by: i64) -> Result<usize> {
    tx.execute(
        "DELETE FROM keys.wrapping_keys WHERE NOT (id = $1 AND by = $2)",
        &[id.into(), by.into()],
    )
}

/// How many data keys there are.
pub fn data_key_count(tx: &mut Tx<'_>) -> Result<u64> {
    let count = tx.first("SELECT COUNT(*) FROM keys.data_keys", &[], |row| row.int(0))?;
    Ok(count.unwrap_or(0).unsigned_abs())
}

/// Some data keys after an id, with what wraps them.
pub fn data_keys_after(tx: &mut Tx<'_>, id: i64, limit: i64) -> Result<Vec<(i64, Vec<u8>)>> {
    tx.all(
        "SELECT id, wrapped FROM keys.data_keys WHERE id > $1 ORDER BY id LIMIT $2",
        &[id.into(), limit.into()],
        |row| Ok((row.int(0)?, row.bytes(1)?)),
    )
}

/// Puts a data key under another wrapping. One that was destroyed in between stays so.
pub fn rewrap_data_key(tx: &mut Tx<'_>, id: i64, from: &[u8], to: &[u8]) -> Result<()> {
    tx.execute(
        "UPDATE keys.data_keys SET wrapped = $1 WHERE id = $2 AND wrapped = $3",
        &[to.into(), id.into(), from.into()],
    )?;
    Ok(())
}

/// Every named secret with what wraps it.
pub fn secrets(tx: &mut Tx<'_>) -> Result<Vec<(String, Vec<u8>)>> {
    tx.all("SELECT name, wrapped FROM keys.secrets", &[], |row| {
        Ok((row.text(0)?, row.bytes(1)?))
    })
}

/// Puts a named secret under another wrapping.
pub fn rewrap_secret(tx: &mut Tx<'_>, name: &str, from: &[u8], to: &[u8]) -> Result<()> {
    tx.execute(
        "UPDATE keys.secrets SET wrapped = $1 WHERE name = $2 AND wrapped = $3",
        &[to.into(), name.into(), from.into()],
    )?;
    Ok(())
}

/// Puts a signing key under another wrapping.
pub fn rewrap_signing_key(tx: &mut Tx<'_>, id: &str, from: &[u8], to: &[u8]) -> Result<()> {
    tx.execute(
        "UPDATE keys.signing_keys SET wrapped = $1 WHERE id = $2 AND wrapped = $3",
        &[to.into(), id.into(), from.into()],
    )?;
    Ok(())
}
