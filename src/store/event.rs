//! The rows of events: appended, linked into their writer's chain, never changed.

use std::collections::HashMap;

use super::sql::Sql;
use super::{Head, Row, Tx, order};
use crate::context::Time;
use crate::error::Result;
use crate::id::EventId;
use crate::vault::{ChainKey, LINK_LENGTH, tag};

/// A change as it is stored: one or more events of one resource.
#[derive(Clone, Debug)]
pub struct EventRow {
    /// UUIDv7 of the first event.
    pub id: [u8; 16],
    /// When it happened, where the time in the id is not that; see [`Self::at`].
    pub happened_at: Option<Time>,
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
    /// What the row that changed was afterwards, as [`crate::vault::tag`] stands for it; read
    /// only by those who check the log.
    pub state: Option<Vec<u8>>,
}

/// A row as the audit log sees it.
#[derive(Clone, Debug)]
pub struct LinkedRow {
    /// Its place in the order of everything; where that is given afterwards, 0 for those who
    /// do not ask for it.
    pub place: i64,
    /// Whose chain it is in, where, and with which hash.
    pub head: Head,
    /// What it says.
    pub row: EventRow,
    /// The wrapped data key, if it was asked for and is still there.
    pub key: Option<Vec<u8>>,
}

/// Where a reader of every row stands: in the order of writing where there is one, else in
/// that of each writer, one writer after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
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

impl LinkedRow {
    /// Where a reader stands after this row.
    #[must_use]
    pub const fn edge(&self) -> Edge {
        Edge {
            order: self.place,
            writer: self.head.writer,
            position: self.head.position,
        }
    }
}

impl Edge {
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
            Self::Order(last) => row.place <= *last,
            Self::Positions(last) => last
                .get(&row.head.writer)
                .is_some_and(|last| row.head.position <= *last),
        }
    }

    /// Whether nothing behind an edge was there.
    #[must_use]
    pub const fn is_reached(&self, edge: Edge) -> bool {
        matches!(self, Self::Order(last) if edge.order >= *last)
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
    /// When it happened.
    #[must_use]
    pub fn at(&self) -> Time {
        let of_id = || EventId::from_bytes(self.id).time();
        self.happened_at.unwrap_or_else(of_id)
    }

    /// The same row, which also says what its transaction left of the row that it changed.
    #[must_use]
    pub fn leaving(&self, sealed: &[u8]) -> Self {
        Self {
            state: Some(tag(sealed).to_vec()),
            ..self.clone()
        }
    }

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
        if let Some(state) = &self.state {
            link.bytes(state);
        }
        // Eight bytes, where a state and its length are more.
        if let Some(at) = self.happened_at {
            link.int(at.as_millis());
        }
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
                             data_key, detail, writer, position, hash, state, happened_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
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
            row.state.as_deref().into(),
            row.happened_at.map(Time::as_millis).into(),
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
        "SELECT id, project, resource, sequence, count, kinds, actor, request_id, data_key, detail,
                happened_at
         FROM events WHERE {at events.resource $1} AND project = $2 ORDER BY sequence LIMIT $3",
    );
    tx.all(
        OF_RESOURCE.of(tx),
        &[resource.into(), project.into(), limit.into()],
        read,
    )
}

/// Rows behind an edge, in the order of edges.
pub fn behind(tx: &mut Tx<'_>, edge: Edge, limit: i64) -> Result<Vec<LinkedRow>> {
    if tx.is_spread() {
        return tx.all(
            "SELECT id, project, resource, sequence, count, kinds, actor, request_id, data_key,
                    detail, happened_at, 0, writer, position, hash, NULL, state
             FROM events WHERE (writer, position) > ($1, $2) ORDER BY writer, position LIMIT $3",
            &[edge.writer.into(), edge.position.into(), limit.into()],
            read_checked,
        );
    }
    tx.all(
        "SELECT id, project, resource, sequence, count, kinds, actor, request_id, data_key, detail,
                happened_at, place, writer, position, hash, NULL, state
         FROM events WHERE place > $1 ORDER BY place LIMIT $2",
        &[edge.order.into(), limit.into()],
        read_checked,
    )
}

/// The state that the last change of a resource left, of those that say one.
pub fn last_state(tx: &mut Tx<'_>, resource: &[u8; 16]) -> Result<Option<Vec<u8>>> {
    static LAST_STATE: Sql = Sql::new(
        "SELECT state FROM events WHERE {at events.resource $1} AND state IS NOT NULL
         ORDER BY sequence DESC LIMIT 1",
    );
    tx.first(LAST_STATE.of(tx), &[resource.into()], |row| row.bytes(0))
}

