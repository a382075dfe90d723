//! What the OpenAPI document says beyond the single calls: the whole, the
//! security scheme, and for every call the errors that it can give.

use serde_json::{Value, json};
use utoipa::openapi::content::{Content, ContentBuilder};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, Header, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, RefOr,
    Required, ResponseBuilder, ServerBuilder,
};
use utoipa::{PartialSchema, ToSchema};

use super::error::status;
use super::events::WebhookPayload;
use super::examples;
use crate::core::event::EventKind;
use crate::error::{Code, FieldCode};

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
    /// One of a closed list; see docs/errors.md.
    #[schema(value_type = ErrorCode)]
    code: String,
    /// What happened this time.
    detail: String,
    /// The request's id, as in `X-Request-Id`.
    request_id: String,
    /// The resource that the error speaks of.
    resource_id: Option<String>,
    /// Every invalid field.
    errors: Option<Vec<InvalidField>>,
}

/// One invalid field.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what http/error.rs renders")]
pub struct InvalidField {
    /// RFC 6901 JSON Pointer into the body.
    #[schema(example = "/birthDate")]
    pointer: String,
    /// One of a closed list; see docs/errors.md.
    #[schema(value_type = FieldErrorCode)]
    code: String,
    /// What would be accepted.
    #[schema(example = "must be a date like 1990-05-15")]
    message: String,
}

/// The closed list of codes.
struct ErrorCode;

/// The closed list of codes of fields.
struct FieldErrorCode;

impl PartialSchema for ErrorCode {
    fn schema() -> RefOr<Schema> {
        words(&Code::ALL.map(Code::name), "What went wrong.")
    }
}

impl ToSchema for ErrorCode {}

impl PartialSchema for FieldErrorCode {
    fn schema() -> RefOr<Schema> {
        words(
            &FieldCode::ALL.map(FieldCode::name),
            "What is wrong with a field.",
        )
    }
}

impl ToSchema for FieldErrorCode {}

fn words(names: &[&str], what: &str) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(names.iter().copied()))
        .description(Some(what))
        .into()
}

/// The document without its calls.
#[must_use]
pub fn base() -> OpenApi {
    let components = ComponentsBuilder::new()
        .schema("Problem", Problem::schema())
        .schema("WebhookPayload", WebhookPayload::schema())
        .schema("InvalidField", InvalidField::schema())
        .schema("ErrorCode", ErrorCode::schema())
        .schema("FieldErrorCode", FieldErrorCode::schema())
        .security_scheme(
            "signature",
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
                "webhook-signature",
                "Standard Webhooks: HMAC-SHA256 over `webhook-id.webhook-timestamp.body` with the secret \
                 that the verification provider and this server share. Only for the provider.",
            ))),
        )
        .security_scheme(
            "bearer",
            SecurityScheme::Http(
                HttpBuilder::new()
                    .scheme(HttpAuthScheme::Bearer)
                    .bearer_format("JWT")
                    .description(Some("The `accessToken` of POST /auth/token."))
                    .build(),
            ),
        );
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("oms")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(include_str!("openapi.md")))
                .license(Some(
                    LicenseBuilder::new()
                        .name("Apache-2.0")
                        .identifier(Some("Apache-2.0"))
                        .build(),
                ))
                .build(),
        )
        .servers(Some([ServerBuilder::new()
            .url("/v0.9")
            .description(Some(
                "The published version; /v0.11 and /v0.13 answer the same.",
            ))
            .build()]))
        .tags(Some([
            tag(
                "Authentication",
                "From API key and secret to an access token.",
            ),
            tag("Customers", "Who may do what, and what is still missing."),
            tag(
                "Webhooks",
                "To be told what happens, signed and at least once.",
            ),
            tag("Events", "What happened."),
            tag(
                "Verification",
                "For the provider who verifies identities, not for clients.",
            ),
            tag("Sandbox", "To bring test customers where you want them."),
            tag(
                "Documents",
                "This document and the keys that verify tokens.",
            ),
            tag("Health", "For whoever runs the server."),
        ]))
        .components(Some(components.build()))
        .build()
}

fn tag(name: &str, description: &str) -> utoipa::openapi::Tag {
    TagBuilder::new()
        .name(name)
        .description(Some(description))
        .build()
}

/// What webhooks are sent, as the section `webhooks` of the document (OpenAPI 3.1), by the
/// name of the event. utoipa has no word for it, so it is laid over the finished document.
#[must_use]
pub fn webhook_calls() -> Value {
    let kinds = EventKind::PUBLISHED
        .into_iter()
        .chain([EventKind::WebhookTest]);
    let call = |kind: EventKind| {
        let call = json!({"post": {
            "operationId": kind.name(),
            "tags": ["Webhooks"],
            "summary": "Sent to your URL. Answer 2xx within 15 seconds.",
            "requestBody": {"required": true, "content": {"application/json": {
                "schema": {"$ref": "#/components/schemas/WebhookPayload"},
                "example": examples::payload(kind),
            }}},
            "responses": {"2XX": {"description": "Taken"}, "410": {"description": "Never send again"}},
        }});
        (kind.name().to_owned(), call)
    };
    Value::Object(kinds.map(call).collect())
}

