//! World time over restarts, and world time of a sandbox.
//!
//! The store holds a moment that no recorded time lies behind: it is written ahead of time, so that
//! a crash between two writes loses nothing. A start never begins before it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tandem_model::error::ErrorCode;
use tandem_model::time::{Clock, WorldTime};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::installation::WORLD_US;
use crate::cli::failure::Failure;
use crate::clock::SystemClock;
use crate::store::StoreError;
use crate::store::tenants::Tenants;

/// Between two writes of the world's time, on the wall.
const MARK_EVERY: Duration = Duration::from_secs(1);
/// How far ahead it is written, on the wall.
const MARK_AHEAD: Duration = Duration::from_secs(3);
/// Between two readings of a sandbox's clock.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);
/// Longest time for one reading.
const READ_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest jump that a sandbox makes at once, in seconds.
const JUMP_SECONDS_MAX: u64 = 31_536_000;

async fn mark(tenants: &dyn Tenants, at: WorldTime) -> Result<(), StoreError> {
    let text = at.micros().to_string();
    tenants.set_setting(WORLD_US, text.into_bytes()).await
}

/// Writes the world's time down, ahead of time while it runs and exactly at its end.
pub(super) fn keep_marking(
    tenants: Arc<dyn Tenants>,
    clock: Arc<SystemClock>,
    stop: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        while !stop.is_cancelled() {
            let ahead = MARK_AHEAD * clock.factor();
            if let Err(error) = mark(&*tenants, clock.world().after(ahead)).await {
                tracing::warn!(%error, "the world's time was not written");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(MARK_EVERY) => {}
            }
        }
        if let Err(error) = mark(&*tenants, clock.world()).await {
            tracing::warn!(%error, "the world's time was not written at the end");
        }
    })
}

/// A sandbox's clock as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SandboxTime {
    /// The sandbox's world time.
    pub(super) world: WorldTime,
    /// Its speed in thousandths.
    pub(super) rate_permille: u32,
}

/// Reads and moves the clock of a sandbox over `/sandbox/time`.
#[derive(Debug, Clone)]
pub(super) struct SandboxClock {
    http: reqwest::Client,
    url: String,
}

impl SandboxClock {
    /// The clock of the sandbox at this address.
    pub(super) fn of(url: &str) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .timeout(READ_TIMEOUT)
            .no_proxy()
            .build()
            .map_err(|e| sandbox_away(url, &e))?;
        Ok(Self {
            http,
            url: format!("{}/sandbox/time", url.trim_end_matches('/')),
        })
    }

    /// What it says now.
    pub(super) async fn read(&self) -> Result<SandboxTime, Failure> {
        let asked = std::time::Instant::now();
        let away = |error: reqwest::Error| sandbox_away(&self.url, &error);
        let answer = self.http.get(&self.url).send().await.map_err(away)?;
        let time: Value = answer.json().await.map_err(away)?;
        let on_the_way = asked.elapsed() / 2;
        sandbox_time(&time, on_the_way)
            .ok_or_else(|| sandbox_away(&self.url, &"its answer holds no time"))
    }

    /// Waits until a sandbox elsewhere has passed what an earlier run wrote ahead of its time before
    /// it was killed: from then on both clocks agree again. One that is further behind started
    /// anew, and is not waited for.
    pub(super) async fn pass(&self, seen: WorldTime) -> Result<SandboxTime, Failure> {
        loop {
            let time = self.read().await?;
            match time.until(seen) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Ok(time),
            }
        }
    }

    /// Moves a sandbox that runs inside this process up to what the store has seen.
    pub(super) async fn catch_up(&self, seen: WorldTime) -> Result<(), Failure> {
        let away = |error: reqwest::Error| sandbox_away(&self.url, &error);
        loop {
            let behind = seen.since(self.read().await?.world);
            if behind.is_zero() {
                return Ok(());
            }
            let seconds = (behind.as_secs() + 1).min(JUMP_SECONDS_MAX);
            let body = json!({ "advance_seconds": seconds });
            let answer = self.http.post(&self.url).json(&body).send().await;
            answer.and_then(|a| a.error_for_status()).map_err(away)?;
        }
    }
}

impl SandboxTime {
    /// How long it takes on the wall to reach a moment that was written ahead of time; none when
    /// that is past, or too far for it.
    fn until(self, seen: WorldTime) -> Option<Duration> {
        let wait = seen.since(self.world) * 1_000 / self.rate_permille;
        (!wait.is_zero() && wait <= MARK_AHEAD).then_some(wait)
    }
}

fn sandbox_time(answer: &Value, on_the_way: Duration) -> Option<SandboxTime> {
    let speed = answer["speed"]
        .as_f64()
        .filter(|s| (1.0..=10.0).contains(s))?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be from 1 to 10"
    )]
    let rate_permille = (speed * 1_000.0).round() as u32;
    let world = WorldTime::from_micros(answer["world_us"].as_i64()?);
    Some(SandboxTime {
        world: world.after(on_the_way * rate_permille / 1_000),
        rate_permille,
    })
}

fn sandbox_away(url: &str, why: &dyn std::fmt::Display) -> Failure {
    let message = format!("the sandbox at {url} does not tell its time: {why}");
    Failure::new(ErrorCode::START_FAILED, message).hint("start it first: `tandem sandbox`")
}

/// Keeps the broker's world time with a sandbox's.
pub(super) fn keep_following(
    sandbox: SandboxClock,
    clock: Arc<SystemClock>,
    stop: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut away = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(FOLLOW_EVERY) => {}
            }
            match sandbox.read().await {
                Ok(time) => {
                    away = false;
                    if clock.follow(time.world, time.rate_permille) {
                        tracing::warn!(
                            "the sandbox's time went back; it was started anew, and what was rented in it is gone"
                        );
                    }
                }
                Err(error) if !away => {
                    away = true;
                    tracing::warn!(%error, "world time runs on by itself");
                }
                Err(_) => {}
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandboxs_time_counts_the_way_of_its_answer() {
        let answer = json!({ "world_us": 1_000_000, "wall_us": 5, "speed": 2.5 });
        let read = sandbox_time(&answer, Duration::from_millis(100)).unwrap();
        assert_eq!(read.world, WorldTime::from_micros(1_250_000));
        assert_eq!(read.rate_permille, 2_500);
    }

    #[test]
    fn what_a_killed_broker_wrote_ahead_is_waited_for_and_no_more() {
        let time = SandboxTime {
            world: WorldTime::from_micros(100_000_000),
            rate_permille: 10_000,
        };
        let until = |seconds: i64| time.until(WorldTime::from_micros(seconds * 1_000_000));
        assert_eq!(until(99), None);
        assert_eq!(until(100), None);
        assert_eq!(until(125), Some(Duration::from_millis(2_500)));
        assert_eq!(until(131), None, "it started anew");
    }

    #[test]
    fn an_answer_that_is_no_time_is_refused() {
        for bad in [
            json!({}),
            json!({ "world_us": 1, "speed": 0 }),
            json!({ "world_us": 1, "speed": 11 }),
            json!({ "world_us": "1", "speed": 1 }),
        ] {
            assert_eq!(sandbox_time(&bad, Duration::ZERO), None, "{bad}");
        }
    }
}
