//! Failed sign-ins of each address, so that nobody can go on guessing. Contract section 2.
//! Several servers tell each other, as of rates.
//!
//! An address has so many places a minute. A look at a secret takes one before it is made; a
//! right secret gives it back, a wrong one keeps it. So however many come at once, no more wrong
//! ones are looked at than there are places, and right ones wait for a place of another look
//! instead of being refused. When the last place is kept, the address is closed for a minute,
//! also to a right secret: that it is one would be told to who guesses. An API key has no limit,
//! or those who know its name could lock its owner out.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::limits::{network, octets};
use super::tally::{Sender, Tally};
use crate::context::Time;
use crate::error::{Code, Error, Result};
use crate::metrics::Refusal;
use crate::vault::Secrets;

/// Addresses with failures or looks that are remembered, and as many that are closed. One that
/// is closed is never forgotten for one that is not.
const REMEMBERED: usize = 65_536;

/// Sign-ins of one address that may wait for a place.
const WAITING_AT_MOST: usize = 1024;

/// The window in which failures count, and how long an address is closed.
const WINDOW_S: i64 = 60;

/// The failures of the last minute.
pub struct Failures {
    allowed: usize,
    secrets: Arc<Secrets>,
    table: Mutex<Table>,
    /// Where there are other servers.
    tally: Option<Tally>,
}

/// What is known of addresses. One that is not here has all its places.
#[derive(Default)]
struct Table {
    open: HashMap<Sender, Window>,
    /// Until when an address is closed, and the order in which that ends.
    closed: HashMap<Sender, Time>,
    closings: VecDeque<(Sender, Time)>,
    swept_s: i64,
}

/// An address that may sign in.
struct Window {
    /// When it failed first.
    since: Time,
    failures: usize,
    /// The places that are free; closed with the last failure.
    places: Arc<Semaphore>,
}

/// A place in which one secret is looked at. It is given back when this is dropped.
pub struct Look<'a> {
    failures: &'a Failures,
    sender: Sender,
    place: Option<OwnedSemaphorePermit>,
}

impl Failures {
    /// Allows so many failures a minute.
    #[must_use]
    pub fn new(allowed: u32, secrets: &Arc<Secrets>, tally: Option<Tally>) -> Self {
        Self {
            allowed: usize::try_from(allowed).unwrap_or(Semaphore::MAX_PERMITS),
            secrets: Arc::clone(secrets),
            table: Mutex::default(),
            tally,
        }
    }

    /// Takes a place for a look at a secret, and waits while others of the address have them all.
    ///
    /// # Errors
    /// `tooManyRequests` with the seconds until the address is open again; `serviceUnavailable`
    /// when too many wait already.
    pub async fn look(&self, address: IpAddr, now: Time) -> Result<Look<'_>> {
        let address = octets(network(address));
        let sender = self
            .secrets
            .blind_index(0, "failures.address", address.as_slice());
        let places = self.lock().places(sender, now, self.allowed);
        let places = places.map_err(refusal)?;
        if Arc::strong_count(&places) > self.allowed.saturating_add(WAITING_AT_MOST) {
            Refusal::SignIns.add();
            return Err(Error::unavailable(
                "too many sign-ins of this address wait",
                1,
            ));
        }
        let place = places.acquire_owned().await;
        Ok(Look {
            failures: self,
            sender,
            place: Some(place.map_err(|_closed| refusal(WINDOW_S))?),
        })
    }

    /// What was counted since this was last asked, for other servers.
    pub fn untold(&self) -> Vec<(Sender, u32)> {
        self.tally.as_ref().map(Tally::take).unwrap_or_default()
    }

    /// Counts failures that another server saw.
    pub fn charge(&self, sender: Sender, count: u32, now: Time) {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.lock().fail(sender, count, now, self.allowed, None);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table
            .lock()
            .expect("no code panics while it holds this lock")
    }
}

impl Look<'_> {
    /// The secret is wrong: the place is kept.
    pub fn failed(mut self, now: Time) {
        let (failures, place) = (self.failures, self.place.take());
        let mut table = failures.lock();
        table.fail(self.sender, 1, now, failures.allowed, place);
        drop(table);
        if let Some(tally) = &failures.tally {
            tally.add(self.sender);
        }
    }
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        if self.place.take().is_some() {
            self.failures.lock().forget_blameless(self.sender);
        }
    }
}

impl Table {
    /// The places of an address, or the seconds for which it is closed.
    fn places(
        &mut self,
        sender: Sender,
        now: Time,
        allowed: usize,
    ) -> std::result::Result<Arc<Semaphore>, i64> {
        let window = self.window(sender, now, allowed)?;
        Ok(Arc::clone(&window.places))
    }

