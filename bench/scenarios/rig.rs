//! The rig that the scenarios share: the data folder of the run, the server on it, and the memory of
//! what was created.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::create::Create;
use crate::client::{Load, Talk, drive};
use crate::http::find;
use crate::people::{People, put, scatter};
use crate::report::{Report, Step, thousands};
use crate::server::{Credentials, Place, Server};
use crate::{Options, Result, machine};

/// Connections of every step that is compared with a goal.
pub const CONNECTIONS: usize = 64;
/// Customers that a scenario over existing ones needs at least.
const CUSTOMERS_MIN: u64 = 20_000;
/// Name of the run's folder; the process id follows.
const FOLDER: &str = "oms-bench-";

/// What the scenarios share.
pub struct Rig<'a> {
    /// What was asked for.
    pub options: &'a Options,
    /// What is known so far.
    pub report: Report,
    /// Before the folder, so that nothing runs on it when it is removed.
    running: Option<(Server, Target)>,
    folder: Folder,
    /// Counts the data folders of this run.
    turn: u32,
    /// The URL of the database, unless the data lies in the folder.
    database: Option<String>,
    /// The key, once the server has run.
    pub credentials: Option<Credentials>,
    /// Whom this run has created in the data folder.
    pub customers: Arc<Customers>,
}

/// Whom a talk addresses, and as whom.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where.
    pub address: SocketAddr,
    /// The server's process.
    pub pid: u32,
    /// Host and authorization, ready to send.
    headers: Arc<str>,
}

impl<'a> Rig<'a> {
    /// Makes the folder; nothing runs yet.
    pub fn new(options: &'a Options) -> Result<Self> {
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
            database: None,
            running: None,
            credentials: None,
            customers,
        })
    }

    /// The server's data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.0.join(format!("data-{}", self.turn))
    }

    /// A path for a file of the benchmark's own on the measured disk.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.folder.0.join(name)
    }

    /// The server, started when it does not run.
    pub fn target(&mut self) -> Result<Target> {
        if let Some((_, target)) = &self.running {
            return Ok(target.clone());
        }
        Ok(self.start()?.0)
    }

    /// Starts the server; also the time until it was ready.
    pub fn start(&mut self) -> Result<(Target, Duration)> {
        let place = self.place();
        let server = Server::start(self.options, &place)?;
        let ready = server.wait_ready()?;
        let credentials = match self.credentials.take() {
            Some(credentials) => credentials,
            None => Credentials::create(self.options, &place, "bench")?,
        };
        let token = credentials.token(server.address)?;
        self.credentials = Some(credentials);
        let target = Target::new(&server, &token);
        self.running = Some((server, target.clone()));
        Ok((target, ready))
    }

    fn place(&self) -> Place {
        Place {
            data: self.data(),
            database: self.database.clone(),
        }
    }

    /// From the next start on the data lies in this database, or in the folder again.
    pub fn keep_in(&mut self, database: Option<String>) {
        self.database = database;
    }

    /// Runs another command of the program where the data is, and gives what it prints.
    pub fn run_oms(&self, arguments: &[&str]) -> Result<String> {
        self.place().run(self.options, arguments)
    }

    /// Makes the tables of another database.
    pub fn migrate(&self, database: &str) -> Result<()> {
        let place = Place {
            database: Some(database.to_owned()),
            ..self.place()
        };
        place.run(self.options, &["migrate"]).map(drop)
    }

    /// One more server where the data is.
    pub fn another(&self) -> Result<(Server, Target)> {
        let server = Server::start(self.options, &self.place())?;
        server.wait_ready()?;
        let credentials = self.credentials.as_ref().ok_or("no server has run yet")?;
        let target = Target::new(&server, &credentials.token(server.address)?);
        Ok((server, target))
    }

    /// Stops the server cleanly.
    pub fn stop(&mut self) -> Result<()> {
        self.running
            .take()
            .map_or(Ok(()), |(server, _)| server.stop())
    }

    /// Kills what runs; the next scenario starts anew on the same data.
    pub fn abandon(&mut self) {
        self.running = None;
    }

    /// Leaves the data behind and goes on with none.
    pub fn start_over(&mut self) -> Result<()> {
        self.stop()?;
        if self.data().exists() {
            fs::remove_dir_all(self.data())?;
        }
        self.turn += 1;
        self.credentials = None;
        self.customers = Arc::new(Customers::new(self.options.seed));
        Ok(())
    }

    /// The same, and whoever is created from now on shares what customers are looked up by.
    pub fn start_over_sharing(&mut self) -> Result<()> {
        self.start_over()?;
        self.customers = Arc::new(Customers::sharing(self.options.seed));
        Ok(())
    }

    /// The running server as another project sees it.
    pub fn target_of(&mut self, project: &str) -> Result<Target> {
        let address = self.target()?.address;
        let (server, _) = self.running.as_ref().ok_or("no server runs")?;
        let credentials = Credentials::create(self.options, &self.place(), project)?;
        Ok(Target::new(server, &credentials.token(address)?))
    }

    /// A target with at least `CUSTOMERS_MIN` customers, created outside any measurement.
    pub fn populated(&mut self) -> Result<Target> {
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
    pub fn step(
        &self,
        target: &Target,
        name: &str,
        connections: usize,
        talk: impl Fn() -> Box<dyn Talk> + Sync,
    ) -> Result<Step> {
        let load = self.load(target, connections, Some(self.options.seconds));
        observe(target, name, &load, talk)
    }

    /// A load on the server for some time, or until there is nothing left to ask.
    pub fn load(&self, target: &Target, connections: usize, seconds: Option<f64>) -> Load {
        Load {
            address: target.address,
            connections,
            threads: self.options.threads,
            seconds,
            per_second: None,
        }
    }

    /// Creates customers.
    pub fn creates(
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
            Box::new(Create::new(target, &self.customers, limit))
        })
    }
}

