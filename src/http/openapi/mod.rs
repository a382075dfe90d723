//! The OpenAPI document: what is said of the whole, and what follows from the shape of a call.
//!
//! What is particular to a call (its examples, the errors that only it gives as `x-errors`) stands
//! beside its handler. Nothing here may say of a call what its handler does not do.

mod errors;
mod payloads;
mod schemas;

use aws_lc_rs::digest;
use serde_json::{Map, Value, json};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::{Tag, TagBuilder};
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, ServerBuilder,
};
use utoipa::{PartialSchema, ToSchema};

use crate::core::audit::hex;
use crate::error::{Code, Error, Result};
use errors::{ErrorCode, FieldErrorCode, InvalidField, Problem};

/// The document without its calls.
#[must_use]
pub fn base() -> OpenApi {
    let components = ComponentsBuilder::new()
        .schema(Problem::name(), Problem::schema())
        .schema(InvalidField::name(), InvalidField::schema())
        .schema(ErrorCode::name(), ErrorCode::schema())
        .schema(FieldErrorCode::name(), FieldErrorCode::schema())
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
    let license = LicenseBuilder::new()
        .name("Apache-2.0")
        .identifier(Some("Apache-2.0"))
        .build();
    let info = InfoBuilder::new()
        .title("oms")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(include_str!("openapi.md")))
        .license(Some(license))
        .build();
    let server = ServerBuilder::new().url("/v0.9").description(Some(
        "The published version; /v0.11 and /v0.13 answer the same.",
    ));
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([server.build()]))
        .tags(Some(tags()))
        .components(Some(components.build()))
        .build()
}

fn tags() -> [Tag; 9] {
    [
        (
            "Authentication",
            "From API key and secret to an access token.",
        ),
        ("Customers", "Who may do what, and what is still missing."),
        (
            "Webhooks",
            "To be told what happens, signed and at least once.",
        ),
        ("Events", "What happened."),
        (
            "Verification",
            "For the provider who verifies identities, not for clients.",
        ),
        ("Sandbox", "To bring test customers where you want them."),
        (
            "Documents",
            "This document and the keys that verify tokens.",
        ),
        ("Health", "For whoever runs the server."),
        // Not the tag of the calls: generators make one class of each tag.
        (
            payloads::TAG,
            "What webhooks are sent; your server takes these.",
        ),
    ]
    .map(|(name, description)| {
        TagBuilder::new()
            .name(name)
            .description(Some(description))
            .build()
    })
}

/// The whole document, of the calls below a version prefix and those that also stand below none.
///
/// # Errors
/// `internalError` when it is no JSON, which it always is.
pub fn finish(versioned: OpenApi, unversioned: OpenApi) -> Result<Value> {
    let mut document = serde_json::to_value(versioned).map_err(Error::internal)?;
    let mut unversioned = serde_json::to_value(unversioned).map_err(Error::internal)?;
    let mut add = |section: &str, more: Value| {
        if let (Some(Value::Object(known)), Value::Object(more)) =
            (document.pointer_mut(section), more)
        {
            known.extend(more);
        }
    };
    for section in ["/paths", "/components/schemas"] {
        let more = unversioned.pointer_mut(section).map(Value::take);
        add(section, more.unwrap_or_default());
    }
    add(
        "/components",
        json!({
            "headers": headers(),
            "responses": errors::responses(),
            "examples": errors::examples(),
        }),
    );
    add("/components/schemas", payloads::schemas());
    add("", json!({"webhooks": payloads::webhooks()}));
    let items = document["paths"].as_object_mut().into_iter().flatten();
    for operations in items.filter_map(|(_, item)| item.as_object_mut()) {
        for (method, operation) in operations {
            if let Value::Object(operation) = operation {
                complete(method, operation);
            }
        }
    }
    schemas::complete(&mut document);
    Ok(document)
}

/// Who may make a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Anybody,
    Token,
    /// The verification provider's signature.
    Signature,
}

/// What follows from the shape of a call.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Shape {
    access: Access,
    method: String,
    body: bool,
    /// Whether the path names a resource.
    by_id: bool,
    /// Whether it takes `If-Match`.
    if_match: bool,
    /// Whether it takes `If-Match` or `If-None-Match`.
    tags: bool,
}

impl Shape {
    fn of(method: &str, operation: &Map<String, Value>) -> Self {
        let scheme = operation
            .get("security")
            .and_then(|list| list[0].as_object());
        let parameters = operation.get("parameters").and_then(Value::as_array);
        let has = |what: &str, name: &str| {
            let mut all = parameters.into_iter().flatten();
            all.any(|parameter| parameter[what] == name)
        };
        Self {
            access: match scheme {
                Some(scheme) if scheme.contains_key("bearer") => Access::Token,
                Some(_) => Access::Signature,
                None => Access::Anybody,
            },
            method: method.to_owned(),
            body: operation.contains_key("requestBody"),
            by_id: has("in", "path"),
            if_match: has("name", "If-Match"),
            tags: has("name", "If-Match") || has("name", "If-None-Match"),
        }
    }

    /// Whether it takes `Idempotency-Key`.
    fn key(&self) -> bool {
        self.access == Access::Token && self.method != "get"
    }

