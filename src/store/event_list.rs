//! The events of one project by time, the newest first.
//!
//! No index leads from a project to its events: every create would write it. A busy project's
//! newest rows are near; those of a project with few resources are found through them; the
//! rest is read through, a bounded piece for each page.

use super::Tx;
use super::event::{LinkedRow, read_linked};
use super::sql::{BUCKETS, Sql};
use crate::error::Result;

/// Rows of whatever project that are read through first, about.
const NEAR: i64 = 1_000;

/// Rows of whatever project that are read through when that was not enough, about.
const FAR: i64 = 10_000;

/// Customers and webhooks of a project whose events are found through them.
const FEW: i64 = 10_000;

/// Which events a page shows.
#[derive(Clone, Debug)]
pub struct EventFilter {
    /// Whose.
    pub project: i64,
    /// Only of this resource.
    pub resource: Option<[u8; 16]>,
    /// Rows whose id is below this one only.
    pub before: [u8; 16],
    /// Rows from this id on only.
    pub from: [u8; 16],
    /// At most so many rows.
    pub limit: i64,
}

/// Rows of a page, and the id below which it goes on; `None` when nothing can be there. There
/// may be fewer than asked for although it goes on.
pub fn newest_first(
    tx: &mut Tx<'_>,
    filter: &EventFilter,
) -> Result<(Vec<LinkedRow>, Option<[u8; 16]>)> {
    if let Some(resource) = &filter.resource {
        let rows = of_resource(tx, filter, resource)?;
        return Ok(next_of(rows, filter, None));
    }
    let Some(near) = floor(tx, filter, NEAR)? else {
        return Ok((Vec::new(), None));
    };
    let rows = down_to(tx, filter, near)?;
    if rows.len() >= most(filter) {
        return Ok(next_of(rows, filter, None));
    }
    if has_few_resources(tx, filter.project)? {
        let rows = of_few_resources(tx, filter)?;
        return Ok(next_of(rows, filter, None));
    }
    let below = EventFilter {
        before: near,
        ..filter.clone()
    };
    let Some(far) = floor(tx, &below, FAR)? else {
        return Ok((rows, None));
    };
    let rows = down_to(tx, filter, far)?;
    Ok(next_of(rows, filter, Some(far)))
}

fn most(filter: &EventFilter) -> usize {
    usize::try_from(filter.limit).unwrap_or_default()
}

/// Where a page goes on: behind its last row when it is full, else where it was read to.
fn next_of(
    rows: Vec<LinkedRow>,
    filter: &EventFilter,
    reached: Option<[u8; 16]>,
) -> (Vec<LinkedRow>, Option<[u8; 16]>) {
    let last = rows.last().filter(|_| rows.len() >= most(filter));
    let next = last.map(|last| last.row.id).or(reached);
    (rows, next)
}

/// How far down so many rows reach, whosever they are; `None` when there is none.
fn floor(tx: &mut Tx<'_>, filter: &EventFilter, rows: i64) -> Result<Option<[u8; 16]>> {
    // Where ids are spread, each of the buckets is asked for its part.
    static FLOOR: Sql = Sql::new(
        "SELECT w.id FROM (SELECT e.id FROM events e
                           WHERE {all e} AND e.id < $1 AND e.id >= $2
                           ORDER BY e.id DESC LIMIT $3) AS w
         ORDER BY w.id LIMIT 1",
    );
    let rows = if tx.is_spread() {
        rows / i64::from(BUCKETS)
    } else {
        rows
    };
    tx.first(
        FLOOR.of(tx),
        &[(&filter.before).into(), (&filter.from).into(), rows.into()],
        |row| row.array(0),
    )
}

fn down_to(tx: &mut Tx<'_>, filter: &EventFilter, floor: [u8; 16]) -> Result<Vec<LinkedRow>> {
    static OF_PROJECT: Sql = Sql::new(
        "SELECT e.id, e.project, e.resource, e.sequence, e.count, e.kinds, e.actor, e.request_id,
                e.data_key, e.detail, e.happened_at, {place e}, e.writer, e.position, e.hash, k.wrapped
         FROM events e LEFT JOIN keys.data_keys k ON k.id = e.data_key
         WHERE {all e} AND e.id < $1 AND e.id >= $2 AND e.project = $3 ORDER BY e.id DESC LIMIT $4",
    );
    tx.all(
        OF_PROJECT.of(tx),
        &[
            (&filter.before).into(),
            (&floor).into(),
            filter.project.into(),
            filter.limit.into(),
        ],
        read_linked,
    )
}

fn of_resource(
    tx: &mut Tx<'_>,
    filter: &EventFilter,
    resource: &[u8; 16],
) -> Result<Vec<LinkedRow>> {
    static OF_RESOURCE: Sql = Sql::new(
        "SELECT e.id, e.project, e.resource, e.sequence, e.count, e.kinds, e.actor, e.request_id,
                e.data_key, e.detail, e.happened_at, {place e}, e.writer, e.position, e.hash, k.wrapped
         FROM events e LEFT JOIN keys.data_keys k ON k.id = e.data_key
         WHERE {at e.resource $1} AND e.project = $2 AND e.id < $3 AND e.id >= $4
         ORDER BY e.sequence DESC LIMIT $5",
    );
    tx.all(
        OF_RESOURCE.of(tx),
        &[
            resource.into(),
            filter.project.into(),
            (&filter.before).into(),
            (&filter.from).into(),
            filter.limit.into(),
        ],
        read_linked,
    )
}

/// Whether a project has so few customers that each of them can be asked for its events.
fn has_few_resources(tx: &mut Tx<'_>, project: i64) -> Result<bool> {
    static FEW_OF_PROJECT: Sql = Sql::new(
        "SELECT COUNT(*) FROM (SELECT 1 FROM customers c
                               WHERE {any c} AND c.project = $1 LIMIT $2) AS f",
    );
    let values = [project.into(), (FEW + 1).into()];
    let count = tx.first(FEW_OF_PROJECT.of(tx), &values, |row| row.int(0))?;
    Ok(count.unwrap_or_default() <= FEW)
}

/// The ids first, for they alone are sorted; then the rows of those that are shown.
fn of_few_resources(tx: &mut Tx<'_>, filter: &EventFilter) -> Result<Vec<LinkedRow>> {
    static OF_FEW: Sql = Sql::new(
        "SELECT e.id, e.project, e.resource, e.sequence, e.count, e.kinds, e.actor, e.request_id,
                e.data_key, e.detail, e.happened_at, {place e}, e.writer, e.position, e.hash, k.wrapped
         FROM (SELECT o.id FROM (SELECT c.id FROM customers c
                                 WHERE {any c} AND c.project = $1
                                 UNION ALL SELECT w.id FROM webhooks w WHERE w.project = $1) AS r
               JOIN events o ON {at o.resource r.id} AND o.id < $2 AND o.id >= $3
               ORDER BY o.id DESC LIMIT $4) AS s
         JOIN events e ON {at e.id s.id} AND e.project = $1
         LEFT JOIN keys.data_keys k ON k.id = e.data_key ORDER BY e.id DESC",
    );
    tx.all(
        OF_FEW.of(tx),
        &[
            filter.project.into(),
            (&filter.before).into(),
            (&filter.from).into(),
            filter.limit.into(),
        ],
        read_linked,
    )
}
