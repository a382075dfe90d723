//! The command line: one file per subcommand.

pub mod keys;
pub mod serve;
pub mod watchlist;

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
    /// Make, list and revoke API keys, also while the server runs.
    Keys(keys::Arguments),
    /// Import a sanctions list, show it, compare a name with it.
    Watchlist(watchlist::Arguments),
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
            Command::Watchlist(arguments) => watchlist::run(arguments, &config),
        }
    }
}
