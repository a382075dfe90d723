//! One connection: its prepared statements, and the statements on their way.
//!
//! What costs is not the statements but the waiting for their answers. So a statement of
//! whose outcome only a failure matters is merely gathered; the next one that is read, or
//! the end of the transaction, takes all of them to the server together.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{DataRowBody, Message};

use super::super::{Row, Value};
use super::ahead::{Answer, First, Question};
use super::login::Login;
use super::row::{Kind, Row as Cells};
use super::stream::Stream;
use super::wire::{Failure, Inbox, Outbox};
use crate::config::{Database, Host};
use crate::error::{Error, Result};

/// Bytes that are gathered before they are sent; below what fits into a socket while the
/// other side is still writing.
const GATHERED_BYTES: usize = 48 << 10;

/// Statements that are gathered before they are sent.
const GATHERED_STATEMENTS: usize = 256;

/// How much longer than the server itself to wait for the end of a statement.
const GRACE: Duration = Duration::from_secs(5);

/// How long a statement waits for what another transaction holds.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

const BEGIN_WRITE: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE";
const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";

/// Why a transaction goes no further.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server refused a statement.
    Refused(Failure),
    /// The connection broke; whether in a commit is known to whoever waited for it.
    Lost(io::Error),
}

impl From<Trouble> for io::Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused(failure) => Self::other(failure),
            Trouble::Lost(cause) => cause,
        }
    }
}

/// A statement that the server knows by a name.
struct Statement {
    name: String,
    arguments: Vec<Kind>,
    columns: Arc<[Kind]>,
}

/// A connection.
pub(in crate::store) struct Session {
    stream: Stream,
    outbox: Outbox,
    inbox: Inbox,
    statements: HashMap<(usize, usize), Statement>,
    /// Statements gathered or sent whose results were not read.
    pending: usize,
    /// What the last of them gives.
    columns: Arc<[Kind]>,
    /// Answers that nobody waits for and that come before all others.
    owed: usize,
    first: First,
    trouble: Option<Trouble>,
    has_written: bool,
    trusts_constraints: bool,
}

impl Session {
    /// Connects to the first host that takes writes.
    pub(super) fn open(database: &Database) -> io::Result<Self> {
        let mut last = None;
        for host in &database.hosts {
            match Self::open_at(host, database) {
                Ok(session) => return Ok(session),
                Err(cause) => last = Some(io::Error::new(cause.kind(), format!("{host}: {cause}"))),
            }
        }
        Err(last.unwrap_or_else(|| io::Error::other("no host is named")))
    }

    fn open_at(host: &Host, database: &Database) -> io::Result<Self> {
        // Whoever says nothing before it has let us in is not waited for as long as a statement.
        let session = Self::over(Stream::connect(host, database)?, database)?;
        let patience = database.statement_timeout + GRACE;
        session.stream.wait_at_most(patience)?;
        Ok(session)
    }

    /// Logs in and makes the connection what it shall be.
    pub(super) fn over(stream: Stream, database: &Database) -> io::Result<Self> {
        let mut session = Self {
            stream,
            outbox: Outbox::default(),
            inbox: Inbox::default(),
            statements: HashMap::new(),
            pending: 0,
            columns: Arc::default(),
            owed: 0,
            first: First::Asked,
            trouble: None,
            has_written: false,
            trusts_constraints: false,
        };
        session.outbox.start(&[
            ("user", &database.user),
            ("database", &database.name),
            ("application_name", "oms"),
            ("client_encoding", "UTF8"),
        ])?;
        session.outbox.send(&mut session.stream)?;
        let login = Login {
            database,
            stream: &mut session.stream,
            outbox: &mut session.outbox,
            inbox: &mut session.inbox,
        };
        login.log_in()?;
        session.owed = 1;
        let limit = database.statement_timeout;
        session.simple(&format!(
            "SET statement_timeout = {0}; SET idle_in_transaction_session_timeout = {0}; \
             SET lock_timeout = {1}",
            limit.as_millis(),
            limit.min(LOCK_TIMEOUT).as_millis(),
        ))?;
        session.look_up_by_key()?;
        if session.is_read_only()? {
            return Err(io::Error::other("it takes no writes: it is a standby"));
        }
        for sql in [BEGIN_WRITE, BEGIN_READ, COMMIT, ROLLBACK] {
            if session.prepare(sql).is_err() {
                return Err(session.take_trouble().into());
            }
        }
        Ok(session)
    }

