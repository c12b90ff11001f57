//! The sandbox's clock: wall time from the system, world time derived from it at a speed.

use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tandem_model::time::{WallTime, WorldTime};

use crate::world::Moment;

/// Highest speed of the world.
pub const SPEED_MAX: u32 = 10;

#[derive(Debug, Clone, Copy)]
struct Rate {
    wall_us: i64,
    world_us: i64,
    /// In thousandths.
    speed_permille: i64,
}

/// World time as a function of wall time; never goes back.
#[derive(Debug)]
pub(super) struct ShellClock(Mutex<Rate>);

#[expect(
    clippy::disallowed_methods,
    reason = "this is the sandbox's clock; everything else takes moments as arguments"
)]
fn wall_us() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

impl Rate {
    fn world_us(&self, wall_us: i64) -> i64 {
        let passed = wall_us.saturating_sub(self.wall_us).max(0);
        let scaled = i128::from(passed) * i128::from(self.speed_permille) / 1_000;
        self.world_us
            .saturating_add(i64::try_from(scaled).unwrap_or(i64::MAX))
    }
}

impl ShellClock {
    /// World and wall agree now; from here the world runs at `speed_permille` thousandths.
    pub(super) fn start(speed_permille: i64) -> Self {
        let wall_us = wall_us();
        Self(Mutex::new(Rate {
            wall_us,
            world_us: wall_us,
            speed_permille,
        }))
    }

    fn rate(&self) -> std::sync::MutexGuard<'_, Rate> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Moment {
        let wall_us = wall_us();
        Moment {
            world: WorldTime::from_micros(self.rate().world_us(wall_us)),
            wall: WallTime::from_micros(wall_us),
        }
    }

    /// Changes the speed from now on.
    pub(super) fn set_speed(&self, speed_permille: i64) {
        let wall_us = wall_us();
        let mut rate = self.rate();
        let world_us = rate.world_us(wall_us);
        *rate = Rate {
            wall_us,
            world_us,
            speed_permille,
        };
    }

    pub(super) fn speed_permille(&self) -> i64 {
        self.rate().speed_permille
    }

    /// Jumps ahead.
    pub(super) fn jump(&self, by: Duration) {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        let mut rate = self.rate();
        rate.world_us = rate.world_us.saturating_add(by);
    }

    /// Wall time until a moment of the world.
    pub(super) fn until(&self, at: WorldTime) -> Duration {
        let ahead = at.since(self.now().world);
        let speed = u64::try_from(self.speed_permille()).unwrap_or(1_000).max(1);
        let us = u64::try_from(ahead.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(us.saturating_mul(1_000) / speed)
    }
}
