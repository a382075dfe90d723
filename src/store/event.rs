//! The rows of events: appended, linked into their writer's chain, never changed.

use std::collections::HashMap;

use super::sql::Sql;
use super::{Head, Row, Tx};
use crate::error::Result;
use crate::vault::{ChainKey, LINK_LENGTH};

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
    /// The data key that seals `detail`; 0 is the installation's own.
    pub data_key: i64,
    /// Sealed: the events.
    pub detail: Vec<u8>,
}

/// A row as the audit log sees it.
#[derive(Clone, Debug)]
pub struct LinkedRow {
    /// Its place in the order in which rows are read.
    pub place: Place,
    /// Whose chain it is in, where, and with which hash.
    pub head: Head,
    /// What it says.
    pub row: EventRow,
    /// The wrapped data key, if it was asked for and is still there.
    pub key: Option<Vec<u8>>,
}

/// A place in an order that every row has one in: the order of writing where there is one,
/// else that of each writer, one writer after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    order: i64,
    writer: i64,
    position: i64,
}

/// Where the log ends at a moment.
#[derive(Clone, Debug)]
pub enum End {
    /// With this place in the order of writing.
    Order(i64),
    /// For each writer with this position.
    Positions(HashMap<i64, i64>),
}

impl Place {
    /// Before every row.
    pub const START: Self = Self {
        order: 0,
        writer: i64::MIN,
        position: 0,
    };
}

impl End {
    /// Whether a row was there at that moment.
    #[must_use]
    pub fn holds(&self, row: &LinkedRow) -> bool {
        match self {
            Self::Order(last) => row.place.order <= *last,
            Self::Positions(last) => last
                .get(&row.head.writer)
                .is_some_and(|last| row.head.position <= *last),
        }
    }

    /// Whether nothing behind a place was there.
    #[must_use]
    pub fn is_reached(&self, place: Place) -> bool {
        matches!(self, Self::Order(last) if place.order >= *last)
    }

    /// About how many rows were there.
    #[must_use]
    pub fn rows(&self) -> i64 {
        match self {
            Self::Order(last) => *last,
            Self::Positions(last) => last.values().sum(),
        }
    }
}

impl EventRow {
    /// The hash of this row behind the one of `before`.
    #[must_use]
    pub fn link(&self, key: &ChainKey, before: &Head) -> [u8; LINK_LENGTH] {
        let mut link = key.link(&before.hash);
        link.int(before.writer)
            .int(before.position + 1)
            .bytes(&self.id)
            .int(self.project)
            .bytes(&self.resource)
            .int(self.sequence)
            .int(self.count)
            .bytes(self.kinds.as_bytes())
            .bytes(self.actor.as_bytes())
            .bytes(self.request_id.as_bytes())
            .int(self.data_key)
            .bytes(&self.detail);
        link.end()
    }
}

/// Appends a change behind those that the resource has and behind what this writer wrote.
pub fn append(tx: &mut Tx<'_>, row: &EventRow, resource_is_new: bool) -> Result<()> {
    let sequence = if resource_is_new {
        1
    } else {
        next_sequence(tx, &row.resource)?
    };
    let row = &EventRow {
        sequence,
        ..row.clone()
    };
    let (key, before) = tx.next_link()?;
    let hash = row.link(key, &before);
    tx.send(
        "INSERT INTO events (id, project, resource, sequence, count, kinds, actor, request_id,
                             data_key, detail, writer, position, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        &[
            (&row.id).into(),
            row.project.into(),
            (&row.resource).into(),
            row.sequence.into(),
            row.count.into(),
            row.kinds.as_str().into(),
            row.actor.as_str().into(),
            row.request_id.as_str().into(),
            row.data_key.into(),
            row.detail.as_slice().into(),
            before.writer.into(),
            (before.position + 1).into(),
            (&hash).into(),
        ],
    )?;
    tx.advance(hash);
    Ok(())
}

fn next_sequence(tx: &mut Tx<'_>, resource: &[u8; 16]) -> Result<i64> {
    static NEXT: Sql = Sql::new(
        "SELECT sequence + count FROM events WHERE {at events.resource $1}
         ORDER BY sequence DESC LIMIT 1",
    );
    let next = tx.first(NEXT.of(tx), &[resource.into()], |row| row.int(0))?;
    Ok(next.unwrap_or(1))
}

/// The history of one resource, the oldest first.
pub fn of_resource(
    tx: &mut Tx<'_>,
    project: i64,
    resource: &[u8; 16],
    limit: i64,
) -> Result<Vec<EventRow>> {
    static OF_RESOURCE: Sql = Sql::new(
        "SELECT id, project, resource, sequence, count, kinds, actor, request_id, data_key, detail
         FROM events WHERE {at events.resource $1} AND project = $2 ORDER BY sequence LIMIT $3",
    );
    tx.all(
        OF_RESOURCE.of(tx),
        &[resource.into(), project.into(), limit.into()],
        read,
    )
}

