//! `oms policy show|check|explain|diff`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::config::Config;
use crate::core::desk::Desk;
use crate::core::endorsement::EndorsementName;
use crate::core::evaluation::Facts;
use crate::core::policy::{DEFAULT_SOURCE, Policy};
use crate::core::project::Verification;
use crate::error::{Error, Result};

/// What follows `oms policy`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the policy that is built in, to begin with.
    Show,
    /// Say whether a policy file is sound, and if not, where.
    Check {
        /// The policy file.
        file: PathBuf,
    },
    /// Say which rule asks what of a customer, and what became of it.
    Explain {
        /// The customer's id.
        customer: String,
    },
    /// Say how many customers a policy would move, and how, before it is in force.
    Diff {
        /// The policy file.
        file: PathBuf,
        /// Only this project.
        #[arg(long)]
        project: Option<String>,
    },
}

/// Runs `oms policy …`.
///
/// # Errors
/// When a file does not stand, or the data folder cannot be used.
pub fn run(arguments: Arguments, config: &Config) -> Result<()> {
    match arguments.command {
        Command::Show => {
            print!("{DEFAULT_SOURCE}");
            Ok(())
        }
        Command::Check { file } => {
            let policy = read(&file)?;
            let (name, version) = (&policy.name, policy.version);
            println!("{name} {version} is sound: {} rules", policy.rules().len());
            Ok(())
        }
        Command::Explain { customer } => super::at_desk(None, config, async |desk| {
            let done = explain(&desk, &customer).await;
            (desk, done)
        }),
        Command::Diff { file, project } => super::at_desk(None, config, async |desk| {
            let done = diff(&desk, &file, project.as_deref()).await;
            (desk, done)
        }),
    }
}

fn read(path: &Path) -> Result<Policy> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|cause| Error::internal(format!("cannot read {shown}: {cause}")))?;
    Policy::parse(&text).map_err(|broken| Error::internal(format!("{shown}, {broken}")))
}

async fn explain(desk: &Desk, id: &str) -> Result<()> {
    let (customer, project) = desk.customer(id).await?;
    let identity = customer.open_identity()?;
    let facts = Facts::of(
        &customer.profile,
        &identity,
        customer.row.signed_at.is_some(),
    );
    let policy = &project.policy;
    println!(
        "policy {} {}, verification {}",
        policy.name,
        policy.version,
        project.verification.name()
    );
    for name in EndorsementName::ALL {
        let Some(status) = customer.row.endorsements[name as usize] else {
            continue;
        };
        println!("\n{} {}", name.name(), status.name());
        let standing = customer
            .review
            .as_ref()
            .and_then(|review| review.standing(name));
        for asked in policy.asked(name, facts.residence, facts.nationality) {
            let state = standing.and_then(|standing| standing.state(asked.requirement));
            let state = state.map_or("not looked at", |state| state.name());
            println!(
                "  {state:14} {:32} rule {}",
                asked.requirement.name(),
                asked.rule.id
            );
        }
    }
    Ok(())
}

async fn diff(desk: &Desk, file: &Path, only: Option<&str>) -> Result<()> {
    let policy = read(file)?;
    for project in desk.projects().await? {
        if only.is_some_and(|only| only != project.name) {
            continue;
        }
        if project.verification == Verification::Auto {
            println!(
                "{} ({}) verifies by itself",
                project.name,
                project.mode.name()
            );
            continue;
        }
        let (seen, moves) = desk.diff(&project, &policy).await?;
        println!(
            "{} ({}): {seen} customers",
            project.name,
            project.mode.name()
        );
        for ((name, from, to), count) in moves {
            println!("  {count:8} {name}: {from} to {to}");
        }
    }
    Ok(())
}
