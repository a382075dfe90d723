//! Who works here: a server tells the others that it lives, and ends the claims of one that is
//! gone. No clock has a say in it, so none that is wrong gives or takes a claim.
//!
//! A database has several servers. Each beats, and counts for each other one how often in a row
//! it beat itself and found the other silent. One that cannot beat, because the database is
//! away or the machine stood still, counts nothing.
//!
//! A folder has one server that holds its lock, and whichever held it before is gone.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::error::Result;
use crate::http::app::App;
use crate::store::ServerLock;
use crate::store::server;

/// How often a server tells that it lives.
const PERIOD: Duration = Duration::from_millis(500);

/// Beats of ours without one of another server, after which that is gone: five seconds.
const SILENT_BEATS: u32 = 10;

/// This server among the others.
pub struct Servers {
    app: App,
    /// Of a folder, where this is its server.
    lock: Option<ServerLock>,
    /// Whether this server stands among the others.
    has_joined: bool,
    /// Whether there are no others to be looked at any more.
    is_alone: bool,
    /// The last beat of each other one, and how often it was the same.
    seen: HashMap<i64, (i64, u32)>,
}

impl Servers {
    /// Joins the others, before this server claims anything. What was claimed by a server that is
    /// known to be gone is free then. Where the store takes nothing yet, [`Self::watch`] does it.
    pub async fn join(app: &App) -> Self {
        let mut servers = Self {
            app: app.clone(),
            lock: None,
            has_joined: false,
            is_alone: false,
            seen: HashMap::new(),
        };
        servers.step().await;
        servers
    }

    /// Goes on until it is dropped.
    pub async fn watch(mut self) {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.is_alone {
            ticks.tick().await;
            self.step().await;
        }
        // The lock is held for as long as this waits.
        std::future::pending::<()>().await;
    }

    async fn step(&mut self) {
        let done = if self.app.installation.store.is_spread() {
            self.look().await
        } else {
            self.take_folder().await
        };
        if let Err(error) = done {
            self.seen.clear();
            tracing::warn!(%error, "claims of other servers could not be looked after");
        }
    }

    /// Takes the folder and with it what others had claimed, unless another server has it.
    async fn take_folder(&mut self) -> Result<()> {
        if self.lock.is_none() {
            self.lock = ServerLock::take(&self.app.config.data)?;
        }
        let (store, process) = (&self.app.installation.store, self.app.process);
        if self.lock.is_some() {
            let take = store.write(move |tx| server::take_over(tx, process));
            take.await?;
            self.is_alone = true;
            self.tell_of_release();
        } else if !self.has_joined {
            store.write(move |tx| server::beat(tx, process)).await?;
            self.has_joined = true;
        }
        Ok(())
    }

    async fn look(&mut self) -> Result<()> {
        let (store, process) = (&self.app.installation.store, self.app.process);
        let is_new = !self.has_joined;
        let beat = store.write(move |tx| {
            server::beat(tx, process)?;
            if is_new {
                server::release(tx)?;
            }
            Ok(())
        });
        beat.await?;
        self.has_joined = true;
        let others = store.read(move |tx| server::others(tx, process)).await?;
        let before = std::mem::take(&mut self.seen);
        for (other, beat) in others {
            let silent = match before.get(&other) {
                Some((known, silent)) if *known == beat => silent + 1,
                _ => 0,
            };
            if silent < SILENT_BEATS {
                self.seen.insert(other, (beat, silent));
                continue;
            }
            let bury = store.write(move |tx| server::bury(tx, other, beat));
            if bury.await? {
                tracing::info!(
                    server = other,
                    "a server is gone; what it worked on is free"
                );
                self.tell_of_release();
            }
        }
        Ok(())
    }

    fn tell_of_release(&self) {
        self.app.claims_released.fetch_add(1, Ordering::SeqCst);
    }
}