/// Rows behind a place, in the order of places.
pub fn behind(tx: &mut Tx<'_>, place: Place, limit: i64) -> Result<Vec<LinkedRow>> {
    if tx.is_spread() {
        return tx.all(
            "SELECT id, project, resource, sequence, count, kinds, actor, request_id, data_key,
                    detail, 0, writer, position, hash, NULL
             FROM events WHERE (writer, position) > ($1, $2) ORDER BY writer, position LIMIT $3",
            &[place.writer.into(), place.position.into(), limit.into()],
            read_linked,
        );
    }
    tx.all(
        "SELECT id, project, resource, sequence, count, kinds, actor, request_id, data_key, detail,
                place, writer, position, hash, NULL
         FROM events WHERE place > $1 ORDER BY place LIMIT $2",
        &[place.order.into(), limit.into()],
        read_linked,
    )
}

/// Rows after an id and before another, by time, with the keys that open them.
pub fn between(
    tx: &mut Tx<'_>,
    after: &[u8; 16],
    before: &[u8; 16],
    limit: i64,
) -> Result<Vec<LinkedRow>> {
    static BETWEEN: Sql = Sql::new(
        "SELECT e.id, e.project, e.resource, e.sequence, e.count, e.kinds, e.actor, e.request_id,
                e.data_key, e.detail, 0, e.writer, e.position, e.hash, k.wrapped
         FROM events e LEFT JOIN keys.data_keys k ON k.id = e.data_key
         WHERE {all e} AND e.id > $1 AND e.id < $2 ORDER BY e.id LIMIT $3",
    );
    tx.all(
        BETWEEN.of(tx),
        &[after.into(), before.into(), limit.into()],
        read_linked,
    )
}

/// Where the log ends now.
pub fn end(tx: &mut Tx<'_>) -> Result<End> {
    if tx.is_spread() {
        let heads = tx.all("SELECT id, position FROM writers", &[], |row| {
            Ok((row.int(0)?, row.int(1)?))
        })?;
        return Ok(End::Positions(heads.into_iter().collect()));
    }
    last_place(tx).map(End::Order)
}

fn last_place(tx: &mut Tx<'_>) -> Result<i64> {
    let last = tx.first("SELECT COALESCE(MAX(place), 0) FROM events", &[], |row| {
        row.int(0)
    })?;
    Ok(last.unwrap_or(0))
}

/// How long before its commit a writer may have been touched, in milliseconds of the
/// database's clock: no transaction lasts so long.
const LONGEST_COMMIT_MS: i64 = 300_000;

/// The head of every writer that wrote since a checkpoint that went `through` so far, of
/// some before as well; and how far a checkpoint of them goes.
pub fn fresh_heads(tx: &mut Tx<'_>, through: i64) -> Result<(Vec<Head>, i64)> {
    if tx.is_spread() {
        let since = through - LONGEST_COMMIT_MS;
        let heads = tx.all(
            "SELECT id, position, hash, touched_at FROM writers
             WHERE position > 0 AND touched_at > $1 ORDER BY id",
            &[since.into()],
            |row| Ok((read_head(row, 0)?, row.int(3)?)),
        )?;
        let newest = heads.iter().map(|(_, at)| *at).max();
        let through = newest.unwrap_or(through).max(through);
        return Ok((heads.into_iter().map(|(head, _)| head).collect(), through));
    }
    let heads = tx.all(
        "SELECT writer, position, hash FROM events
         WHERE place IN (SELECT MAX(place) FROM events WHERE place > $1 GROUP BY writer)
         ORDER BY place",
        &[through.into()],
        |row| read_head(row, 0),
    )?;
    Ok((heads, last_place(tx)?))
}

fn read_linked(row: &Row<'_>) -> Result<LinkedRow> {
    let head = read_head(row, 11)?;
    Ok(LinkedRow {
        place: Place {
            order: row.int(10)?,
            writer: head.writer,
            position: head.position,
        },
        head,
        row: read(row)?,
        key: row.optional_bytes(14)?,
    })
}

fn read_head(row: &Row<'_>, first: usize) -> Result<Head> {
    Ok(Head {
        writer: row.int(first)?,
        position: row.int(first + 1)?,
        hash: row.array(first + 2)?,
    })
}

/// What happened to one resource before a place in its history, the newest first.
pub fn latest(
    tx: &mut Tx<'_>,
    (project, resource): (i64, &[u8; 16]),
    before: i64,
    limit: i64,
) -> Result<Vec<EventRow>> {
    static LATEST: Sql = Sql::new(
        "SELECT id, project, resource, sequence, count, kinds, actor, request_id, data_key, detail
         FROM events WHERE {at events.resource $1} AND project = $2 AND sequence < $3
         ORDER BY sequence DESC LIMIT $4",
    );
    tx.all(
        LATEST.of(tx),
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
