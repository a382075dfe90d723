//! A folder that rows are moved into: what of the target only the embedded engine knows.

use std::fs;

use rusqlite::Connection;

use super::reader::plans;
use super::target::not_empty;
use super::{address, unfinished};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::store::inspect::{Files, Inspection};
use crate::store::tail::Tail;
use crate::store::{Tx, migrate, sqlite};
use crate::vault::MASTER_KEY_FILE;

/// Pages of a log at which SQLite copies them back.
const CHECKPOINT_PAGES: u32 = 4_000;

/// An empty folder, one with a master key, or one whose move is not finished.
pub(super) fn open(config: &Config) -> Result<Connection> {
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

/// Runs a closure over a snapshot.
pub(super) fn read<T>(
    connection: &Connection,
    work: impl FnOnce(&mut Tx<'_>) -> Result<T>,
) -> Result<T> {
    within(connection, ("BEGIN", "ROLLBACK"), work)
}

/// Runs a closure in a transaction of its own.
pub(super) fn write<T>(
    connection: &Connection,
    work: impl FnOnce(&mut Tx<'_>) -> Result<T>,
) -> Result<T> {
    within(connection, ("BEGIN IMMEDIATE", "COMMIT"), work)
}

/// Leaves no logs beside the files.
pub(super) fn close(connection: Connection) -> Result<()> {
    let empty = "PRAGMA main.wal_checkpoint(TRUNCATE); PRAGMA keys.wal_checkpoint(TRUNCATE)";
    connection.execute_batch(empty).map_err(sqlite::error)?;
    connection
        .close()
        .map_err(|(_, cause)| sqlite::error(cause))
}

fn within<T>(
    connection: &Connection,
    (begin, end): (&str, &str),
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
