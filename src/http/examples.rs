//! The examples of the OpenAPI document. Answers are made by the code that
//! makes the real ones, so they cannot lie.

use std::sync::Arc;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use url::Url;

use super::customer_body::read_create;
use super::customers::Customer;
use super::deliveries::WebhookDelivery;
use super::requirements;
use super::sandbox::Scenarios;
use super::verification::Verification;
use super::{events, webhooks};
use crate::config::UnknownFields;
use crate::context::{Clock, Context, Random, Time};
use crate::core::api_key::Mode;
use crate::core::country::Country;
use crate::core::customer::NewCustomer;
use crate::core::delivery as deliveries;
use crate::core::endorsement::{EndorsementName, EndorsementSet, EndorsementStatus};
use crate::core::event::EventKind;
use crate::core::occurrence::Occurrence;
use crate::core::policy::Policy;
use crate::core::project::Project;
use crate::core::provider::{self, Outcome, Subject};
use crate::core::webhook::{Scheme, Subscription, Webhook};
use crate::id::{CustomerId, DeliveryId, EventId, VerificationId};
use crate::store::customer::{CustomerRow, Status};
use crate::store::delivery::{DeliveryRow, State};
use crate::vault::SealingKey;

/// When the example happened: 2026-01-31T12:00:00Z.
const NOW: Time = Time::from_millis(1_769_860_800_000);

/// The customer of the examples.
const CUSTOMER: CustomerId =
    CustomerId::from_bytes(0x019c_13e2_4000_7466_8572_a1d0_9c56_1f6d_u128.to_be_bytes());

/// The verification of the examples.
const VERIFICATION: VerificationId =
    VerificationId::from_bytes(0x019c_13e2_401a_78aa_bc3b_bd1e_ef28_d881_u128.to_be_bytes());

/// The body of `POST /customers`.
#[must_use]
pub fn create_customer() -> Value {
    json!({
        "type": "individual",
        "firstName": "Ada",
        "lastName": "Lovelace",
        "email": "ada@example.com",
        "phone": "+14155550123",
        "birthDate": "1990-05-15",
        "nationality": "US",
        "ipAddress": "203.0.113.7",
        "externalId": "user-42",
        "signedAgreement": true,
        "residentialAddress": {
            "line1": "1 Main Street", "city": "San Francisco", "state": "CA", "country": "US", "zipCode": "94105"
        },
        "identifyingInformation": [{"type": "ssn", "issuingCountry": "US", "number": "123-45-6789"}],
        "endorsements": ["cryptoCustody", "usd"],
        "metadata": {"plan": "gold"}
    })
}

/// The body of `PATCH /customers/{customerId}`.
#[must_use]
pub fn update_customer() -> Value {
    json!({"middleName": "King", "phone": null, "metadata": {"plan": "platinum"}})
}

fn new_customer() -> NewCustomer {
    let body = create_customer();
    let empty = Map::new();
    let body = body.as_object().unwrap_or(&empty);
    read_create(body, NOW.date(), UnknownFields::Refuse).expect("a test reads the example")
}

/// A customer as answers show it.
#[must_use]
pub fn customer(status: Status) -> Value {
    let new = new_customer();
    let id = CUSTOMER;
    let row = CustomerRow {
        project: 1,
        id,
        version: 1,
        status,
        signed_at: Some(id.time()),
        updated_at: id.time(),
        data_key: 1,
        endorsements: EndorsementName::ALL.map(|_| Some(EndorsementStatus::Active)),
        profile: Vec::new(),
        identity: Vec::new(),
        review: None,
    };
    serde_json::to_value(Customer::new(&row, &new.profile, None)).expect("an answer is JSON")
}

/// The delivery of the samples.
pub const DELIVERY: DeliveryId =
    DeliveryId::from_bytes(*b"\x01\x9c\x13\xe2\x40\x00\x70\x00\x80oms-dlv");

/// The webhook of the samples.
fn webhook_sample() -> Webhook {
    let key = SealingKey::new(1, &[1; 32]);
    let context = Context::new(
        Clock::Manual(Arc::new(NOW.as_millis().into())),
        Random::seeded(1),
    );
    let url = Url::parse("https://example.com/hooks").expect("a URL");
    Webhook::make(
        1,
        (url, Subscription::default(), Scheme::Oms),
        &key,
        &context,
    )
}

