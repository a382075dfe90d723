//! What was sent to a webhook, and what is tried again.

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::app::App;
use super::auth::{Caller, WebhooksRead, WebhooksWrite};
use super::customers::json;
use super::examples;
use super::idempotency::{self, DataKey, Effect, RequestText, RequiredKey, Written, exactly_once};
use super::query;
use super::request_body::NoQuery;
use super::webhooks::find;
use crate::context::Time;
use crate::core::delivery as deliveries;
use crate::core::event::{self, Event, EventKind};
use crate::core::webhook::Webhook;
use crate::error::{Code, Error, Result};
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
    #[schema(value_type = DeliveryStatus)]
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

/// How far a delivery is.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum DeliveryStatus {
    /// It is to be tried.
    Pending,
    /// The receiver took it.
    Delivered,
    /// Nobody took it, and it is not tried any more.
    Failed,
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

impl WebhookDelivery {
    /// The answer's view of a row.
    pub(super) fn new(row: DeliveryRow) -> Self {
        Self {
            id: row.id,
            object: "webhookDelivery",
            webhook_id: row.webhook,
            event_id: row.event,
            created_at: row.at(),
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

pub(super) fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
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
    operation_id = "testWebhook",
    tag = "Webhooks",
    params(("webhookId" = String, Path, description = "The webhook's id", example = "whk_01h2xcejqtf2nbrexx3vqjhp41")),
    responses((status = 200, description = "The delivery", body = WebhookDelivery, example = json!(examples::delivery(Standing::Pending)))),
    security(("bearer" = ["webhooks:write"])),
    extensions(("x-errors" = json!([Code::WebhookDisabled])))
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
        let told = (told, event.happened_at);
        let now = app.context.settled_now();
        let row = deliveries::pending(webhook.row.id, told, kind.name(), now);
        Ok(Effect {
            status: StatusCode::OK,
            body: to_json(&WebhookDelivery::new(row.clone()))?,
            resource: row.id.to_string(),
            key: DataKey::Known(key),
            write: Box::new(move |tx| {
                event_rows::append(tx, &event, false)?;
                rows::record(tx, &row)?;
                webhook_rows::call_again(tx, row.webhook)?;
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
    #[param(value_type = Option<DeliveryStatus>)]
    status: Option<String>,
    /// Deliveries on the page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u8>,
    /// The `cursor` of the page before, with the same filters.
    cursor: Option<String>,
}

/// Lists what was sent to a webhook in the last 30 days, the newest event first.
///
/// By `status`, pages may be short, even empty, while `hasMore` is true.
#[utoipa::path(
    get,
    path = "/webhooks/{webhookId}/deliveries",
    operation_id = "listWebhookDeliveries",
    tag = "Webhooks",
    params(("webhookId" = String, Path, description = "The webhook's id", example = "whk_01h2xcejqtf2nbrexx3vqjhp41"), ListDeliveries),
    responses((status = 200, description = "A page", body = WebhookDeliveryPage, example = json!(examples::page(&examples::delivery(Standing::Delivered))))),
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
    caller.wait_for_room(limit).await?;
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
    // One more than is shown tells whether there are more.
    let filter = rows::Filter {
        webhook: id,
        before,
        state,
        limit: limit + 1,
    };
    let read = move |tx: &mut Tx<'_>| rows::page(tx, &filter);
    let mut found = app.installation.store.read_for(place.project, read).await?;
    if found.rows.len() > limit {
        found.rows.truncate(limit);
        found.next = found.rows.last().map(|last| *last.id.as_bytes());
    }
    let page = WebhookDeliveryPage {
        has_more: found.next.is_some(),
        cursor: found
            .next
            .map(|next| query::seal_cursor(&app, place, &next)),
        data: found.rows.into_iter().map(WebhookDelivery::new).collect(),
    };
    Ok(json(to_json(&page)?, None))
}

/// Tries a delivery again now, whatever became of it.
#[utoipa::path(
    post,
    path = "/webhooks/{webhookId}/deliveries/{deliveryId}/retry",
    operation_id = "retryWebhookDelivery",
    tag = "Webhooks",
    params(
        ("webhookId" = String, Path, description = "The webhook's id", example = "whk_01h2xcejqtf2nbrexx3vqjhp41"),
        ("deliveryId" = String, Path, description = "The delivery's id", example = "whd_01h2xcejqtf2nbrexx3vqjhp41")
    ),
    responses((status = 200, description = "The delivery", body = WebhookDelivery, example = json!(examples::delivery(Standing::Pending)))),
    security(("bearer" = ["webhooks:write"])),
    extensions(("x-errors" = json!([Code::WebhookDisabled])))
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
            .read_for(project, read)
            .await?
            .ok_or_else(missing)?;
        need_enabled(&webhook)?;
        let row = DeliveryRow {
            state: Standing::Pending,
            next_at: Some(app.context.settled_now()),
            ..found
        };
        Ok(Effect {
            status: StatusCode::OK,
            body: to_json(&WebhookDelivery::new(row.clone()))?,
            resource: row.id.to_string(),
            key: DataKey::Known(key),
            write: Box::new(move |tx| {
                rows::record(tx, &row)?;
                webhook_rows::call_again(tx, row.webhook)?;
                Ok(Written::Done)
            }),
        })
    })
    .await
}
