//! The circuit breaker: after repeated failures a network is given a pause, then one probe.
//!
//! A pure state machine: the moment is given. Failures are what says that the network is not well
//! (no answer, HTTP 500 and above), not what says that our request was wrong.

use std::time::{Duration, Instant};

/// When to open and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Failures in a row that open it; at least 1.
    pub failures_to_open: u32,
    /// How long it stays open before a probe is let through.
    pub open_for: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            failures_to_open: 5,
            open_for: Duration::from_secs(15),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        since: Instant,
    },
    /// One probe is under way.
    Probing {
        since: Instant,
    },
}

/// A circuit breaker.
#[derive(Debug)]
pub struct Breaker {
    policy: BreakerPolicy,
    state: State,
}

impl Breaker {
    /// A closed one.
    pub fn new(policy: BreakerPolicy) -> Self {
        Self {
            policy,
            state: State::Closed { failures: 0 },
        }
    }

    /// Whether a call may go now. While it is open, one call per pause may: the probe. A probe
    /// whose end is never recorded is given up after another pause.
    pub fn admit(&mut self, now: Instant) -> bool {
        match self.state {
            State::Closed { .. } => true,
            State::Open { since } | State::Probing { since } => {
                let paused = now.saturating_duration_since(since) >= self.policy.open_for;
                if paused {
                    self.state = State::Probing { since: now };
                }
                paused
            }
        }
    }

    /// The network answered.
    pub fn succeeded(&mut self) {
        self.state = State::Closed { failures: 0 };
    }

    /// The network failed. Calls that began before it opened do not prolong the pause.
    pub fn failed(&mut self, now: Instant) {
        self.state = match self.state {
            State::Closed { failures } if failures + 1 < self.policy.failures_to_open => {
                State::Closed {
                    failures: failures + 1,
                }
            }
            State::Closed { .. } | State::Probing { .. } => State::Open { since: now },
            open @ State::Open { .. } => open,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLICY: BreakerPolicy = BreakerPolicy {
        failures_to_open: 3,
        open_for: Duration::from_secs(10),
    };

    fn opened(start: Instant) -> Breaker {
        let mut breaker = Breaker::new(POLICY);
        for _ in 0..3 {
            assert!(breaker.admit(start));
            breaker.failed(start);
        }
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let start = Instant::now();
        let mut breaker = Breaker::new(POLICY);
        for _ in 0..5 {
            breaker.failed(start);
            breaker.failed(start);
            breaker.succeeded();
        }
        assert!(breaker.admit(start));
        assert!(!opened(start).admit(start + Duration::from_secs(9)));
    }

    #[test]
    fn after_the_pause_one_probe_decides() {
        let start = Instant::now();
        let later = start + Duration::from_secs(10);
        let mut breaker = opened(start);
        assert!(breaker.admit(later), "the probe");
        assert!(!breaker.admit(later), "only one");
        breaker.failed(later);
        assert!(!breaker.admit(later + Duration::from_secs(9)));
        assert!(breaker.admit(later + Duration::from_secs(10)));
        breaker.succeeded();
        assert!(breaker.admit(later + Duration::from_secs(10)));
    }

    #[test]
    fn a_probe_that_never_ends_is_given_up() {
        let start = Instant::now();
        let mut breaker = opened(start);
        assert!(breaker.admit(start + Duration::from_secs(10)));
        assert!(breaker.admit(start + Duration::from_secs(20)));
    }

    proptest! {
        #[test]
        fn it_always_lets_a_call_through_within_one_pause(events in prop::collection::vec((0u8..3, 0u64..8), 0..40)) {
            let mut now = Instant::now();
            let mut breaker = Breaker::new(POLICY);
            for (event, seconds) in events {
                now += Duration::from_secs(seconds);
                match event {
                    0 => _ = breaker.admit(now),
                    1 => breaker.succeeded(),
                    _ => breaker.failed(now),
                }
            }
            prop_assert!(breaker.admit(now) || breaker.admit(now + POLICY.open_for));
        }
    }
}
