//! What was sent to a webhook, what is tried again, and why an event did not come.

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::app::App;
use super::auth::{Caller, WebhooksRead, WebhooksWrite};
use super::customers::json;
use super::examples;
use super::fields::{Fields, finish};
use super::idempotency::{self, DataKey, Effect, RequestText, RequiredKey, Written, exactly_once};
use super::query;
use super::request_body::{JsonBody, NoQuery};
use super::webhooks::find;
use crate::context::Time;
use crate::core::delivery as deliveries;
use crate::core::event::{self, Event, EventKind};
use crate::core::occurrence;
use crate::core::webhook::Webhook;
use crate::error::{Code, Error, FieldCode, Invalid, Result};
use crate::id::{CustomerId, DeliveryId, EventId, WebhookId};
use crate::store::delivery::{DeliveryRow, State as Standing};
use crate::store::{Tx, delivery as rows, event as event_rows, webhook as webhook_rows};
use crate::vault::Place;

/// One event for one webhook.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookDelivery {
    /// TypeID with the prefix `whd`; the `id` of the body that is sent.
    #[schema(value_type = String)]
    id: DeliveryId,
    /// Always `webhookDelivery`.
    object: &'static str,
    /// For which webhook.
    #[schema(value_type = String)]
    webhook_id: WebhookId,
    /// What it tells.
    #[schema(value_type = String)]
    event_id: EventId,
    /// The event's name.
    event: String,
    /// `pending`, `delivered`, or `failed` when nobody tries any more.
    #[schema(pattern = "^(pending|delivered|failed)$")]
    status: &'static str,
    /// How often it was tried.
    attempts: i64,
    /// The status that the receiver last answered with.
    response_status: Option<i64>,
    /// Why the last attempt failed.
    error: Option<String>,
    /// When the event happened.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// When it was last tried.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_attempt_at: Option<Time>,
    /// When it is tried next.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Time>,
}

/// A page of deliveries.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookDeliveryPage {
    /// Newest event first.
    data: Vec<WebhookDelivery>,
    /// Whether there are more.
    has_more: bool,
    /// What to send as `cursor` for the next page; null on the last one.
    cursor: Option<String>,
}

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
    /// `delivered`, `pending`, `failed`, `waiting`, `disabled`, `notSubscribed` or `beforeWebhook`.
    outcome: &'static str,
    /// The same in a sentence.
    message: String,
    /// What was tried, if anything was.
    delivery: Option<WebhookDelivery>,
}

/// A sample of what would be sent.
#[derive(Serialize, ToSchema)]
pub struct WebhookPreview {
    /// Always `webhookPreview`.
    object: &'static str,
    /// Where it would be sent.
    url: String,
    /// The headers that sign the body, with the webhook's own secret.
    headers: std::collections::BTreeMap<&'static str, String>,
    /// The raw body, over which the signature is.
    raw: String,
    /// The same as JSON.
    #[schema(value_type = Object)]
    body: Box<RawValue>,
}

/// Of which event a sample is wanted.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `preview` reads")]
pub struct PreviewWebhook {
    /// The name of an event.
    #[schema(example = "customer.created")]
    event: String,
}

impl WebhookDelivery {
    fn new(row: DeliveryRow) -> Self {
        Self {
            id: row.id,
            object: "webhookDelivery",
            webhook_id: row.webhook,
            event_id: row.event,
            created_at: row.event.time(),
            event: row.kind,
            status: row.state.name(),
            attempts: row.attempts,
            response_status: row.status,
            error: row.error,
            last_attempt_at: row.last_at,
            next_attempt_at: row.next_at,
        }
    }
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(Error::internal)
}

fn need_enabled(webhook: &Webhook) -> Result<()> {
    if webhook.row.enabled {
        return Ok(());
    }
    let detail = "nothing is sent to a disabled webhook";
    Err(Error::new(Code::WebhookDisabled, detail).with_resource(webhook.row.id.to_string()))
}

