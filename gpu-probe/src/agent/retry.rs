//! When to try again: exponential, bounded, and spread so that agents do not return all at once.

use std::time::Duration;

use super::AgentTime;

/// Shortest wait before another try, in world milliseconds.
pub const RETRY_MS_MIN: u64 = 500;
/// Longest wait before another try, in world milliseconds, before up to a quarter is added.
pub const RETRY_MS_MAX: u64 = 30_000;

/// Failures in a row, and when the next try is due.
#[derive(Debug, Clone, Default)]
pub(super) struct Retry {
    failures: u32,
    due_at: AgentTime,
}

impl Retry {
    pub(super) fn is_due(&self, now: AgentTime) -> bool {
        now >= self.due_at
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Notes a failure; `salt` differs between agents and spreads their tries.
    pub(super) fn fail(&mut self, now: AgentTime, salt: u64) {
        let doubled = RETRY_MS_MIN << self.failures.min(16);
        let wait_ms = doubled.min(RETRY_MS_MAX);
        self.failures = self.failures.saturating_add(1);
        let mixed = (salt ^ u64::from(self.failures)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let spread_ms = wait_ms * (mixed % 250) / 1_000;
        self.due_at = now.after(Duration::from_millis(wait_ms + spread_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_limit_and_start_again_after_a_success() {
        let mut retry = Retry::default();
        assert!(retry.is_due(AgentTime(0)));
        let mut longest = 0;
        for _ in 0..100 {
            retry.fail(AgentTime(0), 7);
            assert!(retry.due_at.0 >= RETRY_MS_MIN * 1_000);
            assert!(retry.due_at.0 <= RETRY_MS_MAX * 1_250);
            longest = longest.max(retry.due_at.0);
        }
        assert!(longest >= RETRY_MS_MAX * 1_000);
        retry.reset();
        assert!(retry.is_due(AgentTime(0)));
        assert_eq!(retry.failures(), 0);
    }

    #[test]
    fn two_agents_do_not_try_again_at_the_same_moment() {
        let (mut a, mut b) = (Retry::default(), Retry::default());
        a.fail(AgentTime(0), 1);
        b.fail(AgentTime(0), 2);
        assert_ne!(a.due_at, b.due_at);
    }
}
