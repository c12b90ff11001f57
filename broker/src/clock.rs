//! The broker's clock: the only place of this crate that asks the system for the time.
//!
//! World time starts at the wall time of its creation and runs `factor` times as fast. A live
//! network refuses any factor but 1; the sandbox and the demo allow up to 10.
//!
//! While the machine is suspended world time stands still (`CLOCK_MONOTONIC`). That is the safe
//! side: agents' clocks count the suspension, so every lease that the broker still believes in is
//! over on its agent first, and when the broker wakes its agents are heard before they are judged
//! silent. Time for which nobody was heard is not charged either way.

use std::time::{Duration, Instant};

use tandem_model::time::{Clock, WallTime, WorldTime};

/// Fastest that a world may run.
pub const FACTOR_MAX: u32 = 10;

/// World time as a multiple of monotonic time, wall time as the system says.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
    world_start: WorldTime,
    factor: u32,
}

impl SystemClock {
    /// A clock whose world runs `factor` times as fast, 1 to [`FACTOR_MAX`].
    pub fn new(factor: u32) -> Self {
        let factor = factor.clamp(1, FACTOR_MAX);
        let world_start = WorldTime::from_micros(system_micros());
        Self {
            started: Instant::now(),
            world_start,
            factor,
        }
    }

    /// How many times faster than the wall clock the world runs.
    pub fn factor(&self) -> u32 {
        self.factor
    }

    /// How long a span of world time takes on the wall.
    pub fn wall_span(&self, world: Duration) -> Duration {
        world / self.factor
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
        self.world_start.after(self.started.elapsed() * self.factor)
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
}
