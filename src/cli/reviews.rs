//! `oms reviews list|show|approve|issue|reject|revoke|offboard|reopen|ask-again`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::Person;
use crate::config::Config;
use crate::core::decision::{Act, Judgement};
use crate::core::desk::Desk;
use crate::core::endorsement::{EndorsementName, EndorsementStatus};
use crate::core::evaluation::Reason;
use crate::core::policy::Requirement;
use crate::core::roster::Customer;
use crate::error::{Error, Result};
use crate::store::verification::{State, VerificationRow};

/// What follows `oms reviews`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    person: Person,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List customers whose endorsements wait for a person.
    List {
        /// Only this project.
        #[arg(long)]
        project: Option<String>,
        /// In this status.
        #[arg(long, default_value = "PENDING", value_parser = parse_status)]
        status: EndorsementStatus,
        /// At most so many per project.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show where a customer stands; personal data only for a reason, which is kept.
    Show {
        /// The customer's id.
        customer: String,
        /// Why you look at personal data.
        #[arg(long)]
        reason: Option<String>,
    },
    /// The checks are good.
    Approve(Decision),
    /// The customer has something to mend.
    Issue(Decision),
    /// Refuse for good.
    Reject(Decision),
    /// Take back what was granted until something is mended.
    Revoke(Decision),
    /// End the relation.
    Offboard(Decision),
    /// Look again at what was refused.
    Reopen(Decision),
    /// Ask the verification provider again about those whom it could not be asked about.
    AskAgain {
        /// Only this project.
        #[arg(long)]
        project: Option<String>,
    },
}

#[derive(Debug, Args)]
struct Decision {
    /// The customer's id.
    customer: String,
    /// Which endorsement.
    #[arg(value_parser = parse_name)]
    endorsement: EndorsementName,
    /// Why, for the developer.
    #[arg(long)]
    reason: String,
    /// Why, safe to show to the customer.
    #[arg(long)]
    customer_reason: Option<String>,
    /// About which requirement, like identityVerification.
    #[arg(long, value_parser = parse_requirement)]
    requirement: Option<Requirement>,
    /// The version that you looked at; refused when the customer has changed since.
    #[arg(long = "if-version", value_name = "VERSION")]
    version: Option<i64>,
}

fn parse_status(text: &str) -> Result<EndorsementStatus, String> {
    EndorsementStatus::parse(text).map_err(|invalid| invalid.message.into_owned())
}

fn parse_name(text: &str) -> Result<EndorsementName, String> {
    EndorsementName::parse(text).map_err(|invalid| invalid.message.into_owned())
}

fn parse_requirement(text: &str) -> Result<Requirement, String> {
    Requirement::parse(text).map_err(|invalid| invalid.message.into_owned())
}

/// Runs `oms reviews …`.
///
/// # Errors
/// When there is no such customer, the status does not allow it, or somebody else was faster.
pub fn run(arguments: Arguments, config: &Config) -> Result<()> {
    let Arguments { command, person } = arguments;
    super::at_desk(Some(&person), config, async |desk| {
        let done = carry_out(command, &desk).await;
        (desk, done)
    })
}

async fn carry_out(command: Command, desk: &Desk) -> Result<()> {
    match command {
        Command::List {
            project,
            status,
            limit,
        } => list(desk, project.as_deref(), status, limit).await,
        Command::Show { customer, reason } => show(desk, &customer, reason.as_deref()).await,
        Command::Approve(decision) => decide(desk, Act::Approve, decision).await,
        Command::Issue(decision) => decide(desk, Act::Issue, decision).await,
        Command::Reject(decision) => decide(desk, Act::Reject, decision).await,
        Command::Revoke(decision) => decide(desk, Act::Revoke, decision).await,
        Command::Offboard(decision) => decide(desk, Act::Offboard, decision).await,
        Command::Reopen(decision) => decide(desk, Act::Reopen, decision).await,
        Command::AskAgain { project } => ask_again(desk, project.as_deref()).await,
    }
}

async fn list(
    desk: &Desk,
    only: Option<&str>,
    status: EndorsementStatus,
    limit: usize,
) -> Result<()> {
    for project in desk.projects().await? {
        if only.is_some_and(|only| only != project.name) {
            continue;
        }
        for (customer, name) in desk.waiting(&project, status, limit).await? {
            println!(
                "{}  {} ({})  {} {}  version {}  since {}",
                customer.row.id,
                project.name,
                project.mode.name(),
                name.name(),
                status.name(),
                customer.row.version,
                customer.row.updated_at
            );
            if let Some(verification) = desk.verification(&customer).await? {
                println!("    {}", told(&verification));
            }
        }
    }
    Ok(())
}

