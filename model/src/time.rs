//! Two kinds of time that must not be mixed: `world` and `wall`.
//!
//! World time drives leases, intervals, billing, prepaid time and timers; the sandbox may run it
//! faster. Wall time drives HTTP deadlines, rate limits, signatures and webhooks. Both are
//! microseconds since 1970-01-01T00:00:00Z.

use std::time::Duration;

use serde::{Deserialize, Serialize};

fn duration_us(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// A moment of the world clock, in microseconds since 1970.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct WorldTime(i64);

/// A moment of the wall clock, in microseconds since 1970.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct WallTime(i64);

impl WorldTime {
    /// From microseconds since 1970.
    pub const fn from_micros(us: i64) -> Self {
        Self(us)
    }

    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The moment `duration` later; stops at the end of the range.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration_us(duration)))
    }

    /// How much time passed since `earlier`; zero when `earlier` lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl WallTime {
    /// From microseconds since 1970.
    pub const fn from_micros(us: i64) -> Self {
        Self(us)
    }

    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since 1970, never negative.
    pub fn unix_ms(self) -> u64 {
        u64::try_from(self.0 / 1_000).unwrap_or(0)
    }

    /// The moment `duration` later; stops at the end of the range.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration_us(duration)))
    }

    /// How much time passed since `earlier`; zero when `earlier` lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// Where time comes from. The broker's clock reads the system; a simulated one is moved by hand.
pub trait Clock: Send + Sync {
    /// World time now.
    fn world(&self) -> WorldTime;
    /// Wall time now.
    fn wall(&self) -> WallTime;
}

/// Whole seconds as `1 h 02 min`, `24 h`, `3 min 04 s`, `3 min` or `5 s`.
pub fn in_words(seconds: u64) -> String {
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes} min {seconds:02} s"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes:02} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stops_at_the_end_of_its_range() {
        let end = WorldTime::from_micros(i64::MAX);
        assert_eq!(end.after(Duration::from_secs(1)), end);
        assert_eq!(WorldTime::default().since(end), Duration::ZERO);
    }

    #[test]
    fn a_moment_and_its_distance_agree() {
        let start = WallTime::from_micros(5);
        let later = start.after(Duration::from_millis(3));
        assert_eq!(later.since(start), Duration::from_millis(3));
        assert_eq!(later.unix_ms(), 3);
    }

    #[test]
    fn spans_are_short_in_words() {
        let words = [5, 180, 184, 3_725, 86_400].map(in_words);
        assert_eq!(words, ["5 s", "3 min", "3 min 04 s", "1 h 02 min", "24 h"]);
    }
}
