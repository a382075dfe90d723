//! The rows of events: appended, never changed.

use super::{Row, Tx};
use crate::error::Result;

/// A change as it is stored: one or more events of one resource.
#[derive(Clone, Debug)]
pub struct EventRow {
    /// UUIDv7 of the first event; its time is when it happened.
    pub id: [u8; 16],
    /// Whose resource.
    pub project: i64,
    /// The resource's id.
    pub resource: [u8; 16],
    /// The first event's place in the resource's history; given when it is appended.
    pub sequence: i64,
    /// How many events.
    pub count: i64,
    /// Their kinds on the wire, with commas.
    pub kinds: String,
    /// Who did it.
    pub actor: String,
    /// In which request.
    pub request_id: String,
    /// The data key that seals `detail`.
    pub data_key: i64,
    /// Sealed: the events.
    pub detail: Vec<u8>,
}

/// Appends a change behind those that the resource has.
pub fn append(tx: &mut Tx<'_>, row: &EventRow, resource_is_new: bool) -> Result<()> {
    let sequence = if resource_is_new {
        1
    } else {
        next_sequence(tx, &row.resource)?
    };
    tx.execute(
        "INSERT INTO events
         (id, project, resource, sequence, count, kinds, actor, request_id, data_key, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        &[
            (&row.id).into(),
            row.project.into(),
            (&row.resource).into(),
            sequence.into(),
            row.count.into(),
            row.kinds.as_str().into(),
            row.actor.as_str().into(),
            row.request_id.as_str().into(),
            row.data_key.into(),
            row.detail.as_slice().into(),
        ],
    )?;
    Ok(())
}

fn next_sequence(tx: &mut Tx<'_>, resource: &[u8; 16]) -> Result<i64> {
    let next = tx.first(
        "SELECT sequence + count FROM events WHERE resource = $1 ORDER BY sequence DESC LIMIT 1",
        &[resource.into()],
        |row| row.int(0),
    )?;
    Ok(next.unwrap_or(1))
}

/// The history of one resource, the oldest first.
pub fn of_resource(
    tx: &mut Tx<'_>,
    project: i64,
    resource: &[u8; 16],
    limit: i64,
) -> Result<Vec<EventRow>> {
    tx.all(
        "SELECT id, project, resource, sequence, count, kinds, actor, request_id, data_key, detail
         FROM events WHERE resource = $1 AND project = $2 ORDER BY sequence LIMIT $3",
        &[resource.into(), project.into(), limit.into()],
        read,
    )
}

/// What happened to one resource before a place in its history, the newest first.
pub fn latest(
    tx: &mut Tx<'_>,
    (project, resource): (i64, &[u8; 16]),
    before: i64,
    limit: i64,
) -> Result<Vec<EventRow>> {
    tx.all(
        "SELECT id, project, resource, sequence, count, kinds, actor, request_id, data_key, detail
         FROM events WHERE resource = $1 AND project = $2 AND sequence < $3
         ORDER BY sequence DESC LIMIT $4",
        &[resource.into(), project.into(), before.into(), limit.into()],
        read,
    )
}

fn read(row: &Row<'_>) -> Result<EventRow> {
    Ok(EventRow {
        id: row.array(0)?,
        project: row.int(1)?,
        resource: row.array(2)?,
        sequence: row.int(3)?,
        count: row.int(4)?,
        kinds: row.text(5)?,
        actor: row.text(6)?,
        request_id: row.text(7)?,
        data_key: row.int(8)?,
        detail: row.bytes(9)?,
    })
}
