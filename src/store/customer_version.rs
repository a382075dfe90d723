//! What customers were before they changed, for those who are told of an event later.

use super::customer::{self, CustomerRow, Found, Resealed};
use super::sql::Sql;
use super::{Tx, event};
use crate::context::Time;
use crate::error::Result;
use crate::id::CustomerId;

/// Keeps what this row is about to replace, until the event that is appended next; of its
/// identity only the tag. Nothing is kept when somebody else was faster.
pub fn keep(tx: &mut Tx<'_>, row: &CustomerRow, identity_tag: &[u8], now: Time) -> Result<()> {
    static KEEP: Sql = Sql::new(
        "INSERT INTO customer_versions (customer, until, kept_at, project, version, status, signed_at,
                                        updated_at, data_key, endorsements, profile, review,
                                        identity_tag, created_at)
         SELECT c.id, COALESCE((SELECT e.sequence + e.count FROM events e WHERE {at e.resource c.id}
                                ORDER BY e.sequence DESC LIMIT 1), 1),
                $1, c.project, c.version, c.status, c.signed_at, c.updated_at, c.data_key,
                c.endorsements, c.profile, c.review, $2, c.created_at
         FROM customers c WHERE c.project = $3 AND {at c.id $4} AND c.version = $5",
    );
    tx.send(
        KEEP.of(tx),
        &[
            now.as_millis().into(),
            identity_tag.into(),
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
    // The tag stands in for the identity, which was not kept.
    static KEPT: Sql = Sql::new(
        "SELECT v.project, v.customer, v.version, v.status, v.signed_at, v.updated_at, v.data_key,
                v.endorsements, v.profile, v.identity_tag, v.review, v.created_at, k.wrapped
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

/// A kept state with its place: the customer and the sequence that ended it.
pub type Kept = (([u8; 16], i64), Found);

/// The kept states behind a place, to look at every one.
pub fn behind(tx: &mut Tx<'_>, edge: ([u8; 16], i64), limit: i64) -> Result<Vec<Kept>> {
    tx.all(
        "SELECT v.project, v.customer, v.version, v.status, v.signed_at, v.updated_at, v.data_key,
                v.endorsements, v.profile, v.identity_tag, v.review, v.created_at, k.wrapped, v.until
         FROM customer_versions v LEFT JOIN keys.data_keys k ON k.id = v.data_key
         WHERE (v.customer, v.until) > ($1, $2) ORDER BY v.customer, v.until LIMIT $3",
        &[(&edge.0).into(), edge.1.into(), limit.into()],
        |row| {
            let found = customer::read(row)?;
            Ok(((*found.0.id.as_bytes(), row.int(13)?), found))
        },
    )
}

/// Seals a kept state anew, if it is still as it was.
pub fn reseal(tx: &mut Tx<'_>, (kept, until): &([u8; 16], i64), change: &Resealed) -> Result<()> {
    static RESEAL: Sql = Sql::new(
        "UPDATE customer_versions SET profile = $1
         WHERE {at customer_versions.customer $2} AND until = $3 AND profile = $4",
    );
    tx.send(
        RESEAL.of(tx),
        &[
            change.to.as_slice().into(),
            kept.into(),
            (*until).into(),
            change.from.as_slice().into(),
        ],
    )
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
