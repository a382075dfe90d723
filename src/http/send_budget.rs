//! How many bytes of answers may wait until their clients take them: of one connection, of one
//! API key, of the whole server. What a client does not take lies in memory, so beyond a budget
//! no further handler runs.
//!
//! A list says before it reads how large its page can be and waits for that much room; what it
//! really made counts afterwards. Every other answer is small: it waits only while a budget is
//! spent, and may then pass it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, RwLock};

use tokio::sync::Notify;

use crate::error::{Error, Result};
use crate::metrics::Refusal;

/// Requests of a server that may wait for room. Each holds what its handler needs, about 50 KiB,
/// so these take memory as well.
const WAITING_AT_MOST: usize = 1024;

/// The part of the server's budget that one API key may spend, and one connection; and of the
/// requests that may wait.
const PART_OF_KEY: usize = 4;
const PART_OF_CONNECTION: usize = 8;

/// API keys whose budgets are kept although nothing of theirs is on its way.
const KEYS_KEPT: usize = 4096;

/// Bytes that may wait, and those that do.
#[derive(Debug)]
pub struct Budget {
    most: usize,
    held: AtomicUsize,
    /// Requests that wait for room here.
    waiting: AtomicUsize,
    /// Requests charged to this budget that wait for room, here or in another one.
    kept_waiting: AtomicUsize,
    room: Notify,
}

impl Budget {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            held: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            kept_waiting: AtomicUsize::new(0),
            room: Notify::new(),
        })
    }

    /// The budget of one connection of a server with this one.
    #[must_use]
    pub fn of_connection(server: usize) -> Arc<Self> {
        Self::new(server / PART_OF_CONNECTION)
    }

    /// Takes so much if it is there. What is larger than the budget passes alone.
    fn take(&self, bytes: usize) -> bool {
        let with = |held: usize| held.saturating_add(bytes);
        if bytes == 0 {
            return self.held.load(SeqCst) <= self.most;
        }
        self.held
            .fetch_update(SeqCst, SeqCst, |held| {
                (held == 0 || with(held) <= self.most).then(|| with(held))
            })
            .is_ok()
    }

    /// Takes so much, whether it is there or not.
    fn spend(&self, bytes: usize) {
        self.held.fetch_add(bytes, SeqCst);
    }

    fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes, SeqCst);
        self.wake_next();
    }

    fn wake_next(&self) {
        if self.waiting.load(SeqCst) > 0 {
            self.room.notify_one();
        }
    }
}

/// The budgets that an answer is charged to.
pub(super) type Budgets = [Arc<Budget>; 3];

/// Takes from all of them or from none; gives the first without room.
fn take_all(budgets: &Budgets, bytes: usize) -> std::result::Result<(), &Arc<Budget>> {
    for (place, budget) in budgets.iter().enumerate() {
        if !budget.take(bytes) {
            if bytes > 0 {
                give_back(&budgets[..place], bytes);
            }
            return Err(budget);
        }
    }
    Ok(())
}

/// Takes from all, waiting for room in each.
///
/// # Errors
/// `serviceUnavailable` when too many wait already.
pub(super) async fn wait_for(budgets: &Budgets, bytes: usize) -> Result<()> {
    let Err(mut full) = take_all(budgets, bytes) else {
        return Ok(());
    };
    let _kept_waiting = KeptWaiting::begin(budgets)?;
    let mut woken: Option<&Arc<Budget>> = None;
    loop {
        woken
            .filter(|budget| !Arc::ptr_eq(budget, full))
            .inspect(|budget| budget.wake_next());
        let _waiting = Waiting::begin(full);
        let mut room = std::pin::pin!(full.room.notified());
        room.as_mut().enable();
        // What came free before this one was heard.
        if take_all(budgets, bytes).is_ok() {
            return Ok(());
        }
        room.await;
        woken = Some(full);
        match take_all(budgets, bytes) {
            Ok(()) => {
                // Perhaps there is room for one more.
                full.wake_next();
                return Ok(());
            }
            Err(next) => full = next,
        }
    }
}

/// Charges what an answer really takes, in place of what was taken for it.
pub(super) fn correct(budgets: &Budgets, before: usize, after: usize) {
    for budget in budgets {
        if after > before {
            budget.spend(after - before);
        } else if before > after {
            budget.give_back(before - after);
        }
    }
}

/// Gives so much back to each.
pub(super) fn give_back(budgets: &[Arc<Budget>], bytes: usize) {
    for budget in budgets {
        budget.give_back(bytes);
    }
}

