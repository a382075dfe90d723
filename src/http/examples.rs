//! The examples of the OpenAPI document. Answers are made by the code that
//! makes the real ones, so they cannot lie.

use serde_json::{Map, Value, json};

use super::customer_body::read_create;
use super::customers::Customer;
use super::requirements;
use super::sandbox::Scenarios;
use super::verification::Verification;
use crate::config::UnknownFields;
use crate::context::Time;
use crate::core::api_key::Mode;
use crate::core::country::Country;
use crate::core::customer::NewCustomer;
use crate::core::endorsement::{EndorsementName, EndorsementSet, EndorsementStatus};
use crate::core::policy::Policy;
use crate::core::project::Project;
use crate::core::provider::{self, Outcome, Subject};
use crate::id::{CustomerId, VerificationId};
use crate::store::customer::{CustomerRow, Status};

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
