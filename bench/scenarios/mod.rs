//! One file per group of scenarios. They share a rig: the data folder of the run, the server on it,
//! and the memory of what was created.

mod auth;
mod baseline;
mod create;
mod million;
mod overload;
mod reads;
mod replay;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::client::{Load, Talk, drive, find};
use crate::people::{People, put, scatter};
use crate::report::{Report, Step, thousands};
use crate::server::{Credentials, Server};
use crate::{Options, Result, Scenario, machine};

/// Connections of every step that is compared with a goal.
const CONNECTIONS: usize = 64;
/// Customers that a scenario over existing ones needs at least.
const CUSTOMERS_MIN: u64 = 20_000;
/// Name of the run's folder; the process id follows.
const FOLDER: &str = "oms-bench-";

/// Runs the chosen scenarios, prints and writes; whether every answer was right.
pub fn run(options: &Options) -> Result<bool> {
    let mut rig = Rig::new(options)?;
    rig.report.print_head();
    for scenario in options.scenarios() {
        eprintln!("{scenario:?} …");
        match scenario {
            Scenario::Fsync => baseline::fsync(&mut rig)?,
            Scenario::Echo => baseline::echo(&mut rig)?,
            Scenario::Auth => auth::measure(&mut rig)?,
            Scenario::Create => create::measure(&mut rig)?,
            Scenario::Sqlite => baseline::sqlite(&mut rig)?,
            Scenario::Replay => replay::measure(&mut rig)?,
            Scenario::Get => reads::get(&mut rig)?,
            Scenario::List => reads::list(&mut rig)?,
            Scenario::Filter => reads::filter(&mut rig)?,
            Scenario::Overload => overload::measure(&mut rig)?,
            Scenario::Million => million::measure(&mut rig)?,
        }
    }
    rig.stop()?;
    rig.report.conclude();
    if let Some(path) = &options.json {
        rig.report.write_json(path)?;
    }
    if options.write {
        rig.report.write_page()?;
    }
    Ok(rig.report.clean())
}

/// What the scenarios share.
struct Rig<'a> {
    options: &'a Options,
    report: Report,
    folder: Folder,
    /// Counts the data folders of this run.
    turn: u32,
    running: Option<(Server, Target)>,
    credentials: Option<Credentials>,
    customers: Arc<Customers>,
}

/// Whom a talk addresses, and as whom.
#[derive(Clone, Debug)]
struct Target {
    address: SocketAddr,
    pid: u32,
    /// Host and authorization, ready to send.
    headers: Arc<str>,
}

impl<'a> Rig<'a> {
    fn new(options: &'a Options) -> Result<Self> {
        let base = options
            .dir
            .clone()
            .unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")));
        let folder = Folder::create(&base)?;
        let report = Report::new(options, &folder.0);
        if machine::file_system(&folder.0) == "tmpfs" {
            eprintln!(
                "the data lies in memory, where an fsync costs nothing: name a disk with --dir"
            );
        }
        let customers = Arc::new(Customers::new(options.seed));
        Ok(Self {
            options,
            report,
            folder,
            turn: 0,
            running: None,
            credentials: None,
            customers,
        })
    }

    /// The server's data folder.
    fn data(&self) -> PathBuf {
        self.folder.0.join(format!("data-{}", self.turn))
    }

    /// The server, started when it does not run.
    fn target(&mut self) -> Result<Target> {
        if let Some((_, target)) = &self.running {
            return Ok(target.clone());
        }
        Ok(self.start()?.0)
    }

    /// Starts the server; also the time until it was ready.
    fn start(&mut self) -> Result<(Target, Duration)> {
        let data = self.data();
        let server = Server::start(self.options, &data)?;
        let ready = server.wait_ready()?;
        let credentials = match self.credentials.take() {
            Some(credentials) => credentials,
            None => Credentials::create(self.options, &data)?,
        };
        let token = credentials.token(server.address)?;
        self.credentials = Some(credentials);
        let target = Target::new(&server, &token);
        self.running = Some((server, target.clone()));
        Ok((target, ready))
    }

    /// Stops the server cleanly.
    fn stop(&mut self) -> Result<()> {
        self.running
            .take()
            .map_or(Ok(()), |(server, _)| server.stop())
    }

    /// Leaves the data behind and goes on with none.
    fn start_over(&mut self) -> Result<()> {
        self.stop()?;
        if self.data().exists() {
            fs::remove_dir_all(self.data())?;
        }
        self.turn += 1;
        self.credentials = None;
        self.customers = Arc::new(Customers::new(self.options.seed));
        Ok(())
    }

    /// A target with at least `CUSTOMERS_MIN` customers, created outside any measurement.
    fn populated(&mut self) -> Result<Target> {
        let target = self.target()?;
        let missing = CUSTOMERS_MIN.saturating_sub(self.customers.count());
        if missing > 0 {
            let step = self.creates(&target, "preload", CONNECTIONS, Length::Creates(missing))?;
            self.report.complain(&step.name, &step.tally);
        }
        if self.customers.count() == 0 {
            return Err("no customer could be created".into());
        }
        Ok(target)
    }

