//! What a newcomer reads: the OpenAPI document, the page that shows it, and the
//! public keys. Nothing on the page is loaded from elsewhere.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use bytes::Bytes;
use utoipa_swagger_ui::{Config, serve};

use super::app::App;
use crate::error::{Code, Error, Result};

/// The page may load from this server only. Swagger UI sets style attributes
/// and draws its icons from data URLs.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
    frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

const PAGE: &str = include_str!("docs.html");
const SCRIPT: &str = include_str!("docs.js");

/// The OpenAPI 3.1 document of this API.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "Documents",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value))
)]
pub async fn openapi_json(State(app): State<App>) -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], app.openapi.clone()).into_response()
}

/// The public keys that verify access tokens (RFC 7517).
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "Documents",
    responses((status = 200, description = "A JSON Web Key Set", body = serde_json::Value))
)]
pub async fn jwks(State(app): State<App>) -> Response {
    axum::Json(app.signing_keys().jwks()).into_response()
}

/// The page that shows the OpenAPI document.
pub async fn page() -> Response {
    ([(header::CONTENT_SECURITY_POLICY, PAGE_POLICY)], Html(PAGE)).into_response()
}

/// The files of Swagger UI that the page loads, with their types. They are large, and lie in
/// memory once, however many clients are slow to take them.
static SWAGGER_UI: LazyLock<HashMap<&'static str, (Bytes, HeaderValue)>> = LazyLock::new(|| {
    let names = ["swagger-ui.css", "swagger-ui-bundle.js"];
    let read = |name| {
        let found = serve(name, Config::default().into()).ok().flatten()?;
        let kind = HeaderValue::from_str(&found.content_type).ok()?;
        Some((name, (Bytes::from(found.bytes.into_owned()), kind)))
    };
    names.into_iter().filter_map(read).collect()
});

/// A file of the page.
pub async fn file(Path(name): Path<String>) -> Result<Response> {
    if name == "docs.js" {
        let kind = "text/javascript; charset=utf-8";
        return Ok(([(header::CONTENT_TYPE, kind)], SCRIPT).into_response());
    }
    let (bytes, kind) = SWAGGER_UI
        .get(name.as_str())
        .cloned()
        .ok_or_else(|| Error::new(Code::NotFound, "the page has no such file"))?;
    Ok(([(header::CONTENT_TYPE, kind)], bytes).into_response())
}
