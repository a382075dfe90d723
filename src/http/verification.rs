//! `POST /verifications/{verificationId}/result`: what the verification provider found.
//! The caller has no token; the signature says who it is.

use std::borrow::Cow;

use axum::extract::{FromRequest, Path, Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::app::App;
use super::auth::check_pressure;
use super::body::{BodyLimits, read_body};
use super::endorsements::{MAX_REASONS, reason};
use super::examples;
use super::fields::{Fields, finish};
use super::idempotency::{self, RequestText};
use super::json::parse_object;
use super::request_body::{NoQuery, check_json};
use super::request_id::RequestId;
use crate::config::UnknownFields;
use crate::context::Time;
use crate::core::evaluation::Reason;
use crate::core::event::Origin;
use crate::core::policy::{Need, Requirement};
use crate::core::provider::{self, Finding, Ground, Outcome};
use crate::core::roster::Customer;
use crate::error::{Code, Error, FieldCode, Invalid, Result};
use crate::id::{CustomerId, VerificationId};
use crate::store::customer;
use crate::store::verification::{self, Answer, VerificationRow};

/// The headers of a signed message.
pub const SIGNATURE_HEADERS: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];

/// How often a result is applied anew when the customer was changed meanwhile.
const ATTEMPTS: usize = 8;

/// A body that the provider signed, within the last minutes, and that is one object.
pub struct SignedBody(Map<String, Value>);

impl FromRequest<App> for SignedBody {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        check_pressure(request.method(), app)?;
        let headers = request.headers().clone();
        let body = read_body(request.into_body(), &BodyLimits::from(&app.config)).await?;
        check_signature(app, &headers, &body)?;
        check_json(&headers)?;
        parse_object(&body).map(Self)
    }
}

fn check_signature(app: &App, headers: &HeaderMap, body: &[u8]) -> Result<()> {
    let [id, at, signatures] = SIGNATURE_HEADERS.map(|name| {
        let mut values = headers.get_all(HeaderName::from_static(name)).iter();
        let value = values.next().filter(|_| values.next().is_none());
        let value = value.and_then(|value| value.to_str().ok());
        value.ok_or_else(|| refuse(format!("send one {name} header")))
    });
    let (id, at, signatures) = (id?, at?, signatures?);
    let keys = app.provider.as_ref().map(|provider| &provider.keys);
    if !keys.is_some_and(|keys| keys.verify(signatures, (id, at), body)) {
        return Err(refuse(
            "webhook-signature is not that of the provider over webhook-id, webhook-timestamp and this body",
        ));
    }
    let now = app.context.now().as_seconds();
    let tolerance = app.config.verification_tolerance.as_secs();
    match at.parse::<i64>() {
        Ok(at) if at.abs_diff(now) <= tolerance => Ok(()),
        _ => Err(refuse(format!(
            "webhook-timestamp is not within {tolerance} seconds of the time here; sign again"
        ))),
    }
}

fn refuse(detail: impl Into<Cow<'static, str>>) -> Error {
    Error::new(Code::SignatureInvalid, detail)
}

/// What the provider found.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of what `read_result` reads")]
pub struct VerificationResult {
    /// The verification again, so that the signature covers it.
    #[schema(pattern = "^ver_[0-7][0-9a-hjkmnp-tv-z]{25}$")]
    verification_id: String,
    /// What was found.
    result: VerificationOutcome,
    /// Why; with `rejected` and `issues` at least one.
    #[schema(max_items = 10)]
    reasons: Option<Vec<ResultReason>>,
}

/// What a provider found.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum VerificationOutcome {
    /// The person is who he says.
    Approved,
    /// Refused for good.
    Rejected,
    /// The customer has something to mend.
    Issues,
}

/// One reason of a result.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of what `read_grounds` reads")]
pub struct ResultReason {
    /// For the developer, not for the customer.
    #[schema(min_length = 1, max_length = 500)]
    developer_reason: String,
    /// Safe to show to the customer.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
    /// With `issues`: which requirement is to be mended; `identityVerification` when absent.
    requirement: Option<String>,
}

