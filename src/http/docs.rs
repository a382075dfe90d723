//! What a newcomer reads: the OpenAPI document, the page that shows it, and the
//! public keys. Nothing on the page is loaded from elsewhere.

use std::sync::OnceLock;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_swagger_ui::{Config, serve};

use super::app::App;
use super::asset::Asset;
use super::examples;
use crate::error::{Code, Error, Result};

/// The page may load from this server only. Swagger UI sets style attributes
/// and draws its icons from data URLs.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
    frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

const PAGE: &str = include_str!("docs.html");
const SCRIPT: &str = include_str!("docs.js");

/// An OpenAPI 3.1 document.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `openapi::finish` makes")]
pub struct OpenApiDocument {
    /// The version of OpenAPI.
    openapi: String,
    /// What the API is.
    #[schema(value_type = Object)]
    info: Value,
    /// Its calls.
    #[schema(value_type = Object)]
    paths: Value,
}

/// A JSON Web Key Set (RFC 7517).
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what core/signing.rs makes")]
pub struct SigningKeys {
    /// Two while one takes the place of the other.
    keys: Vec<SigningKey>,
}

/// A public key that verifies tokens.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what core/signing.rs makes")]
pub struct SigningKey {
    /// Always `EC`.
    kty: String,
    /// Always `P-256`.
    crv: String,
    /// Always `ES256`.
    alg: String,
    /// Always `sig`.
    r#use: String,
    /// As in the header of a token.
    kid: String,
    /// The point, in base64url.
    x: String,
    /// The point, in base64url.
    y: String,
}

/// The OpenAPI 3.1 document of this API.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "getOpenApiDocument",
    tag = "Documents",
    responses((status = 200, description = "OpenAPI 3.1", body = OpenApiDocument, example = json!({"openapi": "3.1.0", "info": {"title": "oms", "version": "0.1.0"}, "paths": {}})))
)]
pub async fn openapi_json(State(app): State<App>, headers: HeaderMap) -> Result<Response> {
    app.openapi.answer(&headers)
}

/// The public keys that verify access tokens (RFC 7517).
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "listSigningKeys",
    tag = "Documents",
    responses((status = 200, description = "A JSON Web Key Set", body = SigningKeys, example = json!(examples::signing_keys())))
)]
pub async fn jwks(State(app): State<App>) -> Response {
    axum::Json(app.signing_keys().jwks()).into_response()
}

/// Leads from the root to the page.
pub async fn to_page() -> Redirect {
    Redirect::temporary("/docs")
}

/// The page that shows the OpenAPI document.
///
/// # Errors
/// As [`Asset::answer`].
pub async fn page(headers: HeaderMap) -> Result<Response> {
    static FILE: OnceLock<Asset> = OnceLock::new();
    let kind = "text/html; charset=utf-8";
    let made = || Ok((kind.to_owned(), Bytes::from_static(PAGE.as_bytes())));
    let mut answer = kept(&FILE, made)?.answer(&headers)?;
    let policy = HeaderValue::from_static(PAGE_POLICY);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(answer)
}

/// A file of the page.
///
/// # Errors
/// `notFound`.
pub async fn file(Path(name): Path<String>, headers: HeaderMap) -> Result<Response> {
    static SCRIPT_FILE: OnceLock<Asset> = OnceLock::new();
    static STYLE_FILE: OnceLock<Asset> = OnceLock::new();
    static BUNDLE_FILE: OnceLock<Asset> = OnceLock::new();
    let file = match name.as_str() {
        "docs.js" => {
            let kind = "text/javascript; charset=utf-8";
            let made = || Ok((kind.to_owned(), Bytes::from_static(SCRIPT.as_bytes())));
            kept(&SCRIPT_FILE, made)?
        }
        "swagger-ui.css" => kept(&STYLE_FILE, || vendored("swagger-ui.css"))?,
        "swagger-ui-bundle.js" => kept(&BUNDLE_FILE, || vendored("swagger-ui-bundle.js"))?,
        _ => return Err(missing()),
    };
    file.answer(&headers)
}

fn missing() -> Error {
    Error::new(Code::NotFound, "the page has no such file")
}

/// A file that was compressed when it was first asked for.
fn kept(
    file: &'static OnceLock<Asset>,
    made: impl FnOnce() -> Result<(String, Bytes)>,
) -> Result<&'static Asset> {
    if let Some(asset) = file.get() {
        return Ok(asset);
    }
    let (kind, body) = made()?;
    let asset = tokio::task::block_in_place(|| Asset::new(&kind, body))?;
    Ok(file.get_or_init(|| asset))
}

/// A file of Swagger UI with its media type.
fn vendored(name: &str) -> Result<(String, Bytes)> {
    let found = serve(name, Config::default().into());
    let found = found.map_err(|error| Error::internal(error.to_string()))?;
    let found = found.ok_or_else(missing)?;
    Ok((found.content_type, Bytes::from(found.bytes.into_owned())))
}
