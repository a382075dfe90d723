//! Reads a store table by table, a page at a time, in rows that are the same on both engines.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::field::{Digest, Field};
use super::table::{EVENTS, IDEMPOTENCY, LOOKUPS, TABLES, Table};
use crate::error::{Error, Result};
use crate::store::tail::Target;
use crate::store::{Row, Tx, lookup, order};

/// Rows read and written at once.
const PAGE: usize = 500;

/// Rows of `idempotency` at most whose key was used again since. A sweep removes them.
const MOST_SUPERSEDED: usize = 100_000;

/// A table and the statements that follow from its description.
pub(super) struct Plan {
    pub(super) table: &'static Table,
    key: &'static [&'static str],
    /// Columns of the key that are none of the table's description.
    beside: Vec<&'static str>,
    first: String,
    next: String,
    count: String,
    any: String,
    pub(super) insert: String,
}

static OF_FILES: LazyLock<Vec<Plan>> =
    LazyLock::new(|| TABLES.iter().map(|table| Plan::new(table, false)).collect());

static OF_DATABASE: LazyLock<Vec<Plan>> =
    LazyLock::new(|| TABLES.iter().map(|table| Plan::new(table, true)).collect());

/// Every table with its statements, in the order in which they move.
pub(super) fn plans(is_spread: bool) -> &'static [Plan] {
    if is_spread { &OF_DATABASE } else { &OF_FILES }
}

impl Plan {
    fn new(table: &'static Table, is_spread: bool) -> Self {
        let key = if is_spread {
            table.spread_key
        } else {
            table.key
        };
        let name = table.name;
        let names: Vec<_> = table.columns.iter().map(|column| column.name).collect();
        // `place` is nobody's column there: these are read and written by texts of their own.
        let is_computed = is_spread && name == EVENTS.name;
        let beside = key.iter().filter(|name| !names.contains(name));
        let beside: Vec<_> = beside.copied().filter(|_| !is_computed).collect();
        let stored = &names[usize::from(is_computed)..];
        let read = [&names[..], &beside[..]].concat().join(", ");
        let order = key.join(", ");
        let condition = if !is_spread && name == LOOKUPS.name {
            "NOT EXISTS (SELECT 1 FROM idempotency i WHERE i.id = lookups.target)"
        } else {
            "1 = 1"
        };
        Self {
            table,
            key,
            beside,
            first: format!("SELECT {read} FROM {name} WHERE {condition} ORDER BY {order} LIMIT $1"),
            next: format!(
                "SELECT {read} FROM {name} WHERE ({order}) > ({}) AND {condition} ORDER BY {order} LIMIT ${}",
                arguments(key.len()),
                key.len() + 1
            ),
            count: format!("SELECT COUNT(*) FROM {name} WHERE {condition}"),
            any: format!("SELECT 1 FROM {name} LIMIT 1"),
            insert: format!(
                "INSERT INTO {name} ({}) VALUES ({}) ON CONFLICT DO NOTHING",
                stored.join(", "),
                arguments(stored.len())
            ),
        }
    }

    /// How many rows the table itself has; the tail of look-ups is [`Reader::recent`]'s.
    pub(super) fn count(&'static self, tx: &mut Tx<'_>) -> Result<u64> {
        let count = tx.first(&self.count, &[], |row| row.int(0))?;
        Ok(count.unwrap_or(0).unsigned_abs())
    }

    /// Whether there are no rows.
    pub(super) fn is_empty(&'static self, tx: &mut Tx<'_>) -> Result<bool> {
        Ok(tx.first(&self.any, &[], |row| row.int(0))?.is_none())
    }

    /// The rows behind an edge with what they hold beside.
    fn rows(&'static self, tx: &mut Tx<'_>, edge: &[Field]) -> Result<Vec<Vec<Field>>> {
        let text = if edge.is_empty() {
            &self.first
        } else {
            &self.next
        };
        let mut values: Vec<_> = edge.iter().map(Field::value).collect();
        values.push(limit().into());
        tx.all(text, &values, |row| self.read(row))
    }

    fn read(&self, row: &Row<'_>) -> Result<Vec<Field>> {
        let mut fields = read_columns(self.table, row)?;
        for place in 0..self.beside.len() {
            let bucket = row.int(self.table.columns.len() + place)?;
            fields.push(Field::Int(bucket));
        }
        Ok(fields)
    }

