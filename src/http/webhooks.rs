//! Webhooks: where a project is told what happens. Contract section 9.

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::app::App;
use super::auth::{Caller, WebhooksRead, WebhooksWrite};
use super::customers::json;
use super::examples;
use super::idempotency::{
    self, DataKey, Effect, OptionalKey, RequestText, RequiredKey, Written, exactly_once,
};
use super::query;
use super::request_body::{JsonBody, NoQuery};
pub use super::webhook_body::{CreateWebhook, SignatureScheme, UpdateWebhook};
use super::webhook_body::{read_create, read_update};
use crate::context::Time;
use crate::core::event::{self, Event, EventKind};
use crate::core::roster::Tenant;
use crate::core::webhook::{self, MOST_WEBHOOKS, Secret};
use crate::error::{Code, Error, Result};
use crate::id::{CustomerId, WebhookId};
use crate::store::event::EventRow;
use crate::store::{event as event_rows, webhook as rows};
use crate::vault::{Place, SealingKey};

/// A webhook.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Webhook<'a> {
    /// TypeID with the prefix `whk`.
    #[schema(value_type = String, example = "whk_01h2xcejqtf2nbrexx3vqjhp41")]
    id: WebhookId,
    /// Always `webhook`.
    #[schema(example = "webhook")]
    object: &'static str,
    /// Where to.
    url: &'a str,
    /// Of what; empty for everything.
    events: &'a [String],
    /// Whether anything is sent.
    enabled: bool,
    /// `active`, or `disabled` while nothing is sent.
    #[schema(value_type = WebhookStatus)]
    status: &'static str,
    /// Why the server disabled it; null when it did not.
    disabled_reason: Option<&'a str>,
    /// As it was sent.
    compliance_only: bool,
    /// What to know of `events`: names that nothing emits yet.
    notes: Vec<String>,
    /// How deliveries are signed.
    #[schema(value_type = SignatureScheme)]
    signature_scheme: &'static str,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// What verifies deliveries; shown when it is made, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "whsec_5f0c1d2e")]
    secret: Option<&'a str>,
}

/// Whether anything is sent to a webhook.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum WebhookStatus {
    /// Everything that it subscribes to.
    Active,
    /// Nothing; what happens meanwhile waits.
    Disabled,
}

/// A page of webhooks.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookPage<'a> {
    /// Newest first.
    data: Vec<Webhook<'a>>,
    /// Whether there are more.
    has_more: bool,
    /// What to send as `cursor` for the next page; null on the last one.
    cursor: Option<String>,
}

impl<'a> Webhook<'a> {
    /// The answer's view of a webhook; with its secret when that was just made.
    #[must_use]
    pub fn new(webhook: &'a webhook::Webhook, secret: Option<&'a Secret>) -> Self {
        let row = &webhook.row;
        Self {
            id: row.id,
            object: "webhook",
            url: webhook.url.as_str(),
            events: webhook.subscription.patterns(),
            enabled: row.enabled,
            status: if row.enabled { "active" } else { "disabled" },
            disabled_reason: row.disabled_reason.as_deref(),
            compliance_only: row.compliance_only,
            notes: webhook.subscription.notes(),
            signature_scheme: webhook.scheme.name(),
            created_at: row.made_at(),
            secret: secret.map(Secret::expose),
        }
    }

    /// The answer's bytes.
    ///
    /// # Errors
    /// `internalError` when it is no JSON, which it always is.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(Error::internal)
    }
}

/// The webhook of a path with its key; anything that is none of this project's is not found.
pub(super) async fn find(
    app: &App,
    project: i64,
    id: &str,
) -> Result<(webhook::Webhook, SealingKey)> {
    let missing = || Error::new(Code::NotFound, "there is no such webhook");
    let id = WebhookId::parse(id).ok_or_else(missing)?;
    let found = app
        .installation
        .store
        .read_for(project, move |tx| rows::find(tx, project, id));
    let found = found.await?.ok_or_else(missing)?;
    webhook::Webhook::open(found, &app.installation.master)?.ok_or_else(missing)
}

