//! Why a webhook did or did not get an event.

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::app::App;
use super::auth::{Caller, WebhooksRead};
use super::customers::json;
use super::deliveries::{WebhookDelivery, to_json};
use super::examples;
use super::query;
use super::webhooks::find;
use crate::context::Time;
use crate::core::delivery::{self as deliveries, HISTORY_S};
use crate::core::event::EventKind;
use crate::core::occurrence;
use crate::core::webhook::Webhook;
use crate::error::{Code, Error, Result};
use crate::id::{EventId, WebhookId};
use crate::store::delivery::{DeliveryRow, State as Standing};
use crate::store::{
    delivery as rows, event as event_rows, webhook as webhook_rows, webhook_subscription,
};

/// Why a webhook did or did not get an event.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookDiagnosis {
    /// Always `webhookDiagnosis`.
    object: &'static str,
    /// Which webhook.
    #[schema(value_type = String)]
    webhook_id: WebhookId,
    /// Which event.
    #[schema(value_type = String)]
    event_id: EventId,
    /// `delivered`, `pending`, `failed`, `waiting`, `disabled`, `notSubscribed`, `beforeWebhook`, or
    /// `forgotten` when the event is older than the history.
    outcome: &'static str,
    /// The same in a sentence.
    message: String,
    /// What was tried, if anything was.
    delivery: Option<WebhookDelivery>,
}

/// Which event a diagnosis is about.
#[derive(Default, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the published shape of what `query::read` reads")]
pub struct Diagnose {
    /// The event's id.
    #[param(example = "evt_01h2xcejqtf2nbrexx3vqjhp41")]
    event: String,
}

/// Says why a webhook did or did not get an event.
#[utoipa::path(
    get,
    path = "/webhooks/{webhookId}/diagnose",
    operation_id = "diagnoseWebhook",
    tag = "Webhooks",
    params(("webhookId" = String, Path, description = "The webhook's id", example = "whk_01h2xcejqtf2nbrexx3vqjhp41"), Diagnose),
    responses((status = 200, description = "What became of it", body = WebhookDiagnosis, example = json!(examples::diagnosis()))),
    security(("bearer" = ["webhooks:read"]))
)]
pub async fn diagnose(
    State(app): State<App>,
    caller: Caller<WebhooksRead>,
    Path(id): Path<String>,
    RawQuery(text): RawQuery,
) -> Result<Response> {
    let project = caller.key.project;
    let (webhook, _) = find(&app, project, &id).await?;
    let [event] = query::read(text.as_deref(), ["event"])?;
    let event = event.ok_or_else(|| query::refuse("event", "is required: the id of an event"))?;
    let missing = || Error::new(Code::NotFound, "there is no such event");
    let event = EventId::parse(&event).ok_or_else(missing)?;
    let id = webhook.row.id;
    let present = webhook.subscription.clone();
    let read = app.installation.store.read_for(project, move |tx| {
        let linked = event_rows::holding(tx, project, event.as_bytes())?;
        let delivery = rows::find(tx, id, deliveries::id_of(id, event))?;
        let history = webhook_subscription::history(tx, id, &present)?;
        Ok((linked, delivery, webhook_rows::progress(tx, id)?, history))
    });
    let (linked, delivery, progress, history) = read.await?;
    let linked = linked.ok_or_else(missing)?;
    let kinds = occurrence::kinds(&linked.row);
    let mut kinds = kinds.filter(|(place, _)| occurrence::id(&linked.row, *place) == event);
    let (_, kind) = kinds.next().ok_or_else(missing)?;
    let behind = progress.is_some_and(|progress| linked.place > progress.through);
    let (outcome, message) = if let Some(row) = &delivery {
        of_delivery(row, &webhook)
    } else {
        let wants = history.at(linked.place).name_for(kind).is_some();
        let now = app.context.cautious_now();
        of_none(&webhook, kind, (event, wants, behind), now)
    };
    let diagnosis = WebhookDiagnosis {
        object: "webhookDiagnosis",
        webhook_id: id,
        event_id: event,
        outcome,
        message,
        delivery: delivery.map(WebhookDelivery::new),
    };
    Ok(json(to_json(&diagnosis)?, None))
}

fn of_delivery(row: &DeliveryRow, webhook: &Webhook) -> (&'static str, String) {
    let (attempts, why) = (row.attempts, row.error.as_deref().unwrap_or("none failed"));
    let message = match row.state {
        Standing::Pending if !webhook.row.enabled => {
            return ("disabled", switched_off(webhook));
        }
        Standing::Pending => format!("to be tried again; {attempts} attempts so far: {why}"),
        Standing::Delivered => format!("the receiver took it, at attempt {attempts}"),
        Standing::Failed => format!("given up after {attempts} attempts: {why}"),
    };
    (row.state.name(), message)
}

/// Of an event that nobody tried to deliver.
fn of_none(
    webhook: &Webhook,
    kind: EventKind,
    (event, wants, behind): (EventId, bool, bool),
    now: Time,
) -> (&'static str, String) {
    let name = kind.name();
    if !wants && !webhook.subscription.wants(kind) {
        let message = format!("the webhook does not subscribe to {name}");
        return ("notSubscribed", message);
    }
    // Ids of one moment rise as well.
    if event.as_bytes() < webhook.row.id.as_bytes() {
        let message = "the event is older than the webhook";
        return ("beforeWebhook", message.to_owned());
    }
    if event.time() < now.plus_seconds(-HISTORY_S) {
        let message =
            "the event is older than 30 days; older ones are not told, and not remembered";
        return ("forgotten", message.to_owned());
    }
    if !wants || !behind {
        let message = format!("the webhook did not subscribe to {name} when it happened");
        return ("notSubscribed", message);
    }
    if !webhook.row.enabled {
        return ("disabled", switched_off(webhook));
    }
    let message = "it waits behind earlier events, or the receiver is away";
    ("waiting", message.to_owned())
}

fn switched_off(webhook: &Webhook) -> String {
    let why = webhook.row.disabled_reason.as_deref();
    let why = why.unwrap_or("it was switched off");
    format!("it waits until the webhook is enabled: {why}")
}
