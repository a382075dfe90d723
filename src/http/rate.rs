//! How many requests one API key or one address may send: a bucket of tokens
//! each, kept as the one moment at which it would be full again (GCRA).
//!
//! Memory is bounded: who has not sent for a while is forgotten, which changes
//! nothing, and a flood of new addresses pushes out others of its kind.
//!
//! Several servers on one database tell each other what they let through
//! (`jobs/limits.rs`), and what others did is charged to the same bucket: it may be
//! emptier than empty, until the long run is right.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::http::HeaderValue;

use super::tally::{Sender, Tally};
use crate::context::Time;
use crate::error::{Code, Error};
use crate::vault::Secrets;

/// Independent parts, so that requests rarely wait for each other.
const SHARDS: usize = 16;

/// Senders that one part remembers; 64 Ki in all, 1 MiB.
const SENDERS_PER_SHARD: usize = 4096;

const NANOS_PER_S: i64 = 1_000_000_000;

/// Buckets that a sender may owe for what other servers let through.
const OWED_AT_MOST: i64 = 8;

/// Whose requests are counted, as the headers name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Those of one API key.
    Key,
    /// Those of one address, of one /64 network for IPv6.
    Address,
}

/// A limit: so many a second in the long run, and so many at once.
#[derive(Debug)]
pub struct RateLimit {
    policy: Policy,
    /// Nanoseconds until one more request is allowed.
    interval: i64,
    burst: u32,
    secrets: Arc<Secrets>,
    shards: [Mutex<Shard>; SHARDS],
    /// Where there are other servers.
    tally: Option<Tally>,
}

/// By the sender: when its bucket is full again, in nanoseconds
/// of the steady clock. A sender that is not here has a full bucket.
#[derive(Debug, Default)]
struct Shard {
    full_at: HashMap<Sender, i64>,
    swept_at: i64,
}

/// Where a sender stands after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    policy: Policy,
    /// Whether this request was allowed.
    allowed: bool,
    /// Requests that a full bucket holds.
    quota: u32,
    /// Seconds in which an empty bucket fills.
    window_s: i64,
    /// Requests that are allowed at this moment.
    remaining: i64,
    /// Seconds until all of the quota is.
    full_in_s: i64,
    /// Seconds until one more is.
    retry_in_s: i64,
}

impl RateLimit {
    /// A limit of so many a second and so many at once; `None` when it is off.
    #[must_use]
    pub fn new(
        policy: Policy,
        (per_s, burst): (u32, u32),
        secrets: &Arc<Secrets>,
        tally: Option<Tally>,
    ) -> Option<Self> {
        (per_s > 0).then(|| Self {
            policy,
            interval: NANOS_PER_S / i64::from(per_s),
            burst: burst.max(1),
            secrets: Arc::clone(secrets),
            shards: Default::default(),
            tally,
        })
    }

    /// Takes one token of this sender, if there is one.
    pub fn take(&self, sender: &[u8], now: Time) -> Standing {
        let sender = self.secrets.blind_index(0, self.policy.limit(), sender);
        let now = nanos(now);
        let depth = self.depth();
        let mut shard = self.shard(sender);
        let before = self.full_at(&shard, sender, now);
        let after = before.saturating_add(self.interval);
        let allowed = after - now <= depth;
        let full_at = if allowed { after } else { before };
        shard.remember(sender, full_at, now);
        drop(shard);
        if let Some(tally) = self.tally.as_ref().filter(|_| allowed) {
            tally.add(sender);
        }
        let debt = full_at - now;
        Standing {
            policy: self.policy,
            allowed,
            quota: self.burst,
            window_s: seconds(depth),
            remaining: ((depth - debt) / self.interval).max(0),
            full_in_s: seconds(debt),
            retry_in_s: seconds(debt + self.interval - depth),
        }
    }

    /// What was let through since this was last asked, for other servers.
    pub fn untold(&self) -> Vec<(Sender, u32)> {
        self.tally.as_ref().map(Tally::take).unwrap_or_default()
    }

