//! Several servers on one database keep one limit: each tells the others once a second what
//! it let through, and charges what they did to its own counts. Nobody who asks for
//! something waits for that, and no two servers write one row.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::context::Time;
use crate::error::Result;
use crate::http::app::App;
use crate::http::rate::RateLimit;
use crate::http::tally::Sender;
use crate::store::Tx;
use crate::store::limit_use::{self, Counted, Told, Use};

/// How often servers tell each other.
const PERIOD: Duration = Duration::from_secs(1);

/// Beats between two sweeps.
const SWEEP_BEATS: i64 = 60;

/// Tells and listens, until it is dropped; where there are no other servers, it ends.
pub async fn share_limits(app: App) {
    if !app.installation.store.is_spread() {
        return;
    }
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = HashMap::new();
    for beat in 0.. {
        ticks.tick().await;
        // What could not be told is forgotten: without its store a server lets nothing through.
        if let Err(error) = tell(&app, beat).await {
            tracing::warn!(%error, "other servers could not be told of what was let through");
        }
        if let Err(error) = listen(&app, &mut seen).await {
            tracing::warn!(%error, "what other servers let through could not be read");
        }
    }
}

async fn tell(app: &App, beat: i64) -> Result<()> {
    let store = &app.installation.store;
    if beat % SWEEP_BEATS == SWEEP_BEATS - 1 {
        store.write(limit_use::forget).await?;
    }
    let told = Told {
        server: app.process,
        beat,
        uses: untold(app),
    };
    if told.uses.is_empty() {
        return Ok(());
    }
    store.write(move |tx| limit_use::insert(tx, &told)).await
}

fn untold(app: &App) -> Vec<Use> {
    let of = |counted, counts: Vec<(Sender, u32)>| {
        counts.into_iter().map(move |(sender, count)| Use {
            counted,
            sender,
            count,
        })
    };
    let limits = [
        (Counted::KeyRequests, app.key_limit.as_ref()),
        (Counted::AddressRequests, app.address_limit.as_deref()),
    ];
    let mut uses: Vec<Use> = of(Counted::Failures, app.failures.untold()).collect();
    for (counted, limit) in limits {
        uses.extend(of(
            counted,
            limit.map(RateLimit::untold).unwrap_or_default(),
        ));
    }
    uses
}

/// Charges what was not seen before; `seen` has the last beat of each server that told lately.
async fn listen(app: &App, seen: &mut HashMap<i64, i64>) -> Result<()> {
    let process = app.process;
    let read = move |tx: &mut Tx<'_>| limit_use::of_others(tx, process);
    let told = app.installation.store.read(read).await?;
    let now = app.context.steady_now();
    let before = std::mem::take(seen);
    for one in told {
        if before.get(&one.server).is_none_or(|beat| *beat < one.beat) {
            one.uses.iter().for_each(|used| charge(app, *used, now));
        }
        seen.insert(one.server, one.beat);
    }
    Ok(())
}

fn charge(app: &App, used: Use, now: Time) {
    let limit = match used.counted {
        Counted::Failures => return app.failures.charge(used.sender, used.count, now),
        Counted::KeyRequests => app.key_limit.as_ref(),
        Counted::AddressRequests => app.address_limit.as_deref(),
    };
    if let Some(limit) = limit {
        limit.charge(used.sender, used.count, now);
    }
}
