//! By which epochs of hash keys the look-ups of customers stand in this data, and how far
//! customers are hashed anew.

use std::collections::HashSet;

use super::customer::Place;
use super::tail::{Change, Op, Target};
use super::{Row, Tx};
use crate::context::Time;
use crate::error::Result;
use crate::id::CustomerId;

/// A process that works on it, and until when it says so.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    /// The process.
    pub owner: [u8; 16],
    /// When another may take over.
    pub until: Time,
}

/// Stands for the look-ups that are not there: after the hash key of a restored copy was
/// destroyed, everybody is to be hashed anew.
pub const NO_EPOCH: i64 = -1;

/// Every epoch that look-ups may stand by, the oldest first.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<i64>> {
    tx.all(
        "SELECT epoch FROM lookup_epochs ORDER BY epoch",
        &[],
        |row| row.int(0),
    )
}

/// Notes that look-ups may stand by an epoch.
pub fn insert(tx: &mut Tx<'_>, epoch: i64) -> Result<()> {
    tx.execute(
        "INSERT INTO lookup_epochs (epoch, project, customer, owner, leased_until)
         VALUES ($1, 0, $2, $3, 0) ON CONFLICT DO NOTHING",
        &[epoch.into(), (&[0u8; 16]).into(), (&[0u8; 16]).into()],
    )?;
    Ok(())
}

/// Takes on hashing anew whoever stands by an epoch, from where it was left; `None` when it is
/// done or another process is at it.
pub fn claim(tx: &mut Tx<'_>, epoch: i64, lease: &Lease, now: Time) -> Result<Option<Place>> {
    let claimed = tx.execute(
        "UPDATE lookup_epochs SET owner = $1, leased_until = $2
         WHERE epoch = $3 AND (leased_until < $4 OR owner = $1)",
        &[
            (&lease.owner).into(),
            lease.until.as_millis().into(),
            epoch.into(),
            now.as_millis().into(),
        ],
    )?;
    if claimed == 0 {
        return Ok(None);
    }
    tx.first(
        "SELECT project, customer FROM lookup_epochs WHERE epoch = $1",
        &[epoch.into()],
        |row| Ok((row.int(0)?, row.array(1)?)),
    )
}

/// Goes on to a place, and holds the work for longer; `false` when somebody else took over.
pub fn advance(tx: &mut Tx<'_>, epoch: i64, place: &Place, lease: &Lease) -> Result<bool> {
    let advanced = tx.execute(
        "UPDATE lookup_epochs SET project = $1, customer = $2, leased_until = $3
         WHERE epoch = $4 AND owner = $5",
        &[
            place.0.into(),
            (&place.1).into(),
            lease.until.as_millis().into(),
            epoch.into(),
            (&lease.owner).into(),
        ],
    )?;
    Ok(advanced == 1)
}

/// Nobody stands by an epoch any more; `false` while somebody is noted who might.
pub fn finish(tx: &mut Tx<'_>, epoch: i64) -> Result<bool> {
    if !stale(tx, 1)?.is_empty() {
        return Ok(false);
    }
    tx.execute(
        "DELETE FROM lookup_epochs WHERE epoch = $1",
        &[epoch.into()],
    )?;
    Ok(true)
}

/// A version of a customer whose look-ups are to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale {
    /// Whose customer.
    pub project: i64,
    /// Who.
    pub customer: CustomerId,
    /// The customer's version.
    pub version: i64,
    /// The epoch that hashed what came.
    pub used: i64,
    /// The newest epoch that whoever wrote knew: under later ones nothing was taken away.
    pub known: i64,
}

/// Notes that look-ups are written, unless by the epoch in force.
pub fn note_if_stale(tx: &mut Tx<'_>, stale: Stale) -> Result<()> {
    tx.send(
        "INSERT INTO stale_lookups (project, customer, version, used, known)
         SELECT $1, $2, $3, $4, $5
         WHERE EXISTS (SELECT 1 FROM keys.hash_keys WHERE epoch > $4 AND in_force_at IS NOT NULL)",
        &values(&stale),
    )
}

/// Notes that the look-ups of a customer are to be looked at.
pub fn note(tx: &mut Tx<'_>, stale: Stale) -> Result<()> {
    tx.send(
        "INSERT INTO stale_lookups (project, customer, version, used, known)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        &values(&stale),
    )
}

fn values(stale: &Stale) -> [super::Value<'_>; 5] {
    [
        stale.project.into(),
        stale.customer.as_bytes().into(),
        stale.version.into(),
        stale.used.into(),
        stale.known.into(),
    ]
}

/// Some of those who are noted.
pub fn stale(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<Stale>> {
    tx.all(
        "SELECT project, customer, version, used, known FROM stale_lookups
         ORDER BY customer, version LIMIT $1",
        &[limit.into()],
        |row: &Row<'_>| {
            Ok(Stale {
                project: row.int(0)?,
                customer: CustomerId::from_bytes(row.array(1)?),
                version: row.int(2)?,
                used: row.int(3)?,
                known: row.int(4)?,
            })
        },
    )
}

/// Forgets one whose look-ups are in order.
pub fn forget_stale(tx: &mut Tx<'_>, stale: Stale) -> Result<()> {
    tx.send(
        "DELETE FROM stale_lookups WHERE customer = $1 AND version = $2",
        &[stale.customer.as_bytes().into(), stale.version.into()],
    )
}

/// Removes the look-ups of customers when the key of an epoch is gone by which some stand: the
/// data was restored from a copy that is older than the key's end, and nobody is found by them any
/// more. For a store that is being opened: nobody has read the journal yet.
pub fn drop_dead(tx: &mut Tx<'_>) -> Result<()> {
    let dead = tx.all(
        "SELECT epoch FROM lookup_epochs
         WHERE epoch > 0 AND epoch NOT IN (SELECT epoch FROM keys.hash_keys)",
        &[],
        |row| row.int(0),
    )?;
    if dead.is_empty() {
        return Ok(());
    }
    if !tx.is_spread() {
        fold_journal(tx)?;
    }
    tx.execute(
        "DELETE FROM lookups WHERE target IN (SELECT id FROM customers)",
        &[],
    )?;
    for epoch in dead {
        tx.execute(
            "DELETE FROM lookup_epochs WHERE epoch = $1",
            &[epoch.into()],
        )?;
    }
    insert(tx, NO_EPOCH)
}

/// Puts what the journal holds of used idempotency keys into the table.
fn fold_journal(tx: &mut Tx<'_>) -> Result<()> {
    let mut newest: HashSet<(i64, Target)> = HashSet::new();
    let mut last = 0;
    let sql = "SELECT id, ops FROM lookup_journal ORDER BY id";
    tx.all(sql, &[], |row| {
        last = row.int(0)?;
        for op in Op::read_all(&row.bytes(1)?) {
            match op.change {
                Change::Adds => {
                    newest.insert((op.hash, op.target));
                }
                Change::Removes => {
                    newest.remove(&(op.hash, op.target));
                }
                Change::Forgets => newest.retain(|one| one.1 != op.target),
            }
        }
        Ok(())
    })?;
    for (hash, target) in newest {
        tx.execute(
            "INSERT INTO lookups (hash, target) SELECT $1, $2
             WHERE EXISTS (SELECT 1 FROM idempotency WHERE id = $2) ON CONFLICT DO NOTHING",
            &[hash.into(), (&target).into()],
        )?;
    }
    tx.execute("DELETE FROM lookup_journal", &[])?;
    tx.execute(
        "UPDATE lookup_fold SET through = $1 WHERE through < $1",
        &[last.into()],
    )?;
    Ok(())
}
