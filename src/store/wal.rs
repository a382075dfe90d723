//! SQLite's write-ahead log: how long it is, when its pages are copied back, and room
//! ahead of its end.
//!
//! A sync of a file that grew must also write where the new blocks lie, which costs as
//! much again as the data. So a log that is used is lengthened by zeros, a step ahead of
//! its end, and SQLite overwrites them: a frame of zeros has no valid salt, which is where
//! recovery stops.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::Head;
use super::last_commit::{self, LastCommit, LogEnd};
use super::log_frames::{FRAME_BYTES, salts_of};
use super::queue::now;
use super::space;
use super::sqlite::{BUSY_TIMEOUT, DATA_FILE, KEYS_FILE, error};
use crate::error::{Error, Result};
use crate::metrics;

/// The log's length, in pages of 4 KiB, at which its pages are copied back.
const CHECKPOINT_PAGES: u32 = 1_000;

/// The length from which the writer itself copies the rest, so that the log starts anew.
const RESTART_PAGES: u32 = 16_000;

/// The most room that is made: until the log starts anew it grows by what is written meanwhile.
const ROOM_PAGES: u32 = RESTART_PAGES + RESTART_PAGES / 4;

/// The room that is made at a time: more would hold up a writer that waits for it.
const ROOM_STEP: u32 = 1_000;

/// The room that there should be ahead of the end.
const NARROW_PAGES: u32 = 256;

/// What must stay free on the disk: a log is not lengthened by the last of it.
const SPARE_BYTES: u64 = 64 << 20;

/// A log of no more pages needs none: the folder is hardly used.
const SHORT_PAGES: u32 = 256;

/// How often the log's length is looked at.
const CHECKPOINT_PERIOD: Duration = Duration::from_millis(100);

/// How long after one failed, as on a full disk.
const FAILED_PERIOD: Duration = Duration::from_secs(5);

/// How long emptying a log holds up who writes, for the sake of who reads.
const EMPTY_TRY: Duration = Duration::from_millis(50);

/// How long after one try the next comes.
const EMPTY_PAUSE: Duration = Duration::from_millis(50);

/// For how long it is tried with the key register, where a destroyed key stands in it. It is
/// read for moments only.
const KEYS_PATIENCE: Duration = Duration::from_secs(10);

/// For how long it is tried with the data, which a backup reads for minutes.
const DATA_PATIENCE: Duration = Duration::from_secs(2);

/// Whose log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogOf {
    /// The data's.
    Data,
    /// The key register's.
    Keys,
}

impl LogOf {
    const fn name(self) -> &'static str {
        match self {
            Self::Data => DATA_FILE,
            Self::Keys => KEYS_FILE,
        }
    }

    const fn patience(self) -> Duration {
        match self {
            Self::Data => DATA_PATIENCE,
            Self::Keys => KEYS_PATIENCE,
        }
    }
}

/// Both files' logs, as this process writes them.
pub(super) struct Log {
    length: Length,
    /// The log of the data.
    file: PathBuf,
    /// How many pages it has room for.
    room: u32,
    last: LastNote,
}

/// The note of the last commit, and what it is made from.
struct LastNote {
    note: LastCommit,
    file: Option<File>,
    /// The logs, once there is something in them.
    logs: [(PathBuf, Option<File>); 2],
    /// The frames of each log that the last commit wrote to; 0: it did not.
    written: Arc<[AtomicU32; 2]>,
}

/// What the writer and the thread that copies pages back tell each other.
#[derive(Clone, Default)]
pub(super) struct Length {
    /// The length of the longer log.
    pages: Arc<AtomicU32>,
    /// Most was copied just now, and the log is long enough to start anew.
    restart: Arc<AtomicBool>,
}

impl Log {
    /// Counts what a connection commits.
    pub(super) fn watch(
        connection: &mut Connection,
        data: &Path,
        accepted: Option<LastCommit>,
    ) -> Result<Self> {
        let length = Length::default();
        let last = LastNote::open(data, accepted);
        let written = Arc::clone(&last.written);
        let seen = Arc::clone(&length.pages);
        // One commit that changes both files tells of each: a log that began anew is
        // short again as soon as the other one is no longer than it.
        let mut lengths = [0; 2];
        connection
            .wal_hook(Some(move |wal: &mut rusqlite::hooks::Wal, pages: i32| {
                let file = usize::from(wal.name().to_bytes() != b"main");
                lengths[file] = u32::try_from(pages).unwrap_or(0);
                written[file].store(lengths[file], Ordering::Relaxed);
                seen.store(lengths[0].max(lengths[1]), Ordering::Relaxed);
                Ok(())
            }))
            .map_err(error)?;
        Ok(Self {
            length,
            file: data.join(format!("{DATA_FILE}-wal")),
            room: SHORT_PAGES + NARROW_PAGES,
            last,
        })
    }