/// What the examples tell of an event of this kind.
fn occurrence(kind: EventKind) -> Occurrence {
    let changed: &[&str] = match kind {
        EventKind::CustomerUpdated => &["middleName", "residentialAddress"],
        EventKind::CustomerDeactivated => &["status"],
        EventKind::EndorsementActive | EventKind::EndorsementUpdated => &["endorsements.usd"],
        _ => &[],
    };
    Occurrence {
        id: EventId::from_bytes(*DELIVERY.as_bytes()),
        kind,
        at: NOW,
        resource: *CUSTOMER.as_bytes(),
        sequence: 1 + i64::from(!changed.is_empty()),
        changed: changed.iter().map(|name| (*name).to_owned()).collect(),
        request_id: "req_01h2xcejqtf2nbrexx3vqjhp41".to_owned(),
    }
}

fn raw(value: &Value) -> Box<RawValue> {
    events::raw(value.to_string().into_bytes()).expect("it is JSON")
}

/// What a webhook is sent of an event of this kind, made by the code that makes the real ones.
#[must_use]
pub fn payload(kind: EventKind) -> Value {
    let data = match kind {
        EventKind::WebhookTest => webhook(false),
        EventKind::CustomerDeactivated => customer(Status::Inactive),
        _ => customer(Status::Active),
    };
    let payload = events::payload(&occurrence(kind), DELIVERY, &raw(&data)).expect("it is JSON");
    serde_json::from_slice(&payload).expect("it is JSON")
}

fn webhook(with_secret: bool) -> Value {
    let webhook = webhook_sample();
    let secret = with_secret.then_some(&webhook.secret);
    serde_json::to_value(webhooks::Webhook::new(&webhook, secret)).expect("an answer is JSON")
}

/// A delivery that waits for its attempt, or one that was taken at the first.
fn delivery(state: State) -> Value {
    let (webhook, kind) = (webhook_sample().row.id, EventKind::CustomerCreated);
    let event = occurrence(kind).id;
    let pending = deliveries::pending(webhook, event, kind.name(), NOW);
    let row = match state {
        State::Pending => pending,
        _ => DeliveryRow {
            state,
            attempts: 1,
            last_at: Some(NOW),
            next_at: None,
            status: Some(200),
            ..pending
        },
    };
    serde_json::to_value(WebhookDelivery::new(row)).expect("an answer is JSON")
}

fn event() -> Value {
    let data = raw(&customer(Status::Active));
    let occurrence = occurrence(EventKind::CustomerCreated);
    let event = events::Event::new(occurrence, CUSTOMER.to_string(), Some(data));
    serde_json::to_value(event).expect("an answer is JSON")
}

/// The body of `POST /verifications/{verificationId}/result`.
#[must_use]
pub fn result_of_verification() -> Value {
    json!({
        "verificationId": VERIFICATION,
        "result": "issues",
        "reasons": [{
            "developerReason": "The document expired on 2025-11-30.",
            "reason": "Please send a document that is still valid.",
            "requirement": "identifyingInformation"
        }]
    })
}

/// The body of the request that the verification provider is sent.
#[must_use]
pub fn verification_request() -> Value {
    let new = new_customer();
    let policy = Policy::built_in();
    let subject = Subject {
        id: VERIFICATION,
        customer: CUSTOMER,
        project: &Project::unset(1, "shop", Mode::Live, &policy),
        endorsements: EndorsementSet::ALL.without([EndorsementName::Basic].into_iter().collect()),
        result_path: &format!("/v0.9/verifications/{VERIFICATION}/result"),
    };
    let sent = provider::request(&subject, &new.profile, &new.identity);
    serde_json::from_slice(&sent).expect("what is sent is JSON")
}

