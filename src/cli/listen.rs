//! `oms listen`: a project's events as they happen, printed and forwarded.

use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use serde_json::value::RawValue;
use url::Url;

use super::signals::StopSignals;
use super::terminal::{ProjectArguments, words};
use crate::config::Config;
use crate::core::desk::Desk;
use crate::core::reach::Reach;
use crate::core::subscription::{History, Span, Subscription};
use crate::core::webhook::{NewWebhook, Scheme, Webhook};
use crate::core::{delivery as deliveries, occurrence};
use crate::error::{Error, Result};
use crate::http::events::{self, Message};
use crate::outbound::{Outbound, Request};
use crate::store::customer_version::{self, Told};
use crate::store::event as event_rows;
use crate::store::webhook_subscription::Numbering;
use crate::vault::SealingKey;

/// How often it is looked for what is new.
const PERIOD: Duration = Duration::from_millis(200);

/// Rows of events that are looked at together.
const ROWS: i64 = 100;

/// What follows `oms listen`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    of: ProjectArguments,
    /// Send each event there too, signed as a webhook would.
    #[arg(long)]
    forward_to: Option<String>,
}

/// Runs `oms listen`, until it is interrupted.
///
/// # Errors
/// When there is no such project, or the URL is none.
pub fn run(arguments: &Arguments, config: &Config) -> Result<()> {
    let outbound = Outbound::new(config.outbound_ca_file.as_deref())?;
    super::at_desk(None, config, async |desk| {
        let done = until_stopped(arguments, &desk, &outbound).await;
        (desk, done)
    })
}

async fn until_stopped(arguments: &Arguments, desk: &Desk, outbound: &Outbound) -> Result<()> {
    let mut signals = StopSignals::listen()?;
    tokio::select! {
        ended = follow(arguments, desk, outbound) => ended,
        () = signals.next() => Ok(()),
    }
}

async fn follow(arguments: &Arguments, desk: &Desk, outbound: &Outbound) -> Result<()> {
    let project = arguments.of.find(&desk.installation).await?;
    let signer = arguments.forward_to.as_deref().map(|url| {
        let url = Reach::Anywhere.read(url);
        let url = url.map_err(|refused| Error::internal(format!("--forward-to {}", refused.0)))?;
        Ok::<_, Error>(signer(desk, project, url))
    });
    let signer = signer.transpose()?;
    if let Some(signer) = &signer {
        let (url, secret) = (&signer.url, signer.secret.expose());
        println!("forwarding to {url}, signed with {secret}");
    }
    let store = &desk.installation.store;
    store.settle_order().await?;
    let mut seen = store.read(event_rows::last_place).await?;
    let history = since(seen);
    println!("listening");
    let mut ticks = tokio::time::interval(PERIOD);
    let mut away = false;
    loop {
        ticks.tick().await;
        let (through, told) = match look(desk, project, seen, &history).await {
            Ok(found) => found,
            Err(error) => {
                // Said once: whoever sits there sees that it goes on by itself.
                if !std::mem::replace(&mut away, true) {
                    eprintln!(
                        "the store cannot be read, it is tried again: {}",
                        words(&error)
                    );
                }
                continue;
            }
        };
        if std::mem::take(&mut away) {
            println!("listening again, nothing was missed");
        }
        seen = through;
        for one in told {
            tell(desk, outbound, signer.as_ref(), one).await?;
        }
    }
}

/// What happened in a project behind a place, and the place that was looked at last.
async fn look(
    desk: &Desk,
    project: i64,
    after: i64,
    history: &History,
) -> Result<(i64, Vec<(Told, Vec<i64>)>)> {
    let store = &desk.installation.store;
    store.settle_order().await?;
    let history = history.clone();
    let read = store.read(move |tx| {
        let last = event_rows::last_place(tx)?;
        let rows = event_rows::of_project(tx, project, (after, last), ROWS)?;
        let whole = rows.len() < usize::try_from(ROWS).unwrap_or_default();
        let through = rows.last().filter(|_| !whole).map_or(last, |row| row.place);
        let mut numbering = Numbering::new(&history);
        let numbers = rows.iter().map(|row| numbering.of_row(tx, row));
        let numbers = numbers.collect::<Result<Vec<_>>>()?;
        let told = customer_version::tell(tx, rows)?;
        Ok((through, told.into_iter().zip(numbers).collect()))
    });
    read.await
}

/// What somebody is told who listens behind a place: everything, numbered from there.
fn since(place: i64) -> History {
    let before = Span {
        through: place,
        wanted: None,
    };
    History::new(vec![before], &Subscription::default())
}

/// A webhook that is not registered anywhere: it signs what is forwarded.
fn signer(desk: &Desk, project: i64, url: Url) -> Webhook {
    let key = SealingKey::new(0, &desk.context.random.bytes());
    let made = NewWebhook {
        url,
        subscription: Subscription::default(),
        scheme: Scheme::Oms,
        compliance_only: false,
    };
    Webhook::make(project, made, &key, &desk.context)
}

async fn tell(
    desk: &Desk,
    outbound: &Outbound,
    signer: Option<&Webhook>,
    ((linked, customer), numbers): (Told, Vec<i64>),
) -> Result<()> {
    let ring = &desk.installation.master;
    let occurrences = occurrence::of_row(&linked, ring)?;
    let resource = events::resource_id(&linked, customer.as_ref());
    let data = match events::data_of(customer, ring)? {
        Some(data) => data,
        None => RawValue::from_string("null".to_owned()).map_err(Error::internal)?,
    };
    let places = occurrence::kinds(&linked.row).map(|(place, _)| place);
    for (one, place) in occurrences.into_iter().zip(places) {
        let line = format!(
            "{}  {}  {}  {resource} #{}",
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
        let message = Message {
            event: one.kind.name(),
            id,
            sequence: numbers.get(place).copied().unwrap_or_default(),
        };
        let body = events::payload(&one, message, &data)?;
        let signature = signer.sign(id, &body, &desk.context);
        let request = Request::signed(&signer.url, signature, Bytes::from(body))?;
        match outbound.send(&request, Reach::Anywhere).await {
            Ok(answer) => println!("{line}  -> {}", answer.status),
            Err(failure) => println!("{line}  -> {failure}"),
        }
    }
    Ok(())
}
