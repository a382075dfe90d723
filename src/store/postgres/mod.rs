//! The second engine: PostgreSQL, and the distributed databases that speak like it.
//!
//! Threads that own a connection each take work from the same bounded queues as the
//! embedded engine has. Nothing is used that CockroachDB, YugabyteDB or Aurora lack, and
//! nothing but the database is shared between servers.

mod ahead;
#[cfg(any(test, fuzzing))]
mod fuzzing;
#[cfg(test)]
mod garbled;
mod line;
mod login;
mod migrate;
pub(super) mod row;
mod session;
mod stream;
mod turn;
mod wire;
mod writer;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;

use super::chain::Audit;
use super::pressure::{Limits, Pressure};
use super::queue::{Depth, Job, Queue, now};
use super::read_queue::{ReadQueue, Reads};
use super::sqlite::spawn;
use super::tx::Tx;
use crate::config::{Config, Database};
use crate::error::{Error, Result};
use line::{Line, Remedy, wait};
use writer::{Company, Writer};

#[cfg(any(test, fuzzing))]
pub(crate) use fuzzing::hear_any as fuzz;
pub(super) use migrate::{run as migrate, version};
pub(super) use session::Session;

/// Reads that waited and are answered from one snapshot.
const READS_TOGETHER: usize = 8;

/// How often a read is tried on another connection or another snapshot.
const READ_TRIES: u32 = 5;

/// The engine and its threads.
pub(super) struct Postgres {
    writes: Queue,
    reads: ReadQueue,
    audit: Arc<OnceLock<Audit>>,
    company: Arc<Company>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Postgres {
    /// Whether the database holds a store already.
    pub(super) fn exists(database: &Database) -> Result<bool> {
        migrate::has_tables(&mut open(database)?)
    }

    pub(super) fn open(config: &Config, database: &Database) -> Result<Self> {
        migrate::run(database)?;
        let database = Arc::new(database.clone());
        let (writes, write_jobs) = Queue::new("write", Limits::of_writes(config));
        let (reads, read_jobs) = ReadQueue::new(Limits::of_reads(config));
        let audit = Arc::new(OnceLock::new());
        let company = Arc::new(Company::of(database.write_connections));
        let (writing, reading) = (Arc::default(), Arc::default());
        let mut threads = Vec::new();
        for _ in 0..database.write_connections {
            let writer = Writer::new(
                Line::new(Arc::clone(&database), Arc::clone(&writing)),
                Arc::clone(&audit),
                config.write_batch,
                Arc::clone(&company),
                Arc::clone(writes.pressure()),
            );
            let jobs = write_jobs.clone();
            threads.push(spawn("store-write", move || writer.run(&jobs))?);
        }
        for _ in 0..config.read_threads {
            let line = Line::new(Arc::clone(&database), Arc::clone(&reading));
            let jobs = Arc::clone(&read_jobs);
            threads.push(spawn("store-read", move || read_loop(line, &jobs))?);
        }
        Ok(Self {
            writes,
            reads,
            audit,
            company,
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
        self.writes.call(work).await
    }

    pub(super) fn pressure(&self) -> &Arc<Pressure> {
        self.writes.pressure()
    }

    /// The first to tell wins; there is one key for each opening.
    pub(super) fn begin_audit(&self, audit: Audit) {
        let _ = self.audit.set(audit);
    }

    pub(super) fn check_writers(&self) -> Result<()> {
        self.company.check()
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
        let threads = std::mem::take(
            &mut *self
                .threads
                .lock()
                .expect("no code panics while it holds this lock"),
        );
        for thread in threads {
            let _ = thread.join();
        }
    }
}

/// A connection for a start or a command line, whose words are for a person.
pub(super) fn open(database: &Database) -> Result<Session> {
    Session::open(database)
        .map_err(|cause| Error::internal(format!("{database} cannot be used: {cause}")))
}

impl Session {
    /// Runs a closure over one snapshot, once.
    pub(super) fn look<T>(&mut self, work: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        self.begin_reading()?;
        let done = work(&mut Tx::on_postgres(self, None));
        self.roll_back();
        done
    }

    /// Runs a closure in a transaction of its own, again when others were in the way.
    pub(super) fn change<T>(&mut self, work: impl Fn(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        for tries in 0.. {
            self.begin(false)?;
            let mut done = work(&mut Tx::on_postgres(self, None));
            if done.is_ok() {
                done = self.commit().and(done);
            }
            if done.is_ok() {
                return done;
            }
            self.roll_back();
            let was_refused = self.trouble().is_some();
            if !was_refused || self.take_trouble().remedy() != Remedy::Again || tries >= READ_TRIES
            {
                return done;
            }
            wait(tries);
        }
        unreachable!("the number of tries is bounded")
    }
}

fn read_loop(mut line: Line, jobs: &Reads) {
    loop {
        line.leave_work_to_others();
        let Some(first) = jobs.pop() else { return };
        // What waits behind it came before the snapshot, so it may look at the same one.
        let more = std::iter::from_fn(|| jobs.try_pop()).take(READS_TOGETHER - 1);
        let mut together: Vec<_> = std::iter::once(first).chain(more).collect();
        together.retain(|job| job.waited(now()).is_some());
        read_together(&mut line, together);
    }
}

/// Runs closures over one snapshot; from the first that meets trouble on, each by itself.
fn read_together(line: &mut Line, jobs: Vec<Box<dyn Job>>) {
    let mut jobs = VecDeque::from(jobs);
    if jobs.len() > 1
        && let Ok(session) = line.session()
    {
        share_snapshot(session, &mut jobs);
        if session.trouble().is_some() {
            session.roll_back();
            if session.take_trouble().remedy() == Remedy::Reconnect {
                line.hang_up();
            }
        }
    }
    for job in jobs {
        read(line, job);
    }
}

/// Asks the first questions together, then runs and finishes closures; leaves those that
/// trouble kept from it.
fn share_snapshot(session: &mut Session, jobs: &mut VecDeque<Box<dyn Job>>) {
    let _ = session.begin_reading();
    let questions: Vec<_> = jobs
        .iter()
        .map(|job| session.gather_first(|session| job.ask(&mut Tx::on_postgres(session, None))))
        .collect();
    let Ok(mut answers) = session.answer() else {
        return;
    };
    for question in questions {
        let answer = question.and_then(|question| Some(question.answered(answers.next()?)));
        let Some(mut job) = jobs.pop_front() else {
            break;
        };
        session.with_answer(answer, |session| {
            job.run(&mut Tx::on_postgres(session, None));
        });
        if session.trouble().is_some() {
            return jobs.push_front(job);
        }
        job.finish(Ok(()));
    }
    session.end_reading();
}

/// Runs a closure over a snapshot, again on another connection when one broke.
fn read(line: &mut Line, mut job: Box<dyn Job>) {
    for tries in 0.. {
        let session = match line.session() {
            Ok(session) => session,
            Err(error) => return job.finish(Err(error)),
        };
        let _ = session.begin_reading();
        job.run(&mut Tx::on_postgres(session, None));
        if session.trouble().is_none() {
            session.end_reading();
            return job.finish(Ok(()));
        }
        session.roll_back();
        let trouble = session.take_trouble();
        match trouble.remedy() {
            Remedy::Reconnect => line.hang_up(),
            Remedy::Again => {}
            Remedy::OtherWriter | Remedy::Later | Remedy::Never => {
                return job.finish(Err(trouble.last_error()));
            }
        }
        if tries >= READ_TRIES {
            return job.finish(Err(trouble.last_error()));
        }
        wait(tries);
    }
}
