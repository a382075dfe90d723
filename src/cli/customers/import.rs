//! `oms customers import FILE`: a customer for every row, exactly once however
//! often it is run and wherever it was killed, while the server runs or not.
//!
//! Threads parse and seal batches of rows; a batch is one transaction.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use clap::Args;
use crossbeam_channel::{Receiver, Sender, bounded};
use indicatif::ProgressBar;
use serde_json::json;
use std::sync::Arc;
use tokio::runtime::{Handle, Runtime};

use super::prepare::{Reader, Write, Written, reused, seal};
use super::report::{Refusal, Report};
use super::rows::{Row, Rows, identity};
use crate::cli::origin::origin;
use crate::cli::terminal::{ProjectArguments, must_exist, progress_bar};
use crate::config::Config;
use crate::context::Context;
use crate::core::installation::Installation;
use crate::core::project::Project;
use crate::core::references::References;
use crate::core::rehashing;
use crate::core::roster::Tenant;
use crate::error::{Code, Error, Result};
use crate::http::app::start_pool;
use crate::store::{customer, key_register, project as project_rows};
use crate::vault::{DataKeyPool, PooledKey};

/// Rows of one transaction.
const BATCH: usize = 250;

/// The store's write lock is left alone so long between two batches, so that a
/// running server gets it, too.
const BREATH: Duration = Duration::from_millis(2);

/// How often a batch is tried while the store is away, and the wait between.
const ATTEMPTS: usize = 40;
const RETRY_WAIT: Duration = Duration::from_millis(250);

/// What follows `oms customers import`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Rows as lines of JSON (.jsonl), or CSV with a header of field paths (.csv).
    file: PathBuf,
    #[command(flatten)]
    project: ProjectArguments,
    /// Check every row and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Where refused rows are told of, as lines of JSON or as CSV (.csv).
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// How many rows, and what became of them.
#[derive(Default)]
struct Tally {
    rows: u64,
    created: u64,
    known: u64,
    refused: u64,
}

/// What the threads share.
struct Shared<'a> {
    reader: Reader<'a>,
    target: Option<Target<'a>>,
    tally: Mutex<(Tally, Report)>,
    bar: ProgressBar,
}

/// Where rows go, unless it is a dry run.
struct Target<'a> {
    installation: &'a Installation,
    tenant: &'a Tenant,
    pool: &'a DataKeyPool,
    runtime: Handle,
    turn: Mutex<()>,
}

struct Batch {
    number: u64,
    rows: Vec<Row>,
    /// Where the file was read to.
    position: u64,
}

/// Runs `oms customers import`.
///
/// # Errors
/// When file or store cannot be used, or rows were refused.
pub fn run(arguments: &Arguments, config: Config) -> Result<()> {
    let context = Context::system();
    let started = context.now();
    let (file, length) = identity(&arguments.file)?;
    let rows = Rows::open(&arguments.file, config.max_body_bytes)?;
    let shared = |config, target| -> Result<Shared<'_>> {
        let reader = Reader {
            config,
            context: &context,
            file: &file,
        };
        Ok(Shared {
            reader,
            target,
            tally: Mutex::new((
                Tally::default(),
                Report::begin(arguments.report.as_deref())?,
            )),
            bar: progress_bar(
                length,
                true,
                if arguments.dry_run {
                    "checking"
                } else {
                    "importing"
                },
            ),
        })
    };
    let finished = if arguments.dry_run {
        carry_out(shared(&config, None)?, rows)?
    } else {
        let config = Config {
            // Only this program's own batches wait in its queue.
            overload_wait: Duration::from_mins(1),
            ..config
        };
        must_exist(&config)?;
        let store = Opened::open(&config, &context, arguments)?;
        let imported =
            shared(&config, Some(store.target())).and_then(|shared| carry_out(shared, rows));
        store.close();
        imported?
    };
    let took_ms = context.now().as_millis() - started.as_millis();
    tell(arguments, finished, took_ms.unsigned_abs().max(1))
}

/// An installation with data keys being made ahead of time.
struct Opened {
    runtime: Runtime,
    installation: Installation,
    tenant: Tenant,
    pool: DataKeyPool,
}

