//! How fast and how much at once: requests by API key, streams by account.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::http::StatusCode;
use governor::clock::{Clock as _, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use prometheus_client::metrics::gauge::Gauge;
use tandem_model::error::ErrorCode;
use tandem_model::id::{AccountId, ApiKeyId};

use super::problem::Problem;
use super::state::ApiLimits;

/// Keys that are remembered; above it those that have been quiet are forgotten.
const KEYS_MAX: usize = 10_000;

type Buckets =
    RateLimiter<ApiKeyId, HashMapStateStore<ApiKeyId>, MonotonicClock, StateInformationMiddleware>;

/// What is left of a key's limit, for the answer's headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    /// Requests that can be made at once.
    pub burst: u32,
    /// Seconds in which a spent limit is whole again.
    pub window_seconds: u64,
    /// Requests left now.
    pub remaining: u32,
}

/// Requests by API key (GCRA).
pub(super) struct Requests {
    buckets: Buckets,
    burst: u32,
    window: Duration,
}

impl Requests {
    pub(super) fn new(limits: &ApiLimits) -> Self {
        let quota = Quota::per_second(limits.requests_per_second).allow_burst(limits.burst);
        Self {
            buckets: RateLimiter::hashmap_with_clock(quota, MonotonicClock)
                .with_middleware::<StateInformationMiddleware>(),
            burst: limits.burst.get(),
            window: quota.burst_size_replenished_in(),
        }
    }

    /// Counts a request of a key; what is left, or how long to wait.
    pub(super) fn take(&self, key: ApiKeyId) -> (Left, Result<(), Duration>) {
        if self.buckets.len() > KEYS_MAX {
            self.buckets.retain_recent();
        }
        let left = |remaining| Left {
            burst: self.burst,
            window_seconds: self.window.as_secs().max(1),
            remaining,
        };
        match self.buckets.check_key(&key) {
            Ok(snapshot) => (left(snapshot.remaining_burst_capacity()), Ok(())),
            Err(not_until) => {
                let wait = not_until.wait_time_from(MonotonicClock.now());
                (left(0), Err(wait))
            }
        }
    }
}

/// Open streams by account.
pub(super) struct Streams {
    open: Arc<Mutex<BTreeMap<AccountId, usize>>>,
    most: usize,
    gauge: Gauge,
}

/// One open stream; dropping it makes room.
pub(super) struct OpenStream {
    open: Arc<Mutex<BTreeMap<AccountId, usize>>>,
    account: AccountId,
    gauge: Gauge,
}

fn locked(open: &Mutex<BTreeMap<AccountId, usize>>) -> MutexGuard<'_, BTreeMap<AccountId, usize>> {
    // A count is changed in one step, so it is whole whatever panicked.
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Streams {
    pub(super) fn new(limits: &ApiLimits, gauge: Gauge) -> Self {
        Self {
            open: Arc::default(),
            most: limits.streams_per_account,
            gauge,
        }
    }

    /// Opens a stream for an account, unless it has as many as it may.
    pub(super) fn open(&self, account: AccountId) -> Result<OpenStream, Problem> {
        let mut open = locked(&self.open);
        let count = open.entry(account).or_default();
        if *count >= self.most {
            let detail = format!("{count} streams of this account are open, as many as may be");
            let wait = Duration::from_secs(5);
            return Err(
                Problem::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::API_RATE, detail)
                    .retry_after(wait),
            );
        }
        *count += 1;
        self.gauge.inc();
        Ok(OpenStream {
            open: Arc::clone(&self.open),
            account,
            gauge: self.gauge.clone(),
        })
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut open = locked(&self.open);
        let left = open.get(&self.account).map_or(0, |n| n.saturating_sub(1));
        if left == 0 {
            open.remove(&self.account);
        } else {
            open.insert(self.account, left);
        }
        self.gauge.dec();
    }
}
