//! Looks at a store, at its two files wherever they lie, and changes nothing:
//! no migration, no permission, no row. For backups, restores and `oms doctor`.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use rustix::process::{Flock, FlockType, fcntl_getlk};

use super::postgres::{self, Session};
use super::tail::{Op, Tail};
use super::{Tx, migrate, relocation, sqlite};
use crate::config::Config;
use crate::error::{Error, Result};

/// Complaints of the engine that are told of each file.
const MOST_COMPLAINTS: i64 = 20;

/// Where SQLite locks bytes of a file while it has it open (its file `os.h`).
const LOCK_START: u64 = 0x4000_0000;

/// How many bytes.
const LOCK_LENGTH: u64 = 512;

/// One of the two files of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFile {
    /// `oms.db`: the data.
    Data,
    /// `keys.db`: the key register.
    Keys,
}

impl StoreFile {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Data, Self::Keys];

    /// Where it lies in a data folder.
    #[must_use]
    pub fn in_folder(self, data: &Path) -> PathBuf {
        data.join(match self {
            Self::Data => sqlite::DATA_FILE,
            Self::Keys => sqlite::KEYS_FILE,
        })
    }

    /// What it is called in a message.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Data => "the data",
            Self::Keys => "the key register",
        }
    }

    /// The name under which the engine has it.
    const fn schema(self) -> &'static str {
        match self {
            Self::Data => "main",
            Self::Keys => "keys",
        }
    }

    /// A table that no other file has.
    pub(super) const fn mark(self) -> &'static str {
        match self {
            Self::Data => "customers",
            Self::Keys => "data_keys",
        }
    }
}

/// Where a data file and a key register lie; they need not be neighbours.
#[derive(Clone, Debug)]
pub struct Files {
    /// The data.
    pub data: PathBuf,
    /// The key register.
    pub keys: PathBuf,
}

impl Files {
    /// Those of a data folder.
    #[must_use]
    pub fn in_folder(data: &Path) -> Self {
        Self {
            data: StoreFile::Data.in_folder(data),
            keys: StoreFile::Keys.in_folder(data),
        }
    }
}

/// What a file says of its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaVersion {
    /// Which file.
    pub file: StoreFile,
    /// The steps that the file has seen.
    pub found: usize,
    /// The steps that this version knows.
    pub known: usize,
}

/// Reads the look-ups that are not in their table yet.
fn read_journal(connection: &Connection, tail: &Tail) -> Result<()> {
    let sql = "SELECT ops, id FROM lookup_journal ORDER BY id";
    let mut statement = connection.prepare(sql).map_err(sqlite::error)?;
    let mut rows = statement.query([]).map_err(sqlite::error)?;
    while let Some(row) = rows.next().map_err(sqlite::error)? {
        let ops = row.get_ref(0).map_err(sqlite::error)?;
        let id = row.get(1).map_err(sqlite::error)?;
        tail.publish(id, Op::read_all(ops.as_blob().unwrap_or_default()));
    }
    Ok(())
}

/// A store that is looked at.
pub struct Inspection(Source);

enum Source {
    /// Two files, open for reading.
    Files(Connection),
    Database(RefCell<Box<Session>>),
}

impl Inspection {
    /// Opens the store of a configuration.
    ///
    /// # Errors
    /// When it cannot be reached or is none.
    pub fn of_store(config: &Config) -> Result<Self> {
        let store = match &config.database {
            None => Self::open(&Files::in_folder(&config.data))?,
            Some(database) => Self(Source::Database(RefCell::new(Box::new(postgres::open(
                database,
            )?)))),
        };
        // A store of another schema may not even have the table.
        match store.read(relocation::unfinished) {
            Ok(Some(unfinished)) => Err(unfinished.refusal(config)),
            Ok(None) | Err(_) => Ok(store),
        }
    }

    /// Opens both files.
    ///
    /// # Errors
    /// When one is missing or is no such file.
    pub fn open(files: &Files) -> Result<Self> {
        for (file, path) in [
            (StoreFile::Data, &files.data),
            (StoreFile::Keys, &files.keys),
        ] {
            if fs::metadata(path).map_or(0, |file| file.len()) == 0 {
                let (title, path) = (file.title(), path.display());
                return Err(Error::internal(format!(
                    "{path} is missing or empty; it should hold {title}"
                )));
            }
        }
        let connection = open_reading(&files.data)?;
        connection
            .execute(
                "ATTACH DATABASE ?1 AS keys",
                [sqlite::path_text(&files.keys)?],
            )
            .map_err(sqlite::error)?;
        for (file, path) in [
            (StoreFile::Data, &files.data),
            (StoreFile::Keys, &files.keys),
        ] {
            check_kind(&connection, file, file.schema(), path)?;
        }
        Ok(Self(Source::Files(connection)))
    }

