//! Errors in the document: the shape of a problem, one answer for each status that all calls
//! share, and an example of every code.
//!
//! The codes are no enumeration: a client that was made today must not break at a code of tomorrow.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::link;
use crate::error::{Code, FieldCode};
use crate::http::error::{PROBLEM_JSON, status, wants_retry_after};

/// An error answer (RFC 9457).
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of what http/error.rs renders")]
pub struct Problem {
    /// A URL that names the code.
    #[schema(example = "https://open-money-stack.example/errors/validationFailed")]
    r#type: String,
    /// What the code means; the same every time.
    title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What went wrong; act on this.
    #[schema(value_type = ErrorCode)]
    code: String,
    /// What happened this time.
    detail: String,
    /// The same text as `detail`.
    message: String,
    /// The request's id, as in `X-Request-Id`.
    request_id: String,
    /// The resource that the error speaks of, if it speaks of one.
    #[schema(required = false)]
    resource_id: String,
    /// Every invalid field; only with `validationFailed`.
    #[schema(required = false)]
    errors: Vec<InvalidField>,
}

/// One invalid field.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what http/error.rs renders")]
pub struct InvalidField {
    /// RFC 6901 JSON Pointer into the body.
    #[schema(example = "/birthDate")]
    pointer: String,
    /// What is wrong with it.
    #[schema(value_type = FieldErrorCode)]
    code: String,
    /// What would be accepted.
    #[schema(example = "must be a date like 1990-05-15")]
    message: String,
}

/// The codes of errors.
pub struct ErrorCode;

/// The codes of invalid fields.
pub struct FieldErrorCode;

impl PartialSchema for ErrorCode {
    fn schema() -> RefOr<Schema> {
        let what = "What went wrong. There may be more codes later: treat one that you do not know by its status.";
        words(&Code::ALL.map(Code::name), what)
    }
}

impl ToSchema for ErrorCode {}

impl PartialSchema for FieldErrorCode {
    fn schema() -> RefOr<Schema> {
        let what = "What is wrong with a field. There may be more codes later: `message` says what is accepted.";
        words(&FieldCode::ALL.map(FieldCode::name), what)
    }
}

impl ToSchema for FieldErrorCode {}

/// A text of which these values are known.
fn words(names: &[&str], what: &str) -> RefOr<Schema> {
    let known = ExtensionsBuilder::new().add("x-extensible-enum", json!(names));
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(what))
        .extensions(Some(known.build()))
        .into()
}

/// The codes of each status.
fn by_status(codes: impl IntoIterator<Item = Code>) -> BTreeMap<StatusCode, Vec<Code>> {
    let mut all: BTreeMap<StatusCode, Vec<Code>> = BTreeMap::new();
    for code in codes {
        all.entry(status(code)).or_default().push(code);
    }
    all
}

/// The name of the answer of a status: its reason phrase in one word.
fn name(status: StatusCode) -> String {
    let phrase = status.canonical_reason().unwrap_or_default();
    phrase.split_whitespace().collect()
}

fn listed(codes: &[Code]) -> String {
    let names: Vec<_> = codes
        .iter()
        .map(|code| format!("`{}`", code.name()))
        .collect();
    names.join(", ")
}

/// The answers of a call that can give these codes, each a link that says which ones.
pub(super) fn links(codes: Vec<Code>) -> impl Iterator<Item = (String, Value)> {
    by_status(codes).into_iter().map(|(status, codes)| {
        let mut answer = link("responses", &name(status));
        answer["description"] = json!(listed(&codes));
        (status.as_u16().to_string(), answer)
    })
}

/// The answer of every status, by its name.
pub(super) fn responses() -> Value {
    let all = by_status(Code::ALL).into_iter();
    let all = all.map(|(status, codes)| (name(status), response(status, &codes)));
    Value::Object(all.collect())
}

fn response(status: StatusCode, codes: &[Code]) -> Value {
    let mut headers = vec!["X-Request-Id"];
    if codes.iter().any(|code| wants_retry_after(*code)) {
        headers.push("Retry-After");
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.push("WWW-Authenticate");
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        headers.extend(["RateLimit-Policy", "RateLimit"]);
    }
    let links = |section: &str, names: Vec<&str>| -> Map<String, Value> {
        let link = |name: &str| (name.to_owned(), link(section, name));
        names.into_iter().map(link).collect()
    };
    json!({
        "description": listed(codes),
        "headers": links("headers", headers),
        "content": {PROBLEM_JSON: {
            "schema": link("schemas", "Problem"),
            "examples": links("examples", codes.iter().map(|code| code.name()).collect()),
        }},
    })
}

/// One problem of each code, as a server could have given it.
pub(super) fn examples() -> Value {
    let all = Code::ALL.map(|code| {
        let example = json!({
            "summary": code.title(),
            "description": code.remedy(),
            "value": example(code),
        });
        (code.name().to_owned(), example)
    });
    Value::Object(all.into_iter().collect())
}

fn example(code: Code) -> Value {
    let mut problem = json!({
        "type": format!("https://open-money-stack.example/errors/{}", code.name()),
        "title": code.title(),
        "status": status(code).as_u16(),
        "code": code.name(),
        "detail": code.title(),
        "message": code.title(),
        "requestId": "req_01h2xcejqtf2nbrexx3vqjhp41",
    });
    if code == Code::ValidationFailed {
        problem["detail"] = json!("2 fields are invalid");
        problem["message"] = json!("2 fields are invalid");
        problem["errors"] = json!([
            {"pointer": "/birthDate", "code": "dateInvalid", "message": "must be a date like 1990-05-15"},
            {"pointer": "/identifyingInformation/0/number", "code": "ssnInvalid",
             "message": "must be 9 digits of an issued range, like 123-45-6789"},
        ]);
    }
    if code == Code::IdempotencyKeyReused {
        problem["resourceId"] = json!("cst_01h2xcejqtf2nbrexx3vqjhp41");
    }
    problem
}
