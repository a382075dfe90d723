//! One batch of a webhook: read, send, record. A crash between any two of them sends again
//! what was not recorded, under the same ids.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use super::gather::{Gathered, gather, pack};
use super::idle;
use super::send::{SLOW, Sent, send};
use crate::context::Time;
use crate::core::delivery::DISABLED_AFTER_S;
use crate::core::event::{self, Event, EventKind, Origin};
use crate::core::reach::Reach;
use crate::core::webhook::Webhook;
use crate::error::{Error, Result};
use crate::http::app::App;
use crate::id::{CustomerId, WebhookId};
use crate::store::event::EventRow;
use crate::store::webhook::Progress;
use crate::store::{delivery, event as event_rows, webhook, webhook_subscription};
use crate::{failpoint, metrics};

/// How often the recording is tried while the store is pressed.
const RECORD_TRIES: u32 = 20;

/// How long it is waited between two of them.
const RECORD_PAUSE: Duration = Duration::from_millis(250);

/// What a batch is to do.
#[derive(Clone)]
pub(super) struct Order {
    pub webhook: Arc<Webhook>,
    pub reach: Reach,
    pub progress: Progress,
    /// Nothing waits behind this place.
    pub behind: i64,
    /// By which attempts are planned.
    pub now: Time,
    /// What happened before this is not told any more.
    pub oldest: Time,
    /// Rows of events at most.
    pub rows: i64,
    /// Requests at once.
    pub parallel: usize,
    /// Failures in a row so far.
    pub failures: u32,
    /// Whether it counts as one of those that take their time.
    pub slow: bool,
    /// Nothing more is to be begun once this is set.
    pub stop: Arc<AtomicBool>,
}

/// What a batch did.
pub(super) struct Done {
    pub id: WebhookId,
    pub project: i64,
    /// Whether it counted as one of those that take their time.
    pub was_slow: bool,
    /// How far the webhook is; `None` when this process does not work for it any more.
    pub progress: Option<Progress>,
    pub next_at: Option<Time>,
    pub failures: u32,
    pub slow: bool,
    /// Of the lane that gave the order; another one may have taken its place.
    pub stop: Arc<AtomicBool>,
    /// Whether the webhook was changed meanwhile, so that nothing was sent.
    pub is_outdated: bool,
}

impl Done {
    /// Nothing was sent, and nobody knows how far the webhook is.
    fn nothing(order: &Order) -> Self {
        Self {
            id: order.webhook.row.id,
            project: order.webhook.row.project,
            was_slow: order.slow,
            progress: None,
            next_at: None,
            failures: 0,
            slow: order.slow,
            stop: Arc::clone(&order.stop),
            is_outdated: false,
        }
    }
}

/// Runs a batch and tells of it, whatever comes of it: a webhook has one at a time.
pub(super) async fn run(app: App, order: Order, done: UnboundedSender<Done>) {
    let nothing = Done::nothing(&order);
    // A task of its own, so that a panic is an error here.
    let outcome = tokio::spawn(carry_out(app, order)).await;
    let outcome = outcome.map_err(Error::internal).flatten();
    let outcome = outcome.unwrap_or_else(|error| {
        let webhook = nothing.id;
        tracing::warn!(%error, %webhook, "a batch of deliveries failed; it is tried again");
        nothing
    });
    // The loop is gone when the server stops.
    let _ = done.send(outcome);
}

