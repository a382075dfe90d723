//! The embedded engine: SQLite in WAL mode with `synchronous=FULL`.
//!
//! One thread writes (`writer.rs`), a pool of read-only connections reads.
//! Checkpoints run on a thread of their own, so that copying pages back never
//! stands in a writer's way. Two files: `oms.db` holds the data, `keys.db` the
//! key register, which travels apart so that a backup of the data alone opens nothing.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::chain::Audit;
use super::queue::{Depth, Job, Queue, now};
use super::tail::Tail;
use super::writer::Writer;
use super::{Tx, migrate};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::metrics;

pub(super) const DATA_FILE: &str = "oms.db";
pub(super) const KEYS_FILE: &str = "keys.db";

/// Before this version a checkpoint beside a commit could lose committed writes.
const OLDEST_SAFE_SQLITE: i32 = 3_051_003;

/// How long a statement waits for a lock that another process holds.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Distinct statements that each connection keeps prepared.
const PREPARED_STATEMENTS: usize = 128;

/// The write-ahead log's length, in pages of 4 KiB, at which its pages are copied back.
const CHECKPOINT_PAGES: i64 = 1_000;

/// The length from which the writer itself copies the rest, so that the log starts anew.
const RESTART_PAGES: i64 = 16_000;

/// How often the log's length is looked at.
const CHECKPOINT_PERIOD: Duration = Duration::from_millis(100);

/// The engine and its threads.
pub(super) struct Sqlite {
    writes: Queue,
    reads: Queue,
    stop_checkpoints: Sender<()>,
    audit: Arc<OnceLock<Audit>>,
    keys_file: PathBuf,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Sqlite {
    pub(super) fn exists(data: &Path) -> bool {
        data.join(DATA_FILE).exists() || data.join(KEYS_FILE).exists()
    }

    pub(super) fn open(config: &Config) -> Result<Self> {
        if rusqlite::version_number() < OLDEST_SAFE_SQLITE {
            return Err(Error::internal(format!(
                "SQLite {} can lose committed writes; build with 3.51.3 or newer",
                rusqlite::version()
            )));
        }
        let data = &config.data;
        let mut writer = connect(data, Access::Write)?;
        migrate::run(&mut writer)?;
        let readers = (0..config.read_threads)
            .map(|_| connect(data, Access::Read))
            .collect::<Result<Vec<_>>>()?;
        let checkpointer = connect(data, Access::Write)?;

        let wait = config.overload_wait;
        let (writes, write_jobs) = Queue::new("write", config.write_queue, wait);
        let (reads, read_jobs) = Queue::new("read", config.read_queue, wait);
        let (stop_checkpoints, stopped) = bounded(1);
        let restart = Arc::new(AtomicBool::new(false));
        let tail = Arc::new(Tail::default());
        let mut threads = Vec::new();
        for reader in readers {
            let jobs = read_jobs.clone();
            let tail = Arc::clone(&tail);
            threads.push(spawn("store-read", move || {
                read_loop(&reader, &tail, &jobs);
            })?);
        }
        let audit = Arc::new(OnceLock::new());
        let writer = Writer::new(
            writer,
            Arc::clone(&tail),
            Arc::clone(&audit),
            config.write_batch,
            wait,
            Arc::clone(writes.pressure()),
            Arc::clone(&restart),
        )?;
        threads.push(spawn("store-write", move || writer.run(&write_jobs))?);
        threads.push(spawn("store-checkpoint", move || {
            checkpoint_loop(&checkpointer, &stopped, &restart);
        })?);
        Ok(Self {
            writes,
            reads,
            stop_checkpoints,
            audit,
            keys_file: data.join(KEYS_FILE),
            threads: Mutex::new(threads),
        })
    }

    pub(super) const fn reads(&self) -> &Queue {
        &self.reads
    }

    pub(super) const fn writes(&self) -> &Queue {
        &self.writes
    }

    /// The first to tell wins; there is one key and one writer number for each opening.
    pub(super) fn begin_audit(&self, audit: Audit) {
        let _ = self.audit.set(audit);
    }

    pub(super) async fn scrub_keys(&self) -> Result<()> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let file = self.keys_file.clone();
        spawn("store-scrub", move || {
            let _ = reply.send(empty_log(&file));
        })?;
        answer
            .await
            .unwrap_or_else(|_| Err(Error::unavailable("the store is away", 5)))
    }

    pub(super) fn depth(&self) -> Depth {
        Depth {
            writes: self.writes.len(),
            reads: self.reads.len(),
        }
    }

