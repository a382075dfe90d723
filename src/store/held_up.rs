//! Where customers and events of a time are. Ids go on behind those that were made while the clock
//! was ahead, so a row may stand among ids that are later than it; then its time stands beside.

use super::Tx;
use super::sql::Sql;
use crate::context::Time;
use crate::error::Result;
use crate::id::first_at;

/// The id below which the customers of a project are that were made at a moment or earlier.
pub fn customers_until(tx: &mut Tx<'_>, project: i64, moment: Time) -> Result<[u8; 16]> {
    static LAST: Sql = Sql::new(
        "SELECT c.id FROM customers c
         WHERE {any c} AND c.project = $1 AND c.created_at <= $2 AND c.created_at IS NOT NULL
         ORDER BY c.created_at DESC, c.id DESC LIMIT 1",
    );
    let values = [project.into(), moment.as_millis().into()];
    let last = tx.first(LAST.of(tx), &values, |row| row.array(0))?;
    Ok(edge(moment, last, 1))
}

/// The id below which the events are that happened at a moment or earlier.
pub fn events_until(tx: &mut Tx<'_>, moment: Time) -> Result<[u8; 16]> {
    static LAST: Sql = Sql::new(
        "SELECT e.id, e.count FROM events e
         WHERE {any e} AND e.happened_at <= $1 AND e.happened_at IS NOT NULL
         ORDER BY e.happened_at DESC, e.id DESC LIMIT 1",
    );
    let last = tx.first(LAST.of(tx), &[moment.as_millis().into()], |row| {
        Ok((row.array(0)?, row.int(1)?))
    })?;
    // The events of a row count up from its id.
    let count = last.map_or(0, |(_, count)| count);
    Ok(edge(moment, last.map(|(id, _)| id), count))
}

/// Usually the first id of the next moment; behind the last row of before that stands beyond it.
fn edge(moment: Time, last: Option<[u8; 16]>, count: i64) -> [u8; 16] {
    let next = first_at(Time::from_millis(moment.as_millis().saturating_add(1)));
    let behind = last.map(|id| {
        let count = u128::from(count.unsigned_abs());
        u128::from_be_bytes(id).saturating_add(count).to_be_bytes()
    });
    behind.map_or(next, |behind| behind.max(next))
}
