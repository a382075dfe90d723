//! Failed sign-ins, counted for each API key and each address, so that nobody
//! can go on guessing. Contract section 2. Several servers tell each other, as of rates.

use moka::sync::Cache;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;

use super::limits::octets;
use super::tally::{Sender, Tally};
use crate::context::Time;
use crate::error::{Code, Error, Result};
use crate::metrics::Refusal;
use crate::vault::Secrets;

/// Names and addresses that are remembered at most; the least used go first.
const REMEMBERED: u64 = 100_000;

/// The window in which failures count.
const WINDOW_S: i64 = 60;

/// The failures of the last minute.
pub struct Failures {
    allowed: u32,
    secrets: Arc<Secrets>,
    counts: Cache<Sender, Arc<Mutex<Window>>>,
    /// Where there are other servers.
    tally: Option<Tally>,
}

#[derive(Clone, Copy)]
struct Window {
    since: Time,
    failures: u32,
}

impl Failures {
    /// Allows so many failures a minute.
    #[must_use]
    pub fn new(allowed: u32, secrets: &Arc<Secrets>, tally: Option<Tally>) -> Self {
        Self {
            allowed,
            secrets: Arc::clone(secrets),
            counts: Cache::new(REMEMBERED),
            tally,
        }
    }

    /// Refuses when key or address failed too often; looked at before the secret is.
    ///
    /// # Errors
    /// `tooManyRequests`, with the seconds until the window ends.
    pub fn check(&self, api_key: &str, address: Option<IpAddr>, now: Time) -> Result<()> {
        for who in self.whose(api_key, address) {
            let Some(window) = self.counts.get(&who) else {
                continue;
            };
            let window = *lock(&window);
            let left = window.since.as_seconds() + WINDOW_S - now.as_seconds();
            if window.failures >= self.allowed && left > 0 {
                Refusal::SignIns.add();
                return Err(Error::new(
                    Code::TooManyRequests,
                    "too many failed sign-ins for this key or address",
                )
                .retry_after_s(u32::try_from(left).unwrap_or(1)));
            }
        }
        Ok(())
    }

    /// Counts a failure.
    pub fn note(&self, api_key: &str, address: Option<IpAddr>, now: Time) {
        for who in self.whose(api_key, address) {
            self.charge(who, 1, now);
            if let Some(tally) = &self.tally {
                tally.add(who);
            }
        }
    }

    /// What was counted since this was last asked, for other servers.
    pub fn untold(&self) -> Vec<(Sender, u32)> {
        self.tally.as_ref().map(Tally::take).unwrap_or_default()
    }

    /// Counts failures that another server saw.
    pub fn charge(&self, who: Sender, count: u32, now: Time) {
        let fresh = Window {
            since: now,
            failures: 0,
        };
        let window = self.counts.get_with(who, || Arc::new(Mutex::new(fresh)));
        let mut window = lock(&window);
        if now.as_seconds() >= window.since.as_seconds() + WINDOW_S {
            *window = fresh;
        }
        window.failures = window.failures.saturating_add(count);
    }

    fn whose(&self, api_key: &str, address: Option<IpAddr>) -> impl Iterator<Item = Sender> {
        let hash = |kind, value: &[u8]| self.secrets.blind_index(0, kind, value);
        let key = (!api_key.is_empty()).then(|| hash("failures.key", api_key.as_bytes()));
        let address = address.map(|address| hash("failures.address", &octets(address)));
        key.into_iter().chain(address)
    }
}

fn lock(window: &Mutex<Window>) -> std::sync::MutexGuard<'_, Window> {
    window
        .lock()
        .expect("no code panics while it holds this lock")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::KEY_LENGTH;

    const NOW: Time = Time::from_millis(1_700_000_000_000);

    #[test]
    fn a_key_or_an_address_is_refused_after_its_failures_until_the_minute_is_over() {
        let secrets = Arc::new(Secrets::derive(&[7; KEY_LENGTH]));
        let failures = Failures::new(2, &secrets, None);
        let (home, other) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        failures.note("a", Some(home), NOW);
        assert!(failures.check("a", Some(home), NOW).is_ok());
        failures.note("b", Some(home), NOW);
        let refused = failures
            .check("c", Some(home), NOW.plus_seconds(15))
            .unwrap_err();
        assert_eq!(refused.retry_after(), Some(45));
        assert!(failures.check("a", Some(other), NOW).is_ok());
        failures.note("a", None, NOW);
        assert!(failures.check("a", Some(other), NOW).is_err());
        assert!(
            failures
                .check("a", Some(home), NOW.plus_seconds(60))
                .is_ok()
        );
        failures.note("a", Some(home), NOW.plus_seconds(60));
        assert!(
            failures
                .check("a", Some(home), NOW.plus_seconds(60))
                .is_ok()
        );
    }
}
