//! What customers were before they changed, for those who are told of an event later.

use super::customer::{self, CustomerRow, Found};
use super::sql::Sql;
use super::{Tx, event};
use crate::context::Time;
use crate::error::Result;
use crate::id::CustomerId;

/// Keeps what this row is about to replace, until the event that is appended next. Nothing
/// is kept when somebody else was faster.
pub fn keep(tx: &mut Tx<'_>, row: &CustomerRow, now: Time) -> Result<()> {
    static KEEP: Sql = Sql::new(
        "INSERT INTO customer_versions (customer, until, kept_at, project, version, status, signed_at,
                                        updated_at, data_key, endorsements, profile, review)
         SELECT c.id, COALESCE((SELECT e.sequence + e.count FROM events e WHERE {at e.resource c.id}
                                ORDER BY e.sequence DESC LIMIT 1), 1),
                $1, c.project, c.version, c.status, c.signed_at, c.updated_at, c.data_key,
                c.endorsements, c.profile, c.review
         FROM customers c WHERE c.project = $2 AND {at c.id $3} AND c.version = $4",
    );
    tx.send(
        KEEP.of(tx),
        &[
            now.as_millis().into(),
            row.project.into(),
            row.id.as_bytes().into(),
            (row.version - 1).into(),
        ],
    )
}

/// The customer as the event of this sequence left it: what was kept first after it, or the
/// customer as it is. What was never returned is not there to be opened.
pub fn after(
    tx: &mut Tx<'_>,
    project: i64,
    id: CustomerId,
    sequence: i64,
) -> Result<Option<Found>> {
    // The profile stands in for the identity, which was not kept and opens nowhere.
    static KEPT: Sql = Sql::new(
        "SELECT v.project, v.customer, v.version, v.status, v.signed_at, v.updated_at, v.data_key,
                v.endorsements, v.profile, v.profile, v.review, k.wrapped
         FROM customer_versions v LEFT JOIN keys.data_keys k ON k.id = v.data_key
         WHERE {at v.customer $1} AND v.until > $2 AND v.project = $3 ORDER BY v.until LIMIT 1",
    );
    let kept = tx.first(
        KEPT.of(tx),
        &[id.as_bytes().into(), sequence.into(), project.into()],
        customer::read,
    )?;
    // One whose key was destroyed tells nothing: then the tombstone speaks.
    match kept {
        Some((row, Some(key))) => Ok(Some((row, Some(key)))),
        _ => customer::find(tx, project, id),
    }
}

/// Events of one transaction, each with the customer it left.
pub type Told = (event::LinkedRow, Option<Found>);

/// Adds to each row of events what it is told with.
pub fn tell(tx: &mut Tx<'_>, rows: Vec<event::LinkedRow>) -> Result<Vec<Told>> {
    let tell = |one: event::LinkedRow| {
        let (project, sequence) = (one.row.project, one.row.sequence);
        let id = CustomerId::from_bytes(one.row.resource);
        let customer = after(tx, project, id, sequence)?;
        Ok((one, customer))
    };
    rows.into_iter().map(tell).collect()
}

/// Forgets some of what was kept before a moment; gives their number.
pub fn forget(tx: &mut Tx<'_>, before: Time, limit: i64) -> Result<usize> {
    tx.execute(
        "DELETE FROM customer_versions WHERE (customer, until) IN
             (SELECT customer, until FROM customer_versions WHERE kept_at < $1
              ORDER BY kept_at LIMIT $2)",
        &[before.as_millis().into(), limit.into()],
    )
}
