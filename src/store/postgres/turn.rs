//! The row that a writing connection has to itself.
//!
//! Every commit raises its `turn` by one. When a connection breaks in a commit, nobody is
//! told whether the commit took place: the row tells, for whoever asks for it waits until
//! the server has done with the broken connection. So a transaction takes place once,
//! whatever it does, and no two connections ever wait for one row.
//!
//! A connection draws the number of its row at random when it begins, and another one when
//! it must give a row up. What it finds there counts only if number and hash are its own.
//!
//! The same row holds the head of the connection's chain of the audit log.

use super::super::Head;
use super::super::chain::Audit;
use super::session::Session;
use crate::error::Result;

/// The first commit of a writer makes its row.
const FIRST: &str = "INSERT INTO writers (id, before, turn, position, hash, touched_at)
     VALUES ($1, 0, $2, $3, $4, CAST(EXTRACT(EPOCH FROM CURRENT_TIMESTAMP) * 1000 AS BIGINT))";

/// A constraint refuses a turn that is not above the one before.
const NEXT: &str = "UPDATE writers SET before = turn, turn = $2, position = $3, hash = $4,
            touched_at = CAST(EXTRACT(EPOCH FROM CURRENT_TIMESTAMP) * 1000 AS BIGINT)
     WHERE id = $1";

const LAST: &str = "SELECT turn, position, hash FROM writers WHERE id = $1 FOR UPDATE";

/// Turns that are passed over so that a commit of before can never follow.
const BARRIER: i64 = 1 << 20;

/// Where a writer stands after its last commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub head: Head,
    number: i64,
    is_stored: bool,
}

impl Turn {
    /// Of a writer that never was before.
    pub(super) fn begin(audit: &Audit) -> Self {
        Self {
            head: audit.fresh(),
            number: 0,
            is_stored: false,
        }
    }

    /// The turn that a commit with this head makes.
    pub(super) const fn then(self, head: Head) -> Self {
        Self {
            head,
            number: self.number + 1,
            is_stored: true,
        }
    }

    /// Writes what comes after this turn, with whatever is read or committed next.
    pub(super) fn write(self, next: &Self, session: &mut Session) -> Result<()> {
        let sql = if self.is_stored { NEXT } else { FIRST };
        let head = &next.head;
        session.send(
            sql,
            &[
                head.writer.into(),
                next.number.into(),
                head.position.into(),
                (&head.hash).into(),
            ],
        )
    }

    /// In a transaction of its own: finds out whether the commit after this turn, which would
    /// have made the `wanted` one, took place, or sees to it that it never will.
    ///
    /// # Errors
    /// When the server or the connection refuses; then the same must be asked again.
    pub(super) fn settle(self, wanted: &Self, session: &mut Session) -> Result<Fate> {
        session.begin(false)?;
        let found = self.find(session)?;
        let barrier = Self {
            number: self.number + BARRIER,
            is_stored: true,
            ..self
        };
        let fate = match found {
            Some(found) if found == *wanted => Fate::Committed,
            Some(found) if found == barrier => Fate::Undone(Some(barrier)),
            Some(found) if found != self => Fate::Undone(None),
            _ => {
                let last = found.unwrap_or(Self {
                    is_stored: false,
                    ..self
                });
                last.write(&barrier, session)?;
                session.commit()?;
                return Ok(Fate::Undone(Some(barrier)));
            }
        };
        session.roll_back();
        Ok(fate)
    }

    /// What the row says, when the server has done with whoever was writing it.
    fn find(self, session: &mut Session) -> Result<Option<Self>> {
        let mut found = None;
        session.query(LAST, &[self.head.writer.into()], &mut |row| {
            let head = Head {
                writer: self.head.writer,
                position: row.int(1)?,
                hash: row.array(2)?,
            };
            found = Some(Self {
                head,
                number: row.int(0)?,
                is_stored: true,
            });
            Ok(())
        })?;
        Ok(found)
    }
}

/// What became of a commit.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    /// It took place.
    Committed,
    /// It did not and never will; the writer goes on from here. Where the row says neither
    /// what it said before nor what it was to say, as when another database stepped in with
    /// less than this one had acknowledged, the writer begins another.
    Undone(Option<Turn>),
}
