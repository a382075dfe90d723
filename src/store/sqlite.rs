//! The embedded engine: SQLite in WAL mode with `synchronous=FULL`.
//!
//! One thread writes (`writer.rs`), a pool of read-only connections reads.
//! Checkpoints run on a thread of their own, so that copying pages back never
//! stands in a writer's way. Two files: `oms.db` holds the data, `keys.db` the
//! key register, which travels apart so that a backup of the data alone opens nothing.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::chain::Audit;
use super::pressure::{Limits, Pressure};
use super::queue::{self, Depth, Queue, Receipt, now};
use super::read_queue::{ReadQueue, Reads};
use super::space::{self, Space};
use super::tail::Tail;
use super::wal::{self, Log, LogOf};
use super::writer::Writer;
use super::{Tx, lookup_epoch, loss, migrate};
use crate::config::Config;
use crate::error::{Error, Result};

pub(super) const DATA_FILE: &str = "oms.db";
pub(super) const KEYS_FILE: &str = "keys.db";

/// Before this version a checkpoint beside a commit could lose committed writes.
const OLDEST_SAFE_SQLITE: i32 = 3_051_003;

/// How long a statement waits for a lock that another process holds.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Distinct statements that each connection keeps prepared.
const PREPARED_STATEMENTS: usize = 128;

/// The engine and its threads.
pub(super) struct Sqlite {
    writer: Arc<Mutex<Writer>>,
    writes: Queue,
    reads: ReadQueue,
    stop_checkpoints: Sender<()>,
    audit: Arc<OnceLock<Audit>>,
    space: Arc<Space>,
    data: PathBuf,
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
        let opening = loss::check(config)?;
        let mut writer = connect(data, Access::Write)?;
        if opening.empties_logs {
            wal::begin_anew(&writer);
        }
        migrate::run(&mut writer)?;
        drop_dead_lookups(&mut writer)?;
        let readers = (0..config.read_threads)
            .map(|_| connect(data, Access::Read))
            .collect::<Result<Vec<_>>>()?;
        let checkpointer = connect(data, Access::Write)?;
        let log = Log::watch(&mut writer, data, opening.accepted)?;
        let length = log.length();
        let note = log.note_file();

        let (writes, write_jobs) = Queue::new("write", Limits::of_writes(config));
        let (reads, read_jobs) = ReadQueue::new(Limits::of_reads(config));
        let (stop_checkpoints, stopped) = bounded(1);
        let tail = Arc::new(Tail::default());
        let mut threads = Vec::new();
        for reader in readers {
            let jobs = Arc::clone(&read_jobs);
            let tail = Arc::clone(&tail);
            threads.push(spawn("store-read", move || {
                read_loop(&reader, &tail, &jobs);
            })?);
        }
        let audit = Arc::new(OnceLock::new());
        let space = Arc::new(Space::default());
        let writer = Writer::new(
            writer,
            log,
            Arc::clone(&tail),
            Arc::clone(&audit),
            Arc::clone(&space),
            config.write_batch,
            Arc::clone(writes.pressure()),
        )?;
        let writer = Arc::new(Mutex::new(writer));
        let thread = Arc::clone(&writer);
        threads.push(spawn("store-write", move || {
            Writer::run(&thread, &write_jobs);
        })?);
        threads.push(spawn("store-checkpoint", move || {
            wal::checkpoint_loop(&checkpointer, &stopped, &length, note.as_ref());
        })?);
        Ok(Self {
            writer,
            writes,
            reads,
            stop_checkpoints,
            audit,
            space,
            data: data.clone(),
            threads: Mutex::new(threads),
        })
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        project: i64,
        work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.reads.call(project, work).await
    }

    pub(super) fn read_blocking<T: Send + 'static>(
        &self,
        project: i64,
        work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.reads.call_blocking(project, work)
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        queue::result(self.start_write(work)?).await
    }

    fn start_write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<Receipt<T>> {
        let Some(mut writer) = self.lone_writer() else {
            return self.writes.submit(work);
        };
        let (job, receipt) = self.writes.job(work);
        writer.commit(vec![job]);
        Ok(receipt)
    }

    /// The writer, where one caller after the other has come alone and nobody waits: then
    /// two changes of threads would cost more than the transaction.
    fn lone_writer(&self) -> Option<MutexGuard<'_, Writer>> {
        let writer = self.writer.try_lock().ok()?;
        (writer.is_lone() && self.writes.is_open_and_empty()).then_some(writer)
    }

    pub(super) fn check_room(&self) -> Result<()> {
        self.space.check()
    }

    pub(super) fn pressure(&self) -> &Arc<Pressure> {
        self.writes.pressure()
    }

    /// The first to tell wins; there is one key for each opening.
    pub(super) fn begin_audit(&self, audit: Audit) {
        let _ = self.audit.set(audit);
    }

    /// Empties the log of a file; `false` when others keep reading what is in it.
    pub(super) async fn empty_log(&self, file: LogOf) -> Result<bool> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let (data, writer) = (self.data.clone(), Arc::clone(&self.writer));
        spawn("store-empty", move || {
            // Most is copied back while others write, so that they wait for the rest only.
            let copied = wal::copy_back(&data, file);
            let emptied =
                copied.and_then(|()| wal::patiently(file, || lock(&writer).empty_log(file)));
            let _ = reply.send(emptied);
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
        let threads = std::mem::take(&mut *lock(&self.threads));
        for thread in threads {
            let _ = thread.join();
        }
    }
}