    fn window(
        &mut self,
        sender: Sender,
        now: Time,
        allowed: usize,
    ) -> std::result::Result<&mut Window, i64> {
        if let Some(until) = self.closed.get_mut(&sender) {
            // A clock that was set back must not lock anybody out for longer.
            *until = (*until).min(now.plus_seconds(WINDOW_S));
            let left_ms = until.as_millis() - now.as_millis();
            if left_ms > 0 {
                return Err((left_ms + 999) / 1000);
            }
            self.closed.remove(&sender);
        }
        if self.open.len() >= REMEMBERED && !self.open.contains_key(&sender) {
            self.make_room(now);
        }
        let fresh = || Window {
            since: now,
            failures: 0,
            places: Arc::new(Semaphore::new(allowed)),
        };
        let window = self.open.entry(sender).or_insert_with(fresh);
        window.since = window.since.min(now);
        if window.is_over(now) {
            *window = fresh();
        }
        Ok(window)
    }

    /// Counts failures; one of them has taken its place already, perhaps of a window that is over.
    fn fail(
        &mut self,
        sender: Sender,
        count: usize,
        now: Time,
        allowed: usize,
        place: Option<OwnedSemaphorePermit>,
    ) {
        let Ok(window) = self.window(sender, now, allowed) else {
            return;
        };
        if window.failures == 0 {
            window.since = now;
        }
        window.failures = window.failures.saturating_add(count);
        match place {
            Some(place) if Arc::ptr_eq(place.semaphore(), &window.places) => place.forget(),
            _ => _ = window.places.forget_permits(count),
        }
        if window.failures >= allowed {
            window.places.close();
            self.open.remove(&sender);
            self.close(sender, now);
        }
    }

    fn close(&mut self, sender: Sender, now: Time) {
        while let Some((oldest, until)) = self.closings.front().copied()
            && (until <= now || self.closings.len() >= REMEMBERED)
        {
            self.closings.pop_front();
            if self
                .closed
                .get(&oldest)
                .is_some_and(|known| *known <= until)
            {
                self.closed.remove(&oldest);
            }
        }
        let until = now.plus_seconds(WINDOW_S);
        self.closed.insert(sender, until);
        self.closings.push_back((sender, until));
    }

    /// An address that never failed, and of which nobody looks or waits, is as good as unknown.
    fn forget_blameless(&mut self, sender: Sender) {
        let known = self.open.get(&sender);
        if known.is_some_and(|window| window.failures == 0 && window.is_unused()) {
            self.open.remove(&sender);
        }
    }

    /// What is over goes first, looked for once a second; else any, but those that are looked at.
    fn make_room(&mut self, now: Time) {
        if now.as_seconds() != self.swept_s {
            self.swept_s = now.as_seconds();
            self.open.retain(|_, window| {
                !window.is_unused() || (window.failures > 0 && !window.is_over(now))
            });
        }
        if self.open.len() >= REMEMBERED {
            // Many at once, so that each costs little.
            let mut surplus = REMEMBERED / 16;
            self.open.retain(|_, window| {
                let goes = surplus > 0 && window.is_unused();
                surplus -= usize::from(goes);
                !goes
            });
        }
    }
}

impl Window {
    fn is_over(&self, now: Time) -> bool {
        self.failures > 0 && now >= self.since.plus_seconds(WINDOW_S)
    }

    fn is_unused(&self) -> bool {
        Arc::strong_count(&self.places) == 1
    }
}