    /// Runs a closure over one snapshot of both files. The data's is taken first:
    /// a key is older than what it sealed, so every key that should be there is.
    ///
    /// # Errors
    /// Those of the closure.
    pub fn read<T>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        let connection = match &self.0 {
            Source::Files(connection) => connection,
            Source::Database(session) => return session.borrow_mut().look(work),
        };
        let begin = "BEGIN; SELECT COUNT(*) FROM main.sqlite_schema; SELECT COUNT(*) FROM keys.sqlite_schema";
        connection.execute_batch(begin).map_err(sqlite::error)?;
        let tail = Tail::default();
        let done = read_journal(connection, &tail)
            .and_then(|()| work(&mut Tx::new(connection, &tail, None)));
        connection
            .execute_batch("ROLLBACK")
            .map_err(sqlite::error)?;
        done
    }

    /// A number that another one follows whenever anybody else commits something.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn mark(&self) -> Result<(i64, i64)> {
        let Source::Files(connection) = &self.0 else {
            let turns = self.read(|tx| {
                tx.first(
                    "SELECT COUNT(*), CAST(COALESCE(SUM(turn), 0) AS BIGINT) FROM writers",
                    &[],
                    |row| Ok((row.int(0)?, row.int(1)?)),
                )
            });
            return Ok(turns?.unwrap_or_default());
        };
        let version = |file: StoreFile| {
            let sql = format!("PRAGMA {}.data_version", file.schema());
            let version = connection.query_row(&sql, [], |row| row.get(0));
            version.map_err(sqlite::error)
        };
        Ok((version(StoreFile::Data)?, version(StoreFile::Keys)?))
    }

    /// What the engine finds wrong with the pages and indexes of a file. A database server
    /// looks after its own.
    ///
    /// # Errors
    /// When the check itself cannot run.
    pub fn integrity(&self, file: StoreFile) -> Result<Vec<String>> {
        let schema = file.schema();
        let sql = format!("PRAGMA {schema}.integrity_check({MOST_COMPLAINTS})");
        let said = self.texts(&sql)?;
        Ok(said.into_iter().filter(|line| line != "ok").collect())
    }

    /// The tables of a file with rows that refer to what is not there.
    ///
    /// # Errors
    /// When the check itself cannot run.
    pub fn dangling(&self, file: StoreFile) -> Result<Vec<String>> {
        self.texts(&format!("PRAGMA {}.foreign_key_check", file.schema()))
    }

    /// How far each file's schema is.
    ///
    /// # Errors
    /// When a file does not say.
    pub fn schema_versions(&self) -> Result<[SchemaVersion; 2]> {
        let version = |file: StoreFile| {
            let schema = file.schema();
            let (found, known) = match &self.0 {
                Source::Files(connection) => (
                    migrate::version(connection, schema)?,
                    migrate::known(schema),
                ),
                Source::Database(session) => postgres::version(&mut session.borrow_mut(), schema)?,
            };
            Ok(SchemaVersion { file, found, known })
        };
        Ok([version(StoreFile::Data)?, version(StoreFile::Keys)?])
    }

    fn texts(&self, sql: &str) -> Result<Vec<String>> {
        let Source::Files(connection) = &self.0 else {
            return Ok(Vec::new());
        };
        let mut statement = connection.prepare(sql).map_err(sqlite::error)?;
        let rows = statement.query_map([], |row| row.get(0));
        rows.and_then(Iterator::collect).map_err(sqlite::error)
    }
}

/// The number of a process that has a folder's store open, if there is one. It must be asked
/// before this process opens the files: a look at a file gives up all its locks.
pub(super) fn process_on(data: &Path) -> Option<i32> {
    let file = fs::File::open(StoreFile::Data.in_folder(data)).ok()?;
    let lock = Flock {
        start: LOCK_START,
        length: LOCK_LENGTH,
        ..Flock::from(FlockType::WriteLock)
    };
    let held = fcntl_getlk(&file, &lock).ok()??;
    Some(held.pid.map_or(0, |pid| pid.as_raw_nonzero().get()))
}

/// Opens one file for reading only.
pub(super) fn open_reading(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(sqlite::error)?;
    connection
        .busy_timeout(sqlite::BUSY_TIMEOUT)
        .map_err(sqlite::error)?;
    Ok(connection)
}

/// Refuses a file that is another one than it should be.
pub(super) fn check_kind(
    connection: &Connection,
    file: StoreFile,
    schema: &str,
    path: &Path,
) -> Result<()> {
    let sql = format!("SELECT COUNT(*) FROM {schema}.sqlite_schema WHERE name = ?1");
    let count: i64 = connection
        .query_row(&sql, [file.mark()], |row| row.get(0))
        .map_err(|cause| {
            let path = path.display();
            Error::internal(format!("{path} cannot be read as a database: {cause}"))
        })?;
    if count == 1 {
        return Ok(());
    }
    let (title, path) = (file.title(), path.display());
    Err(Error::internal(format!("{path} does not hold {title}")))
}
