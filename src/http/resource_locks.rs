//! The resources whose changes are made one after the other, because they met before.
//!
//! A change is prepared beside others and written if its resource is still as it was read. Where
//! that fails, the next try would often fail as well: it prepares while others write. So a
//! request takes the lock of its resource before it tries again.
//!
//! Only this process has these locks: they make success likely, and nothing rests on them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::OwnedMutexGuard;

type Locks = Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>;

/// A lock for each resource that some request waits for or holds.
#[derive(Debug, Default)]
pub struct ResourceLocks(Locks);

/// Holds the lock of a resource; the next in the order of their coming has it then.
#[derive(Debug)]
pub struct ResourceLock {
    locks: Locks,
    resource: String,
    _held: OwnedMutexGuard<()>,
}

impl ResourceLocks {
    /// Waits for the lock of a resource.
    pub async fn lock(&self, resource: &str) -> ResourceLock {
        let lock = Arc::clone(all(&self.0).entry(resource.to_owned()).or_default());
        ResourceLock {
            locks: Arc::clone(&self.0),
            resource: resource.to_owned(),
            _held: lock.lock_owned().await,
        }
    }
}

impl Drop for ResourceLock {
    fn drop(&mut self) {
        let mut locks = all(&self.locks);
        // This one's and the map's own; each request that waits has one more. One that was cut
        // while it waited leaves an entry, which goes with the next lock of the resource.
        if locks
            .get(&self.resource)
            .is_some_and(|lock| Arc::strong_count(lock) == 2)
        {
            locks.remove(&self.resource);
        }
    }
}

fn all(
    locks: &Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
) -> std::sync::MutexGuard<'_, HashMap<String, Arc<tokio::sync::Mutex<()>>>> {
    locks
        .lock()
        .expect("no code panics while it holds this lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_second_waits_for_the_first_and_nothing_is_left() {
        let locks = ResourceLocks::default();
        let first = locks.lock("a").await;
        drop(locks.lock("b").await);
        let mut second = Box::pin(locks.lock("a"));
        tokio::select! {
            biased;
            _ = &mut second => panic!("the first holds it"),
            () = std::future::ready(()) => {}
        }
        drop(first);
        drop(second.await);
        assert!(all(&locks.0).is_empty());
    }
}
