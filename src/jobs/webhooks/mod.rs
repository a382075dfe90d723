//! Tells webhooks what happened, at least once, in the order of events as far as retries allow.
//!
//! Events are rows already; a webhook is a place in their order. What lies behind that place
//! waits without costing anything: no row, no memory. One loop sees what is new, holds
//! the claims of this process, and hands out batches; a batch reads, sends and records.

mod batch;
mod gather;
mod lane;
mod send;

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::MissedTickBehavior;

use crate::core::delivery::HISTORY_S;
use crate::core::webhook::Webhook;
use crate::error::Result;
use crate::http::app::App;
use crate::id::{WebhookId, first_at};
use crate::metrics;
use crate::store::webhook::{Progress, Told};
use crate::store::{customer_version, delivery, event, webhook};
use batch::Done;
use lane::{Lane, Moment};

/// How often it is looked for what is new.
const PERIOD: Duration = Duration::from_millis(50);

/// Ticks between two looks at webhooks and retries.
const LOOK_TICKS: u64 = 10;

/// Ticks between two looks at the claims.
const CLAIM_TICKS: u64 = 60;

/// Ticks between two sweeps.
const SWEEP_TICKS: u64 = 1200;

/// Places that are looked at in one tick.
const MOST_PLACES: i64 = 5_000;

/// Batches at once. A webhook has one at a time, and a project 20 webhooks.
const BATCHES: usize = 256;

/// Of those, batches whose receivers take their time: they leave room for the others.
const SLOW_BATCHES: usize = 128;

/// Slow batches of one project at once.
const SLOW_BATCHES_PER_PROJECT: usize = 8;

/// Ticks between two counts of what waits, for those who watch.
const COUNT_TICKS: u64 = 100;

/// Waiting deliveries that are counted at most.
const MOST_COUNTED: i64 = 100_000;

/// Rows that are forgotten in one transaction.
const SWEPT: i64 = 200;

/// Delivers, until it is dropped.
pub async fn deliver_webhooks(app: App) {
    let (sender, mut done) = unbounded_channel();
    let mut dispatcher = Dispatcher {
        app,
        sender,
        lanes: HashMap::new(),
        generation: (-1, -1),
        is_outdated: false,
        seen: None,
        running: 0,
        slow: HashMap::new(),
        turn: 0,
        released: 0,
    };
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for tick in 0.. {
        tokio::select! {
            _ = ticks.tick() => {}
            // A batch that ends makes room at once, many of them together.
            Some(one) = done.recv() => dispatcher.finish(&one),
        }
        dispatcher.drain(&mut done);
        if let Err(error) = dispatcher.tick(tick).await {
            tracing::warn!(%error, "webhooks could not be looked after; it is tried again");
        }
    }
}

struct Dispatcher {
    app: App,
    sender: UnboundedSender<Done>,
    lanes: HashMap<WebhookId, Lane>,
    generation: (i64, i64),
    /// Whether a batch found a webhook changed that was not read again yet.
    is_outdated: bool,
    /// The last place that was seen.
    seen: Option<i64>,
    /// Batches that run.
    running: usize,
    /// Those of them that are slow, by project.
    slow: HashMap<i64, usize>,
    turn: usize,
    /// How often claims of servers that are gone were released, as far as this loop knows.
    released: u64,
}

impl Dispatcher {
    fn drain(&mut self, done: &mut UnboundedReceiver<Done>) {
        while let Ok(one) = done.try_recv() {
            self.finish(&one);
        }
    }

    fn finish(&mut self, done: &Done) {
        self.running -= 1;
        self.is_outdated |= done.is_outdated;
        if done.was_slow
            && let Some(slow) = self.slow.get_mut(&done.project)
        {
            *slow = slow.saturating_sub(1);
        }
        if let Some(lane) = self.lanes.get_mut(&done.id) {
            lane.finish(done, &self.app.context);
        }
    }

