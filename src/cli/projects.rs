//! `oms projects list|set`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::terminal::ModeArgument;
use crate::config::Config;
use crate::core::api_key::Mode;
use crate::core::desk::Desk;
use crate::core::policy::Policy;
use crate::core::project::Verification;
use crate::error::{Error, Result};

/// Running servers read projects again more often than this.
const IN_FORCE_AFTER: Duration = Duration::from_millis(600);

/// What follows `oms projects`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the projects and what they are set to.
    List,
    /// Set a project; in force when the command ends.
    Set {
        /// The project.
        name: String,
        /// Sandbox or live.
        #[arg(long, value_enum, default_value = "sandbox")]
        mode: ModeArgument,
        /// Whether a sandbox verifies by itself or follows the policy.
        #[arg(long, value_enum)]
        verification: Option<VerificationArgument>,
        /// A policy file for this project alone; `default` returns to that of the server.
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum VerificationArgument {
    Auto,
    Policy,
}

/// Runs `oms projects …`.
///
/// # Errors
/// When the data folder cannot be used, there is no such project, or the policy does not stand.
pub fn run(arguments: Arguments, config: &Config) -> Result<()> {
    super::at_desk(None, config, async |desk| {
        let done = carry_out(arguments.command, &desk).await;
        (desk, done)
    })
}

async fn carry_out(command: Command, desk: &Desk) -> Result<()> {
    match command {
        Command::List => {
            for project in desk.projects().await? {
                println!(
                    "{} ({})  verification {}  policy {} {}  clock +{} s",
                    project.name,
                    project.mode.name(),
                    project.verification.name(),
                    project.policy.name,
                    project.policy.version,
                    project.clock_offset_s
                );
            }
            Ok(())
        }
        Command::Set {
            name,
            mode,
            verification,
            policy,
        } => {
            let mode = Mode::from(mode);
            let row = desk.project(&name, mode).await?;
            if mode == Mode::Live && verification.is_some() {
                return Err(Error::internal("a live project always follows the policy"));
            }
            let verification = verification.map(|word| match word {
                VerificationArgument::Auto => Verification::Auto,
                VerificationArgument::Policy => Verification::Policy,
            });
            let policy = policy.as_deref().map(read_policy).transpose()?;
            desk.set(row.number, verification, policy).await?;
            std::thread::sleep(IN_FORCE_AFTER);
            println!("{name} ({}) is set", mode.name());
            Ok(())
        }
    }
}

fn read_policy(path: &Path) -> Result<String> {
    if path.as_os_str() == "default" {
        return Ok(String::new());
    }
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|cause| Error::internal(format!("cannot read {shown}: {cause}")))?;
    Policy::parse(&text).map_err(|broken| Error::internal(format!("{shown}, {broken}")))?;
    Ok(text)
}
