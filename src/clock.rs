//! Where the time comes from, and how far it is to be believed.
//!
//! A wall clock can be set: by a time service, by hand, by a virtual machine that wakes up. So
//! there are four times, and whoever asks says what for:
//!
//! - the wall clock's: what answers and rows say, and how long a token is good;
//! - a steady one, which nobody can set: for waits within a process;
//! - the settled one, which follows a wall clock that was set once it has stood there for
//!   [`SETTLING_MS`]: for waits that are stored;
//! - the cautious one, the earliest of what may be true: for what is deleted or expires.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use crate::context::Time;

/// How long a wall clock that was set must have stood there before it is believed: ten minutes.
pub const SETTLING_MS: i64 = 600_000;

/// A wall clock that differs by no more than this was adjusted and not set.
const STEP_MS: i64 = 1000;

/// Names the file by which a test moves the clocks of a debug build.
const CLOCK_FILE: &str = "OMS_CLOCK_FILE";

/// A clock.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// Milliseconds that stand still until somebody moves them.
    Manual(Arc<AtomicI64>),
}

/// What a clock says at one moment, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Reading {
    /// The wall clock, since 1970.
    wall: i64,
    /// Since a moment that only this process knows; never set, never back.
    steady: i64,
}

impl Clock {
    /// What the wall clock says.
    #[must_use]
    pub fn now(&self) -> Time {
        Time::from_millis(self.read().wall)
    }

    /// A time that passes evenly whatever becomes of the wall clock, from which it started. It
    /// is of use only within this process, and only beside others of its kind.
    #[must_use]
    pub fn steady_now(&self) -> Time {
        Time::from_millis(self.read().steady)
    }