    /// Has rows found by their keys in tables however small. PostgreSQL reads a table of one
    /// page whole, and a transaction that did conflicts with every writer of any of its rows:
    /// those of `writers` would, in each commit. What has no key to go by is read whole all
    /// the same, at a pretended cost for which it must not be compiled. An engine that knows
    /// no such setting plans by rules of its own, and its connection is as good.
    fn look_up_by_key(&mut self) -> io::Result<()> {
        let refused =
            |cause: &io::Error| matches!(cause.get_ref(), Some(cause) if cause.is::<Failure>());
        for setting in ["SET enable_seqscan = off", "SET jit = off"] {
            match self.simple(setting) {
                Err(cause) if !refused(&cause) => return Err(cause),
                _ => {}
            }
        }
        Ok(())
    }

    /// A standby says so, and so does a server that was set to take no writes.
    fn is_read_only(&mut self) -> io::Result<bool> {
        let read = self.simple("SHOW transaction_read_only")?;
        Ok(read.as_deref() == Some("on"))
    }

    /// Runs text without arguments; gives the first column of the last row.
    pub(super) fn simple(&mut self, sql: &str) -> io::Result<Option<String>> {
        self.outbox.simple(sql)?;
        self.outbox.send(&mut self.stream)?;
        self.settle()?;
        let (mut found, mut failure) = (None, None);
        loop {
            match self.inbox.next(&mut self.stream)? {
                Message::DataRow(body) => found = first_text(&body),
                Message::ErrorResponse(body) => failure = Some(Failure::read(&body)),
                Message::ReadyForQuery(_) => break,
                _ => {}
            }
        }
        failure.map_or(Ok(found), |failure| Err(io::Error::other(failure)))
    }

    /// Begins a transaction that writes. The first statement takes this along.
    pub(super) fn begin(&mut self, trusts_constraints: bool) -> Result<()> {
        self.reset();
        self.trusts_constraints = trusts_constraints;
        self.gather(BEGIN_WRITE, &[])
    }

    /// Begins a transaction over a snapshot.
    pub(super) fn begin_reading(&mut self) -> Result<()> {
        self.reset();
        self.gather(BEGIN_READ, &[])
    }

    /// Commits; when this gives an error and [`Self::trouble`] is `Lost`, nobody knows.
    pub(super) fn commit(&mut self) -> Result<()> {
        self.gather(COMMIT, &[])?;
        self.exchange(&mut |_| Ok(())).map(drop)
    }

    /// Ends a transaction over a snapshot without waiting for the answer.
    pub(super) fn end_reading(&mut self) {
        if self.trouble.is_some() {
            self.roll_back();
            return;
        }
        if self.pending == 1 {
            // Nothing but its beginning, which was not sent.
            self.outbox = Outbox::default();
            self.pending = 0;
            return;
        }
        if self.gather(COMMIT, &[]).is_ok() {
            self.outbox.sync();
            if let Err(cause) = self.outbox.send(&mut self.stream) {
                self.trouble = Some(Trouble::Lost(cause));
            }
            self.owed += 1;
            self.pending = 0;
        }
    }

    /// Undoes the transaction; a connection that cannot even do that is lost.
    pub(super) fn roll_back(&mut self) {
        self.outbox = Outbox::default();
        self.pending = 0;
        if matches!(self.trouble, Some(Trouble::Lost(_))) {
            return;
        }
        if let Err(cause) = self.simple(ROLLBACK) {
            self.trouble = Some(Trouble::Lost(cause));
        }
    }

    /// What went wrong in the transaction, if the server or the connection did.
    pub(super) const fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// What went wrong, for whoever ends the transaction.
    pub(super) fn take_trouble(&mut self) -> Trouble {
        let none = || Trouble::Lost(io::Error::other("a statement was not sent"));
        self.trouble.take().unwrap_or_else(none)
    }

    /// Whether a commit that failed may have taken place all the same.
    pub(super) fn may_have_committed(&self) -> bool {
        match &self.trouble {
            Some(Trouble::Lost(_)) => true,
            Some(Trouble::Refused(failure)) => failure.is_ambiguous(),
            None => false,
        }
    }

