//! A thread that writes: it takes what waits and commits many closures together.
//!
//! A first try trusts that nobody else has what a constraint guards, so that a create reads
//! nothing and its statements go to the server together. A closure that was wrong, or met
//! somebody else, runs again: first with all of its batch, looking; then alone. Nothing of
//! a try that was not committed stays.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crossbeam_channel::Receiver;

use super::super::chain::Audit;
use super::super::pressure::Pressure;
use super::super::queue::{Job, now};
use super::super::sqlite::lock;
use super::super::tx::Tx;
use super::line::{Line, Remedy, wait};
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

/// What the threads of a server know of each other. A transaction costs the database more
/// than a row in it: where one runs already, the next gathers what comes meanwhile.
#[derive(Debug, Default)]
pub(super) struct Company {
    /// One gathers at a time.
    gathering: Mutex<()>,
    /// Transactions that run.
    running: AtomicUsize,
}

/// What the thread owns.
pub(super) struct Writer {
    pub line: Line,
    /// Which of the connections.
    pub number: usize,
    pub audit: Arc<OnceLock<Audit>>,
    pub largest_batch: usize,
    pub company: Arc<Company>,
    pub pressure: Arc<Pressure>,
    turn: Option<Turn>,
    careful: u32,
}

/// What came of a try.
enum Tried {
    /// It is committed.
    Done,
    /// A closure failed after it had written; nothing stays.
    Spoilt,
    /// The server or the connection refused; nothing stays.
    Refused(Trouble),
    /// The connection broke in the commit.
    Unknown,
    /// There is no connection.
    Away(Error),
}

type Batch = Vec<Box<dyn Job>>;

impl Writer {
    pub(super) const fn new(
        line: Line,
        number: usize,
        audit: Arc<OnceLock<Audit>>,
        largest_batch: usize,
        company: Arc<Company>,
        pressure: Arc<Pressure>,
    ) -> Self {
        Self {
            line,
            number,
            audit,
            largest_batch,
            company,
            pressure,
            turn: None,
            careful: 0,
        }
    }

    /// Commits batch after batch until the queue is closed and empty.
    pub(super) fn run(mut self, jobs: &Receiver<Box<dyn Job>>) {
        loop {
            self.line.leave_work_to_others();
            let Some(batch) = self.gather(jobs) else {
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
                Tried::Unknown => return self.find_out(batch),
                Tried::Spoilt if batch.len() == 1 => return finish(batch, || Ok(())),
                Tried::Spoilt => return self.one_by_one(batch),
                Tried::Refused(trouble) => trouble,
            };
            match refused.remedy() {
                Remedy::Reconnect => self.line.hang_up(),
                Remedy::Later => return finish(batch, || Err(refused.last_error())),
                Remedy::Again if !looked => {
                    if matches!(&refused, Trouble::Refused(failure) if failure.is_taken()) {
                        self.careful = CAREFUL_BATCHES;
                    }
                    looked = true;
                }
                _ if batch.len() > 1 => return self.one_by_one(batch),
                Remedy::Again if tries + 1 < TRIES => {}
                Remedy::Again | Remedy::Never => {
                    return finish(batch, || Err(refused.last_error()));
                }
            }
            wait(tries);
            tried = self.attempt(&mut batch, false);
        }
        finish(batch, || {
            Err(Error::unavailable("the store cannot write now", 1))
        });
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
    fn find_out(&mut self, mut batch: Batch) {
        for tries in 0..TRIES {
            self.line.hang_up();
            wait(tries + 4);
            match self.settle() {
                Ok(Some(Fate::Committed(turn))) => {
                    self.turn = Some(turn);
                    return finish(batch, || Ok(()));
                }
                Ok(Some(Fate::Undone(turn))) => self.turn = Some(turn),
                Ok(None) => {}
                Err(_) => continue,
            }
            match self.attempt(&mut batch, false) {
                Tried::Unknown => {}
                tried => return self.try_again(batch, false, tried),
            }
        }
        // Whoever asked asks again: by its idempotency key, or by what it reads.
        if let (Some(turn), Some(audit)) = (self.turn, self.audit.get()) {
            self.turn = Some(turn.abandon(audit));
        }
        tracing::error!("what came of a commit could not be found out");
        finish(batch, || Err(Error::unavailable("the store is away", 1)));
    }

    /// `None` where no row tells, as before the audit log has its key: what is written then
    /// looks first whether it is there.
    fn settle(&mut self) -> Result<Option<Fate>> {
        let Some(turn) = self.turn else {
            return Ok(None);
        };
        turn.settle(self.line.session()?).map(Some)
    }

    fn attempt(&mut self, batch: &mut Batch, trusts_constraints: bool) -> Tried {
        let session = match self.line.session() {
            Ok(session) => session,
            Err(error) => return Tried::Away(error),
        };
        let audit = self.audit.get();
        if let (None, Some(audit)) = (self.turn, audit) {
            self.turn = Some(Turn::first(audit, self.number));
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
                return Tried::Unknown;
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