impl Opened {
    fn open(config: &Config, context: &Context, arguments: &Arguments) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(Error::internal)?;
        let (installation, settings, references) = runtime.block_on(async {
            let installation = Installation::open(config, context).await?;
            if let Some(newest) = installation.store.read(customer::newest).await? {
                context.continue_after(newest);
            }
            let project = arguments.project.find(&installation).await?;
            let rows = installation.store.read(project_rows::all).await?;
            let row = rows.iter().find(|row| row.number == project);
            let row = row.ok_or_else(|| Error::internal("the project is not stored"))?;
            let rows = &installation.secrets.rows;
            let settings = Project::from_row(row, &installation.policy(config)?, rows)?;
            let references = References::load(config, &installation.store).await?;
            Ok::<_, Error>((installation, settings, references))
        })?;
        let pool = {
            let _inside = runtime.enter();
            start_pool(&installation, context)?
        };
        Ok(Self {
            runtime,
            installation,
            tenant: Tenant {
                project: settings.number,
                settings: Arc::new(settings),
                references: Arc::new(references),
                origin: origin(context),
            },
            pool,
        })
    }

    fn target(&self) -> Target<'_> {
        Target {
            installation: &self.installation,
            tenant: &self.tenant,
            pool: &self.pool,
            runtime: self.runtime.handle().clone(),
            turn: Mutex::new(()),
        }
    }

    /// Gives back the keys that no row took.
    fn close(self) {
        let unused = self.pool.stop();
        let forgotten = self.installation.store.write(move |tx| {
            for id in &unused {
                key_register::delete_data_key(tx, *id)?;
            }
            Ok(())
        });
        if self.runtime.block_on(forgotten).is_err() {
            eprintln!("unused data keys stay in the key register; they do no harm");
        }
        self.installation.store.close();
    }
}

/// Reads the file on this thread and lets others do the rest.
fn carry_out(shared: Shared<'_>, rows: Rows) -> Result<(Tally, Report)> {
    let threads = thread::available_parallelism().map_or(2, std::num::NonZero::get) + 1;
    let (sender, receiver) = bounded::<Batch>(threads);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let (shared, batches) = (&shared, receiver.clone());
                scope.spawn(move || work(shared, &batches))
            })
            .collect();
        drop(receiver);
        let read = read_all(rows, &sender);
        drop(sender);
        let worked: Vec<_> = workers
            .into_iter()
            .map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|_| Err(Error::internal("a thread ended early")))
            })
            .collect();
        // A worker's failure is why the reading ended, so it is told first.
        worked.into_iter().collect::<Result<()>>().and(read)
    })?;
    shared.bar.finish_and_clear();
    let mut finished = shared
        .tally
        .into_inner()
        .expect("no code panics while it holds this lock");
    finished.1.finish()?;
    Ok(finished)
}

fn read_all(mut rows: Rows, batches: &Sender<Batch>) -> Result<()> {
    for number in 0.. {
        let mut batch = Vec::with_capacity(BATCH);
        while batch.len() < BATCH {
            let Some(row) = rows.next()? else { break };
            batch.push(row);
        }
        if batch.is_empty() {
            break;
        }
        let batch = Batch {
            number,
            rows: batch,
            position: rows.position(),
        };
        // Nobody takes it when every worker has failed, and then they say why.
        if batches.send(batch).is_err() {
            break;
        }
    }
    Ok(())
}

fn work(shared: &Shared<'_>, batches: &Receiver<Batch>) -> Result<()> {
    for batch in batches {
        let mut refusals = Vec::new();
        let mut good = Vec::with_capacity(batch.rows.len());
        for row in &batch.rows {
            match shared.reader.read(row) {
                Ok(read) => good.push((row.line, read)),
                Err(refused) => refusals.push(Refusal::new(row.line, &refused)),
            }
        }
        let mut tally = Tally {
            rows: batch.rows.len() as u64,
            ..Tally::default()
        };
        if let Some(target) = &shared.target {
            let lines: Vec<_> = good.iter().map(|(line, _)| *line).collect();
            let sealed = good.iter().map(|(_, row)| {
                patiently(|| {
                    seal(
                        row,
                        target.tenant,
                        target.installation,
                        target.pool,
                        &shared.reader,
                    )
                })
            });
            let (writes, keys) = sealed.collect::<Result<(Vec<_>, Vec<_>)>>()?;
            let written = target.write(writes)?;
            settle(
                &mut tally,
                &mut refusals,
                &lines,
                keys,
                written,
                target.installation,
            )?;
        }
        tally.refused = refusals.len() as u64;
        shared.add(&batch, &tally, refusals)?;
    }
    Ok(())
}