/// What an auditor reads of a change.
fn audit(
    app: &App,
    tenant: &Tenant,
    id: WebhookId,
    (kind, changed): (EventKind, &[&str]),
) -> Result<EventRow> {
    let events = [Event::of_customer(kind, changed)];
    let place = (tenant.project, CustomerId::from_bytes(*id.as_bytes()));
    event::seal(
        &events,
        place,
        &tenant.origin,
        &app.installation.secrets.audit,
        &app.context,
    )
}

/// Makes a webhook.
///
/// The answer shows the `secret` this once. What happens from now on is sent, at least once
/// each, in order as far as retries allow.
#[utoipa::path(
    post,
    path = "/webhooks",
    operation_id = "createWebhook",
    tag = "Webhooks",
    request_body(content = CreateWebhook, example = json!(examples::create_webhook())),
    responses((status = 201, description = "The webhook with its secret", body = Webhook, example = json!(examples::webhook(true)))),
    security(("bearer" = ["webhooks:write"])),
    extensions(("x-errors" = json!([Code::TooManyWebhooks])))
)]
pub async fn create(
    State(app): State<App>,
    caller: Caller<WebhooksWrite>,
    _: NoQuery,
    RequiredKey(key): RequiredKey,
    JsonBody(body): JsonBody,
) -> Result<Response> {
    let call = RequestText {
        method: "POST",
        path: "/webhooks",
        body: Some(&body),
    };
    let claim = idempotency::claim(&app.installation.secrets, caller.key.project, &key, call);
    let (app, tenant, body) = (&app, &caller.tenant(&app)?, &body);
    exactly_once(app, Some(claim), || async move {
        let made = read_create(app, tenant, body)?;
        let key = app.new_data_key()?;
        let webhook = webhook::Webhook::make(tenant.project, made, &key, &app.context);
        let event = audit(
            app,
            tenant,
            webhook.row.id,
            (EventKind::WebhookCreated, &[]),
        )?;
        let (row, project) = (webhook.row.clone(), tenant.project);
        Ok(Effect {
            status: StatusCode::CREATED,
            body: Webhook::new(&webhook, Some(&webhook.secret)).to_json()?,
            resource: webhook.row.id.to_string(),
            key: DataKey::New(key),
            write: Box::new(move |tx| {
                if rows::count(tx, project)? >= MOST_WEBHOOKS {
                    let detail = format!("a project has at most {MOST_WEBHOOKS} webhooks");
                    return Err(Error::new(Code::TooManyWebhooks, detail));
                }
                event_rows::append(tx, &event, true)?;
                rows::insert(tx, &row)?;
                Ok(Written::Done)
            }),
        })
    })
    .await
}

/// Which part of a list a page shows.
#[derive(Default, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "the published shape of what `query::read` reads")]
pub struct ListWebhooks {
    /// Webhooks on the page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u8>,
    /// The `cursor` of the page before.
    cursor: Option<String>,
}

/// Lists webhooks, newest first.
#[utoipa::path(
    get,
    path = "/webhooks",
    operation_id = "listWebhooks",
    tag = "Webhooks",
    params(ListWebhooks),
    responses((status = 200, description = "A page", body = WebhookPage, example = json!(examples::page(&examples::webhook(false))))),
    security(("bearer" = ["webhooks:read"]))
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<WebhooksRead>,
    RawQuery(text): RawQuery,
) -> Result<Response> {
    let [limit, cursor] = query::read(text.as_deref(), ["limit", "cursor"])?;
    let limit = query::limit(limit.as_deref())?;
    caller.wait_for_room(limit).await?;
    let project = caller.key.project;
    let place = Place {
        project,
        row: b"",
        field: "cursor.webhooks",
    };
    let before = match cursor {
        Some(cursor) => query::open_cursor(&app, place, &cursor)?,
        None => [0xff; 16],
    };
    let most = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let found = app.installation.store.read_for(project, move |tx| {
        rows::of_project(tx, project, &before, most)
    });
    let mut opened = Vec::new();
    for found in found.await? {
        opened.extend(webhook::Webhook::open(found, &app.installation.master)?.map(|one| one.0));
    }
    let has_more = opened.len() > limit;
    opened.truncate(limit);
    let last = opened.last().filter(|_| has_more).map(|last| last.row.id);
    let page = WebhookPage {
        data: opened.iter().map(|one| Webhook::new(one, None)).collect(),
        has_more,
        cursor: last.map(|last| query::seal_cursor(&app, place, last.as_bytes())),
    };
    Ok(json(
        serde_json::to_vec(&page).map_err(Error::internal)?,
        None,
    ))
}

