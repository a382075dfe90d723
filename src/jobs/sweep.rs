//! Forgets idempotency keys whose time is over. Contract section 3.

use std::time::Duration;

use crate::error::Result;
use crate::http::app::App;
use crate::http::idempotency::oldest_kept;
use crate::store::idempotency::{self, Claim};

/// How often records are looked for.
const PERIOD: Duration = Duration::from_mins(1);

/// Records forgotten in one transaction, so that no request waits long behind one.
const BATCH: i64 = 200;

/// Sweeps now and then, until it is dropped.
pub async fn sweep_forever(app: App) {
    let mut ticks = tokio::time::interval(PERIOD);
    loop {
        ticks.tick().await;
        if let Err(error) = sweep(&app).await {
            tracing::warn!(%error, "old idempotency keys could not be swept");
        }
    }
}

/// Forgets every key that is older than the retention; gives their number.
///
/// # Errors
/// When the store is away.
pub async fn sweep(app: &App) -> Result<usize> {
    let edge = oldest_kept(app);
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
