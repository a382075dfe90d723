//! The store that rows are moved into: made or found unfinished, written a page at a time, and
//! nobody's until it is whole.

use rusqlite::Connection;

use super::field::{self, Field};
use super::reader::{Page, plans};
use super::table::{EVENTS, IDEMPOTENCY, Table};
use super::{Unfinished, address, folder, unfinished};
use crate::config::Config;
use crate::context::Random;
use crate::error::{Error, Result};
use crate::failpoint;
use crate::store::Tx;
use crate::store::idempotency::Claim;
use crate::store::postgres::{self, Session};
use crate::vault::Secrets;

/// A store that is being written.
pub(super) struct Target {
    engine: Engine,
    /// What a person calls it.
    address: String,
    /// Who works on it: this process, until another takes it over.
    owner: [u8; 16],
    /// Where its look-ups of used idempotency keys lead from; only files have them.
    secrets: Option<Secrets>,
}

enum Engine {
    Files(Connection),
    Database(Box<Session>),
}

/// How far a move has come: all of the tables before this one, and this one up to an edge.
pub(super) struct Reached {
    pub(super) part: String,
    pub(super) edge: Vec<Field>,
}

impl Target {
    /// Makes or finds the store and takes it over.
    pub(super) fn open(
        config: &Config,
        source: &str,
        secrets: Option<Secrets>,
        random: &Random,
    ) -> Result<(Self, Reached)> {
        let engine = match &config.database {
            None => Engine::Files(folder::open(config)?),
            Some(database) => {
                postgres::migrate(database)?;
                Engine::Database(Box::new(postgres::open(database)?))
            }
        };
        let mut target = Self {
            engine,
            address: address(config),
            owner: random.bytes(),
            secrets,
        };
        let reached = target.claim(source)?;
        Ok((target, reached))
    }

    /// Takes over an unfinished move from this source, or begins one in an empty store.
    fn claim(&mut self, source: &str) -> Result<Reached> {
        let (owner, address) = (self.owner, self.address.clone());
        let claim = |tx: &mut Tx<'_>| {
            if let Some(found) = unfinished(tx)? {
                if found.source != source {
                    return Err(Error::internal(format!(
                        "{address} is the target of another move, from {}; finish that one, or \
                         empty {address} first",
                        found.source
                    )));
                }
                tx.execute(
                    "UPDATE unfinished_move SET owner = $1 WHERE id = 1",
                    &[(&owner).into()],
                )?;
                return Ok(found);
            }
            for plan in plans(tx.is_spread()) {
                if !plan.is_empty(tx)? {
                    return Err(not_empty(&address, plan.table.name));
                }
            }
            tx.execute(
                "INSERT INTO unfinished_move (id, source, owner, part, edge)
                 VALUES (1, $1, $2, '', $3)",
                &[source.into(), (&owner).into(), (&[0; 0]).into()],
            )?;
            Ok(Unfinished {
                source: source.to_owned(),
                part: String::new(),
                edge: Vec::new(),
            })
        };
        let found = self.write(claim)?;
        let edge = field::unpack(&found.edge).ok_or_else(|| {
            Error::internal(format!("{} does not say how far it is", self.address))
        })?;
        Ok(Reached {
            part: found.part,
            edge,
        })
    }

    /// Writes a page and notes how far that is.
    pub(super) fn append(&mut self, table: &'static Table, page: &Page) -> Result<()> {
        let (owner, edge) = (self.owner, field::pack(&page.edge));
        let secrets = self.secrets.take();
        let append = |tx: &mut Tx<'_>| {
            let noted = tx.execute(
                "UPDATE unfinished_move SET part = $1, edge = $2 WHERE id = 1 AND owner = $3",
                &[table.name.into(), edge.as_slice().into(), (&owner).into()],
            )?;
            if noted == 0 {
                return Err(taken_over());
            }
            insert(tx, table, &page.rows, secrets.as_ref())
        };
        let done = self.write(append);
        self.secrets = secrets;
        done?;
        failpoint::reach("move.batch");
        Ok(())
    }

    /// Gives the store free.
    pub(super) fn finish(mut self) -> Result<()> {
        let owner = self.owner;
        let free = |tx: &mut Tx<'_>| {
            let freed = tx.execute(
                "DELETE FROM unfinished_move WHERE id = 1 AND owner = $1",
                &[(&owner).into()],
            )?;
            if freed == 0 {
                return Err(taken_over());
            }
            Ok(())
        };
        self.write(free)?;
        if let Engine::Files(connection) = self.engine {
            folder::close(connection)?;
        }
        Ok(())
    }

    /// Runs a closure over a snapshot.
    pub(super) fn read<T>(&mut self, work: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        match &mut self.engine {
            Engine::Files(connection) => folder::read(connection, work),
            Engine::Database(session) => session.look(work),
        }
    }

    /// Runs a closure in a transaction of its own.
    fn write<T>(&mut self, work: impl Fn(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        match &mut self.engine {
            Engine::Files(connection) => folder::write(connection, work),
            Engine::Database(session) => session.change(work),
        }
    }
}