/// Asks a webhook for a sign of life.
///
/// Sends `webhook.test` to it, whatever it subscribes to; look at the delivery for what came of it.
#[utoipa::path(
    post,
    path = "/webhooks/{webhookId}/test",
    operation_id = "test_webhook",
    tag = "Webhooks",
    params(("webhookId" = String, Path, description = "The webhook's id", example = "whk_01h2xcejqtf2nbrexx3vqjhp41")),
    responses((status = 200, description = "The delivery", body = WebhookDelivery)),
    security(("bearer" = ["webhooks:write"]))
)]
pub async fn test(
    State(app): State<App>,
    caller: Caller<WebhooksWrite>,
    _: NoQuery,
    Path(id): Path<String>,
    RequiredKey(key): RequiredKey,
) -> Result<Response> {
    let path = format!("/webhooks/{id}/test");
    let call = RequestText {
        method: "POST",
        path: &path,
        body: None,
    };
    let claim = idempotency::claim(&app.installation.secrets, caller.key.project, &key, call);
    let (app, tenant, id) = (&app, &caller.tenant(&app)?, &*id);
    exactly_once(app, Some(claim), || async move {
        let (webhook, key) = find(app, tenant.project, id).await?;
        need_enabled(&webhook)?;
        let kind = EventKind::WebhookTest;
        let place = (
            tenant.project,
            CustomerId::from_bytes(*webhook.row.id.as_bytes()),
        );
        let events = [Event::of_customer(kind, &[])];
        let event = event::seal(&events, place, &tenant.origin, &key, &app.context)?;
        let told = EventId::from_bytes(event.id);
        let row = deliveries::pending(webhook.row.id, told, kind.name(), app.context.now());
        Ok(Effect {
            status: StatusCode::OK,
            body: to_json(&WebhookDelivery::new(row.clone()))?,
            resource: row.id.to_string(),
            key: DataKey::Known(key),
            write: Box::new(move |tx| {
                event_rows::append(tx, &event, false)?;
                rows::record(tx, &row)?;
                Ok(Written::Done)
            }),
        })
    })
    .await
}

/// Which deliveries a page shows.
#[derive(Default, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "the published shape of what `query::read` reads")]
pub struct ListDeliveries {
    /// Only those that are `pending`, `delivered` or `failed`.
    #[param(pattern = "^(pending|delivered|failed)$")]
    status: Option<String>,
    /// Deliveries on the page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u8>,
    /// The `cursor` of the page before, with the same filters.
    cursor: Option<String>,
}

/// Lists what was sent to a webhook in the last 30 days, the newest event first.
#[utoipa::path(
    get,
    path = "/webhooks/{webhookId}/deliveries",
    operation_id = "list_deliveries",
    tag = "Webhooks",
    params(("webhookId" = String, Path, description = "The webhook's id", example = "whk_01h2xcejqtf2nbrexx3vqjhp41"), ListDeliveries),
    responses((status = 200, description = "A page", body = WebhookDeliveryPage)),
    security(("bearer" = ["webhooks:read"]))
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<WebhooksRead>,
    Path(id): Path<String>,
    RawQuery(text): RawQuery,
) -> Result<Response> {
    let (webhook, _) = find(&app, caller.key.project, &id).await?;
    let names = ["status", "limit", "cursor"];
    let [status, limit, cursor] = query::read(text.as_deref(), names)?;
    let limit = query::limit(limit.as_deref())?;
    let all = [Standing::Pending, Standing::Delivered, Standing::Failed];
    let state = match &status {
        None => None,
        Some(word) => {
            let found = all.into_iter().find(|state| state.name() == word);
            let refused = || query::refuse("status", "must be pending, delivered or failed");
            Some(found.ok_or_else(refused)?)
        }
    };
    let id = webhook.row.id;
    let place = Place {
        project: caller.key.project,
        row: id.as_bytes(),
        field: match state {
            None => "cursor.deliveries",
            Some(Standing::Pending) => "cursor.deliveries.pending",
            Some(Standing::Delivered) => "cursor.deliveries.delivered",
            Some(Standing::Failed) => "cursor.deliveries.failed",
        },
    };
    let before = match cursor {
        Some(cursor) => query::open_cursor(&app, place, &cursor)?,
        None => [0xff; 16],
    };
    let most = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let read = move |tx: &mut Tx<'_>| rows::newest_first(tx, id, &before, state, most);
    let mut found = app.installation.store.read(read).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| has_more).map(|last| last.id);
    let page = WebhookDeliveryPage {
        data: found.into_iter().map(WebhookDelivery::new).collect(),
        has_more,
        cursor: last.map(|last| query::seal_cursor(&app, place, last.as_bytes())),
    };
    Ok(json(to_json(&page)?, None))
}