    async fn tick(&mut self, tick: u64) -> Result<()> {
        if self.is_outdated || tick.is_multiple_of(LOOK_TICKS) {
            self.read_webhooks().await?;
            self.is_outdated = false;
        }
        let released = self.app.claims_released.load(Ordering::SeqCst);
        if tick.is_multiple_of(CLAIM_TICKS) {
            self.claim(false).await?;
        } else if released != self.released {
            self.claim(true).await?;
        }
        self.released = released;
        if tick.is_multiple_of(SWEEP_TICKS) {
            sweep(&self.app).await?;
        }
        self.look_for_events().await?;
        if tick.is_multiple_of(LOOK_TICKS) {
            self.look_for_retries().await?;
        }
        if tick.is_multiple_of(COUNT_TICKS) {
            self.count().await?;
        }
        self.dispatch();
        Ok(())
    }

    /// Counts what waits, for those who watch.
    async fn count(&self) -> Result<()> {
        let behind: Vec<_> = self.lanes.values().filter_map(Lane::lags_behind).collect();
        metrics::WEBHOOKS_BEHIND.set(behind.len() as u64);
        let furthest = behind.into_iter().min();
        let read = self.app.installation.store.read(move |tx| {
            let oldest = furthest.map(|place| event::first_behind(tx, place));
            let waiting = delivery::waiting_in_all(tx, MOST_COUNTED)?;
            Ok((oldest.transpose()?.flatten(), waiting))
        });
        let (oldest, waiting) = read.await?;
        let now = self.app.context.now().as_seconds();
        let lag_s = oldest.map_or(0, |oldest| now - oldest.as_seconds());
        metrics::WEBHOOK_LAG_S.set(u64::try_from(lag_s).unwrap_or_default());
        metrics::RETRIES_WAITING.set(u64::try_from(waiting).unwrap_or_default());
        Ok(())
    }

    /// Takes in the webhooks when one was changed, by whatever process.
    async fn read_webhooks(&mut self) -> Result<()> {
        let known = self.generation;
        let read = self.app.installation.store.read(move |tx| {
            let generation = webhook::generation(tx)?;
            let rows = (generation != known).then(|| webhook::enabled(tx));
            Ok((generation, rows.transpose()?))
        });
        let (generation, Some(rows)) = read.await? else {
            return Ok(());
        };
        let mut before = std::mem::take(&mut self.lanes);
        for Told {
            found,
            mode,
            progress,
        } in rows
        {
            let Some((webhook, _)) = Webhook::open(found, &self.app.installation.master)? else {
                continue;
            };
            let id = webhook.row.id;
            let old = before.remove(&id);
            self.lanes
                .insert(id, Lane::new(old, webhook, mode, progress));
        }
        before.into_values().for_each(Lane::stop);
        self.generation = generation;
        self.claim(true).await
    }

    /// Claims what nobody else works for, and finds out what this server has no longer.
    async fn claim(&mut self, only_new: bool) -> Result<()> {
        let process = self.app.process;
        let wanted = self
            .lanes
            .iter()
            .filter(|(_, lane)| !only_new || !lane.claimed);
        let wanted: Vec<_> = wanted
            .map(|(id, lane)| (*id, lane.idle_progress()))
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let claimed = self.app.installation.store.write(move |tx| {
            let mut held = Vec::new();
            for (id, idle) in &wanted {
                let found = webhook::claim(tx, *id, process)?;
                if let (Some(found), Some(idle)) = (found, idle)
                    && idle.through > found.through
                {
                    webhook::advance(tx, *id, process, *idle)?;
                }
                held.push((*id, found));
            }
            Ok(held)
        });
        for (id, progress) in claimed.await? {
            if let Some(lane) = self.lanes.get_mut(&id) {
                lane.hold(progress);
            }
        }
        Ok(())
    }

