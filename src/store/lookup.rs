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