    /// Takes what another server let through, whether there is that much or not.
    pub fn charge(&self, sender: Sender, count: u32, now: Time) {
        let now = nanos(now);
        let mut shard = self.shard(sender);
        let cost = self.interval.saturating_mul(i64::from(count));
        let full_at = self.full_at(&shard, sender, now).saturating_add(cost);
        shard.remember(sender, full_at, now);
    }

    /// A clock that was set back must not lock anybody out: no bucket can be emptier than
    /// empty, and what others let through.
    fn full_at(&self, shard: &Shard, sender: Sender, now: i64) -> i64 {
        let owed = self.tally.as_ref().map_or(0, |_| OWED_AT_MOST);
        let deepest = self.depth().saturating_mul(1 + owed);
        let known = shard.full_at.get(&sender).copied().unwrap_or(now);
        known.clamp(now, now.saturating_add(deepest))
    }

    fn depth(&self) -> i64 {
        self.interval.saturating_mul(i64::from(self.burst))
    }

    fn shard(&self, sender: Sender) -> MutexGuard<'_, Shard> {
        let place = sender.cast_unsigned() % SHARDS as u64;
        lock(&self.shards[usize::try_from(place).unwrap_or_default()])
    }
}

impl Policy {
    /// What its senders are hashed for.
    const fn limit(self) -> &'static str {
        match self {
            Self::Key => "rateLimit.key",
            Self::Address => "rateLimit.address",
        }
    }
}

impl Shard {
    fn remember(&mut self, sender: Sender, full_at: i64, now: i64) {
        if self.full_at.len() >= SENDERS_PER_SHARD && !self.full_at.contains_key(&sender) {
            self.make_room(now);
        }
        self.full_at.insert(sender, full_at);
    }

    /// Full buckets go first, looked for once a second; else any one.
    fn make_room(&mut self, now: i64) {
        if now.abs_diff(self.swept_at) >= NANOS_PER_S.unsigned_abs() {
            self.swept_at = now;
            self.full_at.retain(|_, full_at| *full_at > now);
        }
        if self.full_at.len() >= SENDERS_PER_SHARD {
            let any = self.full_at.keys().next().copied();
            any.map(|sender| self.full_at.remove(&sender));
        }
    }
}

impl Standing {
    /// The refusal, when the request was not allowed.
    #[must_use]
    pub fn refusal(&self) -> Option<Error> {
        let retry_in_s = u32::try_from(self.retry_in_s.max(1)).unwrap_or(u32::MAX);
        (!self.allowed).then(|| {
            Error::new(
                Code::TooManyRequests,
                match self.policy {
                    Policy::Key => "this API key sends too many requests",
                    Policy::Address => "this address sends too many requests",
                },
            )
            .retry_after_s(retry_in_s)
        })
    }

    const fn name(&self) -> &'static str {
        match self.policy {
            Policy::Key => "key",
            Policy::Address => "address",
        }
    }
}

/// The values of `RateLimit-Policy` and `RateLimit`
/// (draft-ietf-httpapi-ratelimit-headers-11): one member per limit.
pub(super) fn headers(standings: &[Standing]) -> Option<(HeaderValue, HeaderValue)> {
    let (mut policies, mut limits) = (String::with_capacity(64), String::with_capacity(64));
    for (place, standing) in standings.iter().enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        let (name, quota, window) = (standing.name(), standing.quota, standing.window_s);
        let (remaining, reset) = (standing.remaining, standing.full_in_s);
        _ = write!(policies, "{comma}\"{name}\";q={quota};w={window}");
        _ = write!(limits, "{comma}\"{name}\";r={remaining};t={reset}");
    }
    let policies = HeaderValue::from_maybe_shared(bytes::Bytes::from(policies)).ok()?;
    let limits = HeaderValue::from_maybe_shared(bytes::Bytes::from(limits)).ok()?;
    (!standings.is_empty()).then_some((policies, limits))
}

fn nanos(time: Time) -> i64 {
    time.as_millis().saturating_mul(1_000_000)
}

