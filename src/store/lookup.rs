//! Blind look-ups: a keyed hash leads to the ids of rows.

use super::Tx;
use crate::error::Result;

/// Notes that a hash leads to a row.
pub fn insert(tx: &mut Tx<'_>, hash: i64, target: &[u8; 16]) -> Result<()> {
    tx.execute(
        "INSERT INTO lookups (hash, target) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        &[hash.into(), target.into()],
    )?;
    Ok(())
}

/// Forgets that a hash leads to a row.
pub fn delete(tx: &mut Tx<'_>, hash: i64, target: &[u8; 16]) -> Result<()> {
    tx.execute(
        "DELETE FROM lookups WHERE hash = $1 AND target = $2",
        &[hash.into(), target.into()],
    )?;
    Ok(())
}

/// The rows that a hash leads to. Few share one: whoever asks compares them.
pub fn targets(tx: &mut Tx<'_>, hash: i64) -> Result<Vec<[u8; 16]>> {
    tx.all(
        "SELECT target FROM lookups WHERE hash = $1 ORDER BY target DESC LIMIT 100",
        &[hash.into()],
        |row| row.array(0),
    )
}

/// Whether a hash leads to a row.
pub fn leads(tx: &mut Tx<'_>, hash: i64, target: &[u8; 16]) -> Result<bool> {
    let one = tx.first(
        "SELECT 1 FROM lookups WHERE hash = $1 AND target = $2",
        &[hash.into(), target.into()],
        |row| row.int(0),
    )?;
    Ok(one.is_some())
}

/// How many there are.
pub fn count(tx: &mut Tx<'_>) -> Result<i64> {
    let count = tx.first("SELECT COUNT(*) FROM lookups", &[], |row| row.int(0))?;
    Ok(count.unwrap_or_default())
}

/// The look-ups after one, in their order, to look at every one.
pub fn after(tx: &mut Tx<'_>, edge: (i64, [u8; 16]), limit: i64) -> Result<Vec<(i64, [u8; 16])>> {
    tx.all(
        "SELECT hash, target FROM lookups WHERE (hash, target) > ($1, $2)
         ORDER BY hash, target LIMIT $3",
        &[edge.0.into(), (&edge.1).into(), limit.into()],
        |row| Ok((row.int(0)?, row.array(1)?)),
    )
}

/// Forgets every look-up that leads to a customer whose data key is destroyed;
/// gives their number. Reads the whole table.
pub fn delete_of_erased(tx: &mut Tx<'_>) -> Result<usize> {
    tx.execute(
        "DELETE FROM lookups WHERE target IN (
             SELECT c.id FROM customers c LEFT JOIN keys.data_keys k ON k.id = c.data_key
             WHERE k.id IS NULL)",
        &[],
    )
}
