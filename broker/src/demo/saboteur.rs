//! Who breaks things: faults and truth of the sandbox, over its control. The broker knows nothing
//! of either.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tandem_model::error::ErrorCode;
use tandem_model::id::JobId;
use tandem_model::network::NetworkId;
use tandem_model::placement::{Epoch, PlacementTag};

use crate::cli::failure::Failure;

/// Deadline of a call to the sandbox's control.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a fault of a whole network lasts when nobody heals it, in world seconds.
const SILENCE_SECONDS: u64 = 3_600;

/// What really happened in a sandbox.
#[derive(Debug, Clone, Deserialize)]
pub struct Truth {
    /// Everything that was rented.
    pub deployments: Vec<Deployment>,
}

/// One thing that was rented.
#[derive(Debug, Clone, Deserialize)]
pub struct Deployment {
    /// The name that its tenant gave it.
    pub name: String,
    /// When it was given back or ended (world time in microseconds).
    pub ended_us: Option<i64>,
    /// Its machines.
    pub units: Vec<Unit>,
}

/// One machine of it.
#[derive(Debug, Clone, Deserialize)]
pub struct Unit {
    /// Its id.
    pub id: String,
    /// Its GPUs.
    pub gpu_count: u64,
    /// When it ended (world time in microseconds).
    pub ended_us: Option<i64>,
    /// Spans in which its work ran; the last one is open while it runs.
    pub ran_us: Vec<(i64, Option<i64>)>,
}

impl Deployment {
    /// The job and attempt that it was rented for; none when it is not ours.
    pub fn of(&self) -> Option<(JobId, Epoch)> {
        let tag: PlacementTag = self.name.parse().ok()?;
        Some((tag.job, tag.epoch))
    }
}

impl Truth {
    /// What was rented for an attempt.
    pub fn attempt(&self, job: JobId, epoch: Epoch) -> impl Iterator<Item = &Deployment> {
        let of = Some((job, epoch));
        self.deployments.iter().filter(move |d| d.of() == of)
    }

    /// Things that are rented still.
    pub fn still_rented(&self) -> usize {
        self.deployments
            .iter()
            .filter(|d| d.ended_us.is_none())
            .count()
    }
}

/// A whole network's silence.
#[derive(Debug, Clone)]
pub struct Silence {
    /// The network.
    pub network: NetworkId,
    /// When it began (world time in microseconds).
    pub began_us: i64,
}

/// The sandbox's control.
#[derive(Debug, Clone)]
pub struct Saboteur {
    http: reqwest::Client,
    url: String,
}

fn failed(what: &str, why: impl std::fmt::Display) -> Failure {
    let message = format!("the sandbox's control failed at {what}: {why}");
    Failure::new(ErrorCode::START_FAILED, message)
}

impl Saboteur {
    /// The control of the sandbox at a URL.
    pub fn at(url: &str) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .timeout(CONTROL_TIMEOUT)
            .no_proxy()
            .build()
            .map_err(|e| failed("the start", e))?;
        Ok(Self {
            http,
            url: format!("{url}/sandbox"),
        })
    }

    async fn get<T: DeserializeOwned>(&self, what: &str) -> Result<T, Failure> {
        let answer = self.http.get(format!("{}/{what}", self.url)).send().await;
        let answer = answer.map_err(|e| failed(what, e))?;
        answer.json().await.map_err(|e| failed(what, e))
    }

    /// World time in microseconds.
    pub async fn world_us(&self) -> Result<i64, Failure> {
        let time: Value = self.get("time").await?;
        let read = time["world_us"].as_i64();
        read.ok_or_else(|| failed("time", "its answer holds no time"))
    }

    /// What really happened so far.
    pub async fn truth(&self) -> Result<Truth, Failure> {
        self.get("truth").await
    }

    async fn fault(&self, fault: Value) -> Result<Value, Failure> {
        let url = format!("{}/faults", self.url);
        let answer = self.http.post(url).json(&fault).send().await;
        let answer = answer.map_err(|e| failed("faults", e))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|e| failed("faults", e))?;
        if !status.is_success() {
            return Err(failed("faults", format!("{fault} got {status}: {text}")));
        }
        serde_json::from_str(&text).map_err(|e| failed("faults", e))
    }

    /// Kills a machine that runs an attempt of a job; its id, or none when nothing runs for it.
    pub async fn crash(
        &self,
        network: &NetworkId,
        job: JobId,
        epoch: Epoch,
    ) -> Result<Option<String>, Failure> {
        let truth = self.truth().await?;
        let units = truth.attempt(job, epoch).flat_map(|d| &d.units);
        let Some(unit) = units.into_iter().find(|unit| unit.ended_us.is_none()) else {
            return Ok(None);
        };
        let fault = json!({
            "network": network.as_str(), "scope": "node", "kind": "crash", "target": unit.id,
        });
        self.fault(fault).await?;
        Ok(Some(unit.id.clone()))
    }

    /// Silences a whole network: machines and agents are heard by nobody, and its API answers
    /// nothing.
    pub async fn silence(&self, network: &NetworkId) -> Result<Silence, Failure> {
        let mut began_us = 0;
        for kind in ["silent", "error_before"] {
            let mut fault = json!({
                "network": network.as_str(), "scope": "network", "kind": kind,
                "duration_seconds": SILENCE_SECONDS,
            });
            if kind == "error_before" {
                fault["answer"] = "cut".into();
            }
            let made = self.fault(fault).await?;
            began_us = made["faults"][0]["started_us"].as_i64().unwrap_or(began_us);
        }
        Ok(Silence {
            network: network.clone(),
            began_us,
        })
    }

    /// Heals everything that can be healed.
    pub async fn heal(&self) -> Result<(), Failure> {
        let url = format!("{}/faults", self.url);
        let answer = self.http.delete(url).send().await;
        let healed = answer.and_then(reqwest::Response::error_for_status);
        healed.map(|_| ()).map_err(|e| failed("faults", e))
    }
}