/// A verification that was answered.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// TypeID with the prefix `ver`.
    #[schema(value_type = String, pattern = "^ver_[0-7][0-9a-hjkmnp-tv-z]{25}$")]
    id: VerificationId,
    /// Always `verification`.
    #[schema(example = "verification")]
    object: &'static str,
    /// About whom.
    #[schema(value_type = String, pattern = "^cst_[0-7][0-9a-hjkmnp-tv-z]{25}$")]
    customer_id: CustomerId,
    /// The result that was taken.
    #[schema(value_type = VerificationOutcome)]
    result: &'static str,
    /// When it was taken.
    #[schema(value_type = String, format = DateTime)]
    answered_at: Time,
}

impl Verification {
    /// The answer to a result that is taken.
    #[must_use]
    pub fn new(id: VerificationId, customer_id: CustomerId, outcome: Outcome, at: Time) -> Self {
        Self {
            id,
            object: "verification",
            customer_id,
            result: outcome.name(),
            answered_at: at,
        }
    }
}

fn read_result(body: &Map<String, Value>, id: &str, unknown: UnknownFields) -> Result<Finding> {
    let mut errors = Vec::new();
    let known = &["verificationId", "result", "reasons"];
    let mut fields = Fields::new(body, known, unknown, &mut errors);
    let signed = fields.required_text("verificationId");
    if signed.is_some_and(|signed| signed != id) {
        return Err(refuse(
            "the signed verificationId is another than that of the path",
        ));
    }
    let outcome = fields.required("result", Outcome::parse);
    let list = fields.array("reasons").into_set().unwrap_or_default();
    let grounds = read_grounds(&mut fields, list, outcome);
    if list.is_empty() && outcome.is_some_and(|outcome| outcome != Outcome::Approved) {
        let message = "must have at least one entry with this result";
        fields.refuse("reasons", Invalid::new(FieldCode::Required, message));
    }
    let outcome = outcome.unwrap_or(Outcome::Issues);
    finish(Finding { outcome, grounds }, errors)
}

fn read_grounds<'a>(
    fields: &mut Fields<'a, '_>,
    list: &'a [Value],
    outcome: Option<Outcome>,
) -> Vec<Ground> {
    const NAME: &str = "reasons";
    if list.len() > MAX_REASONS {
        let message = format!("must have at most {MAX_REASONS} entries");
        fields.refuse(NAME, Invalid::new(FieldCode::TooLong, message));
    }
    let mut grounds: Vec<Ground> = Vec::new();
    for (place, item) in list.iter().take(MAX_REASONS).enumerate() {
        let path = format!("{NAME}/{place}");
        let Some(object) = item.as_object() else {
            let message = "must be an object";
            fields.refuse(&path, Invalid::new(FieldCode::TypeInvalid, message));
            continue;
        };
        let known = &["developerReason", "reason", "requirement"];
        let mut entry = fields.nested(&path, object, known);
        let developer = entry.required("developerReason", reason);
        let customer = entry.required("reason", reason);
        let requirement = entry.parsed("requirement", Requirement::parse).into_set();
        let about = requirement.unwrap_or(Requirement::of(Need::IdentityVerification));
        if requirement.is_some() && outcome.is_some_and(|outcome| outcome != Outcome::Issues) {
            let message = "stands only with the result issues";
            entry.refuse(
                "requirement",
                Invalid::new(FieldCode::ValueInvalid, message),
            );
        }
        let repeated = grounds.iter().any(|known| known.requirement == about);
        if repeated && outcome == Some(Outcome::Issues) {
            let message = "must be another one than those before it";
            entry.refuse("requirement", Invalid::new(FieldCode::Duplicate, message));
        }
        if let (Some(developer), Some(customer)) = (developer, customer) {
            let reason = Reason {
                developer,
                customer,
            };
            grounds.push(Ground {
                requirement: about,
                reason,
            });
        }
    }
    grounds
}

