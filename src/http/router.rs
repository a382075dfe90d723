//! Every route on one screen.

use axum::Router;
use axum::http::Uri;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::{
    auth, customers, deliveries, diagnosis, docs, endorsements, erasure, events, health, openapi,
    preview, requirements, sandbox, unbuilt, verification, webhooks,
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

/// The OpenAPI document of all of them, with what webhooks are sent.
///
/// # Errors
/// `internalError` when it is no JSON, which it always is.
pub fn document() -> Result<serde_json::Value> {
    let (_, versioned) = versioned().split_for_parts();
    let (_, unversioned) = unversioned().split_for_parts();
    openapi::finish(versioned, unversioned)
}

/// What the public listener serves.
pub fn public(app: App) -> Router {
    let (api, _) = versioned().split_for_parts();
    let (root, _) = unversioned().split_for_parts();
    // A client that knows one base URL finds these below it as well.
    let api = api.merge(root.clone());
    let mut router = root
        .route("/", get(docs::to_page))
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
    let path = uri.path().trim_start_matches('/');
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let detail = if versions.split(", ").any(|version| version == first) {
        match unbuilt::resource(rest) {
            Some(resource) => format!(
                "{resource} are part of the published API and not built in this version yet; /docs lists what is"
            ),
            None => "there is no such path; /docs lists those there are".to_owned(),
        }
    } else {
        format!("there is no such path; the API stands under one of the versions {versions}")
    };
    Error::new(Code::NotFound, detail)
}
