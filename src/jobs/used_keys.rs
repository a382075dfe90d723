//! Reads, once after a start, which idempotency keys were used before it.

use std::time::Duration;

use crate::error::Result;
use crate::http::app::App;
use crate::http::idempotency::oldest_kept;
use crate::store::idempotency::{self, Claim};

/// Keys that are read at a time, so that no request waits long behind them.
const PAGE: i64 = 500;

/// How long to wait where the store is away.
const AWAY: Duration = Duration::from_secs(1);

/// Reads them all; again from where it was when the store was away.
pub async fn read_used_keys(app: App) {
    let mut edge = oldest_kept(&app);
    loop {
        match read_page(&app, edge).await {
            Ok(Some(next)) => edge = next,
            Ok(None) => return app.used_keys.complete(),
            Err(error) => {
                tracing::warn!(%error, "the used idempotency keys could not be read");
                tokio::time::sleep(AWAY).await;
            }
        }
    }
}

/// Notes the keys of a page; gives where to go on.
async fn read_page(app: &App, edge: [u8; 16]) -> Result<Option<[u8; 16]>> {
    let page = app
        .installation
        .store
        .read(move |tx| idempotency::newer_than(tx, &edge, PAGE))
        .await?;
    for (project, key_hash, id) in &page {
        let claim = Claim {
            project: *project,
            key_hash: *key_hash,
            fingerprint: [0; 16],
        };
        let hash = claim.lookup_hash(&app.installation.secrets);
        app.used_keys.note(hash, *id);
    }
    Ok(page.last().map(|(_, _, id)| *id))
}
