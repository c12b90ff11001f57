//! From silence to certainty: when an agent is suspect, and when its lease is surely over.
//!
//! Silence proves nothing about the machine, so there are two thresholds. Past the first the
//! placement is suspect and the network is asked; past lease plus skew the agent can no longer
//! publish, whatever it does, and a new epoch may be placed. The bound for detection and fencing
//! is therefore `suspect_after` and `lease + skew`, both known before anything fails.

use std::time::Duration;

use tandem_model::time::WorldTime;

/// The time limits of one installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// Silence after which a placement is suspect.
    pub suspect_after: Duration,
    /// Longest lease granted.
    pub lease: Duration,
    /// Allowance for clocks that drift apart.
    pub skew: Duration,
}

impl Windows {
    /// Heartbeats every 5 s: suspect after three missed, lease 30 s, skew 2 s.
    pub const DEFAULT: Self = Self {
        suspect_after: Duration::from_secs(15),
        lease: Duration::from_secs(30),
        skew: Duration::from_secs(2),
    };
}

/// What can be said of an agent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Heard within the window.
    Heard,
    /// Silent, but its lease may still hold.
    Suspect,
    /// Its lease is over on every clock: it cannot publish.
    LeaseOver,
}

/// Judges an agent last heard at `last_heard` whose lease ends at `lease_until`.
pub fn standing(
    windows: &Windows,
    last_heard: WorldTime,
    lease_until: WorldTime,
    now: WorldTime,
) -> Standing {
    let silent = now.since(last_heard) > windows.suspect_after;
    match (silent, now > lease_until.after(windows.skew)) {
        (false, _) => Standing::Heard,
        (true, false) => Standing::Suspect,
        (true, true) => Standing::LeaseOver,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: u64) -> WorldTime {
        WorldTime::default().after(Duration::from_secs(seconds))
    }

    #[test]
    fn silence_is_suspect_first_and_over_only_after_lease_and_skew() {
        let judge = |now| standing(&Windows::DEFAULT, at(100), at(130), at(now));
        assert_eq!(judge(115), Standing::Heard);
        assert_eq!(judge(116), Standing::Suspect);
        assert_eq!(judge(132), Standing::Suspect);
        assert_eq!(judge(133), Standing::LeaseOver);
    }

    #[test]
    fn an_agent_that_was_just_heard_is_never_over() {
        assert_eq!(
            standing(&Windows::DEFAULT, at(500), at(1), at(501)),
            Standing::Heard
        );
    }

    proptest! {
        #[test]
        fn standing_only_gets_worse_with_time(
            heard in 0u64..1_000, lease in 0u64..1_000, now in 0u64..2_000, more in 0u64..100,
        ) {
            let judge = |now| standing(&Windows::DEFAULT, at(heard), at(lease), at(now));
            prop_assert!(judge(now) <= judge(now + more));
        }
    }
}
