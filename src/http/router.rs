//! Every route on one screen.

use axum::Router;
use axum::http::Uri;
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::{
    auth, customers, deliveries, diagnosis, docs, endorsements, erasure, events, health, openapi,
    preview, requirements, sandbox, verification, webhooks,
};
use crate::error::{Code, Error, Result};

/// The calls that stand under each version prefix.
fn versioned() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(auth::create_token))
        .routes(routes!(customers::create, customers::list))
        .routes(routes!(
            customers::read,
            customers::update,
            customers::deactivate
        ))
        .routes(routes!(erasure::erase))
        .routes(routes!(requirements::requirements))
        .routes(routes!(requirements::customer_requirements))
        .routes(routes!(endorsements::history))
        .routes(routes!(endorsements::simulate))
        .routes(routes!(sandbox::scenarios))
        .routes(routes!(sandbox::advance_clock))
        .routes(routes!(webhooks::create, webhooks::list))
        .routes(routes!(webhooks::read, webhooks::update, webhooks::delete))
        .routes(routes!(webhooks::rotate))
        .routes(routes!(deliveries::test))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::retry))
        .routes(routes!(diagnosis::diagnose))
        .routes(routes!(preview::preview))
        .routes(routes!(events::list))
        .routes(routes!(events::read))
        .routes(routes!(verification::take_result))
}

/// The calls that stand under none.
fn unversioned() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(docs::openapi_json))
        .routes(routes!(docs::jwks))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
}

/// The OpenAPI document of all of them.
#[must_use]
pub fn document() -> OpenApi {
    let (_, mut document) = versioned().split_for_parts();
    let (_, root) = unversioned().split_for_parts();
    openapi::complete(&mut document, root);
    document
}

/// The document as it is served, with what webhooks are sent.
///
/// # Errors
/// `internalError` when it is no JSON, which it always is.
pub fn document_json() -> Result<serde_json::Value> {
    let mut document = serde_json::to_value(document()).map_err(Error::internal)?;
    document["webhooks"] = openapi::webhook_calls();
    Ok(document)
}

/// What the public listener serves.
pub fn public(app: App) -> Router {
    let (api, _) = versioned().split_for_parts();
    let (root, _) = unversioned().split_for_parts();
    let mut router = root
        .route("/docs", get(docs::page))
        .route("/docs/{file}", get(docs::file));
    for version in &app.config.api_versions {
        router = router.nest(&format!("/{version}"), api.clone());
    }
    let versions = app.config.api_versions.join(", ");
    router
        .fallback(move |uri: Uri| std::future::ready(nothing_here(&uri, &versions)))
        .with_state(app)
}

/// What the operator's listener serves.
pub fn operator(app: App) -> Router {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .with_state(app)
}

fn nothing_here(uri: &Uri, versions: &str) -> Error {
    let first = uri.path().split('/').nth(1).unwrap_or_default();
    let detail = if versions.split(", ").any(|version| version == first) {
        "there is no such path; /docs lists those there are".to_owned()
    } else {
        format!("there is no such path; the API stands under one of the versions {versions}")
    };
    Error::new(Code::NotFound, detail)
}
