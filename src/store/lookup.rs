//! Blind look-ups: a keyed hash leads to the ids of rows. Where they lie is told
//! in `tail.rs`.

use super::Tx;
use super::tail::{Op, Target};
use crate::error::Result;

/// Notes that a hash leads to a row.
pub fn insert(tx: &mut Tx<'_>, hash: i64, target: &[u8; 16]) {
    tx.journal(Op {
        hash,
        target: *target,
        removes: false,
    });
}

/// Forgets that a hash leads to a row.
pub fn delete(tx: &mut Tx<'_>, hash: i64, target: &[u8; 16]) -> Result<()> {
    tx.journal(Op {
        hash,
        target: *target,
        removes: true,
    });
    tx.execute(
        "DELETE FROM lookups WHERE hash = $1 AND target = $2",
        &[hash.into(), target.into()],
    )?;
    Ok(())
}

/// At most so many of the rows that a hash leads to, the newest first, between
/// `from` (included) and `before` (not included). Whoever asks compares the rows:
/// two values may share a hash.
pub fn targets(
    tx: &mut Tx<'_>,
    hash: i64,
    (from, before): (&Target, &Target),
    limit: usize,
) -> Result<Vec<Target>> {
    // The tail first: what leaves it meanwhile is in the table already.
    let mut found = tx.newest_lookups(hash);
    found.retain(|target| target >= from && target < before);
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    found.extend(tx.all(
        "SELECT target FROM lookups WHERE hash = $1 AND target >= $2 AND target < $3
         ORDER BY target DESC LIMIT $4",
        &[hash.into(), from.into(), before.into(), most.into()],
        |row| row.array(0),
    )?);
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.dedup();
    found.truncate(limit);
    Ok(found)
}

/// The ends of a range that holds every row.
pub const EVERYWHERE: (&[u8; 16], &[u8; 16]) = (&[0; 16], &[0xff; 16]);
