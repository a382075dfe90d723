//! The store that rows are moved into: made or found unfinished, written a page at a time, and
//! nobody's until it is whole.

use std::fs;

use rusqlite::Connection;

use super::field::{self, Field};
use super::reader::{Page, plans};
use super::table::{EVENTS, IDEMPOTENCY, Table};
use super::{Unfinished, address, unfinished};
use crate::config::Config;
use crate::context::Random;
use crate::error::{Error, Result};
use crate::failpoint;
use crate::store::idempotency::Claim;
use crate::store::inspect::{Files, Inspection};
use crate::store::postgres::{self, Session};
use crate::store::tail::Tail;
use crate::store::{Tx, migrate, sqlite};
use crate::vault::{MASTER_KEY_FILE, Secrets};

/// Pages of a log at which SQLite copies them back.
const CHECKPOINT_PAGES: u32 = 4_000;

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
    Database(Session),
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
            None => Engine::Files(open_folder(config)?),
            Some(database) => {
                postgres::migrate(database)?;
                Engine::Database(postgres::open(database)?)
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
            let empty =
                "PRAGMA main.wal_checkpoint(TRUNCATE); PRAGMA keys.wal_checkpoint(TRUNCATE)";
            connection.execute_batch(empty).map_err(sqlite::error)?;
            connection
                .close()
                .map_err(|(_, cause)| sqlite::error(cause))?;
        }
        Ok(())
    }

    /// Runs a closure over a snapshot.
    pub(super) fn read<T>(&mut self, work: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        match &mut self.engine {
            Engine::Files(connection) => within(connection, "BEGIN", "ROLLBACK", work),
            Engine::Database(session) => session.look(work),
        }
    }

    /// Runs a closure in a transaction of its own.
    fn write<T>(&mut self, work: impl Fn(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        match &mut self.engine {
            Engine::Files(connection) => within(connection, "BEGIN IMMEDIATE", "COMMIT", work),
            Engine::Database(session) => session.change(work),
        }
    }
}

fn within<T>(
    connection: &Connection,
    begin: &str,
    end: &str,
    work: impl FnOnce(&mut Tx<'_>) -> Result<T>,
) -> Result<T> {
    connection.execute_batch(begin).map_err(sqlite::error)?;
    let tail = Tail::default();
    let done = work(&mut Tx::new(connection, &tail, None));
    let end = if done.is_ok() { end } else { "ROLLBACK" };
    let ended = connection.execute_batch(end).map_err(sqlite::error);
    if ended.is_err() && !connection.is_autocommit() {
        // Nothing of it stays; the error that is told is the one that led here.
        drop(connection.execute_batch("ROLLBACK"));
    }
    done.and_then(|value| ended.map(|()| value))
}

/// An empty folder, one with a master key, or one whose move is not finished.
fn open_folder(config: &Config) -> Result<Connection> {
    let data = &config.data;
    let entries = match fs::read_dir(data) {
        Ok(entries) => entries.filter_map(std::result::Result::ok).collect(),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(cause) => {
            let data = data.display();
            return Err(Error::internal(format!("{data} cannot be used: {cause}")));
        }
    };
    let has_store = entries
        .iter()
        .any(|entry| entry.file_name() == sqlite::DATA_FILE);
    if has_store {
        // Looked at before anything touches it: it may be anybody's.
        let found = Inspection::open(&Files::in_folder(data))
            .and_then(|store| store.read(|tx| Ok(unfinished(tx)?.is_some() || is_empty(tx)?)));
        if !matches!(found, Ok(true)) {
            return Err(not_empty(&address(config), sqlite::DATA_FILE));
        }
    } else if let Some(other) = entries
        .iter()
        .find(|entry| entry.file_name() != MASTER_KEY_FILE)
    {
        let other = other.file_name();
        return Err(not_empty(&address(config), &other.to_string_lossy()));
    }
    sqlite::create_private(data)?;
    let mut connection = sqlite::connect(data, sqlite::Access::Write)?;
    migrate::run(&mut connection)?;
    let log = format!("PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}");
    connection.execute_batch(&log).map_err(sqlite::error)?;
    Ok(connection)
}

fn is_empty(tx: &mut Tx<'_>) -> Result<bool> {
    for plan in plans(tx.is_spread()) {
        if !plan.is_empty(tx)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn not_empty(address: &str, what: &str) -> Error {
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
