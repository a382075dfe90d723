//! Copies of a store's files: one snapshot of each, taken while others write,
//! readable by its owner only, whole or not there at all.
//!
//! A copy holds what the file holds: what is sealed stays sealed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::inspect::{Files, StoreFile, check_kind, open_reading};
use super::{migrate, sqlite};
use crate::error::{Error, Result};

/// Pages copied in one step, after which the progress is told.
const PAGES_PER_STEP: i32 = 4_096;

/// A copy under a temporary name beside its place; gone unless it is finished.
#[derive(Debug)]
pub struct Copy {
    part: PathBuf,
    place: PathBuf,
    /// The rows of each table in the snapshot that was copied.
    pub rows: Vec<(String, i64)>,
    finished: bool,
}

impl Copy {
    /// Copies a file of a store, which others may use meanwhile. `progress` is
    /// told pages done and pages in all.
    ///
    /// # Errors
    /// When the file cannot be read or the copy cannot be written.
    pub fn of_running(
        source: &Path,
        file: StoreFile,
        place: &Path,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Self> {
        let mut copy = Self::begin(place)?;
        let source_path = source;
        let source = open_reading(source)?;
        // While this transaction lasts the source is one snapshot, however much
        // others write, and the copy need not begin again.
        source.execute_batch("BEGIN").map_err(sqlite::error)?;
        check_kind(&source, file, "main", source_path)?;
        copy.rows = count_rows(&source)?;
        let mut target = Connection::open(&copy.part).map_err(sqlite::error)?;
        run(&source, &mut target, progress)?;
        source.execute_batch("ROLLBACK").map_err(sqlite::error)?;
        // One file without a log beside it.
        target
            .query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
            .map_err(sqlite::error)?;
        target.close().map_err(|(_, cause)| sqlite::error(cause))?;
        copy.sync()?;
        Ok(copy)
    }

    /// Copies a file that nobody writes to, such as a backup.
    ///
    /// # Errors
    /// When it cannot be read or the copy cannot be written.
    pub fn of_file(source: &Path, place: &Path) -> Result<Self> {
        let copy = Self::begin(place)?;
        let mut from = File::open(source).map_err(|cause| at(source, &cause))?;
        let mut to = OpenOptions::new()
            .write(true)
            .open(&copy.part)
            .map_err(|cause| at(&copy.part, &cause))?;
        io::copy(&mut from, &mut to).map_err(|cause| at(&copy.part, &cause))?;
        copy.sync()?;
        Ok(copy)
    }

    /// Where the copy lies until it is finished.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.part
    }

    /// Whether the copy is in order: its pages, its indexes, as many rows as the snapshot.
    ///
    /// # Errors
    /// With what is wrong with it.
    pub fn verify(&self) -> Result<()> {
        let copy = open_reading(&self.part)?;
        let said: String = copy
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
            .map_err(sqlite::error)?;
        if said != "ok" {
            return Err(Error::internal(format!("the copy is damaged: {said}")));
        }
        if count_rows(&copy)? != self.rows {
            return Err(Error::internal("the copy has not the rows of the store"));
        }
        Ok(())
    }

    /// Gives the copy its name, in place of what had it before; that is
    /// overwritten where nobody else has a name for it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn finish(mut self) -> Result<()> {
        let before = OpenOptions::new().write(true).open(&self.place).ok();
        fs::rename(&self.part, &self.place).map_err(|cause| at(&self.place, &cause))?;
        self.finished = true;
        sync_folder(&self.place)?;
        if let Some(before) = before {
            wipe(before).map_err(|cause| at(&self.place, &cause))?;
        }
        Ok(())
    }

    /// An empty file beside its place that only its owner reads.
    fn begin(place: &Path) -> Result<Self> {
        let mut name = place.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let part = place.with_file_name(name);
        drop(fs::remove_file(&part));
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)
            .map_err(|cause| at(&part, &cause))?;
        Ok(Self {
            part,
            place: place.to_owned(),
            rows: Vec::new(),
            finished: false,
        })
    }

    fn sync(&self) -> Result<()> {
        File::open(&self.part)
            .and_then(|file| file.sync_all())
            .map_err(|cause| at(&self.part, &cause))
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if !self.finished {
            drop(fs::remove_file(&self.part));
        }
    }
}

/// Brings copies of a version before to the schema of this one.
///
/// # Errors
/// When they cannot be written, or a newer version wrote them.
pub fn bring_up_to_date(copies: &Files) -> Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(&copies.data, flags).map_err(sqlite::error)?;
    let keys = sqlite::path_text(&copies.keys)?;
    connection
        .execute("ATTACH DATABASE ?1 AS keys", [keys])
        .map_err(sqlite::error)?;
    // Nothing may be left in a log beside them, for they are renamed.
    connection
        .execute_batch("PRAGMA main.journal_mode = DELETE; PRAGMA keys.journal_mode = DELETE;")
        .map_err(sqlite::error)?;
    migrate::run(&mut connection)
}

fn run(
    source: &Connection,
    target: &mut Connection,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<()> {
    let backup = Backup::new(source, target).map_err(sqlite::error)?;
    loop {
        let step = backup.step(PAGES_PER_STEP).map_err(sqlite::error)?;
        let pages = backup.progress();
        let [all, left] = [pages.pagecount, pages.remaining].map(|n| u64::try_from(n).unwrap_or(0));
        progress(all.saturating_sub(left), all);
        match step {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            _ => return Err(Error::unavailable("the store is locked", 5)),
        }
    }
}

fn count_rows(connection: &Connection) -> Result<Vec<(String, i64)>> {
    let mut tables = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name")
        .map_err(sqlite::error)?;
    let names = tables.query_map([], |row| row.get::<_, String>(0));
    let names: Vec<_> = names.and_then(Iterator::collect).map_err(sqlite::error)?;
    let count = |name: String| {
        let sql = format!("SELECT COUNT(*) FROM \"{name}\"");
        let count = connection.query_row(&sql, [], |row| row.get(0));
        count.map(|count| (name, count)).map_err(sqlite::error)
    };
    names.into_iter().map(count).collect()
}

/// A name is durable only once its folder is.
pub(super) fn sync_folder(place: &Path) -> Result<()> {
    let folder = match place.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|cause| at(folder, &cause))
}

/// Overwrites a file that has no name any more, so that a key which was
/// destroyed since does not live on in the copy before.
fn wipe(mut file: File) -> io::Result<()> {
    let about = file.metadata()?;
    if about.nlink() > 0 || !about.is_file() {
        return Ok(());
    }
    file.seek(SeekFrom::Start(0))?;
    io::copy(&mut io::repeat(0).take(about.len()), &mut file)?;
    file.flush()?;
    file.sync_all()
}

fn at(path: &Path, cause: &io::Error) -> Error {
    Error::internal(format!("{}: {cause}", path.display()))
}
