//! The statements of screening everybody again by another list.

use super::customer::{CustomerRow, Place};
use super::{Row, Tx};
use crate::context::Time;
use crate::error::Result;
use crate::id::CustomerId;

/// How far everybody is screened again by one list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rescreening {
    /// The version of the list.
    pub version: i64,
    /// All customers up to this one were looked at.
    pub place: Place,
    /// How many were looked at.
    pub seen: i64,
    /// How many of them got another standing.
    pub changed: i64,
    /// When the first was looked at.
    pub started_at: Time,
    /// When the last was; `None` until then.
    pub finished_at: Option<Time>,
}

/// How far it is; `None` before it began.
pub fn find(tx: &mut Tx<'_>, version: i64) -> Result<Option<Rescreening>> {
    tx.first(
        "SELECT version, project, customer, seen, changed, started_at, finished_at
         FROM rescreenings WHERE version = $1",
        &[version.into()],
        read,
    )
}

/// Takes the work on, from the beginning or from where it was left; `None` when
/// it is done or another server is at it. The claim holds until the server is gone
/// (`server.rs`).
pub fn claim(
    tx: &mut Tx<'_>,
    version: i64,
    process: i64,
    now: Time,
) -> Result<Option<Rescreening>> {
    let claimed = tx.execute(
        "INSERT INTO rescreenings (version, project, customer, seen, changed, started_at, owner,
                                   leased_until, claimed_by)
         VALUES ($1, 0, $2, 0, 0, $3, $2, 0, $4)
         ON CONFLICT (version) DO UPDATE SET claimed_by = excluded.claimed_by
         WHERE rescreenings.finished_at IS NULL
           AND (rescreenings.claimed_by = 0 OR rescreenings.claimed_by = $4)",
        &[
            version.into(),
            (&[0u8; 16]).into(),
            now.as_millis().into(),
            process.into(),
        ],
    )?;
    if claimed == 0 {
        return Ok(None);
    }
    find(tx, version)
}

/// Counts a customer who got another standing; `false` when somebody else took over. Behind
/// the last customer, whoever catches up counts.
pub fn count_change(tx: &mut Tx<'_>, version: i64, process: i64) -> Result<bool> {
    let counted = tx.execute(
        "UPDATE rescreenings SET changed = changed + 1
         WHERE version = $1 AND (claimed_by = $2 OR finished_at IS NOT NULL)",
        &[version.into(), process.into()],
    )?;
    Ok(counted == 1)
}

/// Goes on to a place behind more customers who were looked at; `false` when another server
/// took over.
pub fn advance(
    tx: &mut Tx<'_>,
    version: i64,
    (place, more): (&Place, i64),
    process: i64,
) -> Result<bool> {
    let advanced = tx.execute(
        "UPDATE rescreenings SET project = $1, customer = $2, seen = seen + $3
         WHERE version = $4 AND claimed_by = $5",
        &[
            place.0.into(),
            (&place.1).into(),
            more.into(),
            version.into(),
            process.into(),
        ],
    )?;
    Ok(advanced == 1)
}

/// Notes that the last customer was looked at.
pub fn finish(tx: &mut Tx<'_>, version: i64, process: i64, now: Time) -> Result<bool> {
    let finished = tx.execute(
        "UPDATE rescreenings SET finished_at = $1 WHERE version = $2 AND claimed_by = $3",
        &[now.as_millis().into(), version.into(), process.into()],
    )?;
    Ok(finished == 1)
}

/// A version of a customer who was screened by a list that was in force no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale {
    /// Whose customer.
    pub project: i64,
    /// Who.
    pub customer: CustomerId,
    /// The customer's version.
    pub version: i64,
}

/// Notes that a customer is written who was screened by a list, unless that list is the one
/// in force.
pub fn note_if_stale(tx: &mut Tx<'_>, row: &CustomerRow, list: i64) -> Result<()> {
    tx.send(
        "INSERT INTO stale_screenings (project, customer, version)
         SELECT $1, $2, $3 WHERE EXISTS (SELECT 1 FROM watchlists WHERE version > $4)",
        &[
            row.project.into(),
            row.id.as_bytes().into(),
            row.version.into(),
            list.into(),
        ],
    )
}

/// Some of those who are noted.
pub fn stale(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<Stale>> {
    tx.all(
        "SELECT project, customer, version FROM stale_screenings
         ORDER BY customer, version LIMIT $1",
        &[limit.into()],
        |row| {
            Ok(Stale {
                project: row.int(0)?,
                customer: CustomerId::from_bytes(row.array(1)?),
                version: row.int(2)?,
            })
        },
    )
}

/// Forgets one who was screened by the list in force since.
pub fn forget_stale(tx: &mut Tx<'_>, stale: Stale) -> Result<()> {
    tx.send(
        "DELETE FROM stale_screenings WHERE customer = $1 AND version = $2",
        &[stale.customer.as_bytes().into(), stale.version.into()],
    )
}

fn read(row: &Row<'_>) -> Result<Rescreening> {
    Ok(Rescreening {
        version: row.int(0)?,
        place: (row.int(1)?, row.array(2)?),
        seen: row.int(3)?,
        changed: row.int(4)?,
        started_at: Time::from_millis(row.int(5)?),
        finished_at: row.optional_int(6)?.map(Time::from_millis),
    })
}
