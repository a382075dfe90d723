//! The whole door to storage: [`Store::read`] and [`Store::write`], each with a
//! closure over one transaction. A closure may run again, so it changes nothing
//! outside, awaits nothing, and calls nobody.
//!
//! Personal data passes this door only sealed.

pub mod api_key;
pub mod audit;
pub mod backup;
mod chain;
pub mod clock;
pub mod customer;
pub mod customer_version;
pub mod delivery;
pub mod erasure;
pub mod event;
pub mod event_list;
mod gauge;
pub mod hash_key;
pub mod held_up;
pub mod idempotency;
pub mod inspect;
pub mod key_register;
mod last_commit;
pub mod limit_use;
mod log_frames;
pub mod lookup;
pub mod lookup_epoch;
pub mod loss;
mod migrate;
mod order;
mod postgres;
mod pressure;
pub mod project;
mod queue;
mod read_queue;
pub mod relocation;
pub mod rescreening;
pub mod server;
mod server_lock;
mod space;
mod sql;
mod sqlite;
mod tail;
mod trail;
mod turns;
mod tx;
mod value;
pub mod verification;
mod wal;
pub mod watchlist;
pub mod webhook;
pub mod webhook_subscription;
pub mod wrapping_key;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

pub use chain::Head;
#[cfg(any(test, fuzzing))]
pub(crate) use postgres::fuzz as fuzz_postgres;
pub use pressure::Admission;
use pressure::Pressure;
pub use queue::Depth;
pub use server_lock::ServerLock;
pub use trail::TARGET as TRACE_TARGET;
pub use tx::Tx;
pub use value::{Row, Value};
pub use wal::LogOf;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::metrics::Refusal;
use crate::vault::ChainKey;
use chain::Audit;
use postgres::Postgres;
use sqlite::Sqlite;

/// The server itself, where it takes its turn among projects.
const OWN: i64 = 0;

/// The store: one of two engines behind one door.
#[derive(Clone)]
pub struct Store(Engine);

#[derive(Clone)]
enum Engine {
    Sqlite(Arc<Sqlite>),
    Postgres(Arc<Postgres>),
}

impl Store {
    /// Opens the store, making or migrating it as needed.
    ///
    /// # Errors
    /// When the files or the database cannot be used, a newer version wrote them, or a move
    /// into them is not finished.
    pub fn open(config: &Config) -> Result<Self> {
        let store = Self(match &config.database {
            None => Engine::Sqlite(Arc::new(Sqlite::open(config)?)),
            Some(database) => Engine::Postgres(Arc::new(Postgres::open(config, database)?)),
        });
        let unfinished = store.read_blocking(relocation::unfinished);
        let refusal = match unfinished {
            Ok(None) => return Ok(store),
            Ok(Some(unfinished)) => unfinished.refusal(config),
            Err(error) => error,
        };
        store.close();
        Err(refusal)
    }

    /// Makes the data folder, readable by its owner only.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create_folder(data: &Path) -> Result<()> {
        sqlite::create_private(data)
    }

    /// Whether there is a store already.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub fn exists(config: &Config) -> Result<bool> {
        match &config.database {
            None => Ok(Sqlite::exists(&config.data)),
            Some(database) => Postgres::exists(database),
        }
    }

    /// Runs a closure over a snapshot, for the server itself.
    ///
    /// # Errors
    /// Those of the closure; `serviceUnavailable` when the queue is full.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.read_for(OWN, work).await
    }

    /// As [`Self::read`], for a caller of a project: projects take turns.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_for<T: Send + 'static>(
        &self,
        project: i64,
        work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        match &self.0 {
            Engine::Sqlite(engine) => engine.read(project, work).await,
            Engine::Postgres(engine) => engine.read(project, work).await,
        }
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
        match &self.0 {
            Engine::Sqlite(engine) => engine.read_blocking(OWN, work),
            Engine::Postgres(engine) => engine.read_blocking(OWN, work),
        }
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
        match &self.0 {
            Engine::Sqlite(engine) => engine.write(work).await,
            Engine::Postgres(engine) => engine.write(work).await,
        }
    }

    /// Lets a request in, when it is its turn, to be made ready and written. So few are in at
    /// once that there is always a batch to commit and never more work than helps it.
    ///
    /// # Errors
    /// `serviceUnavailable` when its turn does not come in time, or the disk is full.
    pub async fn admit(&self) -> Result<Admission> {
        self.check_room()?;
        self.pressure().admit().await.ok_or_else(|| {
            Refusal::Waited.add();
            Error::unavailable("too many requests are waiting", 1)
        })
    }

    /// Whether a write that came now would be refused or wait too long. Cheap
    /// enough to be asked before anything else is done for a request.
    #[must_use]
    pub fn is_overloaded(&self) -> bool {
        self.pressure().is_too_high()
    }

    /// Whether there is room for a write, as the last one found.
    ///
    /// # Errors
    /// `serviceUnavailable` while the disk is full.
    pub fn check_room(&self) -> Result<()> {
        match &self.0 {
            Engine::Sqlite(engine) => engine.check_room(),
            // Whoever has the disk tells of it with each write.
            Engine::Postgres(_) => Ok(()),
        }
    }

    fn pressure(&self) -> &Arc<Pressure> {
        match &self.0 {
            Engine::Sqlite(engine) => engine.pressure(),
            Engine::Postgres(engine) => engine.pressure(),
        }
    }

    /// Gives the writers the key with which they link the rows of the audit log. Until then
    /// no event can be written.
    pub fn begin_audit(&self, key: ChainKey) {
        let audit = Audit { key };
        match &self.0 {
            Engine::Sqlite(engine) => engine.begin_audit(audit),
            Engine::Postgres(engine) => engine.begin_audit(audit),
        }
    }

    /// Whether each of its writers that is connected can commit, as the last writes found. The
    /// work of one that cannot is done by the others, where there are any.
    ///
    /// # Errors
    /// `serviceUnavailable` when one cannot.
    pub fn check_writers(&self) -> Result<()> {
        match &self.0 {
            Engine::Sqlite(engine) => engine.check_room(),
            Engine::Postgres(engine) => engine.check_writers(),
        }
    }

    /// Gives what was committed its places in the order of everything, where these are given
    /// afterwards.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn settle_order(&self) -> Result<()> {
        if self.is_spread() && self.read(order::is_behind).await? {
            self.write(order::settle).await?;
        }
        Ok(())
    }

    /// Whether new ids had better not rise all at one end.
    #[must_use]
    pub const fn is_spread(&self) -> bool {
        matches!(self.0, Engine::Postgres(_))
    }

    /// Empties the log of a file, so that what was deleted stands there no more; `false` when
    /// somebody keeps reading what was there before. A database server cleans up by itself
    /// (docs/operations.md).
    ///
    /// # Errors
    /// When the store is away.
    pub async fn empty_log(&self, file: LogOf) -> Result<bool> {
        match &self.0 {
            Engine::Sqlite(engine) => engine.empty_log(file).await,
            Engine::Postgres(_) => Ok(true),
        }
    }

    /// How full the queues are, for the metrics.
    #[must_use]
    pub fn depth(&self) -> Depth {
        match &self.0 {
            Engine::Sqlite(engine) => engine.depth(),
            Engine::Postgres(engine) => engine.depth(),
        }
    }

    /// Finishes what is queued and closes. Later calls are refused.
    pub fn close(&self) {
        match &self.0 {
            Engine::Sqlite(engine) => engine.close(),
            Engine::Postgres(engine) => engine.close(),
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Store")
    }
}
