//! For whoever runs the server: is it up, can it work, what does it do.

use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use tokio::time::timeout;

use super::app::App;
use super::metrics::Levels;
use crate::error::{Code, Error, Result};

/// Who asks for readiness gives up soon, and hears nothing then.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// Tells that the process is up.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "checkHealth",
    tag = "Health",
    responses((status = 200, description = "The process is up", body = String, content_type = "text/plain", example = "ok"))
)]
pub async fn healthz() -> &'static str {
    "ok"
}

/// Tells that the server can work: every writer of the store writes and the keys are loaded.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "checkReadiness",
    tag = "Health",
    responses((status = 200, description = "The server can work", body = String, content_type = "text/plain", example = "ok")),
    extensions(("x-errors" = json!([Code::ServiceUnavailable])))
)]
pub async fn readyz(State(app): State<App>) -> Result<&'static str> {
    let store = &app.installation.store;
    store.check_room()?;
    // An empty transaction goes all the way to the writer and its lock, and shows whether one
    // that could not write can again.
    let written = timeout(READY_WITHIN, store.write(|_| Ok(()))).await;
    written.unwrap_or_else(|_| {
        let detail = "the store has taken no write within 2 seconds";
        Err(Error::unavailable(detail, 1))
    })?;
    store.check_writers()?;
    Ok("ok")
}

/// The numbers, for Prometheus; on the operator's listener only.
pub async fn metrics(State(app): State<App>) -> Response {
    let references = app.references();
    let text = app.metrics.text(Levels {
        queues: app.installation.store.depth(),
        data_keys: app.data_keys_ready(),
        lists: references.lists(),
    });
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}
