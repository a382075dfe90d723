//! `POST /customers/{customerId}/erase`: the end of a customer's personal data.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::app::App;
use super::auth::{Caller, CustomersErase};
use super::customers;
use super::examples;
use super::fields::{Fields, finish};
use super::idempotency::{self, DataKey, Effect, RequestText, RequiredKey, Written, exactly_once};
use super::request_body::{JsonBody, NoQuery};
use crate::core::erasure::{self, Certificate};
use crate::error::{Code, Error, FieldCode, Invalid, Result};
use crate::store::Tx;

/// What an erasure wants to know.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what read_reason reads")]
pub struct EraseCustomer {
    /// Why, for the audit log.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// Proof of an erasure.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of core::erasure::Certificate")]
pub struct ErasureCertificate {
    /// Always `erasureCertificate`.
    object: String,
    /// Who was erased.
    customer_id: String,
    /// When.
    #[schema(format = DateTime)]
    erased_at: String,
    /// The id of the data key that was destroyed.
    destroyed_key: String,
    /// All of this in words; it is what is signed.
    text: String,
    /// SHA-256 of the text, in hexadecimal digits.
    sha256: String,
    /// Ed25519 signature of the text, in base64.
    signature: String,
    /// The public key that verifies it, in base64.
    public_key: String,
}

/// Longest reason, in characters.
const LONGEST_REASON: usize = 500;

fn read_reason(app: &App, body: &Map<String, Value>) -> Result<String> {
    let mut wrong = Vec::new();
    let policy = app.config.unknown_fields;
    let mut fields = Fields::new(body, &["reason"], policy, &mut wrong);
    let reason = fields.required("reason", |text: &str| match text.trim().chars().count() {
        1..=LONGEST_REASON => Ok(text.trim().to_owned()),
        _ => Err(Invalid::new(
            FieldCode::ValueInvalid,
            "must be 1 to 500 characters",
        )),
    });
    finish(reason.unwrap_or_default(), wrong)
}

/// Erases a customer for good.
///
/// The key that seals the customer's personal data is destroyed: nothing of it can be read
/// again, here or in a backup. What stays is an inactive customer whose personal fields are
/// null, whose `metadata` is empty and whose endorsements are `OFFBOARDED`. Answers with a
/// signed certificate; again: with the same one. Answers kept for idempotency keys of this
/// customer are `notFound` from then on.
#[utoipa::path(
    post,
    path = "/customers/{customerId}/erase",
    operation_id = "eraseCustomer",
    tag = "Customers",
    params(
        ("customerId" = String, Path, description = "The customer's id", example = "cst_01h2xcejqtf2nbrexx3vqjhp41")
    ),
    request_body(content = EraseCustomer, example = json!(examples::erase_customer())),
    responses((status = 200, description = "The certificate", body = ErasureCertificate, example = json!(examples::erasure_certificate()))),
    security(("bearer" = ["customers:erase"])),
    extensions(("x-errors" = json!([Code::CustomerOnHold])))
)]
pub async fn erase(
    State(app): State<App>,
    caller: Caller<CustomersErase>,
    _: NoQuery,
    Path(id): Path<String>,
    RequiredKey(key): RequiredKey,
    JsonBody(body): JsonBody,
) -> Result<Response> {
    let path = format!("/customers/{id}/erase");
    let request = RequestText {
        method: "POST",
        path: &path,
        body: Some(&body),
    };
    let claim = idempotency::claim(&app.installation.secrets, caller.key.project, &key, request);
    let (state, tenant, id, body) = (&app, &caller.tenant(&app)?, &*id, &body);
    let answer = exactly_once(state, Some(claim), || async move {
        let customer = customers::find(state, tenant.project, id).await?;
        let reason = read_reason(state, body)?;
        let installation = &state.installation;
        let resource = customer.row.id.to_string();
        let known = erasure::find(installation, customer.row.id).await?;
        let (row, key, write): (_, _, idempotency::Write) = if let Some(row) = known {
            let write = Box::new(|_: &mut Tx<'_>| Ok(Written::Done));
            (row, DataKey::Known(customer.key), write)
        } else {
            let key = state.new_data_key()?;
            let erasure = erasure::prepare(installation, &customer, &reason, &tenant.origin, &key)?;
            let write = erasure.writer();
            let write = move |tx: &mut Tx<'_>| {
                write(tx).map(|done| if done { Written::Done } else { Written::Stale })
            };
            (erasure.row, DataKey::New(key), Box::new(write))
        };
        let certificate = Certificate::new(&row, &installation.secrets);
        Ok(Effect {
            status: StatusCode::OK,
            body: serde_json::to_vec(&certificate).map_err(Error::internal)?,
            resource,
            key,
            write,
        })
    });
    let answer = answer.await?;
    // Only now is the key destroyed: an answer before that would be a lie.
    erasure::finish(&app.installation).await?;
    Ok(answer)
}
