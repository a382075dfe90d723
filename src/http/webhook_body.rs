//! The bodies of `POST /webhooks` and `PATCH /webhooks/{webhookId}`: how they are read and how
//! the `OpenAPI` document describes them.

use serde_json::{Map, Value};
use url::Url;
use utoipa::ToSchema;

use super::app::App;
use super::fields::{Fields, finish};
use crate::core::change::Change;
use crate::core::roster::Tenant;
use crate::core::subscription::{MOST_PATTERNS, Subscription};
use crate::core::webhook::{NewWebhook, Scheme, WebhookChange};
use crate::error::{Error, FieldCode, Invalid, Result};

/// How deliveries are signed.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub enum SignatureScheme {
    /// `Webhook-Signature: t=…,v1=…`
    Oms,
    /// The headers of Standard Webhooks.
    Standard,
}

/// What makes a webhook.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of what `create` reads")]
pub struct CreateWebhook {
    /// Where to: https, or http on this machine for a sandbox.
    #[schema(max_length = 2048, example = "https://example.com/hooks")]
    url: String,
    /// Names of events or aliases, or groups like `customer.*`; none means all. Published names that
    /// nothing emits yet are taken too, see `notes`.
    #[schema(max_items = 50)]
    events: Option<Vec<String>>,
    /// How deliveries are signed, `oms` when absent.
    #[schema(value_type = Option<SignatureScheme>)]
    signature_scheme: Option<String>,
    /// Kept and given back; it changes nothing of what is told.
    compliance_only: Option<bool>,
}

/// What may be changed of a webhook.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of what `update` reads")]
pub struct UpdateWebhook {
    /// Where to.
    #[schema(max_length = 2048)]
    url: Option<String>,
    /// Names of events or aliases, or groups like `customer.*`; none means all. It counts for what
    /// happens from now on.
    #[schema(max_items = 50)]
    events: Option<Vec<String>>,
    /// Whether anything is sent. What happens meanwhile is sent later.
    enabled: Option<bool>,
    /// Kept and given back; it changes nothing of what is told.
    compliance_only: Option<bool>,
}

/// What makes a webhook.
pub(super) fn read_create(
    app: &App,
    tenant: &Tenant,
    body: &Map<String, Value>,
) -> Result<NewWebhook> {
    let mut wrong = Vec::new();
    let known = &["url", "events", "signatureScheme", "complianceOnly"];
    let mut fields = Fields::new(body, known, app.config.unknown_fields, &mut wrong);
    let url = fields.required("url", |text| read_url(app, tenant, text));
    let subscription = match read_events(&mut fields) {
        Change::Set(subscription) => subscription,
        Change::Keep | Change::Clear => Subscription::default(),
    };
    let scheme = match fields.parsed("signatureScheme", Scheme::parse) {
        Change::Set(scheme) => scheme,
        Change::Keep | Change::Clear => Scheme::Oms,
    };
    let compliance_only = given(&fields.boolean("complianceOnly")).unwrap_or(false);
    let url = finish(url, wrong)?;
    let url = url.ok_or_else(|| Error::internal("a body without errors has a URL"))?;
    Ok(NewWebhook {
        url,
        subscription,
        scheme,
        compliance_only,
    })
}

fn given(sent: &Change<bool>) -> Option<bool> {
    match sent {
        Change::Set(value) => Some(*value),
        Change::Keep | Change::Clear => None,
    }
}

/// What changes a webhook.
pub(super) fn read_update(
    app: &App,
    tenant: &Tenant,
    body: &Map<String, Value>,
) -> Result<WebhookChange> {
    let mut wrong = Vec::new();
    let known = &["url", "events", "enabled", "complianceOnly"];
    let mut fields = Fields::new(body, known, app.config.unknown_fields, &mut wrong);
    let url = match fields.parsed("url", |text| read_url(app, tenant, text)) {
        Change::Clear => {
            let needed = Invalid::new(FieldCode::Required, "cannot be cleared");
            fields.refuse("url", needed);
            None
        }
        Change::Set(url) => Some(url),
        Change::Keep => None,
    };
    let subscription = match read_events(&mut fields) {
        Change::Set(subscription) => Some(subscription),
        Change::Clear => Some(Subscription::default()),
        Change::Keep => None,
    };
    let change = WebhookChange {
        url,
        subscription,
        enabled: given(&fields.boolean("enabled")),
        compliance_only: given(&fields.boolean("complianceOnly")),
    };
    finish(change, wrong)
}

fn read_events(fields: &mut Fields<'_, '_>) -> Change<Subscription> {
    let list = match fields.array("events") {
        Change::Keep => return Change::Keep,
        Change::Clear => return Change::Clear,
        Change::Set(list) => list,
    };
    if list.len() > MOST_PATTERNS {
        let long = Invalid::new(FieldCode::TooLong, "must have at most 50 entries");
        fields.refuse("events", long);
        return Change::Keep;
    }
    let mut patterns = Vec::new();
    for (place, pattern) in list.iter().enumerate() {
        let Some(text) = pattern.as_str() else {
            let wrong = Invalid::new(FieldCode::TypeInvalid, "must be a string");
            fields.refuse(&format!("events/{place}"), wrong);
            return Change::Keep;
        };
        patterns.push(text);
    }
    match Subscription::parse(&patterns) {
        Ok(subscription) => Change::Set(subscription),
        Err((place, invalid)) => {
            fields.refuse(&format!("events/{place}"), invalid);
            Change::Keep
        }
    }
}

fn read_url(app: &App, tenant: &Tenant, text: &str) -> Result<Url, Invalid> {
    let reach = app.webhook_reach(tenant.settings.mode);
    let read = reach.read(text);
    read.map_err(|refused| Invalid::new(FieldCode::ValueInvalid, refused.0))
}