/// A request that waits; its budgets count it until it is dropped.
struct KeptWaiting<'a>(&'a [Arc<Budget>]);

impl<'a> KeptWaiting<'a> {
    fn begin(budgets: &'a Budgets) -> Result<Self> {
        let most = [PART_OF_CONNECTION, PART_OF_KEY, 1].map(|part| WAITING_AT_MOST / part);
        for (place, (budget, most)) in budgets.iter().zip(most).enumerate() {
            if budget.kept_waiting.fetch_add(1, SeqCst) >= most {
                drop(Self(&budgets[..=place]));
                Refusal::Untaken.add();
                let detail = "too many answers wait to be taken by their clients";
                return Err(Error::unavailable(detail, 1));
            }
        }
        Ok(Self(budgets))
    }
}

impl Drop for KeptWaiting<'_> {
    fn drop(&mut self) {
        for budget in self.0 {
            budget.kept_waiting.fetch_sub(1, SeqCst);
        }
    }
}

/// One that waits for room; it is counted until it is dropped.
struct Waiting<'a>(&'a Budget);

impl<'a> Waiting<'a> {
    fn begin(budget: &'a Budget) -> Self {
        budget.waiting.fetch_add(1, SeqCst);
        Self(budget)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, SeqCst);
    }
}

/// The budget of a server and those of its API keys.
#[derive(Debug)]
pub struct SendBudgets {
    server: Arc<Budget>,
    keys: RwLock<HashMap<String, Arc<Budget>>>,
}

impl SendBudgets {
    /// So many bytes for the whole server.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            server: Budget::new(most),
            keys: RwLock::default(),
        }
    }

    /// The budgets of an answer for this API key on this connection.
    pub(super) fn of(&self, api_key: &str, connection: &Arc<Budget>) -> Budgets {
        let key = self.of_key(api_key);
        [Arc::clone(connection), key, Arc::clone(&self.server)]
    }

    fn of_key(&self, api_key: &str) -> Arc<Budget> {
        let locked = "no code panics while it holds this lock";
        if let Some(known) = self.keys.read().expect(locked).get(api_key) {
            return Arc::clone(known);
        }
        let mut keys = self.keys.write().expect(locked);
        if keys.len() >= KEYS_KEPT {
            keys.retain(|_, budget| Arc::strong_count(budget) > 1);
        }
        let fresh = || Budget::new(self.server.most / PART_OF_KEY);
        Arc::clone(keys.entry(api_key.to_owned()).or_insert_with(fresh))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budgets() -> Budgets {
        let all = SendBudgets::new(80);
        all.of("key", &Budget::of_connection(80))
    }

    fn held(budgets: &Budgets) -> [usize; 3] {
        [0, 1, 2].map(|place| budgets[place].held.load(SeqCst))
    }

    #[tokio::test]
    async fn what_does_not_fit_waits_until_something_is_given_back() {
        let budgets = budgets();
        wait_for(&budgets, 6).await.unwrap();
        correct(&budgets, 6, 9);
        assert_eq!(held(&budgets), [9; 3]);
        let mut second = std::pin::pin!(wait_for(&budgets, 5));
        let mut third = std::pin::pin!(wait_for(&budgets, 4));
        tokio::select! {
            biased;
            _ = &mut second => panic!("there is no room"),
            _ = &mut third => panic!("there is no room"),
            () = std::future::ready(()) => {}
        }
        give_back(&budgets, 9);
        second.await.unwrap();
        third.await.unwrap();
        assert_eq!(held(&budgets), [9; 3]);
        assert_eq!(budgets[0].waiting.load(SeqCst), 0);
    }

    #[tokio::test]
    async fn the_connection_that_takes_nothing_leaves_room_to_others_of_its_key() {
        let all = SendBudgets::new(80);
        let [slow, other] = [0; 2].map(|_| all.of("key", &Budget::of_connection(80)));
        wait_for(&slow, 10).await.unwrap();
        assert!(take_all(&slow, 1).is_err());
        wait_for(&other, 10).await.unwrap();
        assert_eq!(held(&other), [10, 20, 20]);
        let stranger = all.of("another", &Budget::of_connection(80));
        wait_for(&stranger, 10).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_larger_than_a_budget_passes_alone() {
        let budgets = budgets();
        wait_for(&budgets, 50).await.unwrap();
        assert!(take_all(&budgets, 0).is_err());
        give_back(&budgets, 50);
        wait_for(&budgets, 0).await.unwrap();
        assert_eq!(held(&budgets), [0; 3]);
    }
}
