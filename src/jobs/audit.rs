//! Signs the audit log from time to time, and completes erasures that were interrupted.

use crate::core::{audit, erasure};
use crate::http::app::App;

/// Signs now and then, until it is dropped.
pub async fn sign_audit_forever(app: App) {
    let mut ticks = tokio::time::interval(app.config.audit_checkpoint);
    loop {
        ticks.tick().await;
        if let Err(error) = erasure::finish(&app.installation).await {
            tracing::warn!(%error, "an erasure is not complete yet; it is tried again");
        }
        if let Err(error) = audit::checkpoint(&app.installation).await {
            tracing::warn!(%error, "the audit log could not be signed; it is tried again");
        }
    }
}
