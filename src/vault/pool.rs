//! Data keys made ahead of time. A data key is durable in the key register
//! before anything is sealed with it; making them in advance and many at once
//! spares every create an fsync of its own.

use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use zeroize::Zeroizing;

use super::{KEY_LENGTH, KeyRing, SealingKey, WrappingKey};
use crate::context::Context;
use crate::error::{Error, Result};

/// Keys made at once at first; doubled with demand.
const FIRST_BATCH: usize = 64;

/// Keys made at once at most, and half of what the pool holds.
const LARGEST_BATCH: usize = 4096;

/// After keys could not be stored; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause, while it cannot be done at all.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long a request waits for a key before it is refused.
const PATIENCE: Duration = Duration::from_secs(2);

/// A new data key as the key register stores it: id and wrapped bytes.
pub type WrappedKey = (i64, Vec<u8>);

/// Where new ids go among those that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdOrder {
    /// Behind all others, as a file in the order of ids likes it.
    Rising,
    /// Each batch to one of eight places, so that no range of a distributed table is hot.
    Spread,
}

/// The pool and the thread that fills it.
pub struct DataKeyPool {
    ready: Receiver<SealingKey>,
    back: Sender<SealingKey>,
    shared: Arc<Shared>,
    waker: Thread,
    filler: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    stopping: AtomicBool,
    batch: AtomicUsize,
}

/// A data key out of the pool.
pub struct PooledKey {
    key: SealingKey,
    back: Sender<SealingKey>,
}

impl DataKeyPool {
    /// Starts the filling thread. `register` makes new keys durable.
    pub fn start(
        ring: Arc<KeyRing>,
        (context, order): (Context, IdOrder),
        register: impl Fn(&[WrappedKey]) -> Result<()> + Send + 'static,
    ) -> Result<Self> {
        let (back, ready) = bounded(2 * LARGEST_BATCH);
        let shared = Arc::new(Shared::default());
        shared.batch.store(FIRST_BATCH, Ordering::Relaxed);
        let filler = {
            let (keys, seen, shared) = (back.clone(), ready.clone(), Arc::clone(&shared));
            thread::Builder::new()
                .name("data-keys".into())
                .spawn(move || fill(&ring, (&context, order), &register, &keys, &seen, &shared))
                .map_err(Error::internal)?
        };
        Ok(Self {
            ready,
            back,
            shared,
            waker: filler.thread().clone(),
            filler: Mutex::new(Some(filler)),
        })
    }

    /// A key that no customer has yet.
    ///
    /// # Errors
    /// `serviceUnavailable` when the key register gives none in time.
    pub fn take(&self) -> Result<PooledKey> {
        let key = if let Ok(key) = self.ready.try_recv() {
            key
        } else {
            self.wake();
            self.ready
                .recv_timeout(PATIENCE)
                .map_err(|_| Error::unavailable("no data key is ready", 1))?
        };
        if self.ready.len() < self.shared.batch.load(Ordering::Relaxed) / 2 {
            self.wake();
        }
        Ok(PooledKey {
            key,
            back: self.back.clone(),
        })
    }

    /// How many keys are ready.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Ends the filling thread and gives the ids of the keys that nobody took.
    pub fn stop(&self) -> Vec<i64> {
        self.shared.stopping.store(true, Ordering::Release);
        self.wake();
        let filler = self
            .filler
            .lock()
            .expect("no code panics while it holds this lock")
            .take();
        if let Some(filler) = filler {
            let _ = filler.join();
        }
        self.ready.try_iter().map(|key| key.id()).collect()
    }

    fn wake(&self) {
        self.waker.unpark();
    }
}

fn fill(
    ring: &KeyRing,
    (context, order): (&Context, IdOrder),
    register: &impl Fn(&[WrappedKey]) -> Result<()>,
    keys: &Sender<SealingKey>,
    seen: &Receiver<SealingKey>,
    shared: &Shared,
) {
    let mut pause = FIRST_PAUSE;
    while !shared.stopping.load(Ordering::Acquire) {
        let batch = shared.batch.load(Ordering::Relaxed);
        if seen.len() >= batch / 2 {
            thread::park();
            continue;
        }
        if seen.is_empty() {
            shared
                .batch
                .store((batch * 2).min(LARGEST_BATCH), Ordering::Relaxed);
        }
        let by = ring.current();
        let (fresh, wrapped) = make(batch, &by, context, order);
        match register(&wrapped) {
            Ok(()) => {
                pause = FIRST_PAUSE;
                // The channel holds two of the largest batches, so only a flood
                // of returned keys can fill it; those dropped are merely unused.
                for key in fresh {
                    let _ = keys.try_send(key);
                }
            }
            // Another wrapping key took over: the keys are made anew under it.
            Err(_) if ring.reload().is_ok() && ring.current().id() != by.id() => {}
            Err(error) => {
                if pause == FIRST_PAUSE {
                    tracing::error!(%error, "new data keys could not be stored; it is tried again");
                }
                thread::park_timeout(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// New keys under ids that are never used again.
fn make(
    count: usize,
    by: &WrappingKey,
    context: &Context,
    order: IdOrder,
) -> (Vec<SealingKey>, Vec<WrappedKey>) {
    let first = first_id(context, order);
    (first..)
        .take(count)
        .map(|id| {
            let bytes = Zeroizing::new(context.random.bytes::<KEY_LENGTH>());
            let wrapped = by.wrap("data_key", &id.to_be_bytes(), &*bytes, &context.random);
            (SealingKey::new(id, &bytes), (id, wrapped))
        })
        .unzip()
}

/// An id with room behind it: the time, and a start by chance.
fn first_id(context: &Context, order: IdOrder) -> i64 {
    let now = context.now().as_millis();
    let chance = i64::from(u32::from_be_bytes(context.random.bytes()));
    match order {
        IdOrder::Rising => (now << 20) | (chance >> 13),
        // 3 bits by chance, 42 of the time, 18 for the start and what follows.
        IdOrder::Spread => ((chance & 7) << 60) | (now << 18) | (chance >> 15),
    }
}

/// One new data key, for whoever has no pool. It must be stored before anything is
/// sealed with it.
#[must_use]
pub fn fresh_data_key(by: &WrappingKey, context: &Context) -> Option<(SealingKey, WrappedKey)> {
    let (mut keys, mut wrapped) = make(1, by, context, IdOrder::Rising);
    keys.pop().zip(wrapped.pop())
}

impl PooledKey {
    /// Puts the key back: nothing was stored under it, and nothing ever will be
    /// by this hand. A key that is merely dropped is not used again.
    pub fn give_back(self) {
        let _ = self.back.try_send(self.key);
    }
}

impl Deref for PooledKey {
    type Target = SealingKey;

    fn deref(&self) -> &SealingKey {
        &self.key
    }
}

impl fmt::Debug for PooledKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PooledKey({:?})", self.key)
    }
}

impl fmt::Debug for DataKeyPool {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "DataKeyPool({} ready)", self.ready.len())
    }
}
