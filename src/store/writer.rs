//! The thread that writes: it drains its queue and commits many closures, a
//! savepoint each, with one fsync. It also keeps the tail of look-ups true and
//! folds it into its table, a little with every commit.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use rusqlite::{Connection, ErrorCode};
use tokio::time::Instant;

use super::Tx;
use super::chain::{Audit, Head};
use super::pressure::Pressure;
use super::queue::{Job, now};
use super::space::{self, Space};
use super::sqlite::lock;
use super::tail::{Op, Tail, Target};
use super::wal::{self, Log, LogOf};
use crate::error::{Error, Result};
use crate::metrics::{self, Refusal};
use crate::output;

/// Look-ups that are folded with one commit.
const FOLD_STEP: usize = if cfg!(test) { 7 } else { 512 };

/// How often a writer without work looks for what other processes wrote.
const IDLE_PERIOD: Duration = Duration::from_millis(200);

/// Commits of one job each, one after the other, from which callers are alone.
const LONE_COMMITS: usize = 8;

/// Who writes: one at a time, the writing thread or a caller who is alone.
pub(super) struct Writer {
    connection: Connection,
    log: Log,
    tail: Arc<Tail>,
    largest_batch: usize,
    pressure: Arc<Pressure>,
    /// How many of the last commits had one job.
    lone_commits: usize,
    audit: Arc<OnceLock<Audit>>,
    space: Arc<Space>,
    /// When it was last tried whether there is room again.
    tried_at: Option<Instant>,
    /// Where the audit log's chain stands after the last commit.
    head: Option<Head>,
    journal: Journal,
    fold: Option<Fold>,
}

/// How far this process has read the journal.
struct Journal {
    /// The last row that is in the tail.
    last: i64,
    /// SQLite's mark of what other connections committed.
    data_version: i64,
}

/// A part of the tail on its way into the table.
struct Fold {
    left: Vec<(i64, Target)>,
    /// Journal rows that are done with when nothing is left.
    through: i64,
}

impl Writer {
    /// Takes the connection over and reads the journal.
    pub(super) fn new(
        connection: Connection,
        log: Log,
        tail: Arc<Tail>,
        audit: Arc<OnceLock<Audit>>,
        space: Arc<Space>,
        largest_batch: usize,
        pressure: Arc<Pressure>,
    ) -> Result<Self> {
        let mut writer = Self {
            connection,
            log,
            tail,
            largest_batch,
            pressure,
            lone_commits: 0,
            audit,
            space,
            tried_at: None,
            head: None,
            journal: Journal {
                last: 0,
                data_version: -1,
            },
            fold: None,
        };
        writer.look_around().map_err(super::sqlite::error)?;
        Ok(writer)
    }