    /// The file of the note, for whoever syncs it now and then.
    pub(super) fn note_file(&self) -> Option<File> {
        self.last.file.as_ref()?.try_clone().ok()
    }

    /// Notes a commit that is durable.
    pub(super) fn note(&mut self, head: Option<Head>) {
        self.last.take(head);
    }

    /// Notes that a log holds nothing any more.
    pub(super) fn emptied(&mut self, file: LogOf) {
        self.last.note.logs[file as usize] = LogEnd::default();
        self.last.write();
        if file == LogOf::Data {
            self.room = SHORT_PAGES + NARROW_PAGES;
        }
    }

    /// The length, to be handed to another thread.
    pub(super) fn length(&self) -> Length {
        self.length.clone()
    }

    /// Whether one of the logs cannot be made longer because of a limit: found out by doing it,
    /// while nobody can write, and taking it back.
    pub(super) fn meets_limit(&self, connection: &Connection) -> bool {
        if connection.execute_batch("BEGIN IMMEDIATE").is_err() {
            return false;
        }
        let meets = |(log, _): &(PathBuf, _)| {
            let longer = lengthen_for_a_moment(log);
            longer.is_err_and(|cause| space::is_limit(&cause))
        };
        let found = self.last.logs.iter().any(meets);
        let _ = connection.execute_batch("ROLLBACK");
        found
    }

    /// What the writer does for the log between two commits.
    pub(super) fn tend(&mut self, connection: &Connection) {
        let pages = self.length.pages.load(Ordering::Relaxed);
        if pages + NARROW_PAGES > self.room && self.room < ROOM_PAGES {
            self.room = pages + ROOM_STEP;
            if has_spare(&self.file, self.room)
                && let Err(cause) = make_room(connection, &self.file, self.room)
            {
                tracing::warn!(%cause, "no room could be made ahead of the log; it grows as it is written");
            }
        }
        if self.length.restart.swap(false, Ordering::AcqRel) {
            // What is left was written during the last copying; with nobody writing,
            // the log can begin anew.
            checkpoint(connection);
        }
    }
}

impl LastNote {
    fn open(data: &Path, accepted: Option<LastCommit>) -> Self {
        let file = last_commit::open(data)
            .inspect_err(|cause| tracing::warn!(%cause, "the last commit cannot be noted"));
        let note = accepted
            .or_else(|| LastCommit::read(data))
            .unwrap_or_default();
        let log = |name: &str| (data.join(format!("{name}-wal")), None);
        let last = Self {
            note,
            file: file.ok(),
            logs: [log(DATA_FILE), log(KEYS_FILE)],
            written: Arc::default(),
        };
        if accepted.is_some() {
            last.write();
        }
        last
    }

    fn take(&mut self, head: Option<Head>) {
        for (place, (path, log)) in self.logs.iter_mut().enumerate() {
            let frames = self.written[place].swap(0, Ordering::Relaxed);
            if frames == 0 {
                continue;
            }
            if log.is_none() {
                *log = File::open(path).ok();
            }
            let salts = log.as_ref().and_then(|log| salts_of(log, frames).ok()?);
            self.note.logs[place] =
                salts.map_or_else(LogEnd::default, |salts| LogEnd { salts, frames });
        }
        if let Some(head) = head.filter(|head| head.position > 0) {
            self.note.head = Some(head);
        }
        self.write();
    }

    /// The note is a help, and no reason to refuse what is durable.
    fn write(&self) {
        if let Some(file) = &self.file
            && let Err(cause) = self.note.write(file)
        {
            tracing::debug!(%cause, "a commit was not noted");
        }
    }
}

/// Whether enough stays free for what matters more than room that may not be needed.
fn has_spare(log: &Path, pages: u32) -> bool {
    let folder = log.parent().unwrap_or(log);
    let needed = SPARE_BYTES + u64::from(pages) * FRAME_BYTES;
    space::free_bytes(folder).is_none_or(|free| free >= needed)
}

/// Lengthens a log by zeros while nobody can write it.
fn make_room(connection: &Connection, log: &Path, pages: u32) -> Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE").map_err(error)?;
    let made = write_zeros(log, pages).map_err(Error::internal);
    connection.execute_batch("ROLLBACK").map_err(error)?;
    made
}

