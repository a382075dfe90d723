//! Takes in the watch list that any process imported.

use std::time::Duration;

use crate::error::Error;
use crate::http::app::App;

/// How often the version in force is looked at.
const PERIOD: Duration = Duration::from_secs(3);

/// Keeps the watch list in memory the one in force, until it is dropped.
pub async fn watch_list(app: App) {
    let mut ticks = tokio::time::interval(PERIOD);
    loop {
        ticks.tick().await;
        // Off the threads that serve: making the index takes long.
        let (app, runtime) = (app.clone(), tokio::runtime::Handle::current());
        let refresh = move || runtime.block_on(app.refresh_references());
        let done = tokio::task::spawn_blocking(refresh).await;
        if let Err(error) = done.unwrap_or_else(|error| Err(Error::internal(error))) {
            tracing::warn!(%error, "the watch list could not be read again");
        }
    }
}
