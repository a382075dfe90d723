//! The command line: one file per subcommand.

pub mod keys;
mod log;
mod otlp;
mod rotate;
pub mod serve;

use clap::{Parser, Subcommand};

use crate::config::Settings;
use crate::error::{Error, Result};

/// An open, self-hosted money platform, wire-compatible with the Open Money Stack API.
#[derive(Debug, Parser)]
#[command(name = "oms", version, about)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve,
    /// Make, list and revoke API keys, change master and signing keys, also while the server runs.
    Keys(keys::Arguments),
}

impl Arguments {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// What the subcommand met, in words for the person at the terminal.
    pub fn run(self) -> Result<()> {
        let config = self.settings.resolve().map_err(Error::internal)?;
        match self.command {
            Command::Serve => serve::run(config),
            Command::Keys(arguments) => keys::run(arguments, &config),
        }
    }
}
