//! The agent's clock: world time since boot, which also runs while the machine sleeps.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::agent::AgentTime;

/// The monotonic clock of this machine, at the speed of the world.
#[derive(Debug, Clone, Copy)]
pub(super) struct WorldClock {
    factor: u32,
}

impl WorldClock {
    pub(super) fn new(factor: u32) -> Self {
        Self {
            factor: factor.max(1),
        }
    }

    /// World time now. `CLOCK_BOOTTIME` counts a suspended machine's time too, so a lease does not
    /// seem to last through it (clock_gettime(2)).
    pub(super) fn now(self) -> AgentTime {
        let time = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
        AgentTime((seconds * 1_000_000 + nanos / 1_000).saturating_mul(u64::from(self.factor)))
    }

    /// How long a span of world time takes on this machine.
    pub(super) fn wall(self, world: Duration) -> Duration {
        world / self.factor
    }
}
