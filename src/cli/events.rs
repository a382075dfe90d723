//! `oms events list|show|resend` and `oms listen`: what happened, at the terminal.

use std::time::Duration;

use axum::http::Method;
use axum::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use clap::{Args, Subcommand};
use serde_json::value::RawValue;
use url::Url;

use crate::config::Config;
use crate::core::api_key::Mode;
use crate::core::desk::Desk;
use crate::core::reach::Reach;
use crate::core::webhook::{Scheme, Subscription, Webhook};
use crate::core::{delivery as deliveries, occurrence};
use crate::error::{Error, Result};
use crate::http::events;
use crate::id::{EventId, WebhookId};
use crate::outbound::{Outbound, Request};
use crate::store::customer_version::{self, Told};
use crate::store::{delivery, event as event_rows, webhook as webhook_rows};
use crate::vault::SealingKey;

/// How often `listen` looks for what is new.
const PERIOD: Duration = Duration::from_millis(200);

/// Rows of events that are looked at together.
const ROWS: i64 = 100;

/// Which project.
#[derive(Debug, Args)]
struct Of {
    /// The project's name.
    #[arg(long, default_value = "default")]
    project: String,
    /// sandbox or live.
    #[arg(long, default_value = "sandbox", value_parser = parse_mode)]
    mode: Mode,
}

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
        of: Of,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show one event with the state that it left, as JSON.
    Show {
        #[command(flatten)]
        of: Of,
        /// The event's id.
        event: String,
    },
    /// Send an event again, to one webhook or to all that want it.
    Resend {
        #[command(flatten)]
        of: Of,
        /// The event's id.
        event: String,
        /// Only to this webhook, whatever it subscribes to.
        #[arg(long)]
        webhook: Option<String>,
    },
}

/// What follows `oms listen`.
#[derive(Debug, Args)]
pub struct Listen {
    #[command(flatten)]
    of: Of,
    /// Send each event there too, signed as a webhook would.
    #[arg(long)]
    forward_to: Option<String>,
}

fn parse_mode(text: &str) -> Result<Mode, String> {
    Mode::parse(text).ok_or_else(|| "must be sandbox or live".to_owned())
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

/// Runs `oms listen`, until it is interrupted.
///
/// # Errors
/// When there is no such project, or the URL is none.
pub fn listen(arguments: &Listen, config: &Config) -> Result<()> {
    let outbound = Outbound::new(config.outbound_ca_file.as_deref())?;
    super::at_desk(None, config, async |desk| {
        let done = follow(arguments, &desk, &outbound).await;
        (desk, done)
    })
}

async fn number(desk: &Desk, of: &Of) -> Result<i64> {
    let found = desk.installation.project(&of.project, of.mode).await?;
    found.ok_or_else(|| {
        let (name, mode) = (&of.project, of.mode.name());
        Error::internal(format!(
            "there is no {mode} project {name}; see oms projects"
        ))
    })
}

async fn carry_out(command: Command, desk: &Desk) -> Result<()> {
    match command {
        Command::List { of, limit } => {
            let wanted = events::Wanted::all(number(desk, &of).await?, limit);
            for event in events::page(&desk.installation, &wanted).await?.0 {
                println!("{}", event.line());
            }
            Ok(())
        }
        Command::Show { of, event } => {
            let project = number(desk, &of).await?;
            let event = events::find(&desk.installation, project, &event).await?;
            let text = serde_json::to_string_pretty(&event).map_err(Error::internal)?;
            println!("{text}");
            Ok(())
        }
        Command::Resend { of, event, webhook } => {
            let project = number(desk, &of).await?;
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
        let now = desk.context.now();
        let row = deliveries::pending(id, event, kind.name(), now);
        let delivery = row.id;
        store.write(move |tx| delivery::record(tx, &row)).await?;
        println!("{delivery} to {}", webhook.url);
        sent += 1;
    }
    if sent == 0 {
        return Err(Error::internal("no enabled webhook wants this event"));
    }
    Ok(())
}

async fn follow(arguments: &Listen, desk: &Desk, outbound: &Outbound) -> Result<()> {
    let project = number(desk, &arguments.of).await?;
    let signer = arguments.forward_to.as_deref().map(|url| {
        let url = Reach::Anywhere.read(url);
        let url = url.map_err(|refused| Error::internal(format!("--forward-to {}", refused.0)))?;
        Ok::<_, Error>(signer(desk, project, url))
    });
    let signer = signer.transpose()?;
    if let Some(signer) = &signer {
        println!(
            "forwarding to {}, signed with {}",
            signer.url,
            signer.secret.expose()
        );
    }
    let store = &desk.installation.store;
    store.settle_order().await?;
    let mut seen = store.read(event_rows::last_place).await?;
    println!("listening");
    let mut ticks = tokio::time::interval(PERIOD);
    loop {
        ticks.tick().await;
        let after = seen;
        store.settle_order().await?;
        let read = store.read(move |tx| {
            let last = event_rows::last_place(tx)?;
            let rows = event_rows::of_project(tx, project, (after, last), ROWS)?;
            let whole = rows.len() < usize::try_from(ROWS).unwrap_or_default();
            let through = rows.last().filter(|_| !whole).map_or(last, |row| row.place);
            Ok((through, customer_version::tell(tx, rows)?))
        });
        let (through, told) = read.await?;
        seen = through;
        for one in told {
            tell(desk, outbound, signer.as_ref(), one).await?;
        }
    }
}

/// A webhook that is not registered anywhere: it signs what is forwarded.
fn signer(desk: &Desk, project: i64, url: Url) -> Webhook {
    let key = SealingKey::new(0, &desk.context.random.bytes());
    let made = (url, Subscription::default(), Scheme::Oms);
    Webhook::make(project, made, &key, &desk.context)
}

async fn tell(
    desk: &Desk,
    outbound: &Outbound,
    signer: Option<&Webhook>,
    (linked, customer): Told,
) -> Result<()> {
    let ring = &desk.installation.master;
    let occurrences = occurrence::of_row(&linked, ring)?;
    let data = match events::data_of(customer, ring)? {
        Some(data) => data,
        None => RawValue::from_string("null".to_owned()).map_err(Error::internal)?,
    };
    for one in occurrences {
        let line = format!(
            "{}  {}  {} #{}",
            one.at,
            one.id,
            one.kind.name(),
            one.sequence
        );
        let Some(signer) = signer else {
            println!("{line}");
            continue;
        };
        let id = deliveries::id_of(signer.row.id, one.id);
        let body = events::payload(&one, id, &data)?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in signer.sign(id, &body, desk.context.now()) {
            let value = HeaderValue::from_str(&value).map_err(Error::internal)?;
            headers.insert(HeaderName::from_static(name), value);
        }
        let request = Request {
            method: Method::POST,
            url: &signer.url,
            headers,
            body: Bytes::from(body),
        };
        match outbound.send(&request, Reach::Anywhere).await {
            Ok(answer) => println!("{line}  -> {}", answer.status),
            Err(failure) => println!("{line}  -> {failure}"),
        }
    }
    Ok(())
}
