//! The whole door to storage: [`Store::read`] and [`Store::write`], each with a
//! closure over one transaction. A closure may run again, so it changes nothing
//! outside, awaits nothing, and calls nobody.
//!
//! Personal data passes this door only sealed.

pub mod api_key;
pub mod audit;
pub mod backup;
mod chain;
pub mod customer;
pub mod customer_version;
pub mod delivery;
pub mod erasure;
pub mod event;
pub mod idempotency;
pub mod inspect;
pub mod key_register;
pub mod lookup;
mod migrate;
mod pressure;
pub mod project;
mod queue;
pub mod rescreening;
mod sqlite;
mod tail;
mod trail;
mod value;
pub mod verification;
mod wal;
pub mod watchlist;
pub mod webhook;
pub mod wrapping_key;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

pub use chain::Head;
pub use queue::Depth;
pub use trail::TARGET as TRACE_TARGET;
pub use value::{Row, Value};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::vault::{ChainKey, LINK_LENGTH};
use chain::Audit;
use sqlite::Sqlite;
use tail::{Op, Tail, Target};

/// One transaction, as the statements of `store/<noun>.rs` see it.
pub struct Tx<'a> {
    connection: &'a rusqlite::Connection,
    tail: &'a Tail,
    /// Look-ups of this commit.
    journal: Vec<Op>,
    /// Only a writer has a chain, once it was told the key.
    chain: Option<(&'a Audit, Head)>,
}

/// The store: one engine behind one door.
#[derive(Clone)]
pub struct Store(Arc<Sqlite>);

impl Store {
    /// Opens the store, making or migrating it as needed.
    ///
    /// # Errors
    /// When the files cannot be used, or a newer version wrote them.
    pub fn open(config: &Config) -> Result<Self> {
        Sqlite::open(config).map(|engine| Self(Arc::new(engine)))
    }

    /// Makes the data folder, readable by its owner only.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create_folder(data: &Path) -> Result<()> {
        sqlite::create_private(data)
    }

    /// Whether a data folder holds a store already.
    #[must_use]
    pub fn exists(data: &Path) -> bool {
        Sqlite::exists(data)
    }

    /// Runs a closure over a snapshot.
    ///
    /// # Errors
    /// Those of the closure; `serviceUnavailable` when the queue is full.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.0.read(work).await
    }

    /// As [`Self::read`], holding up the thread of a caller that cannot wait
    /// asynchronously; for what happens once in a while only.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_blocking<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.0.read_blocking(work)
    }

    /// Runs a closure in a transaction that is durable when this returns; when
    /// the closure fails, nothing of it stays.
    ///
    /// # Errors
    /// Those of the closure; `serviceUnavailable` when the queue is full or
    /// would take too long, or the store is away.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.0.write(work).await
    }

    /// Whether a look-up of this hash was written lately. A hint without a look at the disk:
    /// older ones are not known, and what is known may be gone.
    #[must_use]
    pub fn may_know_lookup(&self, hash: i64) -> bool {
        self.0.may_know_lookup(hash)
    }

    /// Whether a write that came now would be refused or wait too long. Cheap
    /// enough to be asked before anything else is done for a request.
    #[must_use]
    pub fn is_overloaded(&self) -> bool {
        self.0.is_overloaded()
    }

    /// Gives the writer what it links the rows of the audit log with: the key, and a number
    /// that no writer had before. Until then no event can be written.
    pub fn begin_audit(&self, key: ChainKey, writer: i64) {
        self.0.begin_audit(Audit { key, writer });
    }

    /// Empties the key register's log, so that a key that was deleted stands in no file.
    ///
    /// # Errors
    /// `serviceUnavailable` when somebody keeps reading what was there before.
    pub async fn scrub_keys(&self) -> Result<()> {
        self.0.scrub_keys().await
    }

    /// How full the queues are, for the metrics.
    #[must_use]
    pub fn depth(&self) -> Depth {
        self.0.depth()
    }

    /// Finishes what is queued, checkpoints and closes. Later calls are refused.
    pub fn close(&self) {
        self.0.close();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Store")
    }
}

impl<'a> Tx<'a> {
    const fn new(
        connection: &'a rusqlite::Connection,
        tail: &'a Tail,
        chain: Option<(&'a Audit, Head)>,
    ) -> Self {
        Self {
            connection,
            tail,
            journal: Vec::new(),
            chain,
        }
    }

    /// The next place in this writer's chain, and what links it to the one before.
    fn next_link(&self) -> Result<(&ChainKey, Head)> {
        match &self.chain {
            Some((audit, head)) => Ok((&audit.key, *head)),
            None => Err(Error::internal("the audit log has no key here")),
        }
    }

    /// Goes on from a row that was just linked.
    fn advance(&mut self, hash: [u8; LINK_LENGTH]) {
        if let Some((_, head)) = &mut self.chain {
            head.position += 1;
            head.hash = hash;
        }
    }

    fn journal(&mut self, op: Op) {
        self.journal.push(op);
    }

    /// The rows that a hash leads to and that are not in the table yet, those of
    /// this commit included.
    fn newest_lookups(&self, hash: i64) -> Vec<Target> {
        let mut found = Vec::new();
        self.tail.find(hash, &mut found);
        for op in self.journal.iter().filter(|op| op.hash == hash) {
            if op.removes {
                found.retain(|target| *target != op.target);
            } else {
                found.push(op.target);
            }
        }
        found
    }

    /// The hashes that lead to a row and that are not in the table yet, those of this
    /// commit included, perhaps more. Slow: it looks at every new look-up.
    fn newest_hashes(&self, target: &Target) -> Vec<i64> {
        let newest = self.tail.all().into_iter();
        let own = self.journal.iter().map(|op| (op.hash, op.target));
        newest
            .chain(own)
            .filter(|lookup| lookup.1 == *target)
            .map(|lookup| lookup.0)
            .collect()
    }

    /// Runs a statement and gives the number of rows it changed.
    pub fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<usize> {
        let mut statement = self.prepare(sql)?;
        statement
            .execute(rusqlite::params_from_iter(values))
            .map_err(sqlite::error)
    }

    /// The first row of a result, if there is one.
    pub fn first<T>(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut statement = self.prepare(sql)?;
        let mut rows = statement
            .query(rusqlite::params_from_iter(values))
            .map_err(sqlite::error)?;
        let row = rows.next().map_err(sqlite::error)?;
        row.map(|row| read(&Row::new(row))).transpose()
    }

    /// Prepares a statement once. `$1` is a name to SQLite, so the arguments must
    /// first stand in the order of their numbers.
    fn prepare(&self, sql: &'static str) -> Result<rusqlite::CachedStatement<'_>> {
        let statement = self.connection.prepare_cached(sql).map_err(sqlite::error)?;
        debug_assert!(
            (1..=statement.parameter_count())
                .all(|number| statement.parameter_name(number) == Some(&format!("${number}"))),
            "the arguments of a statement are out of order: {sql}"
        );
        Ok(statement)
    }

    /// All rows of a result; the statement bounds their number.
    pub fn all<T>(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut statement = self.prepare(sql)?;
        let mut rows = statement
            .query(rusqlite::params_from_iter(values))
            .map_err(sqlite::error)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().map_err(sqlite::error)? {
            all.push(read(&Row::new(row))?);
        }
        Ok(all)
    }
}
