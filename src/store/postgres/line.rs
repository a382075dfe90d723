//! A connection that comes back: opened when it is wanted, given up when it broke, and not
//! asked for again at once while nobody answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

use super::super::queue::now;
use super::super::space;
use super::session::{Session, Trouble};
use super::wire::Failure;
use crate::config::Database;
use crate::context::Random;
use crate::error::{Error, Result};

/// How long nobody is asked for a connection after one could not be had.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

/// The shortest wait before a second try; the next are longer, each by chance.
const SHORTEST_WAIT_MS: u64 = 2;

/// The longest wait before another try.
const LONGEST_WAIT_MS: u64 = 250;

/// What keeps two writers from writing one row. Clients' data has no part in it.
const WRITER_KEYS: [&str; 2] = ["events_pkey", "writers_pkey"];

/// A connection, or the wish for one.
pub(super) struct Line {
    database: Arc<Database>,
    session: Option<Session>,
    away_until: Option<Instant>,
    /// How many of the lines that take the same work are connected.
    connected: Arc<AtomicUsize>,
}

/// What to do about trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Others were in the way: the same again may go well.
    Again,
    /// The place in the audit log that this writer took for its own is taken: another writer's
    /// may be free.
    OtherWriter,
    /// Another connection may do better.
    Reconnect,
    /// The server cannot do it now.
    Later,
    /// The statement is wrong.
    Never,
}

impl Line {
    pub(super) const fn new(database: Arc<Database>, connected: Arc<AtomicUsize>) -> Self {
        Self {
            database,
            session: None,
            away_until: None,
            connected,
        }
    }

    /// Before work is taken: where the server gives this line no connection and others have
    /// one, the work is theirs. It would be refused here, and faster than they can do it.
    pub(super) fn leave_work_to_others(&mut self) {
        while let Some(until) = self.away_until
            && self.connected.load(Ordering::Relaxed) > 0
        {
            thread::sleep(until.saturating_duration_since(now()));
            if self.session().is_ok() {
                return;
            }
        }
    }

    /// The connection, opened if there is none.
    ///
    /// # Errors
    /// `serviceUnavailable` when there is none to be had.
    pub(super) fn session(&mut self) -> Result<&mut Session> {
        if self.session.is_none() {
            // Where others are connected, somebody answers by now.
            let is_alone = self.connected.load(Ordering::Relaxed) == 0;
            if is_alone && self.away_until.is_some_and(|until| now() < until) {
                return Err(away());
            }
            match Session::open(&self.database) {
                Ok(session) => {
                    if self.away_until.take().is_some() {
                        tracing::info!(database = %self.database, "the database is back");
                    }
                    self.session = Some(session);
                    self.connected.fetch_add(1, Ordering::Relaxed);
                }
                Err(cause) => {
                    if self.away_until.is_none() {
                        tracing::warn!(%cause, database = %self.database, "the database is away");
                    }
                    self.away_until = Some(now() + PAUSE);
                }
            }
        }
        self.session.as_mut().ok_or_else(away)
    }

    /// Gives the connection up.
    pub(super) fn hang_up(&mut self) {
        if self.session.take().is_some() {
            self.connected.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.hang_up();
    }
}

fn away() -> Error {
    Error::unavailable("the store is away", 1)
}

impl Trouble {
    /// What to do about it.
    pub(super) fn remedy(&self) -> Remedy {
        match self {
            Self::Lost(_) => Remedy::Reconnect,
            Self::Refused(failure) => remedy(failure),
        }
    }

    /// Whether the server's disk has no room.
    pub(super) fn is_full(&self) -> bool {
        matches!(self, Self::Refused(failure) if failure.is_full())
    }

    /// What the one who asked is told when nothing helps.
    pub(super) fn error(&self) -> Error {
        match self {
            Self::Lost(_) => away(),
            Self::Refused(failure) => match remedy(failure) {
                Remedy::Never => Error::internal(failure.clone()),
                Remedy::Again => Error::unavailable("others keep changing the same data", 1),
                Remedy::Later if failure.is_full() => space::full(),
                Remedy::OtherWriter | Remedy::Reconnect | Remedy::Later => {
                    Error::unavailable("the store is away", 5)
                }
            },
        }
    }

    /// The same, when it is given up.
    pub(super) fn last_error(&self) -> Error {
        match self {
            Self::Lost(cause) => tracing::warn!(%cause, "a connection to the database broke"),
            Self::Refused(cause) => tracing::error!(%cause, "the database refused a statement"),
        }
        self.error()
    }
}

/// By SQLSTATE (appendix A of PostgreSQL's manual; CockroachDB and YugabyteDB use the same).
fn remedy(failure: &Failure) -> Remedy {
    match failure.code.as_str() {
        "23505" if failure.is_of_writer() => Remedy::OtherWriter,
        // Serialization, deadlock, and somebody else took what a constraint guards.
        "40001" | "40P01" | "23505" => Remedy::Again,
        // It shuts down or starts, takes no writes any more, forgot what was prepared or
        // cannot use it any more, or has too many connections.
        "57P01" | "57P02" | "57P03" | "25006" | "26000" | "0A000" | "53300" => Remedy::Reconnect,
        // A statement or a lock took too long.
        "57014" | "55P03" => Remedy::Later,
        code if code.starts_with("08") => Remedy::Reconnect,
        // Disk full, memory out.
        code if code.starts_with("53") || code.starts_with("58") => Remedy::Later,
        _ => Remedy::Never,
    }
}

impl Failure {
    /// Whether the server itself does not know what came of a commit (CockroachDB).
    pub(super) fn is_ambiguous(&self) -> bool {
        self.code == "40003"
    }

    /// Whether somebody else has what a constraint guards.
    pub(super) fn is_taken(&self) -> bool {
        self.code == "23505"
    }

    /// Whether the server's disk has no room.
    fn is_full(&self) -> bool {
        self.code == "53100"
    }

    /// Whether it is about the keys by which each writer has rows of its own.
    fn is_of_writer(&self) -> bool {
        WRITER_KEYS.contains(&self.constraint.as_str())
    }
}

/// Waits before another try, so that those who met do not meet again.
pub(super) fn wait(tries: u32) {
    let most = (SHORTEST_WAIT_MS << tries.min(16)).min(LONGEST_WAIT_MS);
    let [chance] = Random::System.bytes::<1>();
    let waited = most / 2 + most * u64::from(chance) / 512;
    thread::sleep(Duration::from_millis(waited));
}