/// Whole seconds, rounded up.
fn seconds(nanos: i64) -> i64 {
    nanos
        .saturating_add(NANOS_PER_S - 1)
        .div_euclid(NANOS_PER_S)
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard
        .lock()
        .expect("no code panics while it holds this lock")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::KEY_LENGTH;

    const NOW: Time = Time::from_millis(1_700_000_000_000);

    fn of(policy: Policy, rate: (u32, u32), tally: Option<Tally>) -> RateLimit {
        let secrets = Arc::new(Secrets::derive(&[7; KEY_LENGTH]));
        RateLimit::new(policy, rate, &secrets, tally).expect("it is on")
    }

    fn limit(per_s: u32, burst: u32) -> RateLimit {
        of(Policy::Key, (per_s, burst), None)
    }

    #[test]
    fn a_burst_is_allowed_and_then_the_rate() {
        let limit = limit(2, 4);
        let left: Vec<_> = (0..4).map(|_| limit.take(b"a", NOW).remaining).collect();
        assert_eq!(left, [3, 2, 1, 0]);
        let refused = limit.take(b"a", NOW);
        assert_eq!(refused.refusal().unwrap().retry_after(), Some(1));
        assert!(limit.take(b"b", NOW).allowed, "another sender");
        let later = NOW.plus_seconds(1);
        assert!(limit.take(b"a", later).allowed);
        assert!(limit.take(b"a", later).allowed);
        assert!(!limit.take(b"a", later).allowed);
        assert_eq!(limit.take(b"a", NOW.plus_seconds(60)).remaining, 3);
    }

    #[test]
    fn a_refused_request_costs_nothing() {
        let limit = limit(1, 1);
        assert!(limit.take(b"a", NOW).allowed);
        for _ in 0..100 {
            assert!(!limit.take(b"a", NOW).allowed);
        }
        assert!(limit.take(b"a", NOW.plus_seconds(1)).allowed);
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let limit = limit(1, 2);
        limit.take(b"a", NOW);
        let earlier = NOW.plus_seconds(-3600);
        limit.take(b"a", earlier);
        assert!(limit.take(b"a", earlier.plus_seconds(2)).allowed);
    }

    #[test]
    fn what_another_server_let_through_is_owed_to_the_long_run() {
        let [here, there] = [0; 2].map(|_| of(Policy::Key, (2, 4), Some(Tally::default())));
        let mut allowed = 0;
        for second in 0..60 {
            let now = NOW.plus_seconds(second);
            for server in [&here, &there] {
                allowed += (0..50).filter(|_| server.take(b"a", now).allowed).count();
            }
            for (from, to) in [(&here, &there), (&there, &here)] {
                for (sender, count) in from.untold() {
                    to.charge(sender, count, now);
                }
            }
        }
        // Twice the burst, then the rate, give or take what is not told yet.
        assert!((100..=132).contains(&allowed), "{allowed}");
        assert_eq!(here.take(b"a", NOW.plus_seconds(59)).remaining, 0);
        assert!(here.take(b"a", NOW.plus_seconds(90)).allowed);
    }

    #[test]
    fn memory_is_bounded_under_a_flood() {
        let limit = limit(1, 10);
        for sender in 0..SHARDS * SENDERS_PER_SHARD * 2 {
            limit.take(&sender.to_be_bytes(), NOW);
        }
        let kept = |shard| lock(shard).full_at.len();
        assert!(
            limit
                .shards
                .iter()
                .all(|shard| kept(shard) <= SENDERS_PER_SHARD)
        );
        // Everybody's bucket is full again: the next sweep forgets them.
        for sender in 0..SHARDS * 64 {
            limit.take(format!("later {sender}").as_bytes(), NOW.plus_seconds(20));
        }
        assert!(limit.shards.iter().all(|shard| kept(shard) < 1024));
    }

    #[test]
    fn the_headers_are_lists_of_the_draft() {
        let address = of(Policy::Address, (100, 200), None);
        let both = [limit(2, 4).take(b"a", NOW), address.take(b"b", NOW)];
        let (policies, limits) = headers(&both).unwrap();
        assert_eq!(policies, "\"key\";q=4;w=2, \"address\";q=200;w=2");
        assert_eq!(limits, "\"key\";r=3;t=1, \"address\";r=199;t=1");
        assert_eq!(headers(&[]), None);
    }
}