    /// Whether it exchanges an API key for a token.
    fn sign_in(&self) -> bool {
        self.body && self.access == Access::Anybody
    }

    /// The codes that every call of this shape can give.
    fn codes(&self) -> Vec<Code> {
        let token = self.access == Access::Token;
        let pairs: &[(bool, &[Code])] = &[
            (self.body, &[Code::BodyNotJson, Code::BodyNotObject]),
            (self.body, &[Code::BodyTooLarge, Code::UnsupportedMediaType]),
            (self.body, &[Code::RequestTimeout, Code::ValidationFailed]),
            (self.tags, &[Code::HeaderInvalid]),
            (self.if_match, &[Code::PreconditionFailed]),
            (self.access != Access::Anybody, &[Code::QueryInvalid]),
            (
                self.key() && self.method == "post",
                &[Code::IdempotencyKeyMissing],
            ),
            (
                self.key(),
                &[
                    Code::IdempotencyKeyInvalid,
                    Code::IdempotencyInProgress,
                    Code::IdempotencyKeyReused,
                ],
            ),
            (
                token,
                &[
                    Code::TokenMissing,
                    Code::TokenInvalid,
                    Code::TokenExpired,
                    Code::ScopeMissing,
                ],
            ),
            (self.sign_in(), &[Code::CredentialsInvalid]),
            (self.by_id, &[Code::NotFound]),
            (
                token || self.sign_in(),
                &[
                    Code::TooManyRequests,
                    Code::InternalError,
                    Code::ServiceUnavailable,
                ],
            ),
        ];
        let applies = pairs.iter().filter(|(applies, _)| *applies);
        applies
            .flat_map(|(_, codes)| codes.iter().copied())
            .collect()
    }
}

/// Adds to a call what follows from its shape.
fn complete(method: &str, operation: &mut Map<String, Value>) {
    let shape = Shape::of(method, operation);
    if shape.key() {
        let name = operation["operationId"].as_str().unwrap_or_default();
        let key = key_parameter(name, method == "post");
        let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
        parameters.as_array_mut().into_iter().for_each(|all| {
            all.push(key.clone());
        });
    }
    // The document's own keys and its health are open, and say so.
    operation.entry("security").or_insert_with(|| json!([]));
    let mut codes = shape.codes();
    let own = operation.remove("x-errors");
    codes.extend(own.iter().filter_map(Value::as_array).flatten().map(|own| {
        let known = Code::ALL.into_iter().find(|code| own == code.name());
        known.expect("a handler names its errors by their codes")
    }));
    let answers = operation
        .entry("responses")
        .or_insert_with(|| json!({}))
        .as_object_mut();
    let Some(answers) = answers else { return };
    for answer in answers.values_mut() {
        add_headers(&shape, answer);
    }
    answers.extend(errors::links(codes));
}

/// The `Idempotency-Key` of a call, with an example that no other call has.
fn key_parameter(operation: &str, required: bool) -> Value {
    json!({
        "name": "Idempotency-Key",
        "in": "header",
        "required": required,
        "description": "A fresh UUID for each thing you want done, the same for its retries. Kept 7 days unless the server is set \
            otherwise.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        "example": example_key(operation),
    })
}

/// A UUID that follows from the name of a call.
fn example_key(operation: &str) -> String {
    let hash = digest::digest(&digest::SHA256, operation.as_bytes());
    let mut bytes: [u8; 16] = hash.as_ref()[..16].try_into().expect("a hash is longer");
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = hex(&bytes);
    let groups = [0..8, 8..12, 12..16, 16..20, 20..32];
    groups.map(|group| digits[group].to_owned()).join("-")
}

fn add_headers(shape: &Shape, answer: &mut Value) {
    let own = answer["headers"].take();
    let mut all = match own {
        Value::Object(own) => own,
        _ => Map::new(),
    };
    let mut add = |name: &str| {
        all.insert(name.to_owned(), link("headers", name));
    };
    add("X-Request-Id");
    if shape.access != Access::Anybody || shape.sign_in() {
        add("RateLimit-Policy");
        add("RateLimit");
    }
    if shape.key() {
        add("Idempotent-Replayed");
        add("ETag");
    }
    answer["headers"] = Value::Object(all);
}

/// A reference to a part of `components`.
fn link(section: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{section}/{name}")})
}

/// The headers of answers, by their names.
fn headers() -> Value {
    let texts = [
        ("X-Request-Id", "The request's id"),
        ("ETag", "The answer's entity tag"),
        (
            "Idempotent-Replayed",
            "`true` when this is the first answer given again",
        ),
        ("Retry-After", "Seconds after which to try again"),
        ("WWW-Authenticate", "RFC 6750"),
        // Only a server with limits sends these: draft-ietf-httpapi-ratelimit-headers-11.
        (
            "RateLimit-Policy",
            "Where the server has rate limits: `\"key\";q=200;w=2` allows 200 requests per 2 seconds",
        ),
        (
            "RateLimit",
            "Where they stand: by `\"key\";r=12;t=2`, 12 are left and all of them again after 2 seconds",
        ),
    ];
    let header = |text: &str| json!({"description": text, "schema": {"type": "string"}});
    let all = texts.map(|(name, text)| (name.to_owned(), header(text)));
    Value::Object(all.into_iter().collect())
}