/// Before anybody reads the journal of look-ups.
fn drop_dead_lookups(connection: &mut Connection) -> Result<()> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(error)?;
    lookup_epoch::drop_dead(&mut Tx::new(&transaction, &Tail::default(), None))?;
    transaction.commit().map_err(error)
}

/// What a panic leaves behind is a transaction at most, and whoever comes next ends it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
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
pub(super) enum Access {
    Read,
    Write,
}

pub(super) fn connect(data: &Path, access: Access) -> Result<Connection> {
    let flags = match access {
        Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
    } | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let path = data.join(DATA_FILE);
    let connection = Connection::open_with_flags(&path, flags).map_err(error)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(error)?;
    connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS);
    // A plan must not follow from the values: else each new value is a new preparation.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map_err(error)?;
    let keys = data.join(KEYS_FILE);
    connection
        .execute("ATTACH DATABASE ?1 AS keys", [path_text(&keys)?])
        .map_err(error)?;
    if access == Access::Write {
        // secure_delete: an erased key, and a hash of an erased person, are overwritten and
        // not merely unlinked.
        connection
            .execute_batch(
                "PRAGMA main.journal_mode = WAL; PRAGMA keys.journal_mode = WAL;
                 PRAGMA main.synchronous = FULL; PRAGMA keys.synchronous = FULL;
                 PRAGMA main.secure_delete = ON; PRAGMA keys.secure_delete = ON;
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

fn read_loop(connection: &Connection, tail: &Tail, jobs: &Reads) {
    while let Some(mut job) = jobs.pop() {
        if job.waited(now()).is_none() {
            continue;
        }
        let begun = connection
            .prepare_cached("BEGIN")
            .and_then(|mut begin| begin.execute([]));
        match begun {
            Ok(_) => {
                job.run(&mut Tx::reading(connection, tail));
                let ended = connection
                    .prepare_cached("ROLLBACK")
                    .and_then(|mut end| end.execute([]));
                job.finish(ended.map(drop).map_err(error));
            }
            Err(cause) => job.finish(Err(error(cause))),
        }
    }
}

/// An engine error as the caller may see it: away for now, or a fault of ours.
pub(super) fn error(cause: rusqlite::Error) -> Error {
    match cause.sqlite_error_code() {
        _ if space::is_full(&cause) => {
            tracing::debug!(%cause, "the store refused a statement");
            space::full()
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            tracing::error!(%cause, "the store refused a statement");
            Error::unavailable("the store is away", 5)
        }
        _ => Error::internal(cause),
    }
}