/// What a call takes, by its operation id.
#[must_use]
pub fn request(operation: &str) -> Option<Value> {
    match operation {
        "create_token" => Some(json!({
            "apiKey": "sk_sdbx_Zk3vT0m9QwYx1uAe7rBn",
            "apiSecret": "pX2c0F8l3s0Zl2cQm5rXvH7n1e9dTt4uWbKy6gJiMoA"
        })),
        "create" => Some(create_customer()),
        "update" => Some(update_customer()),
        "erase" => Some(json!({"reason": "request of the customer of 2026-01-30, ticket 4711"})),
        "simulate" => Some(json!({"status": "ACTIVE"})),
        "advance_clock" => Some(json!({"advance": "P1D"})),
        "create_webhook" => {
            Some(json!({"url": "https://example.com/hooks", "events": ["customer.*"]}))
        }
        "update_webhook" => Some(json!({"events": ["endorsement.active"], "enabled": true})),
        "preview_webhook" => Some(json!({"event": "customer.created"})),
        "take_result" => Some(result_of_verification()),
        _ => None,
    }
}

/// What a call gives when all is well, by its operation id.
#[must_use]
pub fn answer(operation: &str) -> Option<Value> {
    match operation {
        "create_token" => Some(json!({
            "accessToken": "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiIsImtpZCI6IjBhIn0.eyJpc3MiOiJvbXMifQ.c2ln",
            "tokenType": "bearer", "expiresIn": 3600, "expiresAt": NOW.plus_seconds(3600)
        })),
        "create" | "read" | "update" | "simulate" => Some(customer(Status::Active)),
        "erase" => Some(json!({
            "object": "erasureCertificate", "customerId": "cst_01kg9y4g00ehk8awn1t2e5c7vd", "erasedAt": NOW,
            "destroyedKey": "1855833489408000123", "text": "oms certificate of erasure, version 1\ncustomer: …",
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "signature": "Kx0m2Y0v…", "publicKey": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
        })),
        "deactivate" => Some(customer(Status::Inactive)),
        "list" => {
            Some(json!({"data": [customer(Status::Active)], "hasMore": false, "cursor": null}))
        }
        "requirements" => {
            let asked = requirements::ask(
                &Policy::built_in(),
                EndorsementSet::ALL,
                Some(Country::US),
                Some(Country::US),
            );
            serde_json::to_value(asked).ok()
        }
        "customer_requirements" => Some(requirements::example()),
        "history" => Some(json!({"data": [{
            "object": "endorsementChange", "sequence": 5, "at": NOW, "actor": "cli:grace",
            "requestId": "req_01h2xcejqtf2nbrexx3vqjhp41", "from": "PENDING", "to": "ACTIVE",
            "reason": "Documents and face agree."
        }], "hasMore": false, "cursor": null})),
        "scenarios" => serde_json::to_value(Scenarios::all()).ok(),
        "advance_clock" => Some(json!({
            "object": "sandboxClock", "now": NOW.plus_seconds(86_400), "offsetSeconds": 86_400
        })),
        "create_webhook" | "rotate_webhook_secret" => Some(webhook(true)),
        "read_webhook" | "update_webhook" | "delete_webhook" => Some(webhook(false)),
        "list_webhooks" => {
            Some(json!({"data": [webhook(false)], "hasMore": false, "cursor": null}))
        }
        "test_webhook" | "retry_delivery" => Some(delivery(State::Pending)),
        "list_deliveries" => {
            Some(json!({"data": [delivery(State::Delivered)], "hasMore": false, "cursor": null}))
        }
        "diagnose_webhook" => Some(json!({
            "object": "webhookDiagnosis", "webhookId": webhook(false)["id"],
            "eventId": event()["id"], "outcome": "delivered",
            "message": "the receiver took it, at attempt 1", "delivery": delivery(State::Delivered)
        })),
        "preview_webhook" => Some(json!({
            "object": "webhookPreview", "url": "https://example.com/hooks",
            "headers": {"webhook-signature": "t=1769860800,v1=5f0c1d2e"},
            "raw": payload(EventKind::CustomerCreated).to_string(),
            "body": payload(EventKind::CustomerCreated)
        })),
        "read_event" => Some(event()),
        "list_events" => Some(json!({"data": [event()], "hasMore": false, "cursor": null})),
        "take_result" => serde_json::to_value(Verification::new(
            VERIFICATION,
            CUSTOMER,
            Outcome::Issues,
            NOW,
        ))
        .ok(),
        "jwks" => Some(json!({"keys": [{
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "5f0c1d2e3a4b5c6d",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
        }]})),
        "openapi_json" => Some(json!({"openapi": "3.1.0", "info": {"title": "oms"}})),
        _ => None,
    }
}
