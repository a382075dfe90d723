//! Clock and randomness, handed in and never ambient, so that a test can hold
//! both in its hand.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::{digest, rand};

pub use crate::clock::Clock;
use crate::clock::Standing;
use crate::id::{IdSource, time_of};

/// An id whose time is further ahead than this was held up: its time is not when it was made.
const HELD_UP_MS: i64 = 1000;

/// The last year that four digits write.
const LAST_YEAR: i16 = 9999;

/// A moment in UTC, to the millisecond. Displays as RFC 3339 with `Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// A moment from milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The moment so many seconds later (earlier, when negative).
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// The moment later by an ISO 8601 duration, by the calendar of UTC.
    #[must_use]
    pub fn plus_duration(self, text: &str) -> Option<Self> {
        let span: jiff::Span = text.parse().ok()?;
        let zoned = self.timestamp().to_zoned(jiff::tz::TimeZone::UTC);
        let later = zoned.checked_add(span).ok()?;
        Some(Self(later.timestamp().as_millisecond()))
    }

    /// The day in UTC.
    #[must_use]
    pub fn date(self) -> jiff::civil::Date {
        self.timestamp().to_zoned(jiff::tz::TimeZone::UTC).date()
    }

    /// Reads RFC 3339 with any offset; precision below a millisecond is cut.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
            return Some(Self(timestamp.as_millisecond()));
        }
        // The last hours of 9999, which every calendar has, lie beyond what the library holds.
        let pieces = jiff::fmt::temporal::Pieces::parse(text).ok()?;
        if pieces.date().year() != LAST_YEAR {
            return None;
        }
        let (date, time, offset) = (pieces.date(), pieces.time()?, pieces.to_numeric_offset()?);
        let day = date - jiff::civil::date(1970, 1, 1);
        let day_ms = i64::from(day.get_days()) * 86_400_000;
        let midnight = jiff::civil::Time::midnight();
        let time_ms = (time.duration_since(midnight)).as_millis();
        let offset_ms = i64::from(offset.seconds()) * 1000;
        Some(Self(day_ms + i64::try_from(time_ms).ok()? - offset_ms))
    }

    fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::MAX)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:.3}", self.timestamp())
    }
}

impl serde::Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

/// Where random bytes come from.
#[derive(Debug)]
pub enum Random {
    /// The cryptographic generator of the library, seeded by the machine.
    System,
    /// Repeatable bytes from a seed, for tests only.
    Seeded {
        /// What the bytes follow from.
        seed: u64,
        /// How many blocks were drawn.
        drawn: AtomicU64,
    },
}

impl Random {
    /// Repeatable bytes, for tests only.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self::Seeded {
            seed,
            drawn: AtomicU64::new(0),
        }
    }

    /// Fills the buffer.
    pub fn fill(&self, buffer: &mut [u8]) {
        match self {
            #[expect(
                clippy::disallowed_methods,
                reason = "the one place that draws randomness"
            )]
            Self::System => rand::fill(buffer).expect("the system generator does not run dry"),
            Self::Seeded { seed, drawn } => {
                for chunk in buffer.chunks_mut(digest::SHA256_OUTPUT_LEN) {
                    let count = drawn.fetch_add(1, Ordering::SeqCst);
                    let block = [seed.to_be_bytes(), count.to_be_bytes()].concat();
                    let bytes = digest::digest(&digest::SHA256, &block);
                    chunk.copy_from_slice(&bytes.as_ref()[..chunk.len()]);
                }
            }
        }
    }

    /// So many random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

/// What a command may know of the world beside the store.
#[derive(Clone, Debug)]
pub struct Context {
    /// Where the time comes from.
    pub clock: Clock,
    /// Where random bytes come from.
    pub random: Arc<Random>,
    ids: Arc<IdSource>,
    standing: Arc<Standing>,
    offset_s: i64,
}

impl Context {
    /// The machine's clock and randomness.
    #[must_use]
    pub fn system() -> Self {
        Self::new(Clock::System, Random::System)
    }

    /// A context from its parts.
    #[must_use]
    pub fn new(clock: Clock, random: Random) -> Self {
        Self {
            standing: Arc::new(Standing::begin(&clock)),
            clock,
            random: Arc::new(random),
            ids: Arc::default(),
            offset_s: 0,
        }
    }

    /// This moment, as the wall clock says.
    #[must_use]
    pub fn now(&self) -> Time {
        self.clock.now().plus_seconds(self.offset_s)
    }

    /// This moment, or the one before where the clock went back a little since.
    #[must_use]
    pub fn now_after(&self, before: Time) -> Time {
        let now = self.now();
        if before.as_millis() - now.as_millis() > HELD_UP_MS {
            // It was ahead then.
            return now;
        }
        now.max(before)
    }

    /// A time for waits within this process, of which no other knows; see [`crate::clock`].
    #[must_use]
    pub fn steady_now(&self) -> Time {
        self.clock.steady_now()
    }

    /// The time by which waits that are stored are planned; see [`crate::clock`].
    #[must_use]
    pub fn settled_now(&self) -> Time {
        self.standing.settled(&self.clock)
    }

    /// The time by which something may be deleted or expires; see [`crate::clock`].
    #[must_use]
    pub fn cautious_now(&self) -> Time {
        self.standing.cautious(&self.clock)
    }

    /// Takes note of the time that the store was last told.
    pub fn continue_from(&self, told: Time) {
        self.standing.continue_from(&self.clock, told);
    }

    /// The same with a clock that is so many seconds ahead. Ids keep to the clock
    /// itself, because they rise over all projects.
    #[must_use]
    pub fn ahead(&self, seconds: i64) -> Self {
        Self {
            offset_s: seconds,
            ..self.clone()
        }
    }

    /// How many seconds the clock is ahead.
    #[must_use]
    pub const fn offset_s(&self) -> i64 {
        self.offset_s
    }

    /// A new id value of this moment, above all that were made before.
    #[must_use]
    pub fn new_id(&self) -> [u8; 16] {
        self.ids.next(self.clock.now(), &self.random)
    }

    /// The same, and when it was made where the id does not say that: after a clock that was
    /// ahead, ids go on behind those of then.
    #[must_use]
    pub fn new_dated_id(&self) -> ([u8; 16], Option<Time>) {
        let now = self.clock.now();
        let id = self.ids.next(now, &self.random);
        let ahead_ms = time_of(&id).as_millis() - now.as_millis();
        (id, (ahead_ms > HELD_UP_MS).then_some(now))
    }

    /// Continues after an id that is stored already.
    pub fn continue_after(&self, id: [u8; 16]) {
        self.ids.continue_after(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_with_milliseconds_and_z() {
        let time = Time::from_millis(1_700_000_000_000);
        assert_eq!(time.to_string(), "2023-11-14T22:13:20.000Z");
        assert_eq!(Time::parse("2023-11-14T23:13:20+01:00"), Some(time));
        assert_eq!(Time::parse("2023-11-14"), None);
    }

    #[test]
    fn seeded_randomness_repeats() {
        let (a, b) = (Random::seeded(7), Random::seeded(7));
        assert_eq!(a.bytes::<40>(), b.bytes::<40>());
        assert_ne!(a.bytes::<40>(), Random::seeded(7).bytes::<40>());
    }
}
