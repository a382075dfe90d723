//! When a delivery is attempted, and what an attempt leads to. Contract section 9.

use aws_lc_rs::digest;

use crate::context::{Context, Time};
use crate::id::{DeliveryId, EventId, WebhookId, at_with};
use crate::store::delivery::{DeliveryRow, State};

/// Attempts in all, unless somebody asks for another.
pub const ATTEMPTS: i64 = 10;

/// Seconds that no wait for another attempt is longer than.
pub const LONGEST_WAIT_S: i64 = 120_000;

/// Seconds between one attempt and the next: about three days together.
const WAITS_S: [i64; 9] = [5, 30, 120, 600, 3600, 14_400, 43_200, 86_400, 108_000];

/// A wait is longer or shorter by up to so many percent, so that not all come at once.
const JITTER_PERCENT: i64 = 10;

/// A webhook of which nothing was taken for so long is disabled.
pub const DISABLED_AFTER_S: i64 = 5 * 86_400;

/// How long the history is kept.
pub const HISTORY_S: i64 = 30 * 86_400;

/// Characters of an error that are kept.
const LONGEST_ERROR: usize = 200;

/// The status by which a receiver says that it is gone for good.
pub const GONE: u16 = 410;

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The receiver answered with a status.
    Answered(u16),
    /// There was no answer.
    Failed(String),
}

impl Attempt {
    /// Whether the receiver took it.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self, Self::Answered(200..=299))
    }
}

/// The id of a delivery follows from webhook and event, so that whoever sends again
/// after a crash sends the same one.
#[must_use]
pub fn id_of(webhook: WebhookId, event: EventId) -> DeliveryId {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(webhook.as_bytes());
    context.update(event.as_bytes());
    let hash = context.finish();
    let bits = hash.as_ref()[..16].try_into().expect("a hash is longer");
    DeliveryId::from_bytes(at_with(event.time(), bits))
}

/// A delivery that is to be attempted at a moment; an event comes with when it happened, where
/// the time in its id is not that.
#[must_use]
pub fn pending(
    webhook: WebhookId,
    (event, happened_at): (EventId, Option<Time>),
    kind: &str,
    next_at: Time,
) -> DeliveryRow {
    DeliveryRow {
        webhook,
        id: id_of(webhook, event),
        event,
        happened_at,
        kind: kind.to_owned(),
        state: State::Pending,
        attempts: 0,
        last_at: None,
        next_at: Some(next_at),
        status: None,
        error: None,
    }
}

/// The delivery after an attempt.
#[must_use]
pub fn after(row: &DeliveryRow, attempt: &Attempt, context: &Context) -> DeliveryRow {
    let planned = context.settled_now();
    let attempts = row.attempts + 1;
    let wait = usize::try_from(row.attempts).ok();
    let wait = wait.and_then(|place| WAITS_S.get(place).copied());
    let (state, next_at) = match wait {
        _ if attempt.is_success() => (State::Delivered, None),
        Some(wait_s) => (State::Pending, Some(jittered(planned, wait_s, context))),
        None => (State::Failed, None),
    };
    let (status, error) = match attempt {
        Attempt::Answered(status) if attempt.is_success() => (Some(*status), None),
        Attempt::Answered(status) => (Some(*status), Some(format!("answered {status}"))),
        Attempt::Failed(why) => (None, Some(why.chars().take(LONGEST_ERROR).collect())),
    };
    DeliveryRow {
        state,
        attempts,
        last_at: Some(context.now()),
        next_at,
        status: status.map(i64::from),
        error,
        ..row.clone()
    }
}

/// A moment about so many seconds from another.
#[must_use]
pub fn jittered(now: Time, wait_s: i64, context: &Context) -> Time {
    let random = i64::from(u16::from_be_bytes(context.random.bytes()));
    let spread = wait_s * 1000 * JITTER_PERCENT / 100;
    let offset = spread * (2 * random - i64::from(u16::MAX)) / i64::from(u16::MAX);
    Time::from_millis(now.as_millis() + wait_s * 1000 + offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{Clock, Random};

    #[test]
    fn ten_attempts_over_about_three_days_with_growing_waits() {
        let clock = std::sync::Arc::new(std::sync::atomic::AtomicI64::new(0));
        let context = Context::new(
            Clock::Manual(std::sync::Arc::clone(&clock)),
            Random::seeded(9),
        );
        let event = EventId::from_bytes([7; 16]);
        let mut row = pending(
            WebhookId::from_bytes([1; 16]),
            (event, None),
            "x",
            context.now(),
        );
        let mut last = 0;
        while let Some(next) = row.next_at {
            let wait = next.as_millis() - clock.load(std::sync::atomic::Ordering::SeqCst);
            assert!(row.attempts == 0 || wait > last, "attempt {}", row.attempts);
            last = wait;
            clock.store(next.as_millis(), std::sync::atomic::Ordering::SeqCst);
            row = after(&row, &Attempt::Answered(500), &context);
        }
        assert_eq!((row.attempts, row.state), (ATTEMPTS, State::Failed));
        let days = context.now().as_seconds() / 3600;
        assert!((60..84).contains(&days), "{days} hours");
        let taken = after(&row, &Attempt::Answered(204), &context);
        assert_eq!((taken.state, taken.next_at), (State::Delivered, None));
    }

    #[test]
    fn an_id_follows_from_webhook_and_event_and_keeps_the_events_time() {
        let context = Context::new(Clock::System, Random::seeded(1));
        let event = EventId::from_bytes(context.new_id());
        let (one, other) = (
            WebhookId::from_bytes([1; 16]),
            WebhookId::from_bytes([2; 16]),
        );
        assert_eq!(id_of(one, event), id_of(one, event));
        assert_ne!(id_of(one, event), id_of(other, event));
        assert_eq!(id_of(one, event).time(), event.time());
    }
}
