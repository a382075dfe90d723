//! `oms audit verify|export`.

use std::io::{BufWriter, IsTerminal, Write};

use clap::{Args, Subcommand, ValueEnum};

use super::customers::hold::parse_time;
use crate::config::Config;
use crate::context::{Context, Time};
use crate::core::audit;
use crate::core::audit::verify::{self, Report};
use crate::core::installation::Installation;
use crate::error::{Error, Result};

/// What follows `oms audit`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check that no record was altered, removed, added, moved or cut off.
    Verify,
    /// Print the log by time.
    Export {
        /// From this day or time on.
        #[arg(long, value_parser = parse_time)]
        from: Option<Time>,
        /// Before this day or time.
        #[arg(long, value_parser = parse_time)]
        to: Option<Time>,
        /// One JSON object a line.
        #[arg(long, value_enum, default_value = "jsonl")]
        format: Format,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Jsonl,
}

/// Cells of the progress bar.
const BAR: i64 = 40;

/// Runs `oms audit …`.
///
/// # Errors
/// When the data folder cannot be used, or the log is not whole.
pub fn run(arguments: &Arguments, config: &Config) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::internal)?;
    runtime.block_on(async {
        let installation = Installation::open(config, &Context::system()).await?;
        let done = match &arguments.command {
            Command::Verify => verify(&installation).await,
            Command::Export {
                from,
                to,
                format: Format::Jsonl,
            } => export(&installation, *from, *to).await,
        };
        installation.store.close();
        done
    })
}

async fn verify(installation: &Installation) -> Result<()> {
    let terminal = std::io::stderr().is_terminal();
    let report = verify::verify(installation, |done, all| {
        if terminal {
            show_progress(done, all);
        }
    });
    let report = report.await?;
    if terminal {
        eprintln!();
    }
    conclude(&report)
}

fn conclude(report: &Report) -> Result<()> {
    for finding in &report.findings {
        println!("{finding}");
    }
    println!(
        "{} records of {} writers, {} checkpoints",
        report.records, report.writers, report.checkpoints
    );
    match report.findings.len() {
        0 => {
            println!("the audit log is whole");
            Ok(())
        }
        count => Err(Error::internal(format!(
            "the audit log is not whole: {count} findings"
        ))),
    }
}

fn show_progress(done: i64, all: i64) {
    let share = |of: i64| done.min(all) * of / all.max(1);
    let filled = share(BAR);
    let cells = |count: i64| usize::try_from(count).unwrap_or(0);
    let (bar, rest) = ("#".repeat(cells(filled)), "-".repeat(cells(BAR - filled)));
    eprint!("\r[{bar}{rest}] {:3} %  {done} records", share(100));
}

async fn export(installation: &Installation, from: Option<Time>, to: Option<Time>) -> Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    audit::export(installation, (from, to), |row| {
        writeln!(out, "{row}").map_err(Error::internal)
    })
    .await?;
    out.flush().map_err(Error::internal)
}
