//! One batch of a webhook: read, send, record. A crash between any two of them sends again
//! what was not recorded, under the same ids.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use super::gather::{Gathered, gather, pack};
use super::idle;
use super::send::{Sent, send};
use crate::context::Time;
use crate::core::delivery::DISABLED_AFTER_S;
use crate::core::event::{self, Event, EventKind, Origin};
use crate::core::reach::Reach;
use crate::core::webhook::Webhook;
use crate::error::Result;
use crate::http::app::App;
use crate::id::{CustomerId, WebhookId};
use crate::store::event::EventRow;
use crate::store::webhook::Progress;
use crate::store::{delivery, event as event_rows, webhook};

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
    pub now: Time,
    /// Rows of events at most.
    pub rows: i64,
    /// Requests at once.
    pub parallel: usize,
    /// Failures in a row so far.
    pub failures: u32,
}

/// What a batch did.
pub(super) struct Done {
    pub id: WebhookId,
    pub project: i64,
    /// How far the webhook is; `None` when it could not be recorded.
    pub progress: Option<Progress>,
    pub next_at: Option<Time>,
    pub failures: u32,
}

/// Runs a batch and tells of it.
pub(super) async fn run(app: App, order: Order, done: UnboundedSender<Done>) {
    let (id, project) = (order.webhook.row.id, order.webhook.row.project);
    let outcome = carry_out(&app, order).await;
    let outcome = outcome.unwrap_or_else(|error| {
        tracing::warn!(%error, webhook = %id, "a batch of deliveries failed; it is tried again");
        (None, None, 0)
    });
    let (progress, next_at, failures) = outcome;
    // The loop is gone when the server stops.
    let _ = done.send(Done {
        id,
        project,
        progress,
        next_at,
        failures,
    });
}

type Outcome = (Option<Progress>, Option<Time>, u32);

async fn carry_out(app: &App, order: Order) -> Result<Outcome> {
    let reading = order.clone();
    let store = &app.installation.store;
    let gathered: Gathered = store.read(move |tx| gather(tx, &reading)).await?;
    let reached = gathered.reached;
    let parcels = pack(gathered, &order.webhook, &app.installation.master)?;
    let sent = if parcels.is_empty() {
        Sent {
            failures: order.failures,
            ..Sent::default()
        }
    } else {
        send(app.clone(), order.clone(), parcels).await
    };
    let failures = sent.failures;
    let through = sent
        .unsent
        .map_or(reached, |unsent| reached.min(unsent - 1));
    let mut progress = idle(order.progress, through.max(order.progress.through));
    let now = app.context.now();
    progress.failing_since = match (sent.taken, sent.failed) {
        (true, false) => None,
        (true, true) => Some(now),
        (false, true) => order.progress.failing_since.or(Some(now)),
        (false, false) => order.progress.failing_since,
    };
    record(app, &order, sent, progress)
        .await
        .map(|(kept, next_at)| {
            let progress = kept.then_some(progress);
            (progress, next_at, failures)
        })
}

/// Records what was sent; whether this process still held the claim, and when the next attempt is.
async fn record(
    app: &App,
    order: &Order,
    sent: Sent,
    progress: Progress,
) -> Result<(bool, Option<Time>)> {
    let (id, process, now) = (order.webhook.row.id, app.process, app.context.now());
    let recovered = sent.taken && order.progress.failing_since.is_some();
    let disabled = match why_disabled(&sent, progress, now) {
        Some(why) => Some((why, disabling(app, order, why)?)),
        None => None,
    };
    let (rows, disabled) = (Arc::new(sent.rows), Arc::new(disabled));
    for left in (0..RECORD_TRIES).rev() {
        let (rows, disabled) = (Arc::clone(&rows), Arc::clone(&disabled));
        let recorded = app.installation.store.write(move |tx| {
            if !webhook::advance(tx, id, process, progress)? {
                return Ok((false, None));
            }
            for row in rows.iter() {
                delivery::record(tx, row)?;
            }
            if recovered {
                delivery::bring_forward(tx, id, now)?;
            }
            if let Some((why, event)) = disabled.as_ref()
                && webhook::disable(tx, id, why)?
            {
                event_rows::append(tx, event, false)?;
            }
            Ok((true, delivery::next_at(tx, id)?))
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