fn lengthen_for_a_moment(log: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(log)?;
    let length = file.metadata()?.len();
    let longer = file.write_all_at(&[0; 4096], length);
    file.set_len(length)?;
    longer
}

fn write_zeros(log: &Path, pages: u32) -> io::Result<()> {
    let zeros = vec![0; 1 << 20];
    let file = OpenOptions::new().write(true).open(log)?;
    let end = u64::from(pages) * FRAME_BYTES;
    let length = file.metadata()?.len();
    let mut at = length;
    while at < end {
        if let Err(cause) = file.write_all_at(&zeros, at) {
            // What was taken is given back: others need it.
            file.set_len(length)?;
            return Err(cause);
        }
        at += zeros.len() as u64;
    }
    file.sync_all()
}

/// Copies the logs' pages back while others read and write, until told to stop.
pub(super) fn checkpoint_loop(
    connection: &Connection,
    stopped: &Receiver<()>,
    length: &Length,
    note: Option<&File>,
) {
    let mut period = CHECKPOINT_PERIOD;
    while stopped.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
        if length.pages.load(Ordering::Relaxed) >= CHECKPOINT_PAGES {
            period = if checkpoint(connection) {
                CHECKPOINT_PERIOD
            } else {
                FAILED_PERIOD
            };
            // Far from the writer: it only makes the note of more use after a power cut.
            drop(note.map(File::sync_data));
            if length.pages.load(Ordering::Relaxed) >= RESTART_PAGES {
                length.restart.store(true, Ordering::Release);
            }
        }
    }
}

/// Copies back what can be copied without holding anybody up; `false` when that failed.
pub(super) fn checkpoint(connection: &Connection) -> bool {
    let began = now();
    let mut well = true;
    for sql in [
        "PRAGMA main.wal_checkpoint(PASSIVE)",
        "PRAGMA keys.wal_checkpoint(PASSIVE)",
    ] {
        if let Err(cause) = connection.query_row(sql, [], |_| Ok(())) {
            tracing::warn!(%cause, "a checkpoint failed; it is tried again");
            well = false;
        }
    }
    metrics::CHECKPOINT_TIME.observe_time(began.elapsed());
    well
}

/// Empties both logs, so that nothing of a torn write lies behind those that come: it would
/// look like them.
pub(super) fn begin_anew(connection: &Connection) {
    for sql in [
        "PRAGMA main.wal_checkpoint(TRUNCATE)",
        "PRAGMA keys.wal_checkpoint(TRUNCATE)",
    ] {
        if let Err(cause) = connection.query_row(sql, [], |_| Ok(())) {
            tracing::warn!(%cause, "a log could not be emptied at the start");
        }
    }
}

/// Copies back what can be copied of one log, beside those who write.
pub(super) fn copy_back(data: &Path, file: LogOf) -> Result<()> {
    let path = data.join(file.name());
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE);
    let connection = connection.map_err(error)?;
    connection
        .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
        .map_err(error)
}

/// Copies the rest of a log back and cuts it to nothing, by the connection that writes; `false`
/// when somebody reads what is in it, or copies it back.
pub(super) fn empty(connection: &Connection, file: LogOf) -> Result<bool> {
    let sql = match file {
        LogOf::Data => "PRAGMA main.wal_checkpoint(TRUNCATE)",
        LogOf::Keys => "PRAGMA keys.wal_checkpoint(TRUNCATE)",
    };
    // Others cannot write while it waits for those who read.
    connection.busy_timeout(EMPTY_TRY).map_err(error)?;
    let busy = connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    connection.busy_timeout(BUSY_TIMEOUT).map_err(error)?;
    match busy {
        Ok(busy) => Ok(busy == 0),
        Err(cause) if is_busy(&cause) => Ok(false),
        Err(cause) => Err(error(cause)),
    }
}

fn is_busy(cause: &rusqlite::Error) -> bool {
    matches!(
        cause.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// Tries until it is done, for a bounded time: others read for moments, and copy back for
/// moments, but often.
pub(super) fn patiently(file: LogOf, attempt: impl Fn() -> Result<bool>) -> Result<bool> {
    let began = now();
    loop {
        if attempt()? {
            return Ok(true);
        }
        if began.elapsed() > file.patience() {
            return Ok(false);
        }
        thread::sleep(EMPTY_PAUSE);
    }
}
