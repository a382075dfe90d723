//! `oms events list|show|resend`: what happened, at the terminal.

use clap::{Args, Subcommand, value_parser};

use super::terminal::ProjectArguments;
use crate::config::Config;
use crate::core::desk::Desk;
use crate::core::webhook::Webhook;
use crate::core::{delivery as deliveries, occurrence};
use crate::error::{Error, Result};
use crate::http::events;
use crate::id::{EventId, WebhookId};
use crate::store::{delivery, event as event_rows, webhook as webhook_rows};

/// What follows `oms events`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List what happened, newest first.
    List {
        #[command(flatten)]
        of: ProjectArguments,
        /// At most so many.
        #[arg(long, default_value_t = 50, value_parser = value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Show one event with the state that it left, as JSON.
    Show {
        #[command(flatten)]
        of: ProjectArguments,
        /// The event's id.
        event: String,
    },
    /// Send an event again, to one webhook or to all that want it.
    Resend {
        #[command(flatten)]
        of: ProjectArguments,
        /// The event's id.
        event: String,
        /// Only to this webhook, whatever it subscribes to.
        #[arg(long)]
        webhook: Option<String>,
    },
}

/// Runs `oms events …`.
///
/// # Errors
/// When there is no such project or event.
pub fn run(arguments: Arguments, config: &Config) -> Result<()> {
    super::at_desk(None, config, async |desk| {
        let done = carry_out(arguments.command, &desk).await;
        (desk, done)
    })
}

async fn carry_out(command: Command, desk: &Desk) -> Result<()> {
    match command {
        Command::List { of, limit } => {
            let wanted = events::Wanted::all(of.find(&desk.installation).await?, limit.into());
            for event in events::page(&desk.installation, &wanted).await?.0 {
                println!("{}", event.line());
            }
            Ok(())
        }
        Command::Show { of, event } => {
            let project = of.find(&desk.installation).await?;
            let event = events::find(&desk.installation, project, &event).await?;
            let text = serde_json::to_string_pretty(&event).map_err(Error::internal)?;
            println!("{text}");
            Ok(())
        }
        Command::Resend { of, event, webhook } => {
            let project = of.find(&desk.installation).await?;
            resend(desk, project, &event, webhook.as_deref()).await
        }
    }
}

/// Makes deliveries due now; the running server sends them.
async fn resend(desk: &Desk, project: i64, event: &str, only: Option<&str>) -> Result<()> {
    let missing = || Error::internal("there is no such event or webhook in this project");
    let event = EventId::parse(event).ok_or_else(missing)?;
    let only = only.map(|id| WebhookId::parse(id).ok_or_else(missing));
    let only = only.transpose()?;
    let store = &desk.installation.store;
    let found = store.read(move |tx| event_rows::holding(tx, project, event.as_bytes()));
    let linked = found.await?.ok_or_else(missing)?;
    let mut kinds = occurrence::kinds(&linked.row);
    let kind = kinds.find(|(place, _)| occurrence::id(&linked.row, *place) == event);
    let (_, kind) = kind.ok_or_else(missing)?;
    let mut sent = 0;
    for told in store.read(webhook_rows::enabled).await? {
        let Some((webhook, _)) = Webhook::open(told.found, &desk.installation.master)? else {
            continue;
        };
        let id = webhook.row.id;
        let wanted = only.map_or_else(|| webhook.subscription.wants(kind), |only| only == id);
        if webhook.row.project != project || !wanted {
            continue;
        }
        let now = desk.context.settled_now();
        let told = (event, linked.row.happened_at);
        let name = webhook.subscription.name_for(kind).unwrap_or(kind.name());
        let row = deliveries::pending(id, told, name, now);
        let delivery = row.id;
        let recorded = store.write(move |tx| {
            delivery::record(tx, &row)?;
            webhook_rows::call_again(tx, row.webhook)
        });
        recorded.await?;
        println!("{delivery} to {}", webhook.url);
        sent += 1;
    }
    if sent == 0 {
        return Err(Error::internal("no enabled webhook wants this event"));
    }
    Ok(())
}