/// Takes the result of a verification.
///
/// For the verification provider that this server asked (docs/verification.md). There is no token and
/// no Idempotency-Key: the signature of Standard Webhooks says who calls, and the verification
/// makes it exactly once. The same result again gets the same answer; another one, or one
/// for a customer who changed meanwhile, is 409 and changes nothing.
#[utoipa::path(
    post,
    path = "/verifications/{verificationId}/result",
    operation_id = "submitVerificationResult",
    tag = "Verification",
    params(
        ("verificationId" = String, Path, description = "The verification's id, from the request", example = "ver_01h2xcejqtf2nbrexx3vqjhp41"),
        ("webhook-id" = String, Header, description = "Your id of this message", example = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"),
        ("webhook-timestamp" = String, Header, description = "When it was signed, in seconds since 1970", example = "1769860800"),
        ("webhook-signature" = String, Header, description = "`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; several by spaces", example = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    ),
    request_body(content = VerificationResult, example = json!(examples::result_of_verification())),
    responses((status = 200, description = "The result is taken", body = Verification, example = json!(examples::verification()))),
    security(("signature" = [])),
    extensions(("x-errors" = json!([Code::SignatureInvalid, Code::VerificationClosed, Code::TooManyRequests, Code::InternalError, Code::ServiceUnavailable])))
)]
pub async fn take_result(
    State(app): State<App>,
    Path(id): Path<String>,
    request_id: Option<Extension<RequestId>>,
    _: NoQuery,
    SignedBody(body): SignedBody,
) -> Result<Response> {
    let finding = read_result(&body, &id, app.config.unknown_fields)?;
    let path = format!("/verifications/{id}/result");
    let text = RequestText {
        method: "POST",
        path: &path,
        body: Some(&body),
    };
    // The same result by value, whichever message it comes in.
    let fingerprint = idempotency::claim(&app.installation.secrets, 0, &id, text).fingerprint;
    let origin = Origin {
        actor: provider::ACTOR.to_owned(),
        request_id: request_id.map_or_else(String::new, |id| id.0.as_str().to_owned()),
    };
    let missing = || Error::new(Code::NotFound, "there is no such verification");
    let id = VerificationId::parse(&id).ok_or_else(missing)?;
    let mut contended_for = None;
    for _ in 0..ATTEMPTS {
        let answer = Answer {
            id,
            state: finding.outcome.state(),
            fingerprint,
            at: app.context.now(),
        };
        let (row, customer) = find(&app, id).await?.ok_or_else(missing)?;
        if let (Some(at), Some(known)) = (row.answered_at, &row.fingerprint) {
            if known[..] == fingerprint {
                return Ok(taken(&row, finding.outcome, at));
            }
            return Err(closed(
                "another result of this verification was taken before",
            ));
        }
        let customer =
            customer.filter(|customer| row.state.is_open() && provider::is_awaited(id, customer));
        let customer = customer.ok_or_else(|| {
            closed("the customer changed, left, or was decided about by a person; this result changes nothing")
        })?;
        let project = app.project_numbered(row.project).await?;
        let project = project.ok_or_else(|| Error::internal("a verification has no project"))?;
        let context = project.clock(&app.context);
        let by = (&*project, &*app.references());
        let draft = provider::conclude(&customer, &finding, by, &origin, &context)?;
        let at = answer.at;
        let write = draft.answering(answer).writer();
        if app.installation.store.write(write).await? {
            return Ok(taken(&row, finding.outcome, at));
        }
        if contended_for.is_none() {
            let resource = row.customer.to_string();
            contended_for = Some(app.resource_locks.lock(&resource).await);
        }
    }
    Err(Error::unavailable("others keep changing this customer", 1))
}

async fn find(
    app: &App,
    id: VerificationId,
) -> Result<Option<(VerificationRow, Option<Customer>)>> {
    let read = app.installation.store.read(move |tx| {
        let Some(row) = verification::find(tx, id)? else {
            return Ok(None);
        };
        let customer = customer::find(tx, row.project, row.customer)?;
        Ok(Some((row, customer)))
    });
    let Some((row, found)) = read.await? else {
        return Ok(None);
    };
    let opened = found.map(|found| Customer::open(found, &app.installation.master));
    Ok(Some((row, opened.transpose()?.flatten())))
}

fn taken(row: &VerificationRow, outcome: Outcome, at: Time) -> Response {
    let answer = Verification::new(row.id, row.customer, outcome, at);
    (StatusCode::OK, Json(answer)).into_response()
}

fn closed(detail: &'static str) -> Error {
    Error::new(Code::VerificationClosed, detail)
}
