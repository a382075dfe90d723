//! Moves a whole store from one engine to the other, or to another place of the same one.
//!
//! The source is only read, in one snapshot. The target belongs to the move until everything
//! is there and was compared: a row of `unfinished_move` keeps everybody else out and says how
//! far it is, so that the same command goes on after a kill. Rows travel sealed as they are.

mod field;
mod folder;
mod reader;
pub mod table;
mod target;

use std::thread;
use std::time::Duration;

pub use field::Digest;

use super::Tx;
use super::inspect::Inspection;
use crate::config::Config;
use crate::context::Random;
use crate::error::{Error, Result};
use crate::failpoint;
use crate::vault::Secrets;
use reader::{Reader, plans};
use table::{TABLES, Table};
use target::{Reached, Target};

/// How often to ask whether connections to the source are gone that were closed just now.
const CONNECTION_TRIES: u32 = 20;

/// How long between.
const CONNECTION_WAIT: Duration = Duration::from_millis(100);

/// How long a statement may take, and a snapshot wait for the other side.
const PATIENCE: Duration = Duration::from_hours(6);

/// What a move tells as it goes.
#[derive(Clone, Copy, Debug)]
pub enum Progress {
    /// Something begins that is so many rows long, of which so many are done.
    Begins {
        /// What.
        doing: &'static str,
        /// Rows in all.
        rows: u64,
        /// Rows that were done by an earlier run.
        done: u64,
    },
    /// So many rows more are done.
    Passed(u64),
}

/// A table that is the same on both sides.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    /// Its name.
    pub table: &'static str,
    /// Its rows and their hash.
    pub digest: Digest,
}

/// A move that is not finished, as its target knows it.
#[derive(Clone, Debug)]
pub(super) struct Unfinished {
    /// Where the rows come from.
    source: String,
    part: String,
    edge: Vec<u8>,
}

/// The unfinished move into this store, if there is one.
pub(super) fn unfinished(tx: &mut Tx<'_>) -> Result<Option<Unfinished>> {
    tx.first(
        "SELECT source, part, edge FROM unfinished_move WHERE id = 1",
        &[],
        |row| {
            Ok(Unfinished {
                source: row.text(0)?,
                part: row.text(1)?,
                edge: row.bytes(2)?,
            })
        },
    )
}

impl Unfinished {
    /// What whoever wants to use the target is told.
    pub(super) fn refusal(&self, config: &Config) -> Error {
        let (source, target) = (&self.source, address(config));
        Error::internal(format!(
            "{target} is the target of a move that is not finished; go on with: \
             oms data move --from {source} --to {target}"
        ))
    }
}

/// What a person types to name the place of a store; without a password.
#[must_use]
pub fn address(config: &Config) -> String {
    let Some(database) = &config.database else {
        let data = config.data.canonicalize();
        let data = data.as_ref().unwrap_or(&config.data);
        return data.display().to_string();
    };
    database.url()
}

/// A source that nobody uses, as far as can be seen.
pub struct Source {
    store: Inspection,
    address: String,
}

impl Source {
    /// Opens a store to read it.
    ///
    /// # Errors
    /// When a server runs on it, or its schema is not that of this version.
    pub fn open(config: &Config) -> Result<Self> {
        let address = address(config);
        if config.database.is_none()
            && let Some(process) = super::inspect::process_on(&config.data)
        {
            return Err(in_use(&address, &format!("process {process} has it open")));
        }
        let store = Inspection::of_store(&patient(config))?;
        if let Some(database) = &config.database {
            refuse_connected(&store, &database.name, &address)?;
        }
        for version in store.schema_versions()? {
            if version.found != version.known {
                let (title, found, known) = (version.file.title(), version.found, version.known);
                let remedy = if found > known {
                    "use the newer oms that wrote it".to_owned()
                } else if config.database.is_some() {
                    format!("run: oms migrate --database {address}")
                } else {
                    format!("run: oms migrate --data {address}")
                };
                return Err(Error::internal(format!(
                    "{address}: {title} has schema {found}, this version knows {known}; {remedy}"
                )));
            }
        }
        Ok(Self { store, address })
    }

    /// What a person calls it.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The store, for those who open its keys.
    #[must_use]
    pub const fn store(&self) -> &Inspection {
        &self.store
    }
}

/// Whether a target is the embedded engine's, which needs the secret of a store to find used
/// idempotency keys by.
#[must_use]
pub const fn needs_secrets(target: &Config) -> bool {
    target.database.is_none()
}

