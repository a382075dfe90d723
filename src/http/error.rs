//! Errors on the wire: RFC 9457 problems, contract section 4.
//!
//! A handler's error travels in the extensions of its response up to the
//! [`Edge`](super::request_id::Edge), which alone knows the request id and writes the body. The
//! private cause of an error is logged there and never leaves the process.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, RETRY_AFTER, TRANSFER_ENCODING,
    WWW_AUTHENTICATE,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::error::{Code, Error, FieldError};

/// The media type of every error.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Seconds to wait when an error that wants `Retry-After` names none.
const RETRY_AFTER_S: u32 = 1;

/// The status of each code.
#[must_use]
pub const fn status(code: Code) -> StatusCode {
    match code {
        Code::BodyNotJson
        | Code::BodyNotObject
        | Code::HeaderInvalid
        | Code::QueryInvalid
        | Code::IdempotencyKeyMissing
        | Code::IdempotencyKeyInvalid => StatusCode::BAD_REQUEST,
        Code::CredentialsInvalid
        | Code::TokenMissing
        | Code::TokenInvalid
        | Code::TokenExpired
        | Code::SignatureInvalid => StatusCode::UNAUTHORIZED,
        Code::ScopeMissing => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        Code::IdempotencyInProgress
        | Code::CustomerInactive
        | Code::CustomerOnHold
        | Code::WebhookDisabled
        | Code::TooManyWebhooks
        | Code::TransitionNotAllowed
        | Code::VerificationClosed => StatusCode::CONFLICT,
        Code::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        Code::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::ValidationFailed | Code::IdempotencyKeyReused | Code::AgreementCannotBeWithdrawn => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Code::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        Code::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
        Code::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The error of a response whose body is still to be written.
#[derive(Clone, Debug)]
pub struct Failure(Arc<Error>);

impl Failure {
    /// The error itself.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.0
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status(self.code());
        response.extensions_mut().insert(Failure(Arc::new(self)));
        response
    }
}

/// The body of an error, in the order of the contract.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: &'a str,
    /// The same text once more: older clients read it here.
    message: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ProblemField<'a>>,
}

/// One invalid field of an error.
#[derive(Serialize)]
struct ProblemField<'a> {
    pointer: &'a str,
    code: &'static str,
    message: &'a str,
}

impl<'a> From<&'a FieldError> for ProblemField<'a> {
    fn from(field: &'a FieldError) -> Self {
        Self {
            pointer: &field.pointer,
            code: field.code.name(),
            message: &field.message,
        }
    }
}

/// The JSON text of an error.
pub(super) fn problem(error: &Error, type_base: &str, request_id: &str) -> Vec<u8> {
    let code = error.code();
    let problem = Problem {
        r#type: format!("{type_base}{}", code.name()),
        title: code.title(),
        status: status(code).as_u16(),
        code: code.name(),
        detail: error.detail(),
        message: error.detail(),
        request_id,
        resource_id: error.resource_id(),
        errors: error.fields().iter().map(ProblemField::from).collect(),
    };
    serde_json::to_vec(&problem).expect("text and numbers always make JSON")
}