fn refusal(left_s: i64) -> Error {
    Refusal::SignIns.add();
    Error::new(
        Code::TooManyRequests,
        "too many failed sign-ins from this address",
    )
    .retry_after_s(u32::try_from(left_s.clamp(1, WINDOW_S)).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::KEY_LENGTH;

    const NOW: Time = Time::from_millis(1_700_000_000_000);

    fn allowing(count: u32) -> Failures {
        let secrets = Arc::new(Secrets::derive(&[7; KEY_LENGTH]));
        Failures::new(count, &secrets, None)
    }

    fn at(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// The seconds that a refusal says, or `None` when a look was had, which fails.
    async fn guess(failures: &Failures, from: &str, now: Time) -> Option<u32> {
        match failures.look(at(from), now).await {
            Ok(look) => {
                look.failed(now);
                None
            }
            Err(refused) => refused.retry_after(),
        }
    }

    #[tokio::test]
    async fn an_address_is_closed_for_a_minute_after_its_failures_and_no_other_is() {
        let failures = allowing(2);
        assert_eq!(guess(&failures, "192.0.2.1", NOW).await, None);
        let later = NOW.plus_seconds(15);
        assert_eq!(guess(&failures, "192.0.2.1", later).await, None);
        let now = NOW.plus_seconds(30);
        assert_eq!(guess(&failures, "192.0.2.1", now).await, Some(45));
        assert_eq!(guess(&failures, "::ffff:192.0.2.1", now).await, Some(45));
        assert_eq!(guess(&failures, "192.0.2.2", now).await, None);
        let over = NOW.plus_seconds(75);
        assert_eq!(guess(&failures, "192.0.2.1", over).await, None);
        assert_eq!(guess(&failures, "192.0.2.1", over).await, None);
        // A clock that goes back by three days does not make three days of a minute.
        let before = NOW.plus_seconds(-3 * 86_400);
        assert_eq!(guess(&failures, "192.0.2.1", before).await, Some(60));
        let then = before.plus_seconds(61);
        assert_eq!(guess(&failures, "192.0.2.1", then).await, None);
    }

    #[tokio::test]
    async fn a_network_of_ipv6_is_one_address() {
        let failures = allowing(2);
        assert_eq!(guess(&failures, "2001:db8::1", NOW).await, None);
        assert_eq!(guess(&failures, "2001:db8::2:0:0:1", NOW).await, None);
        assert_eq!(guess(&failures, "2001:db8::ffff", NOW).await, Some(60));
        assert_eq!(guess(&failures, "2001:db8:0:1::1", NOW).await, None);
    }

    #[tokio::test]
    async fn a_place_is_had_before_the_look_and_given_back_by_the_right_secret() {
        let failures = allowing(2);
        let home = at("192.0.2.1");
        let (first, second) = (
            failures.look(home, NOW).await.expect("a place"),
            failures.look(home, NOW).await.expect("a place"),
        );
        let mut third = std::pin::pin!(failures.look(home, NOW));
        let mut fourth = std::pin::pin!(failures.look(home, NOW));
        tokio::select! {
            biased;
            _ = &mut third => panic!("all places are taken"),
            _ = &mut fourth => panic!("all places are taken"),
            () = std::future::ready(()) => {}
        }
        drop(first);
        let third = third.await.expect("the place that was given back");
        second.failed(NOW);
        third.failed(NOW);
        assert!(fourth.await.is_err(), "all places are kept");
        assert!(failures.look(home, NOW).await.is_err());
    }

    #[tokio::test]
    async fn a_look_that_began_before_a_minute_was_over_counts_in_the_next() {
        let failures = allowing(2);
        let slow = failures.look(at("192.0.2.1"), NOW).await.expect("a place");
        assert_eq!(guess(&failures, "192.0.2.1", NOW).await, None);
        let next = NOW.plus_seconds(60);
        let fresh = failures.look(at("192.0.2.1"), next).await.expect("a place");
        slow.failed(next);
        fresh.failed(next);
        assert_eq!(guess(&failures, "192.0.2.1", next).await, Some(60));
    }

    #[tokio::test]
    async fn those_who_sign_in_are_not_remembered_and_a_flood_opens_nothing() {
        let failures = allowing(1);
        drop(failures.look(at("192.0.2.1"), NOW).await);
        assert!(failures.lock().open.is_empty());
        assert_eq!(guess(&failures, "192.0.2.1", NOW).await, None);
        let allowed = 2;
        for sender in 0..i64::try_from(REMEMBERED * 2).expect("a small number") {
            let mut table = failures.lock();
            table.fail(sender, 1, NOW, allowed, None);
            assert!(table.open.len() <= REMEMBERED);
        }
        assert_eq!(guess(&failures, "192.0.2.1", NOW).await, Some(60));
        for sender in 0..i64::try_from(REMEMBERED * 2).expect("a small number") {
            let mut table = failures.lock();
            table.fail(sender, 2, NOW, allowed, None);
            assert!(table.closed.len().max(table.closings.len()) <= REMEMBERED);
        }
    }

    #[tokio::test]
    async fn what_other_servers_saw_counts() {
        let failures = allowing(3);
        let look = failures.look(at("192.0.2.1"), NOW).await.expect("a place");
        let sender = look.sender;
        drop(look);
        failures.charge(sender, 2, NOW);
        assert_eq!(guess(&failures, "192.0.2.1", NOW).await, None);
        assert_eq!(guess(&failures, "192.0.2.1", NOW).await, Some(60));
    }
}