/// Moves everything and compares it.
///
/// # Errors
/// When the target is not empty and no unfinished move from this source, when either side
/// fails, or when they differ at the end. Whatever happened, the same call goes on from there.
pub fn run(
    source: &Source,
    target: &Config,
    secrets: Option<Secrets>,
    random: &Random,
    tell: &mut dyn FnMut(Progress),
) -> Result<Vec<Moved>> {
    if source.address == address(target) {
        return Err(Error::internal("source and target are the same place"));
    }
    let mark = source.store.mark()?;
    let (mut target, reached) = Target::open(&patient(target), &source.address, secrets, random)?;
    failpoint::reach("move.begun");
    let moved = source.store.read(|from| {
        let reader = Reader::begin(from)?;
        copy(&reader, from, &mut target, reached, tell)?;
        failpoint::reach("move.copied");
        compare(&reader, from, &mut target, tell)
    })?;
    if source.store.mark()? != mark {
        return Err(Error::internal(format!(
            "somebody wrote to {} meanwhile; stop what uses it. Empty the target and move again",
            source.address
        )));
    }
    failpoint::reach("move.compared");
    target.finish()?;
    Ok(moved)
}

fn copy(
    reader: &Reader,
    from: &mut Tx<'_>,
    target: &mut Target,
    reached: Reached,
    tell: &mut dyn FnMut(Progress),
) -> Result<()> {
    let rows = count(from)? + reader.recent();
    let done = if reached.part.is_empty() {
        0
    } else {
        target.read(count)?
    };
    tell(Progress::Begins {
        doing: "moving",
        rows,
        done,
    });
    let start = TABLES.iter().position(|table| table.name == reached.part);
    let mut edge = reached.edge;
    for table in &TABLES[start.unwrap_or(0)..] {
        while let Some(page) = reader.page(from, table, &edge)? {
            target.append(table, &page)?;
            tell(Progress::Passed(page.rows.len() as u64));
            edge = page.edge;
        }
        edge = Vec::new();
    }
    Ok(())
}

fn compare(
    reader: &Reader,
    from: &mut Tx<'_>,
    target: &mut Target,
    tell: &mut dyn FnMut(Progress),
) -> Result<Vec<Moved>> {
    let rows = 2 * (count(from)? + reader.recent());
    tell(Progress::Begins {
        doing: "comparing",
        rows,
        done: 0,
    });
    let mut passed = |rows: usize| tell(Progress::Passed(rows as u64));
    target.read(|to| {
        let written = Reader::begin(to)?;
        let same = |table: &'static Table| {
            let digest = reader.digest(from, table, &mut passed)?;
            let there = written.digest(to, table, &mut passed)?;
            if digest == there {
                let table = table.name;
                return Ok(Moved { table, digest });
            }
            Err(Error::internal(format!(
                "{}: the source has {} rows with the hash {digest}, the target {} rows with the hash \
                 {there}; somebody changed one of them since the move began. Empty the target and \
                 move again",
                table.name, digest.rows, there.rows
            )))
        };
        TABLES.iter().map(same).collect()
    })
}

fn count(tx: &mut Tx<'_>) -> Result<u64> {
    let counts = plans(tx.is_spread()).iter().map(|plan| plan.count(tx));
    counts.sum()
}

/// A snapshot lasts as long as the move, and waits while the other side works.
fn patient(config: &Config) -> Config {
    let mut config = config.clone();
    if let Some(database) = &mut config.database {
        database.statement_timeout = PATIENCE;
    }
    config
}

/// Refuses a database that somebody else is connected to. Where the server does not tell, a
/// change is noticed at the end all the same.
fn refuse_connected(store: &Inspection, name: &str, address: &str) -> Result<()> {
    for tries in 0.. {
        let connections = store.read(|tx| {
            tx.first(
                "SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = 'oms' AND datname = $1",
                &[name.into()],
                |row| row.int(0),
            )
        });
        // One is this one.
        let others = connections?.unwrap_or(0) - 1;
        if others <= 0 {
            return Ok(());
        }
        if tries >= CONNECTION_TRIES {
            let who = format!("{others} other connections of oms are open");
            return Err(in_use(address, &who));
        }
        thread::sleep(CONNECTION_WAIT);
    }
    Ok(())
}

fn in_use(address: &str, who: &str) -> Error {
    Error::internal(format!(
        "{address} is in use: {who}. What is written during a move would be left behind: stop \
         the servers on it first"
    ))
}
