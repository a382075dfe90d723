//! `oms customers hold ID --until DATE --reason …` and `--lift`.

use clap::Args;

use super::{parse_id, parse_reason};
use crate::cli::origin::origin;
use crate::context::{Context, Time};
use crate::core::erasure;
use crate::core::installation::Installation;
use crate::error::Result;
use crate::id::CustomerId;

/// What follows `oms customers hold`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The customer, cst_…
    #[arg(value_parser = parse_id)]
    id: CustomerId,
    /// Until this day begins (UTC), or this moment: 2030-01-31 or 2030-01-31T12:00:00Z.
    #[arg(long, value_parser = parse_time, required_unless_present = "lift", conflicts_with = "lift")]
    until: Option<Time>,
    /// Lift the hold.
    #[arg(long)]
    lift: bool,
    /// Why; it stands in the audit log.
    #[arg(long, value_parser = parse_reason)]
    reason: String,
}

/// Reads a day, which begins at midnight UTC, or a moment.
pub(in crate::cli) fn parse_time(text: &str) -> Result<Time, String> {
    Time::parse(text)
        .or_else(|| Time::parse(&format!("{text}T00:00:00Z")))
        .ok_or_else(|| format!("{text} is neither a day like 2030-01-31 nor a time with its zone"))
}

/// Runs it.
///
/// # Errors
/// When there is no such customer, or no hold to lift.
pub async fn run(
    arguments: Arguments,
    installation: &Installation,
    context: &Context,
) -> Result<()> {
    let Arguments {
        id, until, reason, ..
    } = arguments;
    erasure::hold(installation, id, until, &reason, &origin(context)).await?;
    match until {
        Some(until) => println!("{id} is held until {until}"),
        None => println!("the hold on {id} is lifted"),
    }
    Ok(())
}