/// Adds the calls that stand under no version prefix, and every call's errors.
pub fn complete(document: &mut OpenApi, root: OpenApi) {
    for item in document.paths.paths.values_mut() {
        each_operation(item, &mut |method, operation| {
            add_headers(method, operation);
            add_examples(operation);
            add_errors(method, operation);
        });
    }
    for (path, mut item) in root.paths.paths {
        item.servers = Some(vec![ServerBuilder::new().url("/").build()]);
        each_operation(&mut item, &mut |method, operation| {
            add_examples(operation);
            add_errors(method, operation);
        });
        document.paths.paths.insert(path, item);
    }
}

fn each_operation(item: &mut PathItem, change: &mut impl FnMut(&str, &mut Operation)) {
    let operations = [
        ("GET", &mut item.get),
        ("POST", &mut item.post),
        ("PATCH", &mut item.patch),
        ("DELETE", &mut item.delete),
    ];
    for (method, operation) in operations {
        if let Some(operation) = operation {
            change(method, operation);
        }
    }
}

/// Whether a call wants a bearer token; the provider's signature is none.
fn wants_token(operation: &Operation) -> bool {
    operation.security.is_some() && !is_signed(operation)
}

fn is_signed(operation: &Operation) -> bool {
    operation.operation_id.as_deref() == Some("take_result")
}

/// What every call below a version prefix takes and gives in headers.
fn add_headers(method: &str, operation: &mut Operation) {
    let mut parameters = operation.parameters.take().unwrap_or_default();
    if method != "GET" && wants_token(operation) {
        let required = if method == "POST" {
            Required::True
        } else {
            Required::False
        };
        parameters.push(RefOr::T(
            ParameterBuilder::new()
                .name("Idempotency-Key")
                .parameter_in(ParameterIn::Header)
                .required(required)
                .description(Some(
                    "1 to 255 visible ASCII characters, a fresh UUID for each thing you want done and the \
                     same for its retries. Kept 7 days unless the server is set otherwise.",
                ))
                .schema(Some(
                    ObjectBuilder::new()
                        .schema_type(Type::String)
                        .min_length(Some(1))
                        .max_length(Some(255))
                        .pattern(Some("^[!-~]+$")),
                ))
                .example(Some(json!("0190a6e2-4a58-7d2b-9d3c-5f4f6f0a7e11")))
                .build(),
        ));
    }
    operation.parameters = (!parameters.is_empty()).then_some(parameters);
    let secured = wants_token(operation);
    for (code, answer) in &mut operation.responses.responses {
        let RefOr::T(answer) = answer else { continue };
        answer
            .headers
            .insert("X-Request-Id".into(), text_header("The request's id"));
        answer.headers.extend(rate_headers());
        if secured
            && (code == "200" || code == "201" || code == "304")
            && !matches!(
                operation.operation_id.as_deref(),
                Some(
                    "list"
                        | "scenarios"
                        | "list_webhooks"
                        | "read_webhook"
                        | "list_deliveries"
                        | "diagnose_webhook"
                        | "list_events"
                        | "read_event"
                )
            )
        {
            answer
                .headers
                .insert("ETag".into(), text_header("The answer's entity tag"));
        }
        if method != "GET" && secured {
            answer.headers.insert(
                "Idempotent-Replayed".into(),
                text_header("`true` when this is the first answer given again"),
            );
        }
    }
}

/// Only a server with limits sends them: draft-ietf-httpapi-ratelimit-headers-11.
fn rate_headers() -> [(String, RefOr<Header>); 2] {
    let policy =
        "Where the server has rate limits: `\"key\";q=200;w=2` allows 200 requests per 2 seconds";
    let limit = "Where they stand: by `\"key\";r=12;t=2`, 12 are left and all of them again after 2 seconds";
    [("RateLimit-Policy", policy), ("RateLimit", limit)]
        .map(|(name, text)| (name.to_owned(), text_header(text)))
}

fn text_header(description: &str) -> RefOr<Header> {
    let mut header = Header::new(ObjectBuilder::new().schema_type(Type::String).build());
    header.description = Some(description.into());
    RefOr::T(header)
}

fn add_examples(operation: &mut Operation) {
    let Some(name) = operation.operation_id.clone() else {
        return;
    };
    if let (Some(RefOr::T(body)), Some(example)) =
        (&mut operation.request_body, examples::request(&name))
    {
        set_example(&mut body.content, &example);
    }
    let Some(example) = examples::answer(&name) else {
        return;
    };
    for answer in operation.responses.responses.values_mut() {
        let RefOr::T(answer) = answer else { continue };
        set_example(&mut answer.content, &example);
    }
}

fn set_example<'a>(
    content: impl IntoIterator<Item = (&'a String, &'a mut RefOr<Content>)>,
    example: &Value,
) {
    for (_, media) in content {
        if let RefOr::T(media) = media {
            media.example = Some(example.clone());
        }
    }
}