    fn read(&self) -> Reading {
        match self {
            Self::System => read_system(),
            Self::Manual(millis) => {
                let millis = millis.load(Ordering::SeqCst);
                Reading {
                    wall: millis,
                    steady: millis,
                }
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the machine's clocks"
)]
fn read_system() -> Reading {
    static START: LazyLock<(std::time::Instant, i64)> = LazyLock::new(|| {
        let wall = jiff::Timestamp::now().as_millisecond();
        (std::time::Instant::now(), wall)
    });
    let (start, wall_then) = *START;
    let passed = i64::try_from(start.elapsed().as_millis()).unwrap_or(i64::MAX);
    let moved = moved_by_test();
    Reading {
        wall: jiff::Timestamp::now().as_millisecond() + moved.set + moved.passed,
        steady: wall_then + passed + moved.passed,
    }
}

/// What a test does to the machine's clocks, in milliseconds.
#[derive(Clone, Copy, Default)]
struct Moved {
    /// How far the wall clock was set.
    set: i64,
    /// How much more time has passed than really did.
    passed: i64,
}

/// Whether a test moves the clocks, which none does in a release build.
#[must_use]
pub fn is_moved_by_test() -> bool {
    cfg!(debug_assertions) && std::env::var_os(CLOCK_FILE).is_some()
}

/// In debug builds a test moves the clocks by two numbers of seconds in the file that
/// `OMS_CLOCK_FILE` names: how far the wall clock is set, and how much time has passed
/// besides. A release build has no such thing.
fn moved_by_test() -> Moved {
    #[cfg(debug_assertions)]
    if let Some(path) = std::env::var_os(CLOCK_FILE) {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let mut seconds = text.split_whitespace().map(str::parse::<i64>);
        let mut next = || seconds.next().and_then(Result::ok).unwrap_or_default() * 1000;
        let (set, passed) = (next(), next());
        return Moved { set, passed };
    }
    Moved::default()
}

/// How the wall clock of a process stood so far.
#[derive(Debug)]
pub(crate) struct Standing(Mutex<Stand>);

#[derive(Clone, Copy, Debug)]
struct Stand {
    /// How far the wall clock is ahead of the steady one where it is believed.
    believed: i64,
    /// Where it stands since it was set, and from when on.
    set: Option<(i64, i64)>,
    /// What the store was last told, ahead of the steady clock, and until when that bounds
    /// the cautious time.
    told: Option<(i64, i64)>,
}

impl Standing {
    /// Of a process that begins: it takes the clock as it is.
    pub(crate) fn begin(clock: &Clock) -> Self {
        let Reading { wall, steady } = clock.read();
        Self(Mutex::new(Stand {
            believed: wall - steady,
            set: None,
            told: None,
        }))
    }

    /// Takes note of the time that the store was last told: a clock that stands elsewhere may
    /// have been set while no process looked.
    pub(crate) fn continue_from(&self, clock: &Clock, told: Time) {
        let steady = clock.read().steady;
        let mut stand = self.lock();
        stand.told = Some((told.as_millis() - steady, steady + SETTLING_MS));
    }

    pub(crate) fn settled(&self, clock: &Clock) -> Time {
        let reading = clock.read();
        Time::from_millis(self.lock().settled(reading))
    }

    pub(crate) fn cautious(&self, clock: &Clock) -> Time {
        let reading = clock.read();
        Time::from_millis(self.lock().cautious(reading))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Stand> {
        self.0
            .lock()
            .expect("no code panics while it holds this lock")
    }
}

impl Stand {
    fn settled(&mut self, Reading { wall, steady }: Reading) -> i64 {
        let ahead = wall - steady;
        let is_near = |other: i64| ahead.abs_diff(other) <= STEP_MS.unsigned_abs();
        if is_near(self.believed) {
            (self.believed, self.set) = (ahead, None);
        } else {
            let since = self.set.filter(|(there, _)| is_near(*there));
            let since = since.map_or(steady, |(_, since)| since);
            self.set = Some((ahead, since));
            if steady - since >= SETTLING_MS {
                (self.believed, self.set) = (ahead, None);
            }
        }
        steady + self.believed
    }

    fn cautious(&mut self, reading: Reading) -> i64 {
        let earliest = self.settled(reading).min(reading.wall);
        let told = self.told.filter(|(_, until)| reading.steady < *until);
        told.map_or(earliest, |(ahead, _)| earliest.min(reading.steady + ahead))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;
    const DAY: i64 = 24 * 60 * MINUTE;

    fn stand() -> Stand {
        Stand {
            believed: 0,
            set: None,
            told: None,
        }
    }

    fn at(steady: i64, set: i64) -> Reading {
        let wall = steady + set;
        Reading { wall, steady }
    }

    #[test]
    fn a_clock_that_jumps_and_comes_back_is_never_believed() {
        for jump in [10 * DAY, -3 * DAY] {
            let mut stand = stand();
            for minute in 0..100 {
                let set = if (5..14).contains(&minute) { jump } else { 0 };
                let reading = at(minute * MINUTE, set);
                assert_eq!(stand.settled(reading), reading.steady, "minute {minute}");
                let earliest = reading.steady.min(reading.wall);
                assert_eq!(stand.cautious(reading), earliest, "minute {minute}");
            }
        }
    }

    #[test]
    fn a_clock_that_was_set_is_believed_once_it_has_stood_for_ten_minutes() {
        let mut stand = stand();
        stand.settled(at(0, 0));
        assert_eq!(stand.cautious(at(1, DAY)), 1);
        // Another jump begins another wait.
        assert_eq!(stand.cautious(at(9 * MINUTE, 2 * DAY)), 9 * MINUTE);
        assert_eq!(stand.cautious(at(18 * MINUTE, 2 * DAY)), 18 * MINUTE);
        let reading = at(19 * MINUTE, 2 * DAY);
        assert_eq!(stand.cautious(reading), reading.wall);
        // Back again: at once for what expires, later for what is planned.
        let back = at(20 * MINUTE, 0);
        assert_eq!(stand.cautious(back), back.wall);
        assert_eq!(stand.settled(back), back.steady + 2 * DAY);
        let later = at(30 * MINUTE, 0);
        assert_eq!(stand.settled(later), later.wall);
    }

    #[test]
    fn a_clock_that_is_adjusted_is_followed() {
        let mut stand = stand();
        for second in 0..10_000 {
            let reading = at(second * 1000, second);
            assert_eq!(stand.cautious(reading), reading.wall);
        }
    }

    #[test]
    fn after_a_start_nothing_expires_by_a_clock_that_is_ahead_of_the_store_for_ten_minutes() {
        let clock = Clock::Manual(Arc::new(AtomicI64::new(10 * DAY)));
        let standing = Standing::begin(&clock);
        standing.continue_from(&clock, Time::from_millis(MINUTE));
        assert_eq!(standing.cautious(&clock).as_millis(), MINUTE);
        assert_eq!(standing.settled(&clock).as_millis(), 10 * DAY);
        let Clock::Manual(millis) = &clock else {
            panic!("it is one that the test moves");
        };
        millis.fetch_add(SETTLING_MS - 1, Ordering::SeqCst);
        let bounded = standing.cautious(&clock).as_millis();
        assert_eq!(bounded, MINUTE + SETTLING_MS - 1);
        millis.fetch_add(1, Ordering::SeqCst);
        assert_eq!(standing.cautious(&clock), clock.now());
    }
}
