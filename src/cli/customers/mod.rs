//! `oms customers …`: one file per subcommand.

mod csv_rows;
mod erase;
pub mod export;
#[cfg(any(test, fuzzing))]
mod fuzzing;
pub(super) mod hold;
pub mod import;
mod prepare;
mod report;
mod rows;
mod spreadsheet;

use clap::{Args, Subcommand};

use super::terminal::run_to_end;
use crate::config::Config;
use crate::context::Context;
use crate::core::installation::Installation;
use crate::error::Result;
use crate::id::CustomerId;

#[cfg(any(test, fuzzing))]
pub(crate) use fuzzing::read_any as fuzz_import;

/// What follows `oms customers`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a customer for every row of a file, each exactly once however often it is run.
    Import(import::Arguments),
    /// Write every customer of a project, as answers show them.
    Export(export::Arguments),
    /// Destroy the key of a customer's personal data, for good.
    Erase(erase::Arguments),
    /// Keep a customer from erasure, or lift that.
    Hold(hold::Arguments),
}

/// Runs `oms customers …`.
///
/// # Errors
/// What the subcommand met.
pub fn run(arguments: Arguments, config: Config) -> Result<()> {
    match arguments.command {
        Command::Import(arguments) => import::run(&arguments, config),
        Command::Export(arguments) => export::run(&arguments, &config),
        Command::Erase(arguments) => on_one(&config, async |installation, context| {
            erase::run(arguments, installation, context).await
        }),
        Command::Hold(arguments) => on_one(&config, async |installation, context| {
            hold::run(arguments, installation, context).await
        }),
    }
}

/// Does something about one customer.
fn on_one(
    config: &Config,
    work: impl AsyncFnOnce(&Installation, &Context) -> Result<()>,
) -> Result<()> {
    run_to_end(async {
        let context = Context::system();
        let installation = Installation::open(config, &context).await?;
        let done = work(&installation, &context).await;
        installation.close().await;
        done
    })
}

fn parse_id(text: &str) -> Result<CustomerId, String> {
    CustomerId::parse(text).ok_or_else(|| format!("{text} is no customer's id"))
}

pub(super) fn parse_reason(text: &str) -> Result<String, String> {
    match text.trim().chars().count() {
        1..=500 => Ok(text.trim().to_owned()),
        _ => Err("a reason has 1 to 500 characters".into()),
    }
}
