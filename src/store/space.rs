//! Whether the disk has room: a flag that the writer sets when a write finds none and that
//! it clears when one succeeds again, so that the edge can refuse writes at the door.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use rusqlite::ErrorCode;
use rusqlite::ffi::{SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_WRITE};

use crate::error::{Error, Result};

/// How often a writer without room tries whether there is some.
pub(super) const TRY_PERIOD: Duration = Duration::from_secs(1);

/// Seconds after which a refused caller may ask again.
const RETRY_AFTER_S: u32 = 5;

/// What a writer and those at the door share.
#[derive(Debug, Default)]
pub(super) struct Space {
    none: AtomicBool,
}

impl Space {
    /// Whether the last write found no room.
    pub(super) fn is_none(&self) -> bool {
        self.none.load(Relaxed)
    }

    /// A write found no room.
    pub(super) fn ran_out(&self) {
        if !self.none.swap(true, Relaxed) {
            tracing::error!("the disk is full: writes are refused until there is room");
        }
    }

    /// A write found room.
    pub(super) fn came_back(&self) {
        if self.none.swap(false, Relaxed) {
            tracing::info!("the disk has room again: writes are taken");
        }
    }

    /// # Errors
    /// `serviceUnavailable` while there is no room.
    pub(super) fn check(&self) -> Result<()> {
        if self.is_none() { Err(full()) } else { Ok(()) }
    }
}

/// The answer while there is no room.
pub(super) fn full() -> Error {
    Error::unavailable(
        "the disk is full: nothing can be written until there is room",
        RETRY_AFTER_S,
    )
}

/// Whether SQLite failed because there is no room. The index of a log, its `-shm` file, is
/// lengthened by writing to it, of which SQLite only says that it failed.
pub(super) fn is_full(cause: &rusqlite::Error) -> bool {
    let extended = cause.sqlite_error().map(|error| error.extended_code);
    cause.sqlite_error_code() == Some(ErrorCode::DiskFull) || extended == Some(SQLITE_IOERR_SHMSIZE)
}

/// Whether SQLite only says that a write failed: the disk may be broken, or a limit was met that
/// it does not know, such as a quota. [`is_limit`] tells, of the same once more.
pub(super) fn may_be_limit(cause: &rusqlite::Error) -> bool {
    let extended = cause.sqlite_error().map(|error| error.extended_code);
    extended == Some(SQLITE_IOERR_WRITE)
}

/// Whether a write failed because there is no room, or none for this user or in this file.
pub(super) fn is_limit(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}

/// Bytes that are free where a file or folder lies; none where nobody can tell.
pub(super) fn free_bytes(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}