/// Drives, and takes processor times and memory around it.
pub fn observe(
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
pub enum Length {
    Seconds(f64),
    Creates(u64),
}

impl Target {
    /// Addresses a server with a token.
    pub fn new(server: &Server, token: &str) -> Self {
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
    pub fn get(&self, path: std::fmt::Arguments, out: &mut Vec<u8>) {
        put(
            out,
            format_args!("GET /v0.9{path} HTTP/1.1\r\n{}\r\n", self.headers),
        );
    }

    /// Appends the POST that creates customer `n`; `body` is scratch space.
    pub fn create(&self, people: People, n: u64, body: &mut Vec<u8>, out: &mut Vec<u8>) {
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
pub type CustomerId = [u8; 30];

/// A customer that exists.
#[derive(Clone, Copy, Debug)]
pub struct Customer {
    /// Number among the people.
    pub n: u64,
    /// What the server calls it.
    pub id: CustomerId,
}

/// What this run asked for and what it got.
#[derive(Debug)]
pub struct Customers {
    /// Where they come from.
    pub people: People,
    /// Number of the next to ask for.
    pub next: AtomicU64,
    made: Mutex<Vec<Customer>>,
}

impl Customers {
    /// None yet.
    pub fn new(seed: u64) -> Self {
        Self {
            people: People {
                seed: scatter(seed),
                share: false,
            },
            next: AtomicU64::new(0),
            made: Mutex::default(),
        }
    }

    /// None yet, and all will share what they are looked up by.
    pub fn sharing(seed: u64) -> Self {
        let mut customers = Self::new(seed);
        customers.people.share = true;
        customers
    }

    /// All that exist.
    pub fn made(&self) -> MutexGuard<'_, Vec<Customer>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many exist.
    pub fn count(&self) -> u64 {
        self.made().len() as u64
    }

    /// How many were asked for.
    pub fn asked(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }
}

/// The first customer id in an answer.
pub fn customer_id(body: &[u8]) -> Option<CustomerId> {
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
    pub fn create(base: &Path) -> Result<Self> {
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
