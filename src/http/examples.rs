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
use crate::core::subscription::Subscription;
use crate::core::webhook::{NewWebhook, Scheme, Webhook};
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
        created_at: None,
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
    let made = NewWebhook {
        url,
        subscription: Subscription::default(),
        scheme: Scheme::Oms,
        compliance_only: false,
    };
    Webhook::make(1, made, &key, &context)
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

/// What a webhook is sent of an event of this kind, by a name of it, made by the code that makes
/// the real ones.
#[must_use]
pub fn payload(kind: EventKind, name: &str) -> Value {
    let data = match kind {
        EventKind::WebhookTest => webhook(false),
        EventKind::CustomerDeactivated => customer(Status::Inactive),
        _ => customer(Status::Active),
    };
    let told = events::Message {
        event: name,
        id: DELIVERY,
        sequence: 1 + i64::from(!occurrence(kind).changed.is_empty()),
    };
    let payload = events::payload(&occurrence(kind), told, &raw(&data)).expect("it is JSON");
    serde_json::from_slice(&payload).expect("it is JSON")
}

/// A webhook, with its secret when that was just made.
#[must_use]
pub fn webhook(with_secret: bool) -> Value {
    let webhook = webhook_sample();
    let secret = with_secret.then_some(&webhook.secret);
    serde_json::to_value(webhooks::Webhook::new(&webhook, secret)).expect("an answer is JSON")
}

/// A delivery that waits for its attempt, or one that was taken at the first.
#[must_use]
pub fn delivery(state: State) -> Value {
    let (webhook, kind) = (webhook_sample().row.id, EventKind::CustomerCreated);
    let event = occurrence(kind).id;
    let pending = deliveries::pending(webhook, (event, None), kind.name(), NOW);
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

/// An event as lists show it.
#[must_use]
pub fn event() -> Value {
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
        requested_at: VERIFICATION.time(),
        customer: CUSTOMER,
        project: &Project::unset(1, "shop", Mode::Live, &policy),
        endorsements: EndorsementSet::ALL.without([EndorsementName::Basic].into_iter().collect()),
        result_path: &format!("/v0.9/verifications/{VERIFICATION}/result"),
    };
    let sent = provider::request(&subject, &new.profile, &new.identity);
    serde_json::from_slice(&sent).expect("what is sent is JSON")
}

/// The body of `POST /auth/token`.
#[must_use]
pub fn credentials() -> Value {
    json!({
        "apiKey": "sk_sdbx_Zk3vT0m9QwYx1uAe7rBn",
        "apiSecret": "pX2c0F8l3s0Zl2cQm5rXvH7n1e9dTt4uWbKy6gJiMoA"
    })
}

/// A token of a key.
#[must_use]
pub fn access_token() -> Value {
    json!({
        "accessToken": "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiIsImtpZCI6IjBhIn0.eyJpc3MiOiJvbXMifQ.c2ln",
        "tokenType": "bearer", "expiresIn": 3600, "expiresAt": NOW.plus_seconds(3600)
    })
}

/// A page that shows one thing and is the last.
#[must_use]
pub fn page(one: &Value) -> Value {
    json!({"data": [one], "hasMore": false, "cursor": null})
}

/// The body of `POST /customers/{customerId}/erase`.
#[must_use]
pub fn erase_customer() -> Value {
    json!({"reason": "request of the customer of 2026-01-30, ticket 4711"})
}

/// The proof of an erasure.
#[must_use]
pub fn erasure_certificate() -> Value {
    json!({
        "object": "erasureCertificate", "customerId": CUSTOMER.to_string(), "erasedAt": NOW,
        "destroyedKey": "1855833489408000123", "text": "oms certificate of erasure, version 1\ncustomer: …",
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "signature": "Kx0m2Y0v…", "publicKey": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    })
}

/// What will be asked of a customer in the US for `basic`.
#[must_use]
pub fn requirements() -> Value {
    let us = Some(Country::US);
    let basic = EndorsementSet::NONE.with(EndorsementName::Basic);
    let asked = requirements::ask(&Policy::built_in(), basic, us, us);
    serde_json::to_value(asked).expect("an answer is JSON")
}

/// One change of an endorsement.
#[must_use]
pub fn endorsement_change() -> Value {
    json!({
        "object": "endorsementChange", "sequence": 5, "at": NOW, "actor": "cli:grace",
        "requestId": "req_01h2xcejqtf2nbrexx3vqjhp41", "from": "PENDING", "to": "ACTIVE",
        "reason": "Documents and face agree."
    })
}

/// The body of `POST …/simulate`.
#[must_use]
pub fn simulation() -> Value {
    json!({"status": "ACTIVE"})
}

/// The body of `POST /sandbox/clock`.
#[must_use]
pub fn advance_clock() -> Value {
    json!({"advance": "P1D"})
}

/// A sandbox whose clock is a day ahead.
#[must_use]
pub fn sandbox_clock() -> Value {
    json!({
        "object": "sandboxClock", "now": NOW.plus_seconds(86_400), "offsetSeconds": 86_400
    })
}

/// The body of `POST /webhooks`.
#[must_use]
pub fn create_webhook() -> Value {
    json!({"url": "https://example.com/hooks", "events": ["customer.*"]})
}

/// The body of `PATCH /webhooks/{webhookId}`.
#[must_use]
pub fn update_webhook() -> Value {
    json!({"events": ["endorsement.active"], "enabled": true})
}

/// The body of `POST /webhooks/{webhookId}/preview`.
#[must_use]
pub fn preview_webhook() -> Value {
    json!({"event": "customer.created"})
}

/// A sample of what a webhook is sent.
#[must_use]
pub fn preview() -> Value {
    let body = payload(EventKind::CustomerCreated, "customer.created");
    json!({
        "object": "webhookPreview", "url": "https://example.com/hooks",
        "headers": {"webhook-signature": "t=1769860800,v1=5f0c1d2e"},
        "raw": body.to_string(),
        "body": body
    })
}

/// Why a webhook got an event.
#[must_use]
pub fn diagnosis() -> Value {
    json!({
        "object": "webhookDiagnosis", "webhookId": webhook(false)["id"],
        "eventId": event()["id"], "outcome": "delivered",
        "message": "the receiver took it, at attempt 1", "delivery": delivery(State::Delivered)
    })
}

/// A verification that was answered.
#[must_use]
pub fn verification() -> Value {
    let answered = Verification::new(VERIFICATION, CUSTOMER, Outcome::Issues, NOW);
    serde_json::to_value(answered).expect("an answer is JSON")
}

/// The keys that verify tokens.
#[must_use]
pub fn signing_keys() -> Value {
    json!({"keys": [{
        "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "5f0c1d2e3a4b5c6d",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
    }]})
}