    /// Commits batch after batch until the queue is closed and empty.
    pub(super) fn run(writer: &Mutex<Self>, jobs: &Receiver<Box<dyn Job>>) {
        let mut patience = IDLE_PERIOD;
        loop {
            let first = match jobs.recv_timeout(patience) {
                Ok(first) => Some(first),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let mut writer = lock(writer);
            writer.take_turn(first, jobs);
            patience = if writer.fold.is_some() {
                Duration::ZERO
            } else {
                IDLE_PERIOD
            };
        }
        // Others may still use the files: what is left in the log stays there.
        wal::checkpoint(&lock(writer).connection);
    }

    fn take_turn(&mut self, first: Option<Box<dyn Job>>, jobs: &Receiver<Box<dyn Job>>) {
        let mut batch = Vec::with_capacity(self.largest_batch);
        let mut next = first;
        while let Some(job) = next {
            self.admit(job, &mut batch);
            next = (batch.len() < self.largest_batch)
                .then(|| jobs.try_recv().ok())
                .flatten();
        }
        if !batch.is_empty() || self.fold.is_some() {
            self.commit(batch);
        } else if self.space.is_none() {
            self.try_room();
        } else if let Err(cause) = self.look_around() {
            tracing::warn!(%cause, "the journal of look-ups could not be read");
        }
    }

    /// Empties the log of a file, unless somebody reads what is in it.
    pub(super) fn empty_log(&mut self, file: LogOf) -> Result<bool> {
        let emptied = wal::empty(&self.connection, file)?;
        if emptied {
            self.log.emptied(file);
        }
        Ok(emptied)
    }

    /// Whether callers have come alone lately.
    pub(super) const fn is_lone(&self) -> bool {
        self.lone_commits >= LONE_COMMITS && self.fold.is_none()
    }

    /// Drops work whose caller has gone and refuses work that waited too long:
    /// under overload, late answers help nobody.
    fn admit(&self, job: Box<dyn Job>, batch: &mut Vec<Box<dyn Job>>) {
        match job.waited(now()) {
            None => {}
            Some(waited) if self.pressure.is_too_long(waited) => {
                Refusal::Waited.add();
                job.finish(Err(Error::unavailable("too many requests are waiting", 1)));
            }
            Some(_) => batch.push(job),
        }
    }

    /// Runs jobs in one transaction and answers them.
    pub(super) fn commit(&mut self, mut batch: Vec<Box<dyn Job>>) {
        if self.fold.is_none() && self.tail.is_full() {
            self.fold = Some(Fold {
                left: self.tail.freeze(),
                through: self.journal.last,
            });
        }
        let step = self
            .fold
            .as_ref()
            .map_or(0, |fold| fold.left.len().min(FOLD_STEP));
        let jobs = batch.len();
        self.lone_commits = if jobs > 1 {
            0
        } else {
            self.lone_commits + jobs
        };
        let outcome = self.run_batch(&mut batch, step);
        self.pressure.batch_ended(jobs);
        match outcome {
            Ok(ops) => {
                self.log.note(self.head);
                self.tail.publish(self.journal.last, ops);
                self.folded(step);
                for job in batch {
                    job.finish(Ok(()));
                }
            }
            Err(cause) => self.refuse(batch, &cause),
        }
        if self.space.is_none() {
            self.try_room();
        } else {
            self.log.tend(&self.connection);
        }
    }

    /// Tries now and then whether there is room again, by a write that changes nothing.
    fn try_room(&mut self) {
        if self
            .tried_at
            .is_some_and(|at| at.elapsed() < space::TRY_PERIOD)
        {
            return;
        }
        self.tried_at = Some(now());
        let tried = self
            .run_sql("BEGIN IMMEDIATE")
            .and_then(|()| self.run_sql("UPDATE lookup_fold SET through = through"))
            .and_then(|()| self.run_sql("COMMIT"));
        match tried {
            Ok(()) => self.space.came_back(),
            Err(cause) => {
                self.roll_back();
                if !self.finds_no_room(&cause) {
                    stop_if_device_failed(&cause);
                }
            }
        }
    }

    /// Whether a write failed for want of room; asked after the transaction was rolled back.
    fn finds_no_room(&self, cause: &rusqlite::Error) -> bool {
        space::is_full(cause)
            || space::may_be_limit(cause) && self.log.meets_limit(&self.connection)
    }

    fn roll_back(&self) {
        if !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    /// A batch that was not committed: nothing of it happened.
    fn refuse(&mut self, batch: Vec<Box<dyn Job>>, cause: &rusqlite::Error) {
        // Of two files one may be committed: then the chain's end is not what
        // this thread believes, and only a new chain is surely whole.
        self.head = None;
        self.roll_back();
        if self.finds_no_room(cause) {
            self.space.ran_out();
        } else {
            stop_if_device_failed(cause);
            tracing::error!(%cause, "a batch could not be committed");
        }
        for job in batch {
            let refused = self.space.check().err();
            let away = || Error::unavailable("the store cannot write now", 5);
            job.finish(Err(refused.unwrap_or_else(away)));
        }
    }

    /// The transaction; gives the look-ups that came and went with it.
    fn run_batch(&mut self, batch: &mut [Box<dyn Job>], step: usize) -> rusqlite::Result<Vec<Op>> {
        self.run_sql("BEGIN IMMEDIATE")?;
        // Nobody else can write now, so what is read here is all there is.
        self.catch_up()?;
        let chain = self
            .audit
            .get()
            .map(|audit| (audit, self.head.unwrap_or_else(|| audit.fresh())));
        let mut tx = Tx::new(&self.connection, &self.tail, chain);
        for job in batch {
            self.run_sql("SAVEPOINT job")?;
            let (kept, chain) = (tx.journal.len(), tx.chain);
            if !job.run(&mut tx) {
                // SQLite may have ended the transaction by itself.
                if tx.found_no_room {
                    self.space.ran_out();
                }
                tx.journal.truncate(kept);
                tx.chain = chain;
                self.run_sql("ROLLBACK TO job")?;
            }
            self.run_sql("RELEASE job")?;
        }
        let head = tx.chain.map(|(_, head)| head);
        let ops = tx.journal;
        let row = (!ops.is_empty()).then(|| self.append(&ops)).transpose()?;
        self.fold_step(step, &ops)?;
        let began = now();
        self.run_sql("COMMIT")?;
        metrics::COMMIT_TIME.observe_time(began.elapsed());
        self.head = head;
        if let Some(row) = row {
            self.journal.last = row;
        }
        Ok(ops)
    }

    fn run_sql(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }

    /// Every row that anybody journalled has been read: the next number is free.
    fn append(&self, ops: &[Op]) -> rusqlite::Result<i64> {
        let next = self.journal.last + 1;
        self.connection
            .prepare_cached("INSERT INTO lookup_journal (id, ops) VALUES (?1, ?2)")?
            .execute((next, Op::write_all(ops)))?;
        Ok(next)
    }

    /// Catches up between two commits of its own, on one snapshot: a fold of
    /// somebody else must be seen whole or not at all.
    fn look_around(&mut self) -> rusqlite::Result<()> {
        self.run_sql("BEGIN")?;
        let outcome = self.catch_up();
        self.run_sql("ROLLBACK")?;
        outcome
    }

    /// Takes in what other processes journalled since.
    fn catch_up(&mut self) -> rusqlite::Result<()> {
        let version = |row: &rusqlite::Row<'_>| row.get(0);
        let data_version: i64 = self
            .connection
            .prepare_cached("PRAGMA main.data_version")?
            .query_row([], version)?;
        if data_version == self.journal.data_version {
            return Ok(());
        }
        let through: i64 = self
            .connection
            .prepare_cached("SELECT through FROM lookup_fold")?
            .query_row([], version)?;
        // Rows that this process has not read were folded and are gone, and
        // removals among them: begin anew with what the table does not hold.
        let behind = self.journal.last < through;
        let fresh = Tail::default();
        if behind {
            self.fold = None;
            self.journal.last = through;
            fresh.publish(through, []);
        }
        let tail = if behind { &fresh } else { &*self.tail };
        let mut statement = self
            .connection
            .prepare_cached("SELECT id, ops FROM lookup_journal WHERE id > ?1 ORDER BY id")?;
        let mut rows = statement.query([self.journal.last])?;
        while let Some(row) = rows.next()? {
            let ops = row.get_ref(1)?.as_blob().unwrap_or_default();
            self.journal.last = row.get(0)?;
            tail.publish(self.journal.last, Op::read_all(ops));
        }
        if behind {
            self.tail.replace(fresh);
        }
        self.journal.data_version = data_version;
        Ok(())
    }

    /// Moves some look-ups into the table, in the order in which they lie there.
    fn fold_step(&self, step: usize, ops: &[Op]) -> rusqlite::Result<()> {
        let Some(fold) = &self.fold else {
            return Ok(());
        };
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO lookups (hash, target) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        )?;
        let removals: Vec<_> = ops.iter().filter(|op| !op.adds()).collect();
        let removed: HashSet<_> = removals.iter().map(|op| op.target).collect();
        let rest = fold.left.len() - step;
        for lookup in &fold.left[rest..] {
            // What was removed since it was set aside must not come back.
            let is_removed = removed.contains(&lookup.1)
                && removals.iter().any(|op| op.takes_out(lookup.0, &lookup.1));
            if self.tail.is_frozen(lookup.0, lookup.1) && !is_removed {
                insert.execute((lookup.0, lookup.1))?;
            }
        }
        if rest == 0 {
            self.connection
                .prepare_cached("DELETE FROM lookup_journal WHERE id <= ?1")?
                .execute([fold.through])?;
            self.connection
                .prepare_cached("UPDATE lookup_fold SET through = MAX(through, ?1)")?
                .execute([fold.through])?;
        }
        Ok(())
    }

    /// Notes what was folded, once it is committed.
    fn folded(&mut self, step: usize) {
        let Some(fold) = &mut self.fold else { return };
        fold.left.truncate(fold.left.len() - step);
        if fold.left.is_empty() {
            self.tail.thaw();
            self.fold = None;
        }
    }
}

/// After a failed sync nobody knows what the disk holds. Answer nobody; start again from
/// what is really there.
fn stop_if_device_failed(cause: &rusqlite::Error) {
    let failed = matches!(
        cause.sqlite_error_code(),
        Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    );
    if failed {
        tracing::error!(%cause, "the disk failed under a commit; stopping at once");
        output::abort();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use crate::config::Config;
    use crate::context::Random;
    use crate::error::{Error, Result};
    use crate::store::{Store, lookup};

    /// A folder that goes with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("oms-writer-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            Store::create_folder(&path).unwrap();
            Self(path)
        }

        fn open(&self) -> Store {
            Store::open(&Config::for_data(&self.0)).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    type Pairs = BTreeSet<(i64, [u8; 16])>;

    async fn found(store: &Store, hashes: i64) -> Pairs {
        let mut all = Pairs::new();
        for hash in 0..hashes {
            let read = store.read(move |tx| {
                let targets = lookup::targets(tx, hash, lookup::EVERYWHERE, 1000)?;
                for target in 0..8 {
                    let target = [target; 16];
                    let leads = lookup::leads(tx, hash, &target)?;
                    assert_eq!(leads, targets.contains(&target), "{hash} {target:?}");
                }
                Ok(targets)
            });
            all.extend(read.await.unwrap().into_iter().map(|target| (hash, target)));
        }
        all
    }

    async fn count(store: &Store, sql: &'static str) -> i64 {
        let counted = store.read(move |tx| tx.first(sql, &[], |row| row.int(0)));
        counted.await.unwrap().unwrap_or_default()
    }

    async fn write_one(
        store: &Store,
        pair: (i64, [u8; 16]),
        removes: bool,
        refuse: bool,
    ) -> Result<()> {
        let written = store.write(move |tx| {
            if removes {
                lookup::delete(tx, pair.0, &pair.1)?;
            } else {
                lookup::insert(tx, pair.0, &pair.1)?;
            }
            if refuse {
                Err(Error::internal("on purpose"))
            } else {
                Ok(())
            }
        });
        written.await
    }

    /// Whatever comes, goes, is rolled back, folded, left behind by a stop or
    /// written by somebody else: what is found is what was committed.
    #[tokio::test]
    async fn what_is_found_is_what_was_committed() {
        for seed in [7, 8] {
            run(seed).await;
        }
    }

    async fn run(seed: u64) {
        let random = Random::seeded(seed);
        let folder = Folder::new(&format!("found-{seed}"));
        let mut model = Pairs::new();
        for round in 0..6 {
            let (store, other) = (folder.open(), folder.open());
            for step in 0..100 {
                let [who, what, hash, target]: [u8; 4] = random.bytes();
                let pair = (i64::from(hash % 40), [target % 8; 16]);
                let (removes, refuse) = (what % 5 == 0, what % 7 == 0);
                let writer = if who % 4 == 0 { &other } else { &store };
                let outcome = write_one(writer, pair, removes, refuse).await;
                assert_eq!(
                    outcome.is_ok(),
                    !refuse,
                    "seed {seed}, round {round}, step {step}"
                );
                if !refuse && removes {
                    model.remove(&pair);
                } else if !refuse {
                    model.insert(pair);
                }
                // At once, whichever of the two wrote it.
                for reader in [&store, &other] {
                    assert_eq!(
                        found(reader, 40).await,
                        model,
                        "seed {seed}, round {round}, step {step}"
                    );
                }
            }
            store.close();
            other.close();
        }
        let store = folder.open();
        assert_eq!(found(&store, 40).await, model, "seed {seed}, after all");
        assert!(
            count(&store, "SELECT COUNT(*) FROM lookups").await > 0,
            "nothing was folded"
        );
        store.close();
    }

    /// Folded, about to be or of this very commit: what leads to a row is forgotten, and
    /// nothing else.
    #[tokio::test]
    async fn every_lookup_of_a_row_is_forgotten_at_once() {
        let folder = Folder::new("forgotten");
        let store = folder.open();
        for hash in 0..100 {
            for target in [1, 2] {
                write_one(&store, (hash, [target; 16]), false, false)
                    .await
                    .unwrap();
            }
        }
        let forgotten = store.write(|tx| {
            lookup::insert(tx, 100, &[1; 16])?;
            lookup::delete_all(tx, &[1; 16])
        });
        forgotten.await.unwrap();
        let others: Pairs = (0..100).map(|hash| (hash, [2; 16])).collect();
        assert_eq!(found(&store, 101).await, others);
        store.close();
        let store = folder.open();
        assert_eq!(found(&store, 101).await, others, "after a start");
        store.close();
    }
}
