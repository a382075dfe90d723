//! What a webhook would be sent, shown and not sent.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::app::App;
use super::auth::{Caller, WebhooksWrite};
use super::deliveries::to_json;
use super::examples;
use super::fields::{Fields, finish};
use super::idempotency::{self, DataKey, Effect, RequestText, RequiredKey, Written, exactly_once};
use super::request_body::{JsonBody, NoQuery};
use super::webhooks::find;
use crate::core::event::EventKind;
use crate::error::{Error, FieldCode, Invalid, Result};

/// A sample of what would be sent.
#[derive(Serialize, ToSchema)]
pub struct WebhookPreview {
    /// Always `webhookPreview`.
    object: &'static str,
    /// Where it would be sent.
    url: String,
    /// The headers that sign the body, with the webhook's own secret.
    headers: BTreeMap<&'static str, String>,
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

/// Shows a sample of what would be sent, and sends nothing.
#[utoipa::path(
    post,
    path = "/webhooks/{webhookId}/preview",
    operation_id = "previewWebhook",
    tag = "Webhooks",
    params(("webhookId" = String, Path, description = "The webhook's id", example = "whk_01h2xcejqtf2nbrexx3vqjhp41")),
    request_body(content = PreviewWebhook, example = json!(examples::preview_webhook())),
    responses((status = 200, description = "A sample, signed with the webhook's secret", body = WebhookPreview, example = json!(examples::preview()))),
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
            let kind = EventKind::published_as(text);
            kind.map(|kind| (kind, text.to_owned())).ok_or_else(|| {
                let known = EventKind::PUBLISHED.map(EventKind::name).join(", ");
                let message = format!("must be one of {known}, webhook.test");
                Invalid::new(FieldCode::ValueInvalid, message)
            })
        });
        let named = finish(kind, wrong)?;
        let (kind, name) =
            named.ok_or_else(|| Error::internal("a body without errors names an event"))?;
        let sample = to_json(&examples::payload(kind, &name))?;
        let delivery = examples::DELIVERY;
        let preview = WebhookPreview {
            object: "webhookPreview",
            url: webhook.url.to_string(),
            headers: webhook
                .sign(delivery, &sample, &app.context)
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
