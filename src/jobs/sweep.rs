//! Forgets idempotency keys whose time is over (contract section 3), and verifications that
//! were decided long ago.

use std::time::Duration;

use crate::clock;
use crate::error::Result;
use crate::http::app::App;
use crate::http::idempotency::oldest_kept;
use crate::id::first_at;
use crate::store::idempotency::{self, Claim};
use crate::store::verification;

/// How often records are looked for.
const PERIOD: Duration = Duration::from_mins(1);

/// The same where a test waits for it.
const PERIOD_OF_TESTS: Duration = Duration::from_secs(3);

/// Records forgotten in one transaction, so that no request waits long behind one.
const BATCH: i64 = 200;

/// For how long a verification is kept once it takes no result any more: 90 days.
const VERIFICATIONS_S: i64 = 90 * 24 * 3600;

/// Sweeps now and then, until it is dropped.
pub async fn sweep_forever(app: App) {
    let period = if clock::is_moved_by_test() {
        PERIOD_OF_TESTS
    } else {
        PERIOD
    };
    let mut ticks = tokio::time::interval(period);
    loop {
        ticks.tick().await;
        if let Err(error) = app.installation.note_clock().await {
            tracing::warn!(%error, "the time could not be noted");
        }
        if let Err(error) = sweep(&app).await {
            tracing::warn!(%error, "old idempotency keys could not be swept");
        }
        if let Err(error) = sweep_verifications(&app).await {
            tracing::warn!(%error, "old verifications could not be swept");
        }
    }
}

/// Forgets every key that is older than the retention; gives their number.
///
/// # Errors
/// When the store is away.
pub async fn sweep(app: &App) -> Result<usize> {
    let edge = oldest_kept(app);
    app.used_keys.forget_before(&edge);
    let mut swept = 0;
    loop {
        let secrets = app.installation.secrets.clone();
        let batch = app.installation.store.write(move |tx| {
            let old = idempotency::older_than(tx, &edge, BATCH)?;
            for one in &old {
                let claim = Claim {
                    project: one.0,
                    key_hash: one.1,
                    fingerprint: [0; 16],
                };
                idempotency::delete(tx, one, claim.lookup_hash(&secrets))?;
            }
            Ok(old.len())
        });
        match batch.await? {
            0 => return Ok(swept),
            count => swept += count,
        }
    }
}

/// Forgets verifications that were asked for long ago and take no result any more; what
/// they made of endorsements stays in the history.
///
/// # Errors
/// When the store is away.
pub async fn sweep_verifications(app: &App) -> Result<()> {
    let edge = first_at(app.context.cautious_now().plus_seconds(-VERIFICATIONS_S));
    loop {
        let batch = app
            .installation
            .store
            .write(move |tx| verification::forget(tx, &edge, BATCH));
        if batch.await? == 0 {
            return Ok(());
        }
    }
}