/// Reads one webhook.
#[utoipa::path(
    get,
    path = "/webhooks/{webhookId}",
    operation_id = "getWebhook",
    tag = "Webhooks",
    params(("webhookId" = String, Path, description = "The webhook's id", example = "whk_01h2xcejqtf2nbrexx3vqjhp41")),
    responses((status = 200, description = "The webhook", body = Webhook, example = json!(examples::webhook(false)))),
    security(("bearer" = ["webhooks:read"]))
)]
pub async fn read(
    State(app): State<App>,
    caller: Caller<WebhooksRead>,
    _: NoQuery,
    Path(id): Path<String>,
) -> Result<Response> {
    let (webhook, _) = find(&app, caller.key.project, &id).await?;
    Ok(json(Webhook::new(&webhook, None).to_json()?, None))
}

/// Changes a webhook.
///
/// Enabling one that the server disabled gives it a fresh start; what happened meanwhile is sent.
#[utoipa::path(
    patch,
    path = "/webhooks/{webhookId}",
    operation_id = "updateWebhook",
    tag = "Webhooks",
    params(("webhookId" = String, Path, description = "The webhook's id", example = "whk_01h2xcejqtf2nbrexx3vqjhp41")),
    request_body(content = UpdateWebhook, example = json!(examples::update_webhook())),
    responses((status = 200, description = "The webhook", body = Webhook, example = json!(examples::webhook(false)))),
    security(("bearer" = ["webhooks:write"]))
)]
pub async fn update(
    State(app): State<App>,
    caller: Caller<WebhooksWrite>,
    _: NoQuery,
    Path(id): Path<String>,
    OptionalKey(key): OptionalKey,
    JsonBody(body): JsonBody,
) -> Result<Response> {
    let path = format!("/webhooks/{id}");
    let call = RequestText {
        method: "PATCH",
        path: &path,
        body: Some(&body),
    };
    let secrets = &app.installation.secrets;
    let claim = key.map(|key| idempotency::claim(secrets, caller.key.project, &key, call));
    let (app, tenant, id, body) = (&app, &caller.tenant(&app)?, &*id, &body);
    exactly_once(app, claim, || async move {
        let (webhook, key) = find(app, tenant.project, id).await?;
        let change = read_update(app, tenant, body)?;
        let (enabled, before) = (change.enabled, webhook.row.events.clone());
        let next = webhook.changed(change, &key, &app.context);
        let names = ["url", "events", "enabled", "complianceOnly"].into_iter();
        let changed: Vec<_> = names.filter(|name| body.contains_key(*name)).collect();
        let event = audit(
            app,
            tenant,
            next.row.id,
            (EventKind::WebhookUpdated, &changed),
        )?;
        let row = next.row.clone();
        Ok(Effect {
            status: StatusCode::OK,
            body: Webhook::new(&next, None).to_json()?,
            resource: row.id.to_string(),
            key: DataKey::Known(key),
            write: Box::new(move |tx| {
                if !rows::replace(tx, &row, &before)? {
                    return Ok(Written::Stale);
                }
                if enabled == Some(true) {
                    rows::forgive(tx, row.id)?;
                }
                event_rows::append(tx, &event, false)?;
                Ok(Written::Done)
            }),
        })
    })
    .await
}