    async fn look_for_events(&mut self) -> Result<()> {
        if self.lanes.is_empty() {
            self.seen = None;
            return Ok(());
        }
        let seen = self.seen;
        let store = &self.app.installation.store;
        store.settle_order().await?;
        let read = store.read(move |tx| {
            let last = event::last_place(tx)?;
            let Some(seen) = seen.filter(|seen| *seen < last) else {
                return Ok((last, Vec::new()));
            };
            let through = last.min(seen + MOST_PLACES);
            Ok((through, event::projects_between(tx, seen, through)?))
        });
        let (through, projects) = read.await?;
        for lane in self.lanes.values_mut() {
            lane.see(through, projects.contains(&lane.project()));
        }
        self.seen = Some(through);
        Ok(())
    }

    /// When the next attempt of each webhook is to be, also where another process asked for one.
    async fn look_for_retries(&mut self) -> Result<()> {
        let held = self.lanes.iter().filter(|(_, lane)| lane.claimed);
        let held: Vec<_> = held.map(|(id, _)| *id).collect();
        let now = self.app.context.settled_now();
        let read = self.app.installation.store.read(move |tx| {
            let next = |id: &WebhookId| Ok((*id, delivery::next_at(tx, *id, now)?));
            held.iter().map(next).collect::<Result<Vec<_>>>()
        });
        for (id, next_at) in read.await? {
            if let Some(lane) = self.lanes.get_mut(&id) {
                lane.next_at = next_at;
            }
        }
        Ok(())
    }

    /// Starts batches, each time beginning with another webhook. Slow ones share a part of the
    /// room, in all and in each project, so that there is always some for those that are quick.
    fn dispatch(&mut self) {
        if self.app.installation.store.is_overloaded() {
            return;
        }
        let now = Moment::now(&self.app.context);
        let ready = self.lanes.iter().filter(|(_, lane)| lane.is_ready(now));
        let mut ready: Vec<_> = ready.map(|(id, _)| *id).collect();
        if ready.is_empty() {
            return;
        }
        ready.sort_unstable();
        self.turn = self.turn.wrapping_add(1);
        let turn = self.turn % ready.len();
        ready.rotate_left(turn);
        for id in ready {
            let Some(lane) = self.lanes.get_mut(&id) else {
                continue;
            };
            if self.running >= BATCHES {
                break;
            }
            if lane.is_slow() {
                let all: usize = self.slow.values().sum();
                let slow = self.slow.entry(lane.project()).or_default();
                if all >= SLOW_BATCHES || *slow >= SLOW_BATCHES_PER_PROJECT {
                    continue;
                }
                *slow += 1;
            }
            self.running += 1;
            let order = lane.order(&self.app, now);
            tokio::spawn(batch::run(self.app.clone(), order, self.sender.clone()));
        }
        self.slow.retain(|_, count| *count > 0);
    }
}

/// Forgets history that is older than 30 days.
///
/// # Errors
/// When the store is away.
pub async fn sweep(app: &App) -> Result<()> {
    let store = &app.installation.store;
    let edge = app.context.cautious_now().plus_seconds(-HISTORY_S);
    while store
        .write(move |tx| customer_version::forget(tx, edge, SWEPT))
        .await?
        > 0
    {}
    let before = first_at(edge);
    for (id, deleted) in store.read(webhook::ids).await? {
        if deleted {
            store.write(move |tx| delivery::abandon(tx, id)).await?;
        }
        while store
            .write(move |tx| delivery::forget(tx, id, &before, SWEPT))
            .await?
            > 0
        {}
        if deleted {
            let forget = store.write(move |tx| {
                let left = delivery::newest_first(tx, id, &[0xff; 16], 1)?;
                if left.is_empty() {
                    webhook::forget(tx, id)?;
                }
                Ok(())
            });
            forget.await?;
        }
    }
    Ok(())
}

/// How far a webhook is when nothing waits for it.
fn idle(progress: Progress, through: i64) -> Progress {
    Progress {
        through,
        ..progress
    }
}
