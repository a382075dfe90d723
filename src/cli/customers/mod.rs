//! `oms customers import|export`.

mod csv_rows;
pub mod export;
pub mod import;
mod prepare;
mod report;
mod rows;

use clap::{Args, Subcommand};

use crate::config::Config;
use crate::error::Result;

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
}

/// Runs `oms customers …`.
///
/// # Errors
/// What the subcommand met.
pub fn run(arguments: Arguments, config: Config) -> Result<()> {
    match arguments.command {
        Command::Import(arguments) => import::run(&arguments, config),
        Command::Export(arguments) => export::run(&arguments, &config),
    }
}
