//! One transaction, as the statements of `store/<noun>.rs` see it, on whichever engine.

use super::chain::{Audit, Head};
use super::postgres::Session;
use super::sqlite;
use super::tail::{Op, Tail};
use super::{Row, Value, space};
use crate::error::{Error, Result};
use crate::vault::{ChainKey, LINK_LENGTH};

/// One transaction, as the statements of `store/<noun>.rs` see it.
pub struct Tx<'a> {
    engine: Engine<'a>,
    /// Look-ups of this commit; only the embedded engine gathers them.
    pub(super) journal: Vec<Op>,
    /// Only a writer has a chain, once it was told the key.
    pub(super) chain: Option<(&'a Audit, Head)>,
    /// A statement of the embedded engine found no room on the disk.
    pub(super) found_no_room: bool,
}

enum Engine<'a> {
    Sqlite {
        connection: &'a rusqlite::Connection,
        tail: &'a Tail,
        /// Another process may have journalled what the tail has not read.
        may_be_ahead: bool,
    },
    Postgres(&'a mut Session),
}

impl<'a> Tx<'a> {
    pub(super) const fn new(
        connection: &'a rusqlite::Connection,
        tail: &'a Tail,
        chain: Option<(&'a Audit, Head)>,
    ) -> Self {
        Self {
            engine: Engine::Sqlite {
                connection,
                tail,
                may_be_ahead: false,
            },
            journal: Vec::new(),
            chain,
            found_no_room: false,
        }
    }

    /// A snapshot beside the writer of this process and others.
    pub(super) const fn reading(connection: &'a rusqlite::Connection, tail: &'a Tail) -> Self {
        Self {
            engine: Engine::Sqlite {
                connection,
                tail,
                may_be_ahead: true,
            },
            journal: Vec::new(),
            chain: None,
            found_no_room: false,
        }
    }

    pub(super) const fn on_postgres(
        session: &'a mut Session,
        chain: Option<(&'a Audit, Head)>,
    ) -> Self {
        Self {
            engine: Engine::Postgres(session),
            journal: Vec::new(),
            chain,
            found_no_room: false,
        }
    }

    /// Whether ids are spread over buckets, and look-ups written at once.
    pub(super) const fn is_spread(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// Whether to take for granted that nobody else has what a constraint guards. When
    /// somebody has, the closure runs again, and this says no.
    pub(super) const fn trusts_constraints(&self) -> bool {
        match &self.engine {
            Engine::Sqlite { .. } => false,
            Engine::Postgres(session) => session.trusts_constraints(),
        }
    }

    /// The next place in this writer's chain, and what links it to the one before.
    pub(super) fn next_link(&self) -> Result<(&ChainKey, Head)> {
        match &self.chain {
            Some((audit, head)) => Ok((&audit.key, *head)),
            None => Err(Error::internal("the audit log has no key here")),
        }
    }

    /// Goes on from a row that was just linked.
    pub(super) fn advance(&mut self, hash: [u8; LINK_LENGTH]) {
        if let Some((_, head)) = &mut self.chain {
            head.position += 1;
            head.hash = hash;
        }
    }

    /// The look-ups that are not in the table yet, of the embedded engine.
    pub(super) const fn tail(&self) -> Option<&'a Tail> {
        match self.engine {
            Engine::Sqlite { tail, .. } => Some(tail),
            Engine::Postgres(_) => None,
        }
    }

    /// Whether the journal of look-ups may hold what the tail does not.
    pub(super) const fn may_be_ahead_of_tail(&self) -> bool {
        matches!(
            self.engine,
            Engine::Sqlite {
                may_be_ahead: true,
                ..
            }
        )
    }

    /// Runs a statement and gives the number of rows it changed.
    pub fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<usize> {
        match &mut self.engine {
            Engine::Sqlite { connection, .. } => prepare(connection, sql)?
                .execute(rusqlite::params_from_iter(values))
                .map_err(|cause| {
                    self.found_no_room |= space::is_full(&cause);
                    sqlite::error(cause)
                }),
            Engine::Postgres(session) => session.execute(sql, values),
        }
    }

    /// Runs a statement of whose outcome only a failure matters; where statements travel,
    /// it goes with the next one.
    pub fn send(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<()> {
        if let Engine::Postgres(session) = &mut self.engine {
            return session.send(sql, values);
        }
        self.execute(sql, values).map(drop)
    }

    /// The first row of a result, if there is one.
    pub fn first<T>(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        match &mut self.engine {
            Engine::Sqlite { connection, .. } => {
                let mut statement = prepare(connection, sql)?;
                let mut rows = statement
                    .query(rusqlite::params_from_iter(values))
                    .map_err(sqlite::error)?;
                let row = rows.next().map_err(sqlite::error)?;
                row.map(|row| read(&Row::new(row))).transpose()
            }
            Engine::Postgres(session) => {
                let (mut read, mut found) = (Some(read), None);
                session.query(sql, values, &mut |row| {
                    if let Some(read) = read.take() {
                        found = Some(read(row)?);
                    }
                    Ok(())
                })?;
                Ok(found)
            }
        }
    }

    /// All rows of a result; the statement bounds their number.
    pub fn all<T>(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        match &mut self.engine {
            Engine::Sqlite { connection, .. } => {
                let mut statement = prepare(connection, sql)?;
                let mut rows = statement
                    .query(rusqlite::params_from_iter(values))
                    .map_err(sqlite::error)?;
                while let Some(row) = rows.next().map_err(sqlite::error)? {
                    all.push(read(&Row::new(row))?);
                }
            }
            Engine::Postgres(session) => session.query(sql, values, &mut |row| {
                all.push(read(row)?);
                Ok(())
            })?,
        }
        Ok(all)
    }
}

/// Prepares a statement once. `$1` is a name to SQLite, so the arguments must
/// first stand in the order of their numbers.
fn prepare<'c>(
    connection: &'c rusqlite::Connection,
    sql: &'static str,
) -> Result<rusqlite::CachedStatement<'c>> {
    let statement = connection.prepare_cached(sql).map_err(sqlite::error)?;
    debug_assert!(
        (1..=statement.parameter_count())
            .all(|number| statement.parameter_name(number) == Some(&format!("${number}"))),
        "the arguments of a statement are out of order: {sql}"
    );
    Ok(statement)
}