/// Deletes a webhook.
///
/// Nothing more is sent. The answer shows it for the last time.
#[utoipa::path(
    delete,
    path = "/webhooks/{webhookId}",
    operation_id = "deleteWebhook",
    tag = "Webhooks",
    params(("webhookId" = String, Path, description = "The webhook's id", example = "whk_01h2xcejqtf2nbrexx3vqjhp41")),
    responses((status = 200, description = "The webhook, disabled for good", body = Webhook, example = json!(examples::webhook(false)))),
    security(("bearer" = ["webhooks:write"]))
)]
pub async fn delete(
    State(app): State<App>,
    caller: Caller<WebhooksWrite>,
    _: NoQuery,
    Path(id): Path<String>,
    OptionalKey(key): OptionalKey,
) -> Result<Response> {
    let path = format!("/webhooks/{id}");
    let call = RequestText {
        method: "DELETE",
        path: &path,
        body: None,
    };
    let secrets = &app.installation.secrets;
    let claim = key.map(|key| idempotency::claim(secrets, caller.key.project, &key, call));
    let (app, tenant, id) = (&app, &caller.tenant(&app)?, &*id);
    exactly_once(app, claim, || async move {
        let (mut webhook, key) = find(app, tenant.project, id).await?;
        let event = audit(
            app,
            tenant,
            webhook.row.id,
            (EventKind::WebhookDeleted, &[]),
        )?;
        let (row, now) = (webhook.row.clone(), app.context.now());
        webhook.row.enabled = false;
        Ok(Effect {
            status: StatusCode::OK,
            body: Webhook::new(&webhook, None).to_json()?,
            resource: row.id.to_string(),
            key: DataKey::Known(key),
            write: Box::new(move |tx| {
                if !rows::delete(tx, &row, now)? {
                    return Ok(Written::Stale);
                }
                event_rows::append(tx, &event, false)?;
                Ok(Written::Done)
            }),
        })
    })
    .await
}

/// Gives a webhook a new secret.
///
/// The answer shows it this once. For 24 hours both secrets sign every delivery.
#[utoipa::path(
    post,
    path = "/webhooks/{webhookId}/rotateSecret",
    operation_id = "rotateWebhookSecret",
    tag = "Webhooks",
    params(("webhookId" = String, Path, description = "The webhook's id", example = "whk_01h2xcejqtf2nbrexx3vqjhp41")),
    responses((status = 200, description = "The webhook with its new secret", body = Webhook, example = json!(examples::webhook(true)))),
    security(("bearer" = ["webhooks:write"]))
)]
pub async fn rotate(
    State(app): State<App>,
    caller: Caller<WebhooksWrite>,
    _: NoQuery,
    Path(id): Path<String>,
    RequiredKey(key): RequiredKey,
) -> Result<Response> {
    let path = format!("/webhooks/{id}/rotateSecret");
    let call = RequestText {
        method: "POST",
        path: &path,
        body: None,
    };
    let claim = idempotency::claim(&app.installation.secrets, caller.key.project, &key, call);
    let (app, tenant, id) = (&app, &caller.tenant(&app)?, &*id);
    exactly_once(app, Some(claim), || async move {
        let (webhook, key) = find(app, tenant.project, id).await?;
        let next = webhook.rotated(&key, &app.context);
        let event = audit(
            app,
            tenant,
            next.row.id,
            (EventKind::WebhookUpdated, &["secret"]),
        )?;
        let row = next.row.clone();
        Ok(Effect {
            status: StatusCode::OK,
            body: Webhook::new(&next, Some(&next.secret)).to_json()?,
            resource: row.id.to_string(),
            key: DataKey::Known(key),
            write: Box::new(move |tx| {
                if !rows::replace(tx, &row, &row.events)? {
                    return Ok(Written::Stale);
                }
                event_rows::append(tx, &event, false)?;
                Ok(Written::Done)
            }),
        })
    })
    .await
}