    /// One step against the server.
    fn step(
        &self,
        target: &Target,
        name: &str,
        connections: usize,
        talk: impl Fn() -> Box<dyn Talk> + Sync,
    ) -> Result<Step> {
        let load = self.load(target, connections, Some(self.options.seconds));
        observe(target, name, &load, talk)
    }

    fn load(&self, target: &Target, connections: usize, seconds: Option<f64>) -> Load {
        Load {
            address: target.address,
            connections,
            threads: self.options.threads,
            seconds,
            per_second: None,
        }
    }

    /// Creates customers.
    fn creates(
        &self,
        target: &Target,
        name: &str,
        connections: usize,
        length: Length,
    ) -> Result<Step> {
        let (seconds, limit) = match length {
            Length::Seconds(seconds) => (Some(seconds), u64::MAX),
            Length::Creates(count) => (None, self.customers.asked() + count),
        };
        let load = self.load(target, connections, seconds);
        observe(target, name, &load, || {
            Box::new(create::Create::new(target, &self.customers, limit))
        })
    }
}

/// Drives, and takes processor times and memory around it.
fn observe(
    target: &Target,
    name: &str,
    load: &Load,
    talk: impl Fn() -> Box<dyn Talk> + Sync,
) -> Result<Step> {
    let own = std::process::id();
    let before = (
        machine::cpu_seconds(target.pid)?,
        machine::cpu_seconds(own)?,
    );
    let tally = drive(load, talk)?;
    let after = (
        machine::cpu_seconds(target.pid)?,
        machine::cpu_seconds(own)?,
    );
    let seconds = tally.elapsed.as_secs_f64();
    eprintln!(
        "  {name}, {} connections: {} a second",
        load.connections,
        thousands(tally.rate())
    );
    Ok(Step {
        name: name.to_owned(),
        connections: load.connections,
        tally,
        server_cores: (after.0 - before.0) / seconds,
        generator_cores: (after.1 - before.1) / seconds,
        memory: machine::memory(target.pid)?,
    })
}

/// When creating ends.
#[derive(Clone, Copy, Debug)]
enum Length {
    Seconds(f64),
    Creates(u64),
}

impl Target {
    fn new(server: &Server, token: &str) -> Self {
        let headers = format!(
            "host: {}\r\nauthorization: Bearer {token}\r\n",
            server.address
        );
        Self {
            address: server.address,
            pid: server.pid(),
            headers: headers.into(),
        }
    }

    /// Appends a GET of what stands behind the version.
    fn get(&self, path: std::fmt::Arguments, out: &mut Vec<u8>) {
        put(
            out,
            format_args!("GET /v0.9{path} HTTP/1.1\r\n{}\r\n", self.headers),
        );
    }

    /// Appends the POST that creates customer `n`; `body` is scratch space.
    fn create(&self, people: People, n: u64, body: &mut Vec<u8>, out: &mut Vec<u8>) {
        body.clear();
        people.body(n, body);
        put(
            out,
            format_args!(
                "POST /v0.9/customers HTTP/1.1\r\n{}content-type: application/json\r\nidempotency-key: ",
                self.headers
            ),
        );
        people.key(n, out);
        put(
            out,
            format_args!("\r\ncontent-length: {}\r\n\r\n", body.len()),
        );
        out.extend_from_slice(body);
    }
}

/// A customer's id on the wire: `cst_` and 26 characters.
type CustomerId = [u8; 30];

/// A customer that exists.
#[derive(Clone, Copy, Debug)]
struct Customer {
    n: u64,
    id: CustomerId,
}

/// What this run asked for and what it got.
#[derive(Debug)]
struct Customers {
    people: People,
    next: AtomicU64,
    made: Mutex<Vec<Customer>>,
}

impl Customers {
    fn new(seed: u64) -> Self {
        Self {
            people: People {
                seed: scatter(seed),
            },
            next: AtomicU64::new(0),
            made: Mutex::default(),
        }
    }

    fn made(&self) -> MutexGuard<'_, Vec<Customer>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) -> u64 {
        self.made().len() as u64
    }

    fn asked(&self) -> u64 {
        self.next.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// The first customer id in an answer.
fn customer_id(body: &[u8]) -> Option<CustomerId> {
    const FIELD: &[u8] = b"\"id\":\"";
    let start = find(body, b"\"id\":\"cst_")? + FIELD.len();
    body.get(start..start + size_of::<CustomerId>())?
        .try_into()
        .ok()
}

/// The run's folder, removed at the end.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    /// Makes it, and removes those that interrupted runs left.
    fn create(base: &Path) -> Result<Self> {
        fs::create_dir_all(base)?;
        for entry in fs::read_dir(base)? {
            let entry = entry?;
            let name = entry.file_name();
            let pid = name.to_str().and_then(|name| name.strip_prefix(FOLDER));
            if pid.is_some_and(|pid| {
                pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists()
            }) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        let path = base
            .canonicalize()?
            .join(format!("{FOLDER}{}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("could not remove {}: {error}", self.0.display());
        }
    }
}
