//! `oms customers …`: one file per subcommand.

mod erase;
pub(super) mod hold;

use clap::{Args, Subcommand};

use crate::config::Config;
use crate::context::Context;
use crate::core::installation::Installation;
use crate::error::{Error, Result};
use crate::id::CustomerId;

/// What follows `oms customers`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Destroy the key of a customer's personal data, for good.
    Erase(erase::Arguments),
    /// Keep a customer from erasure, or lift that.
    Hold(hold::Arguments),
}

/// Runs `oms customers …`.
///
/// # Errors
/// When the data folder cannot be used, or what the subcommand met.
pub fn run(arguments: Arguments, config: &Config) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::internal)?;
    runtime.block_on(async {
        let context = Context::system();
        let installation = Installation::open(config, &context).await?;
        let done = match arguments.command {
            Command::Erase(arguments) => erase::run(arguments, &installation, &context).await,
            Command::Hold(arguments) => hold::run(arguments, &installation, &context).await,
        };
        installation.close().await;
        done
    })
}

fn parse_id(text: &str) -> Result<CustomerId, String> {
    CustomerId::parse(text).ok_or_else(|| format!("{text} is no customer's id"))
}

fn parse_reason(text: &str) -> Result<String, String> {
    match text.trim().chars().count() {
        1..=500 => Ok(text.trim().to_owned()),
        _ => Err("a reason has 1 to 500 characters".into()),
    }
}
