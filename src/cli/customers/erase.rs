//! `oms customers erase ID --reason …`: prints the certificate.

use clap::Args;

use super::{parse_id, parse_reason};
use crate::cli::origin::origin;
use crate::context::Context;
use crate::core::erasure::{self, Certificate};
use crate::core::installation::Installation;
use crate::error::{Error, Result};
use crate::id::CustomerId;

/// What follows `oms customers erase`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The customer, cst_…
    #[arg(value_parser = parse_id)]
    id: CustomerId,
    /// Why; it stands in the audit log.
    #[arg(long, value_parser = parse_reason)]
    reason: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs it.
///
/// # Errors
/// When there is no such customer, or it must be kept.
pub async fn run(
    arguments: Arguments,
    installation: &Installation,
    context: &Context,
) -> Result<()> {
    let (id, reason) = (arguments.id, &arguments.reason);
    let certificate = erasure::erase(installation, id, reason, &origin(context)).await?;
    if arguments.json {
        let text = serde_json::to_string(&certificate).map_err(Error::internal)?;
        println!("{text}");
    } else {
        show(&certificate);
    }
    Ok(())
}

fn show(certificate: &Certificate) {
    println!("{}", certificate.text());
    println!("SHA-256     {}", certificate.sha256());
    println!("signature   {}", certificate.signature());
    println!("public key  {}", certificate.public_key());
}