/// The codes that a call can give follow from its shape.
fn add_errors(method: &str, operation: &mut Operation) {
    let (secured, signed) = (wants_token(operation), is_signed(operation));
    let body = operation.request_body.is_some();
    let by_id = ["customerId", "webhookId", "eventId"]
        .into_iter()
        .any(|name| parameter(operation, name));
    let of_customer = parameter(operation, "customerId");
    let key = parameter(operation, "Idempotency-Key");
    let sign_in = body && !secured && !signed;
    let ready = operation.operation_id.as_deref() == Some("readyz");
    let pairs: &[(bool, &[Code])] = &[
        (
            body,
            &[
                Code::BodyNotJson,
                Code::BodyNotObject,
                Code::BodyTooLarge,
                Code::UnsupportedMediaType,
            ],
        ),
        (body, &[Code::RequestTimeout, Code::ValidationFailed]),
        (secured || signed, &[Code::QueryInvalid]),
        (
            signed,
            &[
                Code::SignatureInvalid,
                Code::NotFound,
                Code::VerificationClosed,
                Code::TooManyRequests,
                Code::InternalError,
                Code::ServiceUnavailable,
            ],
        ),
        (key && method == "POST", &[Code::IdempotencyKeyMissing]),
        (
            key,
            &[
                Code::IdempotencyKeyInvalid,
                Code::IdempotencyInProgress,
                Code::IdempotencyKeyReused,
            ],
        ),
        (
            secured,
            &[
                Code::TokenMissing,
                Code::TokenInvalid,
                Code::TokenExpired,
                Code::ScopeMissing,
            ],
        ),
        (sign_in, &[Code::CredentialsInvalid]),
        (secured || sign_in, &[Code::TooManyRequests]),
        (by_id || method == "POST" && secured, &[Code::NotFound]),
        (
            operation.operation_id.as_deref() == Some("simulate"),
            &[Code::CustomerInactive, Code::TransitionNotAllowed],
        ),
        (
            method == "PATCH" && of_customer,
            &[Code::CustomerInactive, Code::AgreementCannotBeWithdrawn],
        ),
        (
            operation.operation_id.as_deref() == Some("erase"),
            &[Code::CustomerOnHold],
        ),
        (
            (method == "PATCH" || method == "DELETE") && of_customer,
            &[Code::PreconditionFailed],
        ),
        (
            matches!(
                operation.operation_id.as_deref(),
                Some("test_webhook" | "retry_delivery")
            ),
            &[Code::WebhookDisabled],
        ),
        (
            operation.operation_id.as_deref() == Some("create_webhook"),
            &[Code::TooManyWebhooks],
        ),
        (secured || sign_in, &[Code::InternalError]),
        (secured || sign_in || ready, &[Code::ServiceUnavailable]),
    ];
    let codes = pairs.iter().filter(|(applies, _)| *applies);
    let mut by_status: std::collections::BTreeMap<u16, Vec<Code>> =
        std::collections::BTreeMap::new();
    for code in codes.flat_map(|(_, codes)| codes.iter().copied()) {
        by_status
            .entry(status(code).as_u16())
            .or_default()
            .push(code);
    }
    for (status, codes) in by_status {
        operation
            .responses
            .responses
            .insert(status.to_string(), RefOr::T(problem_answer(&codes)));
    }
}

fn parameter(operation: &Operation, name: &str) -> bool {
    operation
        .parameters
        .iter()
        .flatten()
        .any(|parameter| matches!(parameter, RefOr::T(parameter) if parameter.name == name))
}

fn problem_answer(codes: &[Code]) -> utoipa::openapi::Response {
    let examples = codes.iter().map(|code| {
        let example = ExampleBuilder::new()
            .summary(code.title())
            .description(code.remedy())
            .value(Some(example(*code)))
            .build();
        (code.name(), RefOr::T(example))
    });
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .examples_from_iter(examples)
        .build();
    let names: Vec<_> = codes
        .iter()
        .map(|code| format!("`{}`", code.name()))
        .collect();
    let mut answer = ResponseBuilder::new()
        .description(names.join(", "))
        .content("application/problem+json", content)
        .build();
    let mut header = |name: &str, text| answer.headers.insert(name.into(), text_header(text));
    header("X-Request-Id", "The request's id");
    let first = codes[0];
    if matches!(
        first,
        Code::IdempotencyInProgress | Code::TooManyRequests | Code::ServiceUnavailable
    ) {
        header("Retry-After", "Seconds after which to try again");
    }
    if status(first) == axum::http::StatusCode::UNAUTHORIZED {
        header("WWW-Authenticate", "RFC 6750");
    }
    if first == Code::TooManyRequests {
        answer.headers.extend(rate_headers());
    }
    answer
}

/// One problem of each code, as a server could have given it.
fn example(code: Code) -> Value {
    let mut problem = json!({
        "type": format!("https://open-money-stack.example/errors/{}", code.name()),
        "title": code.title(),
        "status": status(code).as_u16(),
        "code": code.name(),
        "detail": code.title(),
        "requestId": "req_01h2xcejqtf2nbrexx3vqjhp41",
    });
    if code == Code::ValidationFailed {
        problem["detail"] = json!("2 fields are invalid");
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