/// Where a verification by the provider stands, and why a person is needed.
fn told(row: &VerificationRow) -> String {
    let (id, attempts) = (row.id, row.attempts);
    let trouble = row.trouble.as_deref().unwrap_or_default();
    match (row.state, row.accepted_at) {
        (State::GivenUp, _) => {
            format!(
                "{id}: needs a person; the provider was asked {attempts} times, at last: {trouble}"
            )
        }
        (State::Asking, _) if !trouble.is_empty() => {
            let again = row.due_at;
            format!("{id}: asked {attempts} times, again at {again}; at last: {trouble}")
        }
        (State::Asking, Some(at)) => format!("{id}: with the provider since {at}"),
        (State::Asking, None) => format!("{id}: the provider is about to be asked"),
        _ => format!("{id}: decided"),
    }
}

async fn ask_again(desk: &Desk, only: Option<&str>) -> Result<()> {
    for project in desk.projects().await? {
        if only.is_some_and(|only| only != project.name) {
            continue;
        }
        let count = desk.ask_again(&project).await?;
        let (name, mode) = (&project.name, project.mode.name());
        println!("{name} ({mode}): the provider is asked again about {count} customers");
    }
    Ok(())
}

async fn show(desk: &Desk, id: &str, reason: Option<&str>) -> Result<()> {
    let (customer, project) = desk.customer(id).await?;
    println!("customer  {}", customer.row.id);
    println!("project   {} ({})", project.name, project.mode.name());
    let viewed = i64::from(reason.is_some());
    println!("version   {}", customer.row.version + viewed);
    if let Some(verification) = desk.verification(&customer).await? {
        println!("provider  {}", told(&verification));
    }
    show_endorsements(&customer);
    let Some(reason) = reason.filter(|reason| !reason.trim().is_empty()) else {
        println!("\nPersonal data is shown with --reason, and that is kept in the history.");
        return Ok(());
    };
    // Noted before anything is shown.
    desk.note_view(&customer, reason).await?;
    let identity = customer.open_identity()?;
    let opened =
        |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).map_err(Error::internal);
    let shown = json!({
        "profile": opened(&customer.profile.to_sealable())?,
        "identity": opened(&identity.to_sealable())?,
    });
    println!(
        "\n{}",
        serde_json::to_string_pretty(&shown).map_err(Error::internal)?
    );
    Ok(())
}

fn show_endorsements(customer: &Customer) {
    for name in EndorsementName::ALL {
        let Some(status) = customer.row.endorsements[name as usize] else {
            continue;
        };
        println!("\n{} {}", name.name(), status.name());
        let standing = customer
            .review
            .as_ref()
            .and_then(|review| review.standing(name));
        let Some(standing) = standing else { continue };
        let lists = [
            ("pending", &standing.pending),
            ("missing", &standing.missing),
            ("issues", &standing.issues),
        ];
        for (what, list) in lists {
            let names: Vec<_> = list.iter().map(|one| one.name()).collect();
            if !names.is_empty() {
                println!("  {what}: {}", names.join(", "));
            }
        }
        for reason in &standing.reasons {
            println!(
                "  {} (to the customer: {})",
                reason.developer, reason.customer
            );
        }
    }
}

async fn decide(desk: &Desk, act: Act, decision: Decision) -> Result<()> {
    let customer = decision.customer_reason.or_else(|| {
        let unsaid = matches!(act, Act::Approve | Act::Reopen);
        unsaid.then(String::new)
    });
    let customer = customer.ok_or_else(|| {
        Error::internal("say with --customer-reason what the customer may be told")
    })?;
    let judgement = Judgement {
        name: decision.endorsement,
        act,
        requirement: decision.requirement,
        reason: Reason {
            developer: decision.reason,
            customer,
        },
        two_people: desk.two_people,
    };
    let draft = desk
        .judge(&decision.customer, &judgement, decision.version)
        .await?;
    let review = draft.review.as_ref();
    let agreed = review.is_some_and(|review| {
        review
            .approvals
            .iter()
            .any(|known| known.endorsement == judgement.name)
    });
    if agreed {
        println!("noted; a second person has to agree");
    }
    for name in EndorsementName::ALL {
        if let Some(status) = draft.row().endorsements[name as usize] {
            println!("{} {}", name.name(), status.name());
        }
    }
    Ok(())
}