    /// The key of a row that was read.
    fn key_of(&self, row: &[Field]) -> Vec<Field> {
        let columns = self.table.columns.iter().map(|column| column.name);
        let names: Vec<_> = columns.chain(self.beside.iter().copied()).collect();
        let place = |name: &&str| names.iter().position(|one| one == name);
        self.key
            .iter()
            .filter_map(|name| row.get(place(name)?).cloned())
            .collect()
    }
}

fn read_columns(table: &Table, row: &Row<'_>) -> Result<Vec<Field>> {
    let columns = table.columns.iter().enumerate();
    columns
        .map(|(place, column)| Field::read(row, place, column.kind))
        .collect()
}

/// `$1, $2, …`
fn arguments(count: usize) -> String {
    let all: Vec<_> = (1..=count).map(|number| format!("${number}")).collect();
    all.join(", ")
}

fn limit() -> i64 {
    i64::try_from(PAGE).expect("a page is short")
}

/// Rows of a table, and the edge behind which the next begin.
pub(super) struct Page {
    pub(super) rows: Vec<Vec<Field>>,
    pub(super) edge: Vec<Field>,
}

/// What is known of a store while it is read.
pub(super) struct Reader {
    is_spread: bool,
    /// Look-ups that are not in their table yet, in its order.
    tail: Vec<(i64, Target)>,
    /// Rows of `idempotency` whose key was used again: nobody finds them, and the other engine
    /// has no room for two of one key.
    superseded: HashSet<[u8; 16]>,
}

impl Reader {
    pub(super) fn begin(tx: &mut Tx<'_>) -> Result<Self> {
        let is_spread = tx.is_spread();
        Ok(Self {
            is_spread,
            tail: tail(tx)?,
            superseded: if is_spread {
                HashSet::new()
            } else {
                superseded(tx)?
            },
        })
    }

    /// How many look-ups are not in their table yet.
    pub(super) fn recent(&self) -> u64 {
        self.tail.len() as u64
    }

    /// Rows behind an edge, which is empty before the first; `None` at the end.
    pub(super) fn page(
        &self,
        tx: &mut Tx<'_>,
        table: &Table,
        edge: &[Field],
    ) -> Result<Option<Page>> {
        if self.is_spread && table.name == EVENTS.name {
            return events(tx, edge);
        }
        let plan = plans(self.is_spread)
            .iter()
            .find(|plan| plan.table.name == table.name)
            .ok_or_else(|| Error::internal(format!("there is no table {}", table.name)))?;
        let mut rows = plan.rows(tx, edge)?;
        if table.name == LOOKUPS.name {
            self.merge_tail(&mut rows, edge)?;
        }
        let Some(last) = rows.last() else {
            return Ok(None);
        };
        let edge = plan.key_of(last);
        for row in &mut rows {
            row.truncate(table.columns.len());
        }
        if table.name == IDEMPOTENCY.name && !self.superseded.is_empty() {
            let is_superseded = |row: &Vec<Field>| {
                let id = row.first().map(Field::array);
                matches!(id, Some(Ok(id)) if self.superseded.contains(&id))
            };
            rows.retain(|row| !is_superseded(row));
        }
        Ok(Some(Page { rows, edge }))
    }

    /// Adds the first look-ups of the tail behind an edge to the first of the table.
    fn merge_tail(&self, rows: &mut Vec<Vec<Field>>, edge: &[Field]) -> Result<()> {
        let edge = match edge {
            [hash, target] => Some((hash.int()?, target.array()?)),
            _ => None,
        };
        let start = self.tail.partition_point(|lookup| Some(*lookup) <= edge);
        if start == self.tail.len() {
            return Ok(());
        }
        let mut merged: Vec<(i64, Target)> = Vec::new();
        for row in rows.iter() {
            if let [hash, target] = row.as_slice() {
                merged.push((hash.int()?, target.array()?));
            }
        }
        merged.extend(self.tail[start..].iter().take(PAGE));
        merged.sort_unstable();
        merged.dedup();
        merged.truncate(PAGE);
        *rows = merged
            .into_iter()
            .map(|(hash, target)| vec![Field::Int(hash), Field::Bytes(target.to_vec())])
            .collect();
        Ok(())
    }