/// Tries a delivery again now, whatever became of it.
#[utoipa::path(
    post,
    path = "/webhooks/{webhookId}/deliveries/{deliveryId}/retry",
    operation_id = "retry_delivery",
    tag = "Webhooks",
    params(
        ("webhookId" = String, Path, description = "The webhook's id", example = "whk_01h2xcejqtf2nbrexx3vqjhp41"),
        ("deliveryId" = String, Path, description = "The delivery's id", example = "whd_01h2xcejqtf2nbrexx3vqjhp41")
    ),
    responses((status = 200, description = "The delivery", body = WebhookDelivery)),
    security(("bearer" = ["webhooks:write"]))
)]
pub async fn retry(
    State(app): State<App>,
    caller: Caller<WebhooksWrite>,
    _: NoQuery,
    Path((id, delivery)): Path<(String, String)>,
    RequiredKey(key): RequiredKey,
) -> Result<Response> {
    let path = format!("/webhooks/{id}/deliveries/{delivery}/retry");
    let call = RequestText {
        method: "POST",
        path: &path,
        body: None,
    };
    let claim = idempotency::claim(&app.installation.secrets, caller.key.project, &key, call);
    let (app, project, id, delivery) = (&app, caller.key.project, &*id, &*delivery);
    exactly_once(app, Some(claim), || async move {
        let (webhook, key) = find(app, project, id).await?;
        let missing = || Error::new(Code::NotFound, "there is no such delivery");
        let delivery = DeliveryId::parse(delivery).ok_or_else(missing)?;
        let webhook_id = webhook.row.id;
        let read = move |tx: &mut Tx<'_>| rows::find(tx, webhook_id, delivery);
        let found = app
            .installation
            .store
            .read(read)
            .await?
            .ok_or_else(missing)?;
        need_enabled(&webhook)?;
        let row = DeliveryRow {
            state: Standing::Pending,
            next_at: Some(app.context.now()),
            ..found
        };
        Ok(Effect {
            status: StatusCode::OK,
            body: to_json(&WebhookDelivery::new(row.clone()))?,
            resource: row.id.to_string(),
            key: DataKey::Known(key),
            write: Box::new(move |tx| {
                rows::record(tx, &row)?;
                Ok(Written::Done)
            }),
        })
    })
    .await
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
    operation_id = "diagnose_webhook",
    tag = "Webhooks",
    params(("webhookId" = String, Path, description = "The webhook's id", example = "whk_01h2xcejqtf2nbrexx3vqjhp41"), Diagnose),
    responses((status = 200, description = "What became of it", body = WebhookDiagnosis)),
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
    let read = app.installation.store.read(move |tx| {
        let linked = event_rows::holding(tx, project, event.as_bytes())?;
        let delivery = rows::find(tx, id, deliveries::id_of(id, event))?;
        Ok((linked, delivery, webhook_rows::progress(tx, id)?))
    });
    let (linked, delivery, progress) = read.await?;
    let linked = linked.ok_or_else(missing)?;
    let kinds = occurrence::kinds(&linked.row);
    let mut kinds = kinds.filter(|(place, _)| occurrence::id(&linked.row, *place) == event);
    let (_, kind) = kinds.next().ok_or_else(missing)?;
    let behind = progress.is_some_and(|progress| linked.place > progress.through);
    let (outcome, message) = verdict(&webhook, kind, (event, behind), delivery.as_ref());
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

fn verdict(
    webhook: &Webhook,
    kind: EventKind,
    (event, behind): (EventId, bool),
    delivery: Option<&DeliveryRow>,
) -> (&'static str, String) {
    if let Some(row) = delivery {
        let (attempts, why) = (row.attempts, row.error.as_deref().unwrap_or("none failed"));
        let message = match row.state {
            Standing::Delivered => format!("the receiver took it, at attempt {attempts}"),
            Standing::Failed => format!("given up after {attempts} attempts: {why}"),
            Standing::Pending if !webhook.row.enabled => {
                return (
                    "disabled",
                    "it waits until the webhook is enabled".to_owned(),
                );
            }
            Standing::Pending => format!("to be tried again; {attempts} attempts so far: {why}"),
        };
        return (row.state.name(), message);
    }
    if !webhook.subscription.wants(kind) {
        let message = format!("the webhook does not subscribe to {}", kind.name());
        return ("notSubscribed", message);
    }
    if event.time() < webhook.row.id.time() || !behind {
        let message = "the event is older than the webhook, or its history was swept after 30 days";
        return ("beforeWebhook", message.to_owned());
    }
    if !webhook.row.enabled {
        let why = webhook
            .row
            .disabled_reason
            .as_deref()
            .unwrap_or("it was switched off");
        return (
            "disabled",
            format!("it waits until the webhook is enabled: {why}"),
        );
    }
    (
        "waiting",
        "it waits behind earlier events, or the receiver is away".to_owned(),
    )
}

/// Shows a sample of what would be sent, and sends nothing.
#[utoipa::path(
    post,
    path = "/webhooks/{webhookId}/preview",
    operation_id = "preview_webhook",
    tag = "Webhooks",
    params(("webhookId" = String, Path, description = "The webhook's id", example = "whk_01h2xcejqtf2nbrexx3vqjhp41")),
    request_body = PreviewWebhook,
    responses((status = 200, description = "A sample, signed with the webhook's secret", body = WebhookPreview)),
    security(("bearer" = ["webhooks:write"]))
)]
pub async fn preview(
    State(app): State<App>,
    caller: Caller<WebhooksWrite>,
    _: NoQuery,
    Path(id): Path<String>,
    RequiredKey(key): RequiredKey,
    JsonBody(body): JsonBody,
) -> Result<Response> {
    let path = format!("/webhooks/{id}/preview");
    let call = RequestText {
        method: "POST",
        path: &path,
        body: Some(&body),
    };
    let claim = idempotency::claim(&app.installation.secrets, caller.key.project, &key, call);
    let (app, project, id, body) = (&app, caller.key.project, &*id, &body);
    exactly_once(app, Some(claim), || async move {
        let (webhook, key) = find(app, project, id).await?;
        let mut wrong = Vec::new();
        let mut fields = Fields::new(body, &["event"], app.config.unknown_fields, &mut wrong);
        let kind = fields.required("event", |text| {
            let kind = EventKind::parse(text).filter(|kind| kind.is_published());
            kind.ok_or_else(|| {
                let known = EventKind::PUBLISHED.map(EventKind::name).join(", ");
                let message = format!("must be one of {known}, webhook.test");
                Invalid::new(FieldCode::ValueInvalid, message)
            })
        });
        let kind = finish(kind, wrong)?.unwrap_or(EventKind::WebhookTest);
        let sample = to_json(&examples::payload(kind))?;
        let delivery = examples::DELIVERY;
        let preview = WebhookPreview {
            object: "webhookPreview",
            url: webhook.url.to_string(),
            headers: webhook
                .sign(delivery, &sample, app.context.now())
                .into_iter()
                .collect(),
            raw: String::from_utf8(sample.clone()).map_err(Error::internal)?,
            body: super::events::raw(sample)?,
        };
        Ok(Effect {
            status: StatusCode::OK,
            body: to_json(&preview)?,
            resource: webhook.row.id.to_string(),
            key: DataKey::Known(key),
            write: Box::new(|_| Ok(Written::Done)),
        })
    })
    .await
}
