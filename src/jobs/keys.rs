//! Reads keys again when any process made, revoked or changed one: API keys,
//! wrapping keys, signing keys; and the projects when one was set to something else.

use tokio::time::MissedTickBehavior;

use crate::http::app::{App, LOOKS_EVERY};

/// Keeps the keys in memory fresh, until it is dropped.
pub async fn watch_keys(app: App) {
    let mut ticks = tokio::time::interval(LOOKS_EVERY);
    // What was missed while the store was away is not made up for at once.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = app.refresh_keys().await {
            tracing::warn!(%error, "the API keys could not be read again");
        }
        if let Err(error) = app.refresh_projects().await {
            tracing::warn!(%error, "the projects could not be read again");
        }
        if let Err(error) = app.refresh_own_keys().await {
            tracing::warn!(%error, "the wrapping and signing keys could not be read again");
        }
    }
}
