//! What webhooks are sent, as the section `webhooks` of the document (OpenAPI 3.1): a schema for
//! each event, so that a client knows from `event` what `data` is.

use serde_json::{Map, Value, json};
use utoipa::PartialSchema;

use super::link;
use crate::core::event::EventKind;
use crate::http::events::WebhookPayload;
use crate::http::examples;

/// The tag of what webhooks are sent.
pub(super) const TAG: &str = "Notifications";

/// The kinds that webhooks are told.
fn kinds() -> impl Iterator<Item = EventKind> {
    let published = EventKind::PUBLISHED.into_iter();
    published.chain([EventKind::WebhookTest])
}

/// The name of an event in one word: `customer.created` is `customerCreated`.
fn word(name: &str) -> String {
    let mut parts = name.split('.');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |word, part| word + &capital(part))
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn schema_name(kind: EventKind) -> String {
    format!("{}Payload", capital(&word(kind.name())))
}

/// The payload of each kind, and the one that is any of them.
pub(super) fn schemas() -> Value {
    let mut all: Map<String, Value> = kinds()
        .map(|kind| (schema_name(kind), schema(kind)))
        .collect();
    let any: Vec<_> = kinds()
        .map(|kind| link("schemas", &schema_name(kind)))
        .collect();
    let any = json!({
        "description": "What a webhook is sent. There may be more events later: answer 2xx to those you do not know.",
        "oneOf": any,
    });
    all.insert("WebhookPayload".to_owned(), any);
    Value::Object(all)
}

fn schema(kind: EventKind) -> Value {
    let mut schema = json!(WebhookPayload::schema());
    let data = match kind {
        EventKind::WebhookTest => "Webhook",
        _ => "Customer",
    };
    schema["description"] = json!(format!("What a webhook is sent of `{}`.", kind.name()));
    schema["properties"]["event"] = json!({
        "type": "string",
        "description": "What happened, by the name that the webhook subscribed to.",
        "enum": kind.names(),
    });
    schema["properties"]["data"] = link("schemas", data);
    schema
}

/// The calls that a receiver takes, by the names of events.
pub(super) fn webhooks() -> Value {
    let calls = kinds().flat_map(|kind| kind.names().iter().map(move |name| (kind, *name)));
    let calls = calls.map(|(kind, name)| (name.to_owned(), call(kind, name)));
    Value::Object(calls.collect())
}

fn call(kind: EventKind, name: &str) -> Value {
    json!({"post": {
        "operationId": word(name),
        "tags": [TAG],
        "summary": format!("Sent to your URL: {name}"),
        "description": "Answer 2xx within 15 seconds.",
        "security": [],
        "requestBody": {"required": true, "content": {"application/json": {
            "schema": link("schemas", &schema_name(kind)),
            "example": examples::payload(kind, name),
        }}},
        "responses": {"2XX": {"description": "Taken"}, "410": {"description": "Never send again"}},
    }})
}
