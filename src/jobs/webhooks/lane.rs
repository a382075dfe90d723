//! One webhook as the loop sees it: how far it is, and whether a batch is due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::batch::{Done, Order};
use super::idle;
use crate::context::{Context, Time};
use crate::core::api_key::Mode;
use crate::core::delivery::{HISTORY_S, jittered};
use crate::core::webhook::Webhook;
use crate::http::app::App;
use crate::store::webhook::Progress;

/// Failures in a row after which a receiver counts as away.
pub(super) const AWAY_AFTER: u32 = 8;

/// Seconds between two tries of a receiver that is away: at first, and at most.
const TRY_S: (i64, i64) = (5, 600);

/// Requests to one receiver at once.
const PARALLEL: usize = 16;

/// Requests to one receiver that is away.
const PARALLEL_AWAY: usize = 2;

/// Rows of events in one batch.
const BATCH_ROWS: i64 = 128;

pub(super) struct Lane {
    webhook: Arc<Webhook>,
    mode: Mode,
    progress: Progress,
    /// The last place at which something may wait.
    behind: i64,
    pub claimed: bool,
    busy: bool,
    /// Whether the receiver took its time lately.
    slow: bool,
    /// Tells the batch that runs to begin nothing more.
    stop: Arc<AtomicBool>,
    pub next_at: Option<Time>,
    /// Failures in a row.
    failures: u32,
    /// How often in a row a try found the receiver away.
    tries: u32,
    /// By the steady clock.
    hold_until: Option<Time>,
}

/// A moment, as those see it who plan batches.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    settled: Time,
    steady: Time,
    cautious: Time,
}

impl Moment {
    pub(super) fn now(context: &Context) -> Self {
        Self {
            settled: context.settled_now(),
            steady: context.steady_now(),
            cautious: context.cautious_now(),
        }
    }
}

impl Lane {
    /// The lane of a webhook. Where somebody changed the webhook, or asked for an attempt,
    /// what was known of its receiver is forgotten: it is tried at once.
    pub(super) fn new(old: Option<Self>, webhook: Webhook, mode: Mode, progress: Progress) -> Self {
        match old {
            Some(old) if old.webhook.row.version == webhook.row.version => old,
            Some(old) => Self {
                webhook: Arc::new(webhook),
                failures: 0,
                tries: 0,
                hold_until: None,
                ..old
            },
            None => Self {
                webhook: Arc::new(webhook),
                mode,
                progress,
                behind: i64::MAX,
                claimed: false,
                busy: false,
                slow: false,
                stop: Arc::default(),
                next_at: None,
                failures: 0,
                tries: 0,
                hold_until: None,
            },
        }
    }

    pub(super) fn project(&self) -> i64 {
        self.webhook.row.project
    }

    pub(super) fn is_slow(&self) -> bool {
        self.slow
    }

    /// The webhook is disabled or deleted: what was not begun is not sent.
    pub(super) fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    /// How far it is, where something was not told yet.
    pub(super) fn lags_behind(&self) -> Option<i64> {
        (self.claimed && self.waits()).then_some(self.progress.through)
    }

    fn waits(&self) -> bool {
        self.behind != i64::MAX && self.progress.through < self.behind
    }

    /// Takes note of a claim, or that another process holds it.
    pub(super) fn hold(&mut self, progress: Option<Progress>) {
        match progress {
            Some(progress) if !self.claimed => {
                self.progress = progress;
                self.behind = i64::MAX;
                self.claimed = true;
            }
            Some(_) => {}
            None => self.claimed = false,
        }
    }

    /// How far an idle lane is, to be kept: a start need not look again at what was seen.
    pub(super) fn idle_progress(&self) -> Option<Progress> {
        (self.claimed && !self.busy).then_some(self.progress)
    }

    /// Takes note of places that were seen, and whether something of this project is there.
    pub(super) fn see(&mut self, through: i64, concerned: bool) {
        if self.behind == i64::MAX || concerned {
            self.behind = through;
        } else if !self.busy && self.progress.through >= self.behind {
            self.progress = idle(self.progress, through.max(self.progress.through));
        }
    }

    pub(super) fn is_ready(&self, now: Moment) -> bool {
        let due = self.next_at.is_some_and(|next| next <= now.settled);
        let held = self.hold_until.is_some_and(|until| now.steady < until);
        self.claimed && !self.busy && !held && (due || self.waits())
    }

    /// The next batch.
    pub(super) fn order(&mut self, app: &App, now: Moment) -> Order {
        self.busy = true;
        let away = self.failures >= AWAY_AFTER;
        Order {
            webhook: Arc::clone(&self.webhook),
            reach: app.webhook_reach(self.mode),
            progress: self.progress,
            behind: self.behind,
            now: now.settled,
            oldest: now.cautious.plus_seconds(-HISTORY_S),
            rows: if away { 1 } else { BATCH_ROWS },
            parallel: if away { PARALLEL_AWAY } else { PARALLEL },
            failures: if away { AWAY_AFTER - 2 } else { self.failures },
            slow: self.slow,
            stop: Arc::clone(&self.stop),
        }
    }

    pub(super) fn finish(&mut self, done: &Done, context: &Context) {
        if !Arc::ptr_eq(&self.stop, &done.stop) {
            // A batch of before the webhook was disabled.
            return;
        }
        self.busy = false;
        self.next_at = done.next_at;
        let Some(progress) = done.progress else {
            // It was not recorded: whoever holds the claim now knows how far it is.
            self.claimed = false;
            return;
        };
        self.progress = progress;
        self.failures = done.failures;
        self.slow = done.slow;
        if done.failures < AWAY_AFTER {
            self.tries = 0;
            self.hold_until = None;
            return;
        }
        let wait_s = (TRY_S.0 << self.tries.min(10)).min(TRY_S.1);
        self.tries += 1;
        self.hold_until = Some(jittered(context.steady_now(), wait_s, context));
    }
}
