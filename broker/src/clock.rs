//! The broker's clock: the only place of this crate that asks the system for the time.
//!
//! World time starts at the wall time of its creation, never before what the store has seen, and
//! runs `factor` times as fast, or as a sandbox elsewhere says. It never goes back. A live network
//! refuses any factor but 1; the sandbox and the demo allow up to 10.
//!
//! While the machine is suspended world time stands still (`CLOCK_MONOTONIC`). That is the safe
//! side: agents' clocks count the suspension, so every lease that the broker still believes in is
//! over on its agent first, and when the broker wakes its agents are heard before they are judged
//! silent. Time for which nobody was heard is not charged either way.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tandem_model::time::{Clock, WallTime, WorldTime};

/// Fastest that a world may run.
pub const FACTOR_MAX: u32 = 10;
/// A followed clock that is further behind than this has started anew; one that is less far behind
/// was read late, and is waited for.
const LAG_MAX: Duration = Duration::from_secs(5);

/// From here world time runs on.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    at: Instant,
    world: WorldTime,
    /// World time for each second of the machine's, in thousandths of a second.
    rate_permille: u32,
    /// How far world time is ahead of the clock that is followed, in microseconds.
    ahead_us: i64,
}

impl Anchor {
    fn world(&self) -> WorldTime {
        let passed = self.at.elapsed().as_micros() * u128::from(self.rate_permille) / 1_000;
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        self.world.after(Duration::from_micros(passed))
    }
}

/// World time as a multiple of monotonic time, wall time as the system says.
#[derive(Debug)]
pub struct SystemClock {
    anchor: Mutex<Anchor>,
    /// The latest world time that was told.
    told_us: AtomicI64,
}

impl SystemClock {
    /// A clock whose world runs `factor` times as fast, 1 to [`FACTOR_MAX`].
    pub fn new(factor: u32) -> Self {
        Self::not_before(factor, WorldTime::default())
    }

    /// As [`SystemClock::new`], but world time starts no earlier than `earliest`: what was recorded
    /// before a restart stays in the past.
    pub fn not_before(factor: u32, earliest: WorldTime) -> Self {
        let world = WorldTime::from_micros(system_micros()).max(earliest);
        Self {
            anchor: Mutex::new(Anchor {
                at: Instant::now(),
                world,
                rate_permille: factor.clamp(1, FACTOR_MAX) * 1_000,
                ahead_us: 0,
            }),
            told_us: AtomicI64::new(world.micros()),
        }
    }

    fn anchor(&self) -> MutexGuard<'_, Anchor> {
        self.anchor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets world time by another clock, which says `other` now and runs at `rate_permille`
    /// thousandths of the machine's speed.
    ///
    /// World time never goes back for it. A clock that is a little behind is waited for; one that
    /// is far behind started anew, and is followed from where this one is: true is returned then.
    pub fn follow(&self, other: WorldTime, rate_permille: u32) -> bool {
        let now = self.world();
        let mut anchor = self.anchor();
        let mut ahead_us = anchor.ahead_us;
        let mut world = WorldTime::from_micros(other.micros().saturating_add(ahead_us));
        let started_anew = now.since(world) > LAG_MAX;
        if started_anew {
            ahead_us = now.micros().saturating_sub(other.micros());
            world = now;
        }
        *anchor = Anchor {
            at: Instant::now(),
            world,
            rate_permille: rate_permille.clamp(1_000, FACTOR_MAX * 1_000),
            ahead_us,
        };
        started_anew
    }

    /// How many times faster than the wall clock the world runs, in whole times, rounded up: an
    /// agent that counts by it never takes its lease for longer than it is.
    pub fn factor(&self) -> u32 {
        self.anchor().rate_permille.div_ceil(1_000)
    }

    /// How long a span of world time takes on the wall.
    pub fn wall_span(&self, world: Duration) -> Duration {
        let permille = self.anchor().rate_permille;
        world.saturating_mul(1_000) / permille
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the shell's clock, handed to all others"
)]
fn system_micros() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX))
}

impl Clock for SystemClock {
    fn world(&self) -> WorldTime {
        let now_us = self.anchor().world().micros();
        let told_us = self.told_us.fetch_max(now_us, Ordering::AcqRel);
        WorldTime::from_micros(told_us.max(now_us))
    }

    fn wall(&self) -> WallTime {
        WallTime::from_micros(system_micros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_is_kept_in_its_range() {
        assert_eq!(SystemClock::new(0).factor(), 1);
        assert_eq!(SystemClock::new(99).factor(), FACTOR_MAX);
        assert_eq!(
            SystemClock::new(10).wall_span(Duration::from_secs(30)),
            Duration::from_secs(3)
        );
    }

    #[test]
    fn world_time_never_goes_back() {
        let clock = SystemClock::new(10);
        let first = clock.world();
        assert!(clock.world() >= first);
    }

    #[test]
    fn after_a_restart_world_time_goes_on_where_the_store_left_it() {
        let seen = SystemClock::new(1)
            .world()
            .after(Duration::from_secs(3_600));
        assert!(SystemClock::not_before(1, seen).world() >= seen);
    }

    #[test]
    fn a_followed_clock_that_jumps_ahead_takes_world_time_along() {
        let clock = SystemClock::new(1);
        let ahead = clock.world().after(Duration::from_secs(86_400));
        assert!(!clock.follow(ahead, 2_500));
        assert!(clock.world() >= ahead);
        assert_eq!(
            clock.wall_span(Duration::from_secs(5)),
            Duration::from_secs(2)
        );
        assert_eq!(clock.factor(), 3, "an agent's lease ends early, never late");
    }

    #[test]
    fn a_followed_clock_that_starts_anew_is_followed_from_here() {
        let clock = SystemClock::new(1);
        let before = clock.world().after(Duration::from_secs(86_400));
        clock.follow(before, 1_000);
        let anew = WorldTime::from_micros(0);
        assert!(clock.follow(anew, 1_000));
        let now = clock.world();
        assert!(now >= before);
        assert!(!clock.follow(anew.after(Duration::from_secs(60)), 1_000));
        assert!(clock.world() >= now.after(Duration::from_secs(60)));
    }

    #[test]
    fn a_followed_clock_that_is_read_late_does_not_turn_time_back() {
        let clock = SystemClock::new(1);
        let told = clock.world();
        let late = WorldTime::from_micros(told.micros() - 1_000_000);
        assert!(!clock.follow(late, 1_000));
        assert!(clock.world() >= told);
    }
}
