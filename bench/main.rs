//! Measures the server: starts the release binary on a fresh data folder, drives it over loopback
//! and sets what it does beside what this machine can do at best (bare `SQLite` batches, a bare echo,
//! one fsync), all in one run.
//!
//! `cargo bench --bench load -- --help` lists the options. It is a program and never a timed test:
//! a missed goal is printed, not failed; only wrong answers make it fail. It must never send
//! anything anywhere but to 127.0.0.1.

#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures with the machine's clock"
)]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates, sizes and times are far below 2^52"
)]

mod client;
mod echo;
mod goals;
mod http;
mod machine;
mod mirror;
mod people;
mod report;
mod scenarios;
mod server;
mod shape;
#[path = "../tests/support/mod.rs"]
mod support;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

/// Whatever goes wrong ends the run with one line.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What can be measured, in the order in which it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// The same body through a bare axum echo that stores nothing.
    Echo,
    /// POST /auth/token at 16 connections.
    Auth,
    /// One 4 KiB write and fdatasync after the other.
    Fsync,
    /// Durable POST /customers at 1, 16, 64 and 256 connections.
    Create,
    /// Bare batched inserts of the rows that a create leaves.
    Sqlite,
    /// POSTs that repeat an earlier key and body.
    Replay,
    /// GET /customers/{id} of random customers.
    Get,
    /// GET /customers?limit=50, first and deep pages.
    List,
    /// GET /customers?email=… of known customers.
    Filter,
    /// Twice the load that the server can carry.
    Overload,
    /// Retries and look-ups where all customers share a mail address; long, so only when named or with --full.
    Retries,
    /// One project's reads beside another's filters that nobody fits; only when named or with --full.
    Neighbours,
    /// Requests while everybody is screened again by a new watch list; long, so only when named or with --full.
    Rescreen,
    /// The second engine beside pgbench and the embedded one; needs PostgreSQL, so only when named or with --full.
    Postgres,
    /// Everything again with --customers customers stored; long, so only when named or with --full.
    Million,
}

/// Measures the server over loopback, beside bare inserts and a bare echo in the same run.
#[derive(Debug, Parser)]
#[command(name = "load")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are flags of a command line"
)]
struct Options {
    /// The scenarios to run [default: all but retries, neighbours, rescreen, postgres and million]
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Scenario>,
    /// Run every scenario, million too
    #[arg(long, conflicts_with = "only")]
    full: bool,
    /// Length of each step
    #[arg(long, default_value_t = 5.0, value_name = "SECONDS")]
    seconds: f64,
    /// How many customers the scenario `million` stores
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    customers: u64,
    /// Threads of the load generator, which shares the cores with the server
    #[arg(long, default_value_t = 1, value_name = "N")]
    threads: usize,
    /// Seed of every random choice
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Write the figures to this file as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write docs/performance.md; what stands there under its marker for notes is kept
    #[arg(long)]
    write: bool,
    /// Put the data here; it must be on the disk to be measured [default: under target/]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Measure another build of the server
    #[arg(long, value_name = "PROGRAM", default_value = env!("CARGO_BIN_EXE_oms"), hide_default_value = true)]
    server: PathBuf,
    /// One more argument for `oms serve`; repeatable
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    server_arg: Vec<String>,
    /// Keep the server's log in this file [default: it is thrown away]
    #[arg(long, value_name = "FILE")]
    server_log: Option<PathBuf>,
    /// What `cargo bench` passes and `cargo test` does not
    #[arg(long, hide = true)]
    bench: bool,
    /// Be the echo server
    #[arg(long, hide = true)]
    serve_echo: bool,
}

impl Options {
    /// The chosen scenarios in running order.
    fn scenarios(&self) -> Vec<Scenario> {
        let chosen = |scenario: &Scenario| {
            if self.only.is_empty() {
                self.full
                    || !matches!(
                        scenario,
                        Scenario::Million
                            | Scenario::Neighbours
                            | Scenario::Postgres
                            | Scenario::Rescreen
                            | Scenario::Retries
                    )
            } else {
                self.only.contains(scenario)
            }
        };
        let all = Scenario::value_variants().iter().copied();
        all.filter(chosen).collect()
    }

    /// The command that repeats this run, without the names of files.
    fn command(&self) -> String {
        let mut words = vec!["cargo bench --bench load --".to_owned()];
        if self.full {
            words.push("--full".to_owned());
        }
        if !self.only.is_empty() {
            let names = self.only.iter().filter_map(ValueEnum::to_possible_value);
            let names: Vec<String> = names.map(|value| value.get_name().to_owned()).collect();
            words.push(format!("--only {}", names.join(",")));
        }
        words.push(format!("--seconds {} --seed {}", self.seconds, self.seed));
        if self.scenarios().contains(&Scenario::Million) {
            words.push(format!("--customers {}", self.customers));
        }
        if self.threads != 1 {
            words.push(format!("--threads {}", self.threads));
        }
        if self.server.as_os_str() != env!("CARGO_BIN_EXE_oms") {
            words.push("--server ANOTHER-BUILD".to_owned());
        }
        for argument in &self.server_arg {
            words.push(format!("--server-arg={argument}"));
        }
        words.join(" ")
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.serve_echo {
        return exit(echo::serve().map(|()| true));
    }
    if !options.bench {
        println!("a benchmark, not a test: cargo bench --bench load -- --help");
        return ExitCode::SUCCESS;
    }
    exit(scenarios::run(&options))
}

/// Success only when every answer was what it had to be.
fn exit(outcome: Result<bool>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("load: some answers were wrong, see the errors above");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}