    /// Whether a statement was run that may have changed something.
    pub(super) const fn has_written(&self) -> bool {
        self.has_written
    }

    /// Whether nothing was asked since the transaction began.
    pub(super) const fn is_untouched(&self) -> bool {
        self.pending == 1 && !self.has_written
    }

    pub(super) const fn forget_written(&mut self) {
        self.has_written = false;
    }

    /// Whether this is the first try of a closure, which takes for granted that nobody else
    /// has what a constraint guards. When that was wrong, it runs again and looks.
    pub(in crate::store) const fn trusts_constraints(&self) -> bool {
        self.trusts_constraints
    }

    /// Runs a statement with the next one that is read.
    pub(in crate::store) fn send(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<()> {
        self.has_written = true;
        self.gather(sql, values)?;
        if self.outbox.len() > GATHERED_BYTES || self.pending >= GATHERED_STATEMENTS {
            self.exchange(&mut |_| Ok(()))?;
        }
        Ok(())
    }

    /// Runs a statement and gives the number of rows it changed.
    pub(in crate::store) fn execute(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<usize> {
        self.has_written = true;
        self.gather(sql, values)?;
        self.exchange(&mut |_| Ok(()))
    }

    /// Runs a statement and shows each row.
    pub(in crate::store) fn query(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        show: &mut dyn FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<()> {
        let (before, waited) = (self.outbox.len(), self.pending);
        self.gather(sql, values)?;
        if let Some(answer) = self.first.take_answer(self.outbox.since(before)) {
            self.outbox.forget_since(before);
            self.pending = waited;
            return answer.show(show);
        }
        self.exchange(show).map(drop)
    }

    /// Runs a closure until it asks something, and gathers that; `None` when it asks nothing,
    /// or what it asks has to be prepared first.
    pub(super) fn gather_first(&mut self, run: impl FnOnce(&mut Self)) -> Option<Question> {
        self.first = First::Gathered(None);
        run(self);
        self.first.take_question()
    }

    /// Sends what was gathered since the transaction began; gives the rows that each question
    /// found.
    pub(super) fn answer(&mut self) -> Result<impl Iterator<Item = Vec<DataRowBody>> + use<>> {
        self.outbox.sync();
        self.pending = 0;
        let mut found = vec![Vec::new()];
        self.converse(|message| {
            match (message, found.last_mut()) {
                (Message::DataRow(body), Some(rows)) => rows.push(body),
                (Message::CommandComplete(_), _) => found.push(Vec::new()),
                _ => {}
            }
            Ok(())
        })?;
        // The first is the transaction's beginning.
        Ok(found.into_iter().skip(1))
    }

    /// Runs a closure that may have the answer to its first question.
    pub(super) fn with_answer(&mut self, answer: Option<Answer>, run: impl FnOnce(&mut Self)) {
        self.first = answer.map_or(First::Asked, First::Answered);
        run(self);
        self.first = First::Asked;
    }

    fn reset(&mut self) {
        self.first = First::Asked;
        self.trouble = None;
        self.has_written = false;
        self.trusts_constraints = false;
    }

    fn gather(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<()> {
        if self.trouble.is_some() {
            return Err(Error::internal("the transaction has failed already"));
        }
        let key = (sql.as_ptr().addr(), sql.len());
        if matches!(self.first, First::Gathered(_)) {
            return self.gather_question(key, values);
        }
        if !self.statements.contains_key(&key) {
            if self.pending > 0 {
                self.exchange(&mut |_| Ok(()))?;
            }
            self.prepare(sql)?;
        }
        let statement = &self.statements[&key];
        self.outbox
            .run(&statement.name, &statement.arguments, values)?;
        self.pending += 1;
        self.columns = Arc::clone(&statement.columns);
        Ok(())
    }

    /// Gathers the first question of a closure, which goes no further.
    fn gather_question(&mut self, key: (usize, usize), values: &[Value<'_>]) -> Result<()> {
        if let First::Gathered(question @ None) = &mut self.first
            && let Some(statement) = self.statements.get(&key)
            && self.outbox.len() < GATHERED_BYTES
        {
            let before = self.outbox.len();
            self.outbox
                .run(&statement.name, &statement.arguments, values)?;
            self.pending += 1;
            *question = Some(Question {
                message: Bytes::copy_from_slice(self.outbox.since(before)),
                columns: Arc::clone(&statement.columns),
            });
        }
        Err(Error::internal("the answer is not there yet"))
    }

    /// Has a statement prepared, and learns what it takes and gives.
    fn prepare(&mut self, sql: &'static str) -> Result<()> {
        let name = format!("s{}", self.statements.len());
        self.outbox.prepare(&name, sql).map_err(Error::internal)?;
        self.outbox.sync();
        let (mut arguments, mut columns) = (Vec::new(), Vec::new());
        self.converse(|message| {
            match message {
                Message::ParameterDescription(body) => {
                    arguments = body.parameters().map(|oid| Ok(Kind::of(oid))).collect()?;
                }
                Message::RowDescription(body) => {
                    let kinds = body.fields().map(|field| Ok(Kind::of(field.type_oid())));
                    columns = kinds.collect()?;
                }
                _ => {}
            }
            Ok(())
        })?;
        let statement = Statement {
            name,
            arguments,
            columns: columns.into(),
        };
        self.statements
            .insert((sql.as_ptr().addr(), sql.len()), statement);
        Ok(())
    }

    /// Sends what was gathered and reads every result; shows the rows of the last one and
    /// gives the number of rows that it changed.
    fn exchange(&mut self, show: &mut dyn FnMut(&Row<'_>) -> Result<()>) -> Result<usize> {
        self.outbox.sync();
        let mut left = std::mem::take(&mut self.pending);
        let (mut changed, mut shown) = (0, Ok(()));
        let columns = std::mem::take(&mut self.columns);
        self.converse(|message| {
            match message {
                Message::DataRow(body) if left == 1 && shown.is_ok() => {
                    shown =
                        Cells::read(&columns, &body).and_then(|row| show(&Row::of_postgres(&row)));
                }
                Message::CommandComplete(body) => {
                    left = left.saturating_sub(1);
                    changed = rows_of_tag(body.tag()?);
                }
                _ => {}
            }
            Ok(())
        })?;
        shown.map(|()| changed)
    }

    /// Sends what was gathered and shows each message up to the end of the answer.
    fn converse(&mut self, mut look: impl FnMut(Message) -> io::Result<()>) -> Result<()> {
        let trouble = match self.try_converse(&mut look) {
            Ok(None) => return Ok(()),
            Ok(Some(failure)) => Trouble::Refused(failure),
            Err(cause) => Trouble::Lost(cause),
        };
        // A closure hands this on, and its own error is what its caller is told in the end.
        let error = trouble.error();
        self.trouble = Some(trouble);
        Err(error)
    }

    fn try_converse(
        &mut self,
        look: &mut dyn FnMut(Message) -> io::Result<()>,
    ) -> io::Result<Option<Failure>> {
        self.outbox.send(&mut self.stream)?;
        self.settle()?;
        let mut failure = None;
        loop {
            match self.inbox.next(&mut self.stream)? {
                Message::ReadyForQuery(_) => return Ok(failure),
                Message::ErrorResponse(body) => {
                    failure = failure.or_else(|| Some(Failure::read(&body)));
                }
                message => look(message)?,
            }
        }
    }

    /// Reads the answers that nobody waited for. None of them can refuse anything.
    fn settle(&mut self) -> io::Result<()> {
        while self.owed > 0 {
            match self.inbox.next(&mut self.stream)? {
                Message::ErrorResponse(body) => {
                    return Err(io::Error::other(Failure::read(&body)));
                }
                Message::ReadyForQuery(_) => self.owed -= 1,
                _ => {}
            }
        }
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.outbox = Outbox::default();
        self.outbox.end();
        // A courtesy: a server that is gone needs no good-bye.
        let _ = self.outbox.send(&mut self.stream);
    }
}

/// The number that ends a tag like `UPDATE 3`; 0 where there is none.
fn rows_of_tag(tag: &str) -> usize {
    let number = tag.rsplit(' ').next();
    number.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn first_text(row: &DataRowBody) -> Option<String> {
    let range = row.ranges().next().ok()???;
    String::from_utf8(row.buffer()[range].to_vec()).ok()
}
