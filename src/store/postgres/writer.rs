//! A thread that writes: it takes what waits and commits many closures together.
//!
//! A first try trusts that nobody else has what a constraint guards, so that a create reads
//! nothing and its statements go to the server together. A closure that was wrong, or met
//! somebody else, runs again: first with all of its batch, looking; then alone. Nothing of
//! a try that was not committed stays.
//!
//! A writer whose batch was refused in the end shows that it can commit before it takes more
//! work: else it would refuse faster than the others can do it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use crossbeam_channel::Receiver;
use tokio::time::Instant;

use super::super::chain::Audit;
use super::super::pressure::Pressure;
use super::super::queue::{Job, now};
use super::super::space;
use super::super::sqlite::lock;
use super::super::tx::Tx;
use super::line::{Line, PAUSE, Remedy, wait};
use super::session::Trouble;
use super::turn::{Fate, Turn};
use crate::error::{Error, Result};
use crate::metrics::{self, Refusal};

/// How often a closure runs before it is refused.
const TRIES: u32 = 10;

/// Batches that look before they write, after one met what it had taken for granted.
const CAREFUL_BATCHES: u32 = 8;

/// A batch of so many jobs is worth a transaction beside those that run.
const WORTH_WHILE: usize = 16;

/// How long a smaller one waits for more, while others run.
const LINGER: Duration = Duration::from_millis(1);

/// How long it is remembered that the database found no room. Only what needs some can tell
/// that there is some again, and what is small finds it in pages that are there.
const FULL_MEMORY: Duration = Duration::from_secs(3);

/// What the threads of a server know of each other. A transaction costs the database more
/// than a row in it: where one runs already, the next gathers what comes meanwhile.
#[derive(Debug, Default)]
pub(super) struct Company {
    /// One gathers at a time.
    gathering: Mutex<()>,
    /// Transactions that run.
    running: AtomicUsize,
    /// Writers that work.
    writers: AtomicUsize,
    /// Those of them that are connected and cannot commit all the same.
    unable: AtomicUsize,
    /// When the database last said that its disk is full.
    full_at: Mutex<Option<Instant>>,
}

impl Company {
    /// Of so many writers.
    pub(super) fn of(writers: usize) -> Self {
        Self {
            writers: AtomicUsize::new(writers),
            ..Self::default()
        }
    }

    /// # Errors
    /// `serviceUnavailable` when one of them cannot commit, or found no room just now.
    pub(super) fn check(&self) -> Result<()> {
        let full_at = *lock(&self.full_at);
        if full_at.is_some_and(|at| at.elapsed() < FULL_MEMORY) {
            return Err(space::full());
        }
        if self.unable_writers() > 0 {
            let detail = "a connection to the database cannot write";
            return Err(Error::unavailable(detail, 1));
        }
        Ok(())
    }

    /// How many writers are connected and cannot commit.
    fn unable_writers(&self) -> usize {
        self.unable.load(Ordering::Relaxed)
    }

    fn count_unable(&self, before: bool, after: bool) {
        match (before, after) {
            (false, true) => self.unable.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.unable.fetch_sub(1, Ordering::Relaxed),
            _ => return,
        };
    }

    /// Whether one of them can do the work of those that cannot.
    fn can_write(&self) -> bool {
        self.unable_writers() < self.writers.load(Ordering::Relaxed)
    }
}

/// What the thread owns.
pub(super) struct Writer {
    pub line: Line,
    pub audit: Arc<OnceLock<Audit>>,
    pub largest_batch: usize,
    pub company: Arc<Company>,
    pub pressure: Arc<Pressure>,
    turn: Option<Turn>,
    careful: u32,
    /// Whether its last batch was refused in the end.
    is_in_doubt: bool,
    /// Whether it could not even commit nothing after that.
    is_unable: bool,
}

/// What came of a try.
enum Tried {
    /// It is committed.
    Done,
    /// A closure failed after it had written; nothing stays.
    Spoilt,
    /// The server or the connection refused; nothing stays.
    Refused(Trouble),
    /// The connection broke in the commit that was to make this turn.
    Unknown(Option<Turn>),
    /// There is no connection.
    Away(Error),
}

type Batch = Vec<Box<dyn Job>>;

