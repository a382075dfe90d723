//! SQLite's write-ahead log: how long it is, when its pages are copied back, and room
//! ahead of its end.
//!
//! A sync of a file that grew must also write where the new blocks lie, which costs as
//! much again as the data. So a log that is used is lengthened by zeros, a step ahead of
//! its end, and SQLite overwrites them: a frame of zeros has no valid salt, which is where
//! recovery stops.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use rusqlite::{Connection, OpenFlags};

use super::queue::now;
use super::sqlite::{BUSY_TIMEOUT, DATA_FILE, error};
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

/// A log of no more pages needs none: the folder is hardly used.
const SHORT_PAGES: u32 = 256;

/// Bytes of a frame: its header and a page.
const FRAME_BYTES: u64 = 24 + 4096;

/// How often the log's length is looked at.
const CHECKPOINT_PERIOD: Duration = Duration::from_millis(100);

/// Both files' logs, as this process writes them.
pub(super) struct Log {
    length: Length,
    /// The log of the data.
    file: PathBuf,
    /// How many pages it has room for.
    room: u32,
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
    pub(super) fn watch(connection: &mut Connection, data: &Path) -> Result<Self> {
        let length = Length::default();
        let seen = Arc::clone(&length.pages);
        // One commit that changes both files tells of each: a log that began anew is
        // short again as soon as the other one is no longer than it.
        let mut lengths = [0; 2];
        connection
            .wal_hook(Some(move |wal: &mut rusqlite::hooks::Wal, pages: i32| {
                let file = usize::from(wal.name().to_bytes() != b"main");
                lengths[file] = u32::try_from(pages).unwrap_or(0);
                seen.store(lengths[0].max(lengths[1]), Ordering::Relaxed);
                Ok(())
            }))
            .map_err(error)?;
        Ok(Self {
            length,
            file: data.join(format!("{DATA_FILE}-wal")),
            room: SHORT_PAGES + NARROW_PAGES,
        })
    }

    /// The length, to be handed to another thread.
    pub(super) fn length(&self) -> Length {
        self.length.clone()
    }

    /// What the writer does for the log between two commits.
    pub(super) fn tend(&mut self, connection: &Connection) {
        let pages = self.length.pages.load(Ordering::Relaxed);
        if pages + NARROW_PAGES > self.room && self.room < ROOM_PAGES {
            self.room = pages + ROOM_STEP;
            if let Err(cause) = make_room(connection, &self.file, self.room) {
                tracing::warn!(%cause, "no room could be made ahead of the log; it grows as it is written");
                self.room = ROOM_PAGES;
            }
        }
        if self.length.restart.swap(false, Ordering::AcqRel) {
            // What is left was written during the last copying; with nobody writing,
            // the log can begin anew.
            checkpoint(connection);
        }
    }
}

/// Lengthens a log by zeros while nobody can write it.
fn make_room(connection: &Connection, log: &Path, pages: u32) -> Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE").map_err(error)?;
    let made = write_zeros(log, pages).map_err(Error::internal);
    connection.execute_batch("ROLLBACK").map_err(error)?;
    made
}

fn write_zeros(log: &Path, pages: u32) -> io::Result<()> {
    let zeros = vec![0; 1 << 20];
    let file = OpenOptions::new().write(true).open(log)?;
    let end = u64::from(pages) * FRAME_BYTES;
    let mut at = file.metadata()?.len();
    while at < end {
        file.write_all_at(&zeros, at)?;
        at += zeros.len() as u64;
    }
    file.sync_all()
}

/// Copies the logs' pages back while others read and write, until told to stop.
pub(super) fn checkpoint_loop(connection: &Connection, stopped: &Receiver<()>, length: &Length) {
    while stopped.recv_timeout(CHECKPOINT_PERIOD) == Err(RecvTimeoutError::Timeout) {
        if length.pages.load(Ordering::Relaxed) >= CHECKPOINT_PAGES {
            checkpoint(connection);
            if length.pages.load(Ordering::Relaxed) >= RESTART_PAGES {
                length.restart.store(true, Ordering::Release);
            }
        }
    }
}

/// Copies back what can be copied without holding anybody up.
pub(super) fn checkpoint(connection: &Connection) {
    let began = now();
    for sql in [
        "PRAGMA main.wal_checkpoint(PASSIVE)",
        "PRAGMA keys.wal_checkpoint(PASSIVE)",
    ] {
        if let Err(cause) = connection.query_row(sql, [], |_| Ok(())) {
            tracing::warn!(%cause, "a checkpoint failed; it is tried again");
        }
    }
    metrics::CHECKPOINT_TIME.observe_time(began.elapsed());
}

/// Copies the whole log of a file back and cuts it to nothing.
pub(super) fn empty(file: &Path) -> Result<()> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE);
    let connection = connection.map_err(error)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(error)?;
    let busy: i64 = connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .map_err(error)?;
    if busy == 0 {
        return Ok(());
    }
    Err(Error::unavailable("the key register is being read", 5))
}