/// Whether a resource has a row of exactly these kinds. Reads its whole history.
pub fn has(tx: &mut Tx<'_>, resource: &[u8; 16], kinds: &str) -> Result<bool> {
    static HAS: Sql =
        Sql::new("SELECT 1 FROM events WHERE {at events.resource $1} AND kinds = $2 LIMIT 1");
    let one = tx.first(HAS.of(tx), &[resource.into(), kinds.into()], |row| {
        row.int(0)
    })?;
    Ok(one.is_some())
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
                e.data_key, e.detail, e.happened_at, 0, e.writer, e.position, e.hash, k.wrapped
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

/// The last place in the order of everything.
pub fn last_place(tx: &mut Tx<'_>) -> Result<i64> {
    if tx.is_spread() {
        return order::last(tx);
    }
    let last = tx.first("SELECT COALESCE(MAX(place), 0) FROM events", &[], |row| {
        row.int(0)
    })?;
    Ok(last.unwrap_or(0))
}

/// When the first event behind a place happened, of whatever project.
pub fn first_behind(tx: &mut Tx<'_>, place: i64) -> Result<Option<Time>> {
    let sql = if tx.is_spread() {
        "SELECT e.id, e.happened_at FROM event_places p
         JOIN events e ON e.writer = p.writer AND e.position = p.start + $1 - p.first + 2
         WHERE p.last > $1 ORDER BY p.last LIMIT 1"
    } else {
        "SELECT id, happened_at FROM events WHERE place > $1 ORDER BY place LIMIT 1"
    };
    tx.first(sql, &[place.into()], |row| {
        let happened_at = row.optional_int(1)?.map(Time::from_millis);
        let id = EventId::from_bytes(row.array(0)?);
        Ok(happened_at.unwrap_or_else(|| id.time()))
    })
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
    // What was moved here from an engine without places has a time there, and lists nothing.
    let last = last_place(tx)?;
    let through = if through > last { 0 } else { through };
    let heads = tx.all(
        "SELECT writer, position, hash FROM events
         WHERE place IN (SELECT MAX(place) FROM events WHERE place > $1 GROUP BY writer)
         ORDER BY place",
        &[through.into()],
        |row| read_head(row, 0),
    )?;
    Ok((heads, last))
}

pub(super) fn read_linked(row: &Row<'_>) -> Result<LinkedRow> {
    Ok(LinkedRow {
        place: row.int(11)?,
        head: read_head(row, 12)?,
        row: read(row)?,
        key: row.optional_bytes(15)?,
    })
}

/// A row with the state that it left.
fn read_checked(row: &Row<'_>) -> Result<LinkedRow> {
    let mut linked = read_linked(row)?;
    linked.row.state = row.optional_bytes(16)?;
    Ok(linked)
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
        "SELECT id, project, resource, sequence, count, kinds, actor, request_id, data_key, detail,
                happened_at
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
        happened_at: row.optional_int(10)?.map(Time::from_millis),
        state: None,
    })
}

/// The row that holds the event of this id, which counts up from the row's.
pub fn holding(tx: &mut Tx<'_>, project: i64, event: &[u8; 16]) -> Result<Option<LinkedRow>> {
    static HOLDING: Sql = Sql::new(
        "SELECT e.id, e.project, e.resource, e.sequence, e.count, e.kinds, e.actor, e.request_id,
                e.data_key, e.detail, e.happened_at, {place e}, e.writer, e.position, e.hash, k.wrapped
         FROM events e LEFT JOIN keys.data_keys k ON k.id = e.data_key
         WHERE {all e} AND e.id <= $1 ORDER BY e.id DESC LIMIT 1",
    );
    let found = tx.first(HOLDING.of(tx), &[event.into()], read_linked)?;
    let wanted = u128::from_be_bytes(*event);
    Ok(found.filter(|found| {
        let ahead = wanted - u128::from_be_bytes(found.row.id);
        found.row.project == project && ahead < u128::try_from(found.row.count).unwrap_or_default()
    }))
}

/// The rows of one project behind a place and not behind another, in the order of writing.
pub fn of_project(
    tx: &mut Tx<'_>,
    project: i64,
    (after, through): (i64, i64),
    limit: i64,
) -> Result<Vec<LinkedRow>> {
    // On its own each text is simple; one for both would be none that an engine plans well.
    let sql = if tx.is_spread() {
        "SELECT e.id, e.project, e.resource, e.sequence, e.count, e.kinds, e.actor, e.request_id,
                e.data_key, e.detail, e.happened_at, p.first + e.position - p.start - 1 AS place, e.writer,
                e.position, e.hash, k.wrapped
         FROM event_places p
         JOIN events e ON e.writer = p.writer AND e.position > p.start
              AND e.position <= p.start + p.last - p.first + 1
         LEFT JOIN keys.data_keys k ON k.id = e.data_key
         WHERE p.last > $1 AND p.first <= $2 AND p.first + e.position - p.start - 1 > $1
           AND p.first + e.position - p.start - 1 <= $2 AND e.project = $3
         ORDER BY place LIMIT $4"
    } else {
        "SELECT e.id, e.project, e.resource, e.sequence, e.count, e.kinds, e.actor, e.request_id,
                e.data_key, e.detail, e.happened_at, e.place, e.writer, e.position, e.hash, k.wrapped
         FROM events e LEFT JOIN keys.data_keys k ON k.id = e.data_key
         WHERE e.place > $1 AND e.place <= $2 AND e.project = $3 ORDER BY e.place LIMIT $4"
    };
    tx.all(
        sql,
        &[after.into(), through.into(), project.into(), limit.into()],
        read_linked,
    )
}

/// The projects in which something happened behind a place and not behind another.
pub fn projects_between(tx: &mut Tx<'_>, after: i64, through: i64) -> Result<Vec<i64>> {
    let sql = if tx.is_spread() {
        "SELECT DISTINCT e.project
         FROM event_places p
         JOIN events e ON e.writer = p.writer AND e.position > p.start
              AND e.position <= p.start + p.last - p.first + 1
         WHERE p.last > $1 AND p.first <= $2"
    } else {
        "SELECT DISTINCT project FROM events WHERE place > $1 AND place <= $2"
    };
    tx.all(sql, &[after.into(), through.into()], |row| row.int(0))
}
