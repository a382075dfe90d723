//! The bodies of `POST /webhooks` and `PATCH /webhooks/{webhookId}`: how they are read and how
//! the `OpenAPI` document describes them.

use serde_json::{Map, Value};
use url::Url;
use utoipa::ToSchema;

use super::app::App;
use super::fields::{Fields, finish};
use crate::core::change::Change;
use crate::core::roster::Tenant;
use crate::core::webhook::{self, MOST_PATTERNS, Scheme, Subscription};
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
    /// Names of events, or groups like `customer.*`; none means all.
    #[schema(max_items = 50)]
    events: Option<Vec<String>>,
    /// How deliveries are signed.
    #[schema(value_type = Option<SignatureScheme>, default = "oms")]
    signature_scheme: Option<String>,
}

/// What may be changed of a webhook.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of what `update` reads")]
pub struct UpdateWebhook {
    /// Where to.
    #[schema(max_length = 2048)]
    url: Option<String>,
    /// Names of events, or groups like `customer.*`; none means all.
    #[schema(max_items = 50)]
    events: Option<Vec<String>>,
    /// Whether anything is sent. What happens meanwhile is sent later.
    enabled: Option<bool>,
}

/// What makes a webhook.
pub(super) fn read_create(
    app: &App,
    tenant: &Tenant,
    body: &Map<String, Value>,
) -> Result<(Url, Subscription, Scheme)> {
    let mut wrong = Vec::new();
    let known = &["url", "events", "signatureScheme"];
    let mut fields = Fields::new(body, known, app.config.unknown_fields, &mut wrong);
    let url = fields.required("url", |text| read_url(tenant, text));
    let subscription = match read_events(&mut fields) {
        Change::Set(subscription) => subscription,
        Change::Keep | Change::Clear => Subscription::default(),
    };
    let scheme = match fields.parsed("signatureScheme", Scheme::parse) {
        Change::Set(scheme) => scheme,
        Change::Keep | Change::Clear => Scheme::Oms,
    };
    let url = finish(url, wrong)?;
    let url = url.ok_or_else(|| Error::internal("a body without errors has a URL"))?;
    Ok((url, subscription, scheme))
}

/// What a change of a webhook asks for: `None` keeps.
type Changes = (Option<Url>, Option<Subscription>, Option<bool>);

/// What changes a webhook.
pub(super) fn read_update(
    app: &App,
    tenant: &Tenant,
    body: &Map<String, Value>,
) -> Result<Changes> {
    let mut wrong = Vec::new();
    let known = &["url", "events", "enabled"];
    let mut fields = Fields::new(body, known, app.config.unknown_fields, &mut wrong);
    let url = match fields.parsed("url", |text| read_url(tenant, text)) {
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
    let enabled = match fields.boolean("enabled") {
        Change::Set(enabled) => Some(enabled),
        Change::Keep | Change::Clear => None,
    };
    finish((url, subscription, enabled), wrong)
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

fn read_url(tenant: &Tenant, text: &str) -> Result<Url, Invalid> {
    let reach = webhook::reach(tenant.settings.mode);
    let read = reach.read(text);
    read.map_err(|refused| Invalid::new(FieldCode::ValueInvalid, refused.0))
}
