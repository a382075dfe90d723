//! The command line: one file per subcommand.

pub mod audit;
pub mod backup;
pub mod customers;
pub mod data;
pub mod doctor;
pub mod events;
pub mod keys;
pub mod listen;
mod log;
mod memory;
pub mod migrate;
mod origin;
mod otlp;
pub mod policy;
pub mod projects;
pub mod restore;
pub mod reviews;
mod rotate;
pub mod serve;
mod signals;
mod terminal;
pub mod watchlist;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Settings};
use crate::context::Context;
use crate::core::desk::Desk;
use crate::core::event::Origin;
use crate::error::{Error, Result};
use crate::id::RequestId;
use crate::output::{self, Weight};

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
    /// Bring the store to the schema of this version, ahead of a rolling upgrade.
    Migrate(migrate::Arguments),
    /// Make, list and revoke API keys, change master and signing keys, also while the server runs.
    Keys(keys::Arguments),
    /// List projects and set how they verify, also while the server runs.
    Projects(projects::Arguments),
    /// Check, explain and compare policies.
    Policy(policy::Arguments),
    /// Decide about endorsements.
    Reviews(reviews::Arguments),
    /// Import a sanctions list, show it, compare a name with it.
    Watchlist(watchlist::Arguments),
    /// Import and export customers, erase them and hold them from erasure, also while the server runs.
    Customers(customers::Arguments),
    /// List events, show one, send one again, also while the server runs.
    Events(events::Arguments),
    /// Print a project's events as they happen, and forward them.
    Listen(listen::Arguments),
    /// Copy the data, also while the server runs; verified, sealed as it is.
    Backup(backup::Arguments),
    /// Copy the key register, in place of the copy before.
    BackupKeys(backup::KeysArguments),
    /// Make a store of a copy of the data and the newest key register, in an empty folder.
    Restore(restore::Arguments),
    /// Move a store from a folder to a database or back.
    Data(data::Arguments),
    /// Check everything, change nothing, and say what to do about each finding.
    Doctor(doctor::Arguments),
    /// Verify and read out the audit log, also while the server runs.
    Audit(audit::Arguments),
}

impl Arguments {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// What the subcommand met, in words for the person at the terminal.
    pub fn run(self) -> Result<()> {
        let settings = self.settings.clone();
        let config = self.settings.resolve().map_err(Error::internal)?;
        memory::guard(&config)?;
        match self.command {
            Command::Serve => serve::run(config),
            Command::Migrate(arguments) => migrate::run(&arguments, &config),
            Command::Keys(arguments) => keys::run(arguments, &config),
            Command::Projects(arguments) => projects::run(arguments, &config),
            Command::Policy(arguments) => policy::run(arguments, &config),
            Command::Reviews(arguments) => reviews::run(arguments, &config),
            Command::Watchlist(arguments) => watchlist::run(arguments, &config),
            Command::Customers(arguments) => customers::run(arguments, config),
            Command::Events(arguments) => events::run(arguments, &config),
            Command::Listen(arguments) => listen::run(&arguments, &config),
            Command::Backup(arguments) => backup::run(&arguments, &config),
            Command::BackupKeys(arguments) => backup::run_keys(&arguments, &config),
            Command::Restore(arguments) => restore::run(&arguments, &config),
            Command::Data(arguments) => data::run(&arguments, &settings),
            Command::Doctor(arguments) => doctor::run(&arguments, &config),
            Command::Audit(arguments) => audit::run(&arguments, &config),
        }
    }
}

/// Says why a command failed. Waits for its reader a moment, not for ever.
pub fn tell_failure(error: &Error) {
    let cause = error
        .cause()
        .map_or_else(|| error.detail().to_owned(), ToString::to_string);
    let text = format!("oms: {cause}\n");
    let standard_error = output::standard_error();
    standard_error.say(text.into_bytes(), Weight::Serious);
    standard_error.flush();
}

/// Who sits at the command line.
#[derive(Clone, Debug, Args)]
pub struct Person {
    /// The name that histories show; by default that of the user.
    #[arg(
        long = "as",
        global = true,
        env = "USER",
        value_name = "NAME",
        default_value = "unknown"
    )]
    name: String,
}

/// Opens the desk for a command, runs it, and closes the store.
fn at_desk<F>(person: Option<&Person>, config: &Config, work: impl FnOnce(Desk) -> F) -> Result<()>
where
    F: Future<Output = (Desk, Result<()>)>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::internal)?;
    let context = Context::system();
    let name = person.map_or("operator", |person| &person.name);
    let plain: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    let origin = Origin {
        actor: format!("cli:{plain}"),
        request_id: RequestId::from_bytes(context.new_id()).to_string(),
    };
    runtime.block_on(async {
        let (desk, done) = work(Desk::open(config, context, origin).await?).await;
        desk.installation.store.close();
        done
    })
}
