//! `oms data move`: a store changes from files to a database, or back.
//!
//! It reads the source, which stays as it is, and opens no personal data.

use clap::{Args, Subcommand};
use indicatif::ProgressBar;

use super::terminal::{at, key_ring, must_exist, progress_bar, words};
use crate::config::{Config, Settings};
use crate::context::Random;
use crate::core::installation::stored_secrets;
use crate::error::{Error, Result};
use crate::store::relocation::{self, Moved, Progress, Source, address};
use crate::vault::{MASTER_KEY_FILE, Secrets};

/// What follows `oms data`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Copy a whole store from a folder to a database or back, compare both, and go on after a kill
    /// when it is run again. No server may run on either meanwhile.
    Move(Ends),
}

/// From where to where.
#[derive(Debug, Args)]
struct Ends {
    /// The store as it is: a data folder or a postgres:// URL. Nothing in it changes.
    #[arg(long, value_name = "DIR|URL")]
    from: String,
    /// Where it goes: an empty folder or an empty database.
    #[arg(long, value_name = "DIR|URL")]
    to: String,
}

/// Runs `oms data …`.
///
/// # Errors
/// What the subcommand met.
pub fn run(arguments: &Arguments, settings: &Settings) -> Result<()> {
    let Command::Move(ends) = &arguments.command;
    let from = settings.at("--from", &ends.from).map_err(Error::internal)?;
    let to = settings.at("--to", &ends.to).map_err(Error::internal)?;
    must_exist(&from)?;
    let source = Source::open(&from)?;
    let secrets = secrets(&source, &to)?;
    let mut bar = progress_bar(0, false, "moving");
    let moved = relocation::run(&source, &to, secrets, &Random::System, &mut |progress| {
        show(&mut bar, progress);
    });
    bar.finish_and_clear();
    let moved = moved.map_err(|cause| at("not finished", words(&cause)))?;
    tell(&moved, &from, &to);
    Ok(())
}

/// A folder finds used idempotency keys by look-ups that a database does not have: to make
/// them takes the master key, which the target needs anyway.
fn secrets(source: &Source, to: &Config) -> Result<Option<Secrets>> {
    if !relocation::needs_secrets(to) {
        return Ok(None);
    }
    if to.master_key().is_none() && !to.data.join(MASTER_KEY_FILE).exists() {
        return Err(Error::internal(format!(
            "the store in {0} will need the master key of {1}: put it into {0}/{MASTER_KEY_FILE}, or set \
             OMS_MASTER_KEY_FILE",
            to.data.display(),
            source.address()
        )));
    }
    let store = source.store();
    let ring = key_ring(to, store)?;
    store.read(|tx| stored_secrets(tx, &ring)).map(Some)
}

fn show(bar: &mut ProgressBar, progress: Progress) {
    match progress {
        Progress::Begins { doing, rows, done } => {
            bar.finish_and_clear();
            *bar = progress_bar(rows, false, doing);
            bar.set_position(done);
        }
        Progress::Passed(rows) => bar.inc(rows),
    }
}

fn tell(moved: &[Moved], from: &Config, to: &Config) {
    for Moved { table, digest } in moved {
        println!("{table:<20} {:>12} rows  {digest}", digest.rows);
    }
    let rows: u64 = moved.iter().map(|one| one.digest.rows).sum();
    let start = if to.database.is_some() {
        "--database"
    } else {
        "--data"
    };
    let (from, to) = (address(from), address(to));
    println!(
        "\n{rows} rows are in {to}, each the same as in {from}. Check it (oms doctor {start} {to}), then start \
         the server with {start} {to} and the same master key, and none on {from} any more: it would be \
         another store from here on."
    );
}
