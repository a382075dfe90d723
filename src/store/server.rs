//! The servers that may hold claims, and the end of the claims of those that are gone.

use super::Tx;
use crate::error::Result;

/// Servers that are looked at.
const MOST: i64 = 1000;

/// Tells the others that a server lives.
pub fn beat(tx: &mut Tx<'_>, server: i64) -> Result<()> {
    tx.execute(
        "INSERT INTO servers (id, beat) VALUES ($1, 1)
         ON CONFLICT (id) DO UPDATE SET beat = servers.beat + 1",
        &[server.into()],
    )?;
    Ok(())
}

/// The other servers, each with its last beat.
pub fn others(tx: &mut Tx<'_>, server: i64) -> Result<Vec<(i64, i64)>> {
    tx.all(
        "SELECT id, beat FROM servers WHERE id <> $1 ORDER BY id LIMIT $2",
        &[server.into(), MOST.into()],
        |row| Ok((row.int(0)?, row.int(1)?)),
    )
}

/// A server works no longer.
pub fn leave(tx: &mut Tx<'_>, server: i64) -> Result<()> {
    tx.execute("DELETE FROM servers WHERE id = $1", &[server.into()])?;
    release(tx)
}

/// A server that was silent since a beat is taken for gone; `false` when it just told that it
/// lives.
pub fn bury(tx: &mut Tx<'_>, server: i64, beat: i64) -> Result<bool> {
    let gone = tx.execute(
        "DELETE FROM servers WHERE id = $1 AND beat = $2",
        &[server.into(), beat.into()],
    )?;
    if gone == 0 {
        return Ok(false);
    }
    release(tx)?;
    Ok(true)
}

/// A server is the only one, whatever was there before.
pub fn take_over(tx: &mut Tx<'_>, server: i64) -> Result<()> {
    tx.execute("DELETE FROM servers WHERE id <> $1", &[server.into()])?;
    beat(tx, server)?;
    release(tx)
}

/// Ends every claim of a server that is not there: what it worked on is due at once.
pub fn release(tx: &mut Tx<'_>) -> Result<()> {
    tx.execute(
        "UPDATE webhook_progress SET claimed_by = 0
         WHERE claimed_by <> 0 AND claimed_by NOT IN (SELECT id FROM servers)",
        &[],
    )?;
    tx.execute(
        "UPDATE verifications SET claimed_by = 0, due_at = 0
         WHERE state = 0 AND claimed_by <> 0 AND claimed_by NOT IN (SELECT id FROM servers)",
        &[],
    )?;
    tx.execute(
        "UPDATE rescreenings SET claimed_by = 0
         WHERE claimed_by <> 0 AND claimed_by NOT IN (SELECT id FROM servers)",
        &[],
    )?;
    Ok(())
}