    pub(super) fn close(&self) {
        self.writes.close();
        self.reads.close();
        let _ = self.stop_checkpoints.try_send(());
        let threads = std::mem::take(
            &mut *self
                .threads
                .lock()
                .expect("no code panics while it holds this lock"),
        );
        for thread in threads {
            let _ = thread.join();
        }
    }
}

/// Makes the data folder, readable by its owner only.
pub(super) fn create_private(data: &Path) -> Result<()> {
    if data.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .map_err(|cause| Error::internal(format!("cannot make {}: {cause}", data.display())))
}

#[derive(Clone, Copy, PartialEq)]
enum Access {
    Read,
    Write,
}

fn connect(data: &Path, access: Access) -> Result<Connection> {
    let flags = match access {
        Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
    } | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let path = data.join(DATA_FILE);
    let connection = Connection::open_with_flags(&path, flags).map_err(error)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(error)?;
    connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS);
    let keys = data.join(KEYS_FILE);
    connection
        .execute("ATTACH DATABASE ?1 AS keys", [path_text(&keys)?])
        .map_err(error)?;
    if access == Access::Write {
        // secure_delete: an erased key is overwritten, not merely unlinked.
        connection
            .execute_batch(
                "PRAGMA main.journal_mode = WAL; PRAGMA keys.journal_mode = WAL;
                 PRAGMA main.synchronous = FULL; PRAGMA keys.synchronous = FULL;
                 PRAGMA keys.secure_delete = ON;
                 PRAGMA wal_autocheckpoint = 0;
                 PRAGMA main.cache_size = -32768; PRAGMA temp_store = MEMORY;",
            )
            .map_err(error)?;
        for file in [&path, &keys] {
            fs::set_permissions(file, fs::Permissions::from_mode(0o600))
                .map_err(Error::internal)?;
        }
    } else {
        connection
            .execute_batch("PRAGMA main.cache_size = -8192; PRAGMA temp_store = MEMORY;")
            .map_err(error)?;
    }
    Ok(connection)
}

pub(super) fn path_text(path: &Path) -> Result<&str> {
    path.to_str()
        .ok_or_else(|| Error::internal(format!("{} is not UTF-8", path.display())))
}

pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    thread::Builder::new()
        .name(name.into())
        .spawn(work)
        .map_err(Error::internal)
}

fn read_loop(connection: &Connection, tail: &Tail, jobs: &Receiver<Box<dyn Job>>) {
    for mut job in jobs {
        if job.waited(now()).is_none() {
            continue;
        }
        let begun = connection
            .prepare_cached("BEGIN")
            .and_then(|mut begin| begin.execute([]));
        match begun {
            Ok(_) => {
                job.run(&mut Tx::new(connection, tail, None));
                let ended = connection
                    .prepare_cached("ROLLBACK")
                    .and_then(|mut end| end.execute([]));
                job.finish(ended.map(drop).map_err(error));
            }
            Err(cause) => job.finish(Err(error(cause))),
        }
    }
}

/// Copies the log's pages back while others read and write.
fn checkpoint_loop(connection: &Connection, stopped: &Receiver<()>, restart: &AtomicBool) {
    while stopped.recv_timeout(CHECKPOINT_PERIOD)
        == Err(crossbeam_channel::RecvTimeoutError::Timeout)
    {
        let length = log_pages(connection);
        if length >= CHECKPOINT_PAGES {
            checkpoint(connection);
        }
        if length >= RESTART_PAGES {
            restart.store(true, Ordering::Release);
        }
    }
}

/// The length of the longer of both files' logs, in pages of 4 KiB. That of the
/// key register grows when the master key is changed.
fn log_pages(connection: &Connection) -> i64 {
    let folder = connection.path().and_then(|path| Path::new(path).parent());
    let length = |file| {
        let log = folder.map(|folder| folder.join(format!("{file}-wal")));
        log.and_then(|log| fs::metadata(log).ok())
            .map_or(0, |log| log.len())
    };
    let bytes = length(DATA_FILE).max(length(KEYS_FILE));
    i64::try_from(bytes / 4096).unwrap_or(i64::MAX)
}

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

/// Copies the whole log back and cuts it to nothing.
fn empty_log(file: &Path) -> Result<()> {
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

/// An engine error as the caller may see it: away for now, or a fault of ours.
pub(super) fn error(cause: rusqlite::Error) -> Error {
    match cause.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull) => {
            tracing::error!(%cause, "the store refused a statement");
            Error::unavailable("the store is away", 5)
        }
        _ => Error::internal(cause),
    }
}