/// Counts what became of rows; a data key under which nothing was stored goes back.
fn settle(
    tally: &mut Tally,
    refusals: &mut Vec<Refusal>,
    lines: &[u64],
    keys: Vec<PooledKey>,
    written: Vec<Written>,
    installation: &Installation,
) -> Result<()> {
    for ((line, key), written) in lines.iter().zip(keys).zip(written) {
        match written {
            Written::Created => tally.created += 1,
            Written::Known(..) => {
                match written.other(installation)? {
                    None => tally.known += 1,
                    Some(resource) => refusals.push(Refusal::new(*line, &reused(&resource))),
                }
                key.give_back();
            }
        }
    }
    refusals.sort_by_key(Refusal::place);
    Ok(())
}

impl Target<'_> {
    /// Writes a batch in one transaction, which may find that all is done already.
    fn write(&self, writes: Vec<Write>) -> Result<Vec<Written>> {
        let writes = Arc::new(writes);
        let turn = lock(&self.turn);
        let written = patiently(|| {
            let writes = Arc::clone(&writes);
            self.runtime.block_on(
                self.installation
                    .store
                    .write(move |tx| writes.iter().map(|write| write.run(tx)).collect()),
            )
        });
        // What is made ready next is hashed by the key in force.
        let refreshed = patiently(|| self.runtime.block_on(rehashing::refresh(self.installation)));
        thread::sleep(BREATH);
        drop(turn);
        refreshed.and(written)
    }
}

/// Tries again while the store is away.
fn patiently<T>(attempt: impl Fn() -> Result<T>) -> Result<T> {
    for _ in 1..ATTEMPTS {
        match attempt() {
            Err(error) if error.code() == Code::ServiceUnavailable => thread::sleep(RETRY_WAIT),
            done => return done,
        }
    }
    attempt()
}

impl Shared<'_> {
    fn add(&self, batch: &Batch, more: &Tally, refusals: Vec<Refusal>) -> Result<()> {
        let mut both = lock(&self.tally);
        let (tally, report) = &mut *both;
        tally.rows += more.rows;
        tally.created += more.created;
        tally.known += more.known;
        tally.refused += more.refused;
        self.bar
            .set_position(self.bar.position().max(batch.position));
        self.bar
            .set_message(format!("{} rows, {} refused", tally.rows, tally.refused));
        report.take(batch.number, refusals)
    }
}

fn tell(arguments: &Arguments, (tally, report): (Tally, Report), took_ms: u64) -> Result<()> {
    let per_s = tally.rows * 1000 / took_ms;
    if arguments.json {
        let told = json!({
            "rows": tally.rows, "created": tally.created, "alreadyThere": tally.known, "refused": tally.refused,
            "dryRun": arguments.dry_run, "tookMs": took_ms, "rowsPerSecond": per_s,
        });
        println!("{told}");
    } else if arguments.dry_run {
        println!(
            "{} rows checked, {} of them refused; nothing was written",
            tally.rows, tally.refused
        );
    } else {
        println!(
            "{} rows: {} created, {} there already, {} refused ({per_s} rows a second)",
            tally.rows, tally.created, tally.known, tally.refused
        );
    }
    if tally.refused == 0 {
        return Ok(());
    }
    if !report.is_written() {
        report.first.iter().for_each(|line| eprintln!("{line}"));
    }
    let where_to_look = arguments.report.as_ref().map_or_else(
        || "; --report FILE tells of all".to_owned(),
        |path| format!("; see {}", path.display()),
    );
    Err(Error::internal(format!(
        "{} rows were refused{where_to_look}",
        tally.refused
    )))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .expect("no code panics while it holds this lock")
}