pub(super) fn not_empty(address: &str, what: &str) -> Error {
    Error::internal(format!(
        "{address} is not empty ({what}); a store is moved to an empty place only"
    ))
}

fn taken_over() -> Error {
    Error::internal(
        "another `oms data move` took this one over and goes on from here; this one has stopped",
    )
}

fn insert(
    tx: &mut Tx<'_>,
    table: &'static Table,
    rows: &[Vec<Field>],
    secrets: Option<&Secrets>,
) -> Result<()> {
    let is_spread = tx.is_spread();
    let plan = plans(is_spread)
        .iter()
        .find(|plan| plan.table.name == table.name)
        .ok_or_else(|| Error::internal(format!("there is no table {}", table.name)))?;
    let is_events = table.name == EVENTS.name;
    for row in rows {
        let stored = &row[usize::from(is_events && is_spread)..];
        let values: Vec<_> = stored.iter().map(Field::value).collect();
        tx.send(&plan.insert, &values)?;
    }
    if is_events && is_spread {
        return place_events(tx, rows);
    }
    if table.name == IDEMPOTENCY.name && !is_spread {
        let secrets =
            secrets.ok_or_else(|| Error::internal("the look-ups of used keys have no secret"))?;
        return rows.iter().try_for_each(|row| lead_to(tx, row, secrets));
    }
    Ok(())
}

/// The embedded engine finds a used idempotency key by a look-up.
fn lead_to(tx: &mut Tx<'_>, row: &[Field], secrets: &Secrets) -> Result<()> {
    let [id, project, key_hash, fingerprint, ..] = row else {
        return Err(Error::internal("a used idempotency key has other columns"));
    };
    let claim = Claim {
        project: project.int()?,
        key_hash: key_hash.array()?,
        fingerprint: fingerprint.array()?,
    };
    tx.send(
        "INSERT INTO lookups (hash, target) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        &[claim.lookup_hash(secrets).into(), id.value()],
    )
}

/// Rows of one writer with places and positions that follow on each other.
struct Run {
    writer: i64,
    first: i64,
    last: i64,
    start: i64,
    position: i64,
    hash: Field,
}

/// Gives rows the places that they had, and their writers the heads that follow from them.
/// The next checkpoint lists all of these, for they are touched now.
fn place_events(tx: &mut Tx<'_>, rows: &[Vec<Field>]) -> Result<()> {
    let mut runs: Vec<Run> = Vec::new();
    for row in rows {
        let [place, .., writer, position, hash] = row.as_slice() else {
            return Err(Error::internal("an event has other columns"));
        };
        let (place, writer, position) = (place.int()?, writer.int()?, position.int()?);
        match runs.last_mut() {
            Some(run)
                if run.writer == writer
                    && run.last + 1 == place
                    && run.position + 1 == position =>
            {
                (run.last, run.position, run.hash) = (place, position, hash.clone());
            }
            _ => runs.push(Run {
                writer,
                first: place,
                last: place,
                start: position - 1,
                position,
                hash: hash.clone(),
            }),
        }
    }
    runs.iter().try_for_each(|run| write_run(tx, run))
}

fn write_run(tx: &mut Tx<'_>, run: &Run) -> Result<()> {
    tx.send(
        "INSERT INTO event_places (last, first, writer, start) VALUES ($1, $2, $3, $4)",
        &[
            run.last.into(),
            run.first.into(),
            run.writer.into(),
            run.start.into(),
        ],
    )?;
    tx.send(
        "INSERT INTO placed_writers (writer, position) VALUES ($1, $2)
         ON CONFLICT (writer) DO UPDATE SET position = excluded.position",
        &[run.writer.into(), run.position.into()],
    )?;
    tx.send(
        "INSERT INTO writers (id, before, turn, position, hash, touched_at)
         VALUES ($1, 0, 1, $2, $3, CAST(EXTRACT(EPOCH FROM CURRENT_TIMESTAMP) * 1000 AS BIGINT))
         ON CONFLICT (id) DO UPDATE SET position = excluded.position, hash = excluded.hash,
             touched_at = excluded.touched_at",
        &[run.writer.into(), run.position.into(), run.hash.value()],
    )
}
