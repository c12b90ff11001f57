//! Our share of a network's rate limits.
//!
//! A limit counts per credential, which all brokers of an installation share, and there is no
//! common counter that may not be lost: each broker takes `1 / brokers` of it.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::time::Instant;

use crate::adapter::TransportFault;
use crate::wire::{RateClass, RateLimit};

/// Part of a share that may be spent at once.
const BURST_PART: u32 = 10;

/// What one broker may send to one network.
pub(super) struct Limits(Vec<(RateClass, DefaultDirectRateLimiter)>);

impl Limits {
    pub(super) fn new(limits: &[RateLimit], brokers: NonZeroU32) -> Self {
        let of = |limit: &RateLimit| (limit.class, RateLimiter::direct(quota(limit, brokers)));
        Self(limits.iter().map(of).collect())
    }

    /// Waits for a place; fails when waiting would pass the deadline.
    pub(super) async fn wait(
        &self,
        class: RateClass,
        deadline: Instant,
    ) -> Result<(), TransportFault> {
        let clock = DefaultClock::default();
        let counts = |limited: &RateClass| *limited == RateClass::Any || *limited == class;
        for (_, limiter) in self.0.iter().filter(|(limited, _)| counts(limited)) {
            while let Err(not_until) = limiter.check() {
                let wait = not_until.wait_time_from(clock.now());
                if Instant::now() + wait >= deadline {
                    return Err(TransportFault::RateLimited);
                }
                tokio::time::sleep(wait).await;
            }
        }
        Ok(())
    }
}

/// A quota that never exceeds the share in any window of the limit's length: what is spent at once
/// is taken off what flows in.
fn quota(limit: &RateLimit, brokers: NonZeroU32) -> Quota {
    let share = limit.requests / brokers.get();
    let burst = NonZeroU32::new(share / BURST_PART).unwrap_or(NonZeroU32::MIN);
    let interval = match share {
        // Less than one request each and window: each broker waits several windows.
        0 => limit.per.saturating_mul(brokers.get()) / limit.requests.max(1),
        _ => limit.per / (share - burst.get() + 1).max(1),
    };
    // Rounded up: a nanosecond too few would let one more request through.
    Quota::with_period(interval + Duration::from_nanos(1))
        .expect("the interval is not zero")
        .allow_burst(burst)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn all_brokers_together_stay_within_the_limit(
            requests in 1u32..1_000, seconds in 1u64..120, brokers in 1u32..50,
        ) {
            let per = Duration::from_secs(seconds);
            let limit = RateLimit { class: RateClass::Any, requests, per };
            let quota = quota(&limit, NonZeroU32::new(brokers).unwrap());
            // Requests of one broker in a window of the limit's length, at worst: the burst, and
            // what flows in behind it.
            let interval = quota.replenish_interval().as_nanos();
            let flow = per.as_nanos().saturating_sub(1) / interval;
            let window = u128::from(quota.burst_size().get()) + flow;
            if requests >= brokers {
                prop_assert!(window * u128::from(brokers) <= u128::from(requests));
            } else {
                let together = per.as_nanos() * u128::from(brokers) / interval;
                prop_assert!(together <= u128::from(requests) + 1);
            }
        }
    }

    #[tokio::test]
    async fn a_wait_beyond_the_deadline_is_refused_at_once() {
        let limit = RateLimit {
            class: RateClass::Bulk,
            requests: 1,
            per: Duration::from_secs(3_600),
        };
        let limits = Limits::new(&[limit], NonZeroU32::MIN);
        let deadline = Instant::now() + Duration::from_secs(5);
        assert_eq!(limits.wait(RateClass::Bulk, deadline).await, Ok(()));
        let refused = limits.wait(RateClass::Bulk, deadline).await;
        assert_eq!(refused, Err(TransportFault::RateLimited));
        assert_eq!(
            limits.wait(RateClass::Any, deadline).await,
            Ok(()),
            "another class"
        );
    }
}