impl Writer {
    pub(super) const fn new(
        line: Line,
        audit: Arc<OnceLock<Audit>>,
        largest_batch: usize,
        company: Arc<Company>,
        pressure: Arc<Pressure>,
    ) -> Self {
        Self {
            line,
            audit,
            largest_batch,
            company,
            pressure,
            turn: None,
            careful: 0,
            is_in_doubt: false,
            is_unable: false,
        }
    }

    /// Commits batch after batch until the queue is closed and empty.
    pub(super) fn run(mut self, jobs: &Receiver<Box<dyn Job>>) {
        loop {
            self.line.leave_work_to_others();
            self.show_ability();
            let Some(batch) = self.gather(jobs) else {
                self.company.writers.fetch_sub(1, Ordering::Relaxed);
                return;
            };
            if !batch.is_empty() {
                let jobs = batch.len();
                self.carry_out(batch);
                self.pressure.batch_ended(jobs);
            }
            self.company.running.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// After a batch that was refused: commits nothing, by its own row alone. While it cannot,
    /// it tries as another writer on another connection, and leaves the work to those who can.
    fn show_ability(&mut self) {
        while std::mem::take(&mut self.is_in_doubt) {
            let mut nothing = Batch::new();
            let tried = self.attempt(&mut nothing, false);
            self.try_again(nothing, false, tried);
            self.company.count_unable(self.is_unable, self.is_in_doubt);
            self.is_unable = self.is_in_doubt;
            if !self.is_unable {
                return;
            }
            self.turn = None;
            self.line.hang_up();
            if !self.company.can_write() {
                // The work has to be refused by one of them.
                return;
            }
            thread::sleep(PAUSE);
        }
    }

    /// What is to be committed together; `None` when nothing will come any more. Counts as
    /// running from here on.
    fn gather(&self, jobs: &Receiver<Box<dyn Job>>) -> Option<Batch> {
        let company = &self.company;
        let _alone = lock(&company.gathering);
        let mut batch = Vec::with_capacity(self.largest_batch);
        self.admit(jobs.recv().ok()?, &mut batch);
        let until = (now() + LINGER).into_std();
        while batch.len() < self.largest_batch {
            let in_company = company.running.load(Ordering::Relaxed) > 0;
            let next = if in_company && batch.len() < WORTH_WHILE {
                jobs.recv_deadline(until).ok()
            } else {
                jobs.try_recv().ok()
            };
            let Some(next) = next else { break };
            self.admit(next, &mut batch);
        }
        company.running.fetch_add(1, Ordering::Relaxed);
        Some(batch)
    }

    /// Drops work whose caller has gone and refuses work that waited too long.
    fn admit(&self, job: Box<dyn Job>, batch: &mut Batch) {
        match job.waited(now()) {
            None => {}
            Some(waited) if self.pressure.is_too_long(waited) => {
                Refusal::Waited.add();
                job.finish(Err(Error::unavailable("too many requests are waiting", 1)));
            }
            Some(_) => batch.push(job),
        }
    }

    fn carry_out(&mut self, mut batch: Batch) {
        let trusts = self.careful == 0;
        self.careful = self.careful.saturating_sub(1);
        match self.attempt(&mut batch, trusts) {
            Tried::Done => finish(batch, || Ok(())),
            tried => self.try_again(batch, trusts, tried),
        }
    }

    /// Goes on after a try that did not go well.
    fn try_again(&mut self, mut batch: Batch, trusts: bool, first: Tried) {
        let mut tried = first;
        let mut looked = !trusts;
        for tries in 0..TRIES {
            let refused = match tried {
                Tried::Done => return finish(batch, || Ok(())),
                Tried::Away(error) => return finish(batch, || Err(again_later(&error))),
                Tried::Unknown(wanted) => return self.find_out(batch, wanted),
                Tried::Spoilt if batch.len() == 1 => return finish(batch, || Ok(())),
                Tried::Spoilt => return self.one_by_one(batch),
                Tried::Refused(trouble) => trouble,
            };
            if refused.is_full() {
                *lock(&self.company.full_at) = Some(now());
            }
            match refused.remedy() {
                Remedy::Reconnect => self.line.hang_up(),
                Remedy::Later => return self.refuse(batch, || refused.last_error()),
                Remedy::OtherWriter if tries + 1 < TRIES => self.turn = None,
                Remedy::Again if !looked => {
                    if matches!(&refused, Trouble::Refused(failure) if failure.is_taken()) {
                        self.careful = CAREFUL_BATCHES;
                    }
                    looked = true;
                }
                _ if batch.len() > 1 => return self.one_by_one(batch),
                Remedy::Again if tries + 1 < TRIES => {}
                Remedy::Again | Remedy::OtherWriter | Remedy::Never => {
                    return self.refuse(batch, || refused.last_error());
                }
            }
            wait(tries);
            tried = self.attempt(&mut batch, false);
        }
        self.refuse(batch, || {
            Error::unavailable("the store cannot write now", 1)
        });
    }

    fn refuse(&mut self, batch: Batch, error: impl Fn() -> Error) {
        self.is_in_doubt = true;
        finish(batch, || Err(error()));
    }

    fn one_by_one(&mut self, batch: Batch) {
        for job in batch {
            let mut alone = vec![job];
            let tried = self.attempt(&mut alone, false);
            self.try_again(alone, false, tried);
        }
    }

    /// The connection broke in a commit: finds out what became of it, and runs the batch
    /// again only when it is sure that nothing did.
    fn find_out(&mut self, mut batch: Batch, mut wanted: Option<Turn>) {
        for tries in 0..TRIES {
            self.line.hang_up();
            wait(tries + 4);
            match self.settle(wanted) {
                Ok(Some(Fate::Committed)) => {
                    self.turn = wanted;
                    return finish(batch, || Ok(()));
                }
                Ok(Some(Fate::Undone(turn))) => self.turn = turn,
                Ok(None) => {}
                Err(_) => continue,
            }
            match self.attempt(&mut batch, false) {
                Tried::Unknown(next) => wanted = next,
                tried => return self.try_again(batch, false, tried),
            }
        }
        // Whoever asked asks again: by its idempotency key, or by what it reads.
        self.turn = None;
        tracing::error!("what came of a commit could not be found out");
        self.refuse(batch, || Error::unavailable("the store is away", 1));
    }

    /// `None` where no row tells, as before the audit log has its key: what is written then
    /// looks first whether it is there.
    fn settle(&mut self, wanted: Option<Turn>) -> Result<Option<Fate>> {
        let (Some(turn), Some(wanted)) = (self.turn, wanted) else {
            return Ok(None);
        };
        turn.settle(&wanted, self.line.session()?).map(Some)
    }

    fn attempt(&mut self, batch: &mut Batch, trusts_constraints: bool) -> Tried {
        let session = match self.line.session() {
            Ok(session) => session,
            Err(error) => return Tried::Away(error),
        };
        let audit = self.audit.get();
        if let (None, Some(audit)) = (self.turn, audit) {
            self.turn = Some(Turn::begin(audit));
        }
        let mut head = self.turn.map(|turn| turn.head);
        let _ = session.begin(trusts_constraints);
        let (mut has_written, mut spoilt) = (false, false);
        for job in batch.iter_mut() {
            session.forget_written();
            let mut tx = Tx::on_postgres(session, audit.zip(head));
            let well = job.run(&mut tx);
            head = tx.chain.map(|(_, head)| head);
            has_written |= session.has_written();
            spoilt = !well && session.has_written();
            if spoilt || session.trouble().is_some() {
                break;
            }
        }
        if session.trouble().is_none() {
            // One that asks nothing wants to know whether a commit is possible.
            let nothing_to_commit = !has_written && !session.is_untouched();
            if spoilt || nothing_to_commit {
                session.roll_back();
                return if spoilt { Tried::Spoilt } else { Tried::Done };
            }
            let next = self.turn.zip(head).map(|(turn, head)| turn.then(head));
            let began = now();
            let noted = self.turn.zip(next);
            let noted = noted.map_or(Ok(()), |(turn, next)| turn.write(&next, session));
            if noted.is_ok() && session.commit().is_ok() {
                metrics::COMMIT_TIME.observe_time(began.elapsed());
                self.turn = next;
                return Tried::Done;
            }
            if noted.is_ok() && session.may_have_committed() {
                return Tried::Unknown(next);
            }
        }
        session.roll_back();
        let trouble = session.take_trouble();
        if matches!(trouble, Trouble::Lost(_)) {
            self.line.hang_up();
        }
        Tried::Refused(trouble)
    }
}

fn finish(batch: Batch, outcome: impl Fn() -> Result<()>) {
    for job in batch {
        job.finish(outcome());
    }
}

/// The same error for another one who waits.
fn again_later(error: &Error) -> Error {
    tracing::debug!(%error, "there is no connection");
    Error::unavailable("the store is away", 1)
}