    /// The digest of a whole table; `passed` is told rows as they are read.
    pub(super) fn digest(
        &self,
        tx: &mut Tx<'_>,
        table: &Table,
        passed: &mut dyn FnMut(usize),
    ) -> Result<Digest> {
        let (mut digest, mut edge) = (Digest::default(), Vec::new());
        while let Some(page) = self.page(tx, table, &edge)? {
            for row in &page.rows {
                digest.add(row);
            }
            passed(page.rows.len());
            edge = page.edge;
        }
        Ok(digest)
    }
}

/// The look-ups of the tail that lead to something else than a used idempotency key.
fn tail(tx: &mut Tx<'_>) -> Result<Vec<(i64, Target)>> {
    let mut tail = Vec::new();
    for (hash, target) in lookup::newest(tx) {
        let used = tx.first(
            "SELECT 1 FROM idempotency WHERE id = $1",
            &[(&target).into()],
            |row| row.int(0),
        )?;
        if used.is_none() {
            tail.push((hash, target));
        }
    }
    tail.sort_unstable();
    Ok(tail)
}

fn superseded(tx: &mut Tx<'_>) -> Result<HashSet<[u8; 16]>> {
    let most = i64::try_from(MOST_SUPERSEDED + 1).unwrap_or(i64::MAX);
    let found = tx.all(
        "SELECT i.id FROM idempotency i
         JOIN (SELECT key_hash, project, MAX(id) AS newest FROM idempotency
               GROUP BY key_hash, project) n
              ON n.key_hash = i.key_hash AND n.project = i.project
         WHERE i.id < n.newest LIMIT $1",
        &[most.into()],
        |row| row.array(0),
    )?;
    if found.len() > MOST_SUPERSEDED {
        return Err(Error::internal(
            "too many idempotency keys are past their time; let a server run on the source until \
             it has swept them, stop it, and begin again",
        ));
    }
    Ok(found.into_iter().collect())
}

/// Events where their place is given afterwards: first all that have one, in that order, then
/// the rest, which get the next places.
fn events(tx: &mut Tx<'_>, edge: &[Field]) -> Result<Option<Page>> {
    let (place, writer, position) = match edge {
        [place, writer, position] => (place.int()?, writer.int()?, position.int()?),
        _ => (0, i64::MIN, 0),
    };
    let last = order::last(tx)?;
    if place < last {
        let through = last.min(place + limit());
        let rows = tx.all(
            "SELECT p.first + e.position - p.start - 1 AS place, e.id, e.project, e.resource,
                    e.sequence, e.count, e.kinds, e.actor, e.request_id, e.data_key, e.detail,
                    e.state, e.happened_at, e.writer, e.position, e.hash
             FROM event_places p
             JOIN events e ON e.writer = p.writer AND e.position > p.start
                  AND e.position <= p.start + p.last - p.first + 1
             WHERE p.last > $1 AND p.first <= $2 AND p.first + e.position - p.start - 1 > $1
               AND p.first + e.position - p.start - 1 <= $2
             ORDER BY place",
            &[place.into(), through.into()],
            |row| read_columns(&EVENTS, row),
        )?;
        let edge = [through, i64::MIN, 0].map(Field::Int).to_vec();
        return Ok(Some(Page { rows, edge }));
    }
    let mut next = place;
    let rows = tx.all(
        "SELECT 0, e.id, e.project, e.resource, e.sequence, e.count, e.kinds, e.actor,
                e.request_id, e.data_key, e.detail, e.state, e.happened_at, e.writer,
                e.position, e.hash
         FROM writers w
         LEFT JOIN placed_writers p ON p.writer = w.id
         JOIN events e ON e.writer = w.id AND e.position > COALESCE(p.position, 0)
         WHERE w.position > COALESCE(p.position, 0) AND (e.writer, e.position) > ($1, $2)
         ORDER BY e.writer, e.position LIMIT $3",
        &[writer.into(), position.into(), limit().into()],
        |row| {
            next += 1;
            let mut fields = read_columns(&EVENTS, row)?;
            fields[0] = Field::Int(next);
            Ok(fields)
        },
    )?;
    let Some([.., writer, position, _]) = rows.last().map(Vec::as_slice) else {
        return Ok(None);
    };
    let edge = vec![Field::Int(next), writer.clone(), position.clone()];
    Ok(Some(Page { rows, edge }))
}
