//! The requests that run now, by idempotency key: one at a time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use tokio::sync::watch;

use crate::error::{Code, Error, Result};
use crate::store::idempotency::Claim;
use crate::sync::{Arc, Mutex, MutexGuard};

/// The requests that run now, by key: what they ask, and when they end.
type Runs = Mutex<HashMap<(i64, [u8; 16]), ([u8; 16], watch::Receiver<()>)>>;

/// The requests that run now, by key.
#[derive(Debug)]
pub struct InFlight(Arc<Runs>);

impl Default for InFlight {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(HashMap::new())))
    }
}

/// Takes its request out of [`InFlight`] when it ends, however it ends.
#[derive(Debug)]
pub struct Running {
    all: Arc<Runs>,
    key: (i64, [u8; 16]),
    /// Dropped last of all, which wakes those who wait.
    _end: watch::Sender<()>,
}

impl InFlight {
    /// Notes that a request runs. The same request again is refused; another
    /// one with the same key waits, because only the end of the first tells
    /// whether the key is taken, and by what.
    ///
    /// # Errors
    /// `idempotencyInProgress` when the same request runs.
    pub async fn enter(&self, claim: Claim) -> Result<Running> {
        loop {
            match self.try_enter(claim)? {
                Ok(running) => return Ok(running),
                // An error is the end of the sender, which is what is waited for.
                Err(mut end) => while end.changed().await.is_ok() {},
            }
        }
    }

    /// As [`Self::enter`], with what tells of the end of another request instead of a wait.
    ///
    /// # Errors
    /// `idempotencyInProgress` when the same request runs.
    pub fn try_enter(
        &self,
        claim: Claim,
    ) -> Result<std::result::Result<Running, watch::Receiver<()>>> {
        let key = (claim.project, claim.key_hash);
        match lock(&self.0).entry(key) {
            Entry::Vacant(free) => {
                let (sender, end) = watch::channel(());
                free.insert((claim.fingerprint, end));
                Ok(Ok(Running {
                    all: Arc::clone(&self.0),
                    key,
                    _end: sender,
                }))
            }
            Entry::Occupied(taken) if taken.get().0 != claim.fingerprint => {
                Ok(Err(taken.get().1.clone()))
            }
            Entry::Occupied(_) => Err(Error::new(
                Code::IdempotencyInProgress,
                "the first request with this Idempotency-Key is still running",
            )
            .retry_after_s(1)),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        lock(&self.all).remove(&self.key);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .expect("no code panics while it holds this lock")
}