/// Writes the body and headers of an error over a response; what the handler
/// set beside them stays.
pub(super) fn render(response: &mut Response, error: &Error, type_base: &str, request_id: &str) {
    *response.status_mut() = status(error.code());
    *response.body_mut() = Body::from(problem(error, type_base, request_id));
    let headers = response.headers_mut();
    for of_the_old_body in [CONTENT_LENGTH, CONTENT_ENCODING, TRANSFER_ENCODING, ETAG] {
        headers.remove(of_the_old_body);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    if let Some(seconds) = retry_after(error) {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(challenge) = challenge(error.code()) {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
}

/// The codes of which the contract says that they carry `Retry-After` get one
/// even when nobody set it.
fn retry_after(error: &Error) -> Option<u32> {
    let wanted = wants_retry_after(error.code());
    error.retry_after().or(wanted.then_some(RETRY_AFTER_S))
}

/// Whether an answer of this code says when to try again.
#[must_use]
pub const fn wants_retry_after(code: Code) -> bool {
    matches!(
        code,
        Code::TooManyRequests | Code::ServiceUnavailable | Code::IdempotencyInProgress
    )
}

/// RFC 6750 section 3: a request without a token is told the scheme only.
const fn challenge(code: Code) -> Option<&'static str> {
    match code {
        Code::TokenMissing | Code::CredentialsInvalid => Some("Bearer realm=\"oms\""),
        Code::TokenInvalid | Code::TokenExpired => {
            Some("Bearer realm=\"oms\", error=\"invalid_token\"")
        }
        Code::SignatureInvalid => Some("StandardWebhooks realm=\"oms\""),
        _ => None,
    }
}

/// The error that a plain refusal of the framework stands for (no route, wrong
/// method, an extractor that is not ours); `None` when the response is no
/// refusal or has a body of its own making, like a page of the console.
pub(super) fn plain_refusal(response: &Response) -> Option<Error> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return None;
    }
    let own_body = response.headers().get(CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind.as_bytes();
        !kind.starts_with(b"text/plain")
    });
    if own_body {
        return None;
    }
    Some(refusal(status))
}

fn refusal(status: StatusCode) -> Error {
    let (code, detail) = match status.as_u16() {
        401 => (Code::TokenMissing, "send a bearer token"),
        403 => (Code::ScopeMissing, "the key may not do this"),
        404 | 410 => (Code::NotFound, "there is no such path"),
        405 => (
            Code::MethodNotAllowed,
            "the Allow header names the methods. A page in a browser, which asks by OPTIONS first, is never let in: a token in a page is everybody's, so call from your server",
        ),
        408 => (Code::RequestTimeout, "the request did not arrive in time"),
        412 => (Code::PreconditionFailed, "a precondition does not hold"),
        413 => (Code::BodyTooLarge, "the body is too large"),
        415 => (Code::UnsupportedMediaType, "send application/json"),
        422 => (Code::ValidationFailed, "the request has invalid fields"),
        429 => (Code::TooManyRequests, "try again later"),
        503 => (Code::ServiceUnavailable, "try again later"),
        400..=499 => (Code::QueryInvalid, "the path or query is malformed"),
        _ => return Error::internal(format!("a handler answered {status} without an error")),
    };
    Error::new(code, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{FieldCode, Invalid};

    #[test]
    fn a_problem_has_the_shape_of_the_contract() {
        let field = Invalid::new(FieldCode::DateInvalid, "must be a date like 1990-05-15");
        let error = Error::invalid_fields(vec![field.at("/birthDate")]);
        insta::assert_snapshot!(
            String::from_utf8(problem(&error, "https://x.example/errors/", "req_1")).unwrap(),
            @r#"{"type":"https://x.example/errors/validationFailed","title":"The request has invalid fields","status":422,"code":"validationFailed","detail":"1 field is invalid","message":"1 field is invalid","requestId":"req_1","errors":[{"pointer":"/birthDate","code":"dateInvalid","message":"must be a date like 1990-05-15"}]}"#
        );
    }

    #[test]
    fn every_code_that_wants_a_header_has_it() {
        for code in Code::ALL {
            let mut response = Response::new(Body::empty());
            render(&mut response, &Error::new(code, "x"), "https://x/", "req_1");
            assert_eq!(response.status(), status(code));
            let has = |name| response.headers().contains_key(name);
            assert_eq!(has(WWW_AUTHENTICATE), status(code) == 401, "{code:?}");
            if matches!(status(code).as_u16(), 429 | 503) {
                assert!(has(RETRY_AFTER), "{code:?}");
            }
        }
    }

    #[test]
    fn a_private_cause_stays_private() {
        let error = Error::internal("secret table is gone");
        let text = String::from_utf8(problem(&error, "https://x/", "req_1")).unwrap();
        assert!(!text.contains("secret"), "{text}");
    }
}
