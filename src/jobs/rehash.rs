//! After an erasure: another hash key takes over, everybody is hashed anew, and the key before is
//! destroyed, so that no older copy of the data leads from a value to the erased person.

use std::time::Duration;

use tokio::time::Instant;

use crate::context::Time;
use crate::core::rehashing;
use crate::error::Result;
use crate::http::app::App;
use crate::store::hash_key::{self, HashKeyRow};
use crate::store::{Tx, lookup_epoch};
use crate::vault::FIRST_EPOCH;

/// How often it is looked whether there is something to do.
const PERIOD: Duration = Duration::from_secs(1);

/// How long every server has to hear of a key, which it looks for every 0.4 s, before it is put
/// in force, and then before anybody is hashed anew. It only saves work: who is written by the
/// key before is noted.
const SETTLED: Duration = Duration::from_secs(3);

/// Rest after a step, as many times as long as it took: without requests that wait for the
/// store, and with some.
const REST_IDLE: u32 = 1;
const REST_BUSY: u32 = 4;

/// The longest rest.
const LONGEST_REST: Duration = Duration::from_millis(500);

/// Changes keys whenever there is a reason, until it is dropped.
pub async fn rehash_forever(app: App) {
    let mut work = Work {
        owner: app.context.random.bytes(),
        seen: None,
        // What a kill left in the log of the register.
        destroys: true,
    };
    let mut ticks = tokio::time::interval(PERIOD);
    loop {
        ticks.tick().await;
        if let Err(error) = work.look(&app).await {
            tracing::warn!(%error, "customers are not hashed anew yet; it goes on");
        }
    }
}

/// What one process remembers of the work.
struct Work {
    owner: [u8; 16],
    /// The newest key, whether it was in force, and since when this process knows.
    seen: Option<((i64, bool), Instant)>,
    /// Keys were deleted, and the log of the register may still hold them.
    destroys: bool,
}

impl Work {
    /// Does the next step.
    async fn look(&mut self, app: &App) -> Result<()> {
        let installation = &app.installation;
        while rehashing::fix_stale(installation).await? > 0 {}
        let read = |tx: &mut Tx<'_>| Ok((hash_key::all(tx)?, lookup_epoch::all(tx)?));
        let (keys, epochs) = installation.store.read(read).await?;
        let Some(last) = keys.last() else {
            return Ok(());
        };
        let has_settled = self.has_settled(last);
        if last.in_force_at.is_none() {
            if has_settled {
                rehashing::put_in_force(installation, last.epoch).await?;
            }
            return Ok(());
        }
        // What is below the first is hashed anew before a server starts.
        let own = FIRST_EPOCH..last.epoch;
        if let Some(old) = epochs.into_iter().find(|epoch| own.contains(epoch)) {
            if has_settled {
                self.retire(app, old).await?;
            }
            return Ok(());
        }
        let older = keys.iter().map(|key| key.epoch);
        let older: Vec<_> = older.filter(|epoch| *epoch < last.epoch).collect();
        if self.destroys || !older.is_empty() {
            rehashing::destroy(installation, older).await?;
            self.destroys = false;
        } else if is_due(last, app.config.hash_key_change, app.context.now()) {
            rehashing::begin(installation, last.epoch).await?;
        }
        Ok(())
    }

    /// Hashes anew everybody who may stand by an epoch, behind all requests.
    async fn retire(&mut self, app: &App, epoch: i64) -> Result<()> {
        let (installation, owner) = (&app.installation, self.owner);
        let Some(mut place) = rehashing::take_on(installation, epoch, owner).await? else {
            return Ok(());
        };
        loop {
            let began = Instant::now();
            let Some(next) = rehashing::step(installation, epoch, owner, place).await? else {
                break;
            };
            place = next;
            let depth = installation.store.depth();
            let rest = match depth.reads + depth.writes {
                0 => REST_IDLE,
                _ => REST_BUSY,
            };
            tokio::time::sleep((began.elapsed() * rest).min(LONGEST_REST)).await;
        }
        while rehashing::fix_stale(installation).await? > 0 {}
        if rehashing::finish(installation, epoch).await? {
            tracing::info!(epoch, "everybody is hashed by a newer key");
            self.destroys = true;
        }
        Ok(())
    }

    /// Whether the newest key has been what it is for long enough.
    fn has_settled(&mut self, key: &HashKeyRow) -> bool {
        let state = (key.epoch, key.in_force_at.is_some());
        let now = Instant::now();
        match self.seen {
            Some((known, since)) if known == state => since + SETTLED <= now,
            _ => {
                self.seen = Some((state, now));
                false
            }
        }
    }
}

/// Whether a key was spent so long ago. One that was spent in the future was by another clock.
fn is_due(key: &HashKeyRow, after: Duration, now: Time) -> bool {
    let wait_s = i64::try_from(after.as_secs()).unwrap_or(i64::MAX);
    key.spent_at
        .is_some_and(|spent| spent.plus_seconds(wait_s) <= now || spent > now)
}
