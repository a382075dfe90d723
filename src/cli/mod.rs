//! The command line: one file per subcommand.

pub mod audit;
pub mod customers;
pub mod keys;
mod log;
pub mod origin;
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
    /// Erase customers and hold them from erasure, also while the server runs.
    Customers(customers::Arguments),
    /// Verify and read out the audit log, also while the server runs.
    Audit(audit::Arguments),
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
            Command::Customers(arguments) => customers::run(arguments, &config),
            Command::Audit(arguments) => audit::run(&arguments, &config),
        }
    }
}