async fn carry_out(app: App, order: Order) -> Result<Done> {
    let reading = order.clone();
    let store = &app.installation.store;
    let gathered: Option<Gathered> = store.read(move |tx| gather(tx, &reading)).await?;
    let Some(gathered) = gathered else {
        return Ok(Done {
            progress: Some(order.progress),
            failures: order.failures,
            is_outdated: true,
            ..Done::nothing(&order)
        });
    };
    let (reached, passed_over) = (gathered.reached, gathered.passed_over.clone());
    let parcels = pack(gathered, &order.webhook, &app.installation.master)?;
    let sent = if parcels.is_empty() {
        Sent {
            failures: order.failures,
            ..Sent::default()
        }
    } else {
        failpoint::reach("webhooks.gathered");
        let sent = send(app.clone(), order.clone(), parcels).await;
        failpoint::reach("webhooks.sent");
        sent
    };
    let failures = sent.failures;
    let slow = if sent.taken || sent.failed {
        sent.slowest >= SLOW
    } else {
        order.slow
    };
    let through = sent
        .unsent
        .map_or(reached, |unsent| reached.min(unsent - 1));
    let mut progress = idle(order.progress, through.max(order.progress.through));
    let now = app.context.settled_now();
    progress.failing_since = match (sent.taken, sent.failed) {
        (true, false) => None,
        (true, true) => Some(now),
        (false, true) => order.progress.failing_since.or(Some(now)),
        (false, false) => order.progress.failing_since,
    };
    let passed_over = passed_over.filter(|_| through == reached);
    let done = (sent, progress, passed_over);
    let (goes_on, next_at) = record(&app, &order, done).await?;
    Ok(Done {
        progress: goes_on.then_some(progress),
        next_at,
        failures,
        slow,
        ..Done::nothing(&order)
    })
}

/// Records what was sent; whether this process goes on with the webhook, and when the next
/// attempt is. It does not when it lost the claim, or when the webhook is disabled now.
async fn record(
    app: &App,
    order: &Order,
    (sent, progress, passed_over): (Sent, Progress, Option<String>),
) -> Result<(bool, Option<Time>)> {
    let (id, process) = (order.webhook.row.id, app.process);
    let now = app.context.settled_now();
    let recovered = sent.taken && order.progress.failing_since.is_some();
    let disabled = match why_disabled(&sent, progress, now) {
        Some(why) => Some((why, disabling(app, order, why)?)),
        None => None,
    };
    let (rows, disabled) = (Arc::new(sent.rows), Arc::new(disabled));
    let passed = (order.progress.through, progress.through);
    for left in (0..RECORD_TRIES).rev() {
        let (rows, disabled) = (Arc::clone(&rows), Arc::clone(&disabled));
        let passed_over = passed_over.clone();
        let recorded = app.installation.store.write(move |tx| {
            if !webhook::advance(tx, id, process, progress)? {
                return Ok((false, None));
            }
            if let Some(events) = &passed_over {
                webhook_subscription::pass_over(tx, id, passed, events)?;
            }
            for row in rows.iter() {
                delivery::record(tx, row)?;
            }
            if recovered {
                delivery::bring_forward(tx, id, now)?;
            }
            let Some((why, event)) = disabled.as_ref() else {
                return Ok((true, delivery::next_at(tx, id, now)?));
            };
            if webhook::disable(tx, id, why)? {
                event_rows::append(tx, event, false)?;
            }
            Ok((false, None))
        });
        match recorded.await {
            Err(_) if left > 0 => tokio::time::sleep(RECORD_PAUSE).await,
            outcome => return outcome,
        }
    }
    Ok((false, None))
}

fn why_disabled(sent: &Sent, progress: Progress, now: Time) -> Option<&'static str> {
    if sent.gone {
        return Some("the receiver answered 410 Gone");
    }
    let since = progress
        .failing_since
        .filter(|_| sent.failed && !sent.taken)?;
    (since.plus_seconds(DISABLED_AFTER_S) <= now).then_some("every attempt failed for five days")
}

fn disabling(app: &App, order: &Order, why: &str) -> Result<EventRow> {
    let row = &order.webhook.row;
    tracing::warn!(webhook = %row.id, why, "a webhook is disabled");
    metrics::WEBHOOKS_DISABLED.add();
    let origin = Origin {
        actor: "webhooks".to_owned(),
        request_id: crate::core::audit::run_id(&app.context),
    };
    let events = [Event::with_reason(EventKind::WebhookDisabled, why)];
    let place = (row.project, CustomerId::from_bytes(*row.id.as_bytes()));
    event::seal(
        &events,
        place,
        &origin,
        &app.installation.secrets.audit,
        &app.context,
    )
}
