//! What the Aethir-style network says of its own servers, and the one judgement that goes with
//! each: uptime, the checkers' vote, incidents.
//!
//! These are the network's words about itself. They are evidence beside our own probes, never
//! instead of them.

use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;

/// Quality figures of a server (`GET /servers/{serverId}/quality`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quality {
    /// Heartbeats due this month, one a minute.
    pub heartbeats_expected: u32,
    /// Heartbeats that came.
    pub heartbeats_seen: u32,
    /// Seconds offline since 00:00 UTC.
    pub offline_seconds_today: u32,
    /// Uptime of the month in percent.
    pub monthly_uptime_percent: Decimal,
    /// Result of the day's capacity check; none before it ran.
    #[serde(default)]
    pub capacity_qualified: Option<bool>,
    /// Quality of experience, one sample a minute in service, newest last, at most 60.
    #[serde(default)]
    pub qoe_samples: Vec<QoeSample>,
}

/// One sample of the quality of experience.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QoeSample {
    /// When.
    pub time_ms: u64,
    /// From 0 (unusable) to 100.
    pub score: u8,
}

/// Seconds that a host may be offline in a day (Aethir's service level for hosts: 30 minutes).
pub const OFFLINE_SECONDS_PER_DAY_MAX: u32 = 1_800;
/// Monthly uptime that a host promises, in hundredths of a percent.
pub const MONTHLY_UPTIME_BASIS_POINTS_MIN: i64 = 9_900;

/// Whether the figures keep the host's own service level; none when the uptime is no number.
pub fn keeps_host_level(quality: &Quality) -> Option<bool> {
    let uptime = quality.monthly_uptime_percent.hundredths()?;
    Some(
        quality.offline_seconds_today < OFFLINE_SECONDS_PER_DAY_MAX
            && uptime >= MONTHLY_UPTIME_BASIS_POINTS_MIN
            && quality.capacity_qualified != Some(false),
    )
}

/// What one checker found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum ContainerData {
    /// Whether the machine was alive.
    Liveness {
        /// Whether it answered throughout.
        continues: bool,
        /// Lost packets in percent.
        loss: u8,
        /// Length of the check in seconds.
        duration_seconds: u32,
    },
    /// Whether the hardware is what it was registered as.
    Capacity {
        /// The result.
        qualified: bool,
    },
}

impl ContainerData {
    /// Whether the machine passed.
    pub fn passed(&self) -> bool {
        match self {
            Self::Liveness { continues, .. } => *continues,
            Self::Capacity { qualified } => *qualified,
        }
    }
}

/// One checker's report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckerReport {
    /// The task.
    pub job_id: String,
    /// The checker's client.
    pub client_id: String,
    /// The licence it votes with.
    pub license_id: String,
    /// Checker epoch.
    pub epoch: u64,
    /// Period within the epoch.
    pub period: u64,
    /// When it reported.
    pub report_time_ms: u64,
    /// The server checked.
    pub container_id: String,
    /// 1 liveness, 2 capacity.
    pub job_type: u8,
    /// What it found.
    pub container_data: ContainerData,
    /// The checker's signature, hexadecimal.
    #[serde(default)]
    pub signature_data: String,
}

/// The 2N+1 reports of one task (`GET /servers/{serverId}/checker-reports`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckerBatch {
    /// The reports.
    pub reports: Vec<CheckerReport>,
    /// The network's own verdict; [`majority`] recomputes it.
    pub verdict: Verdict,
}

/// Outcome of a vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// A majority agreed that the machine passed.
    Passed,
    /// A majority agreed that it did not.
    Failed,
    /// No finding had a majority: every report counts as incorrect.
    NoMajority,
}

/// The verdict of a batch: the finding that more than half of the reports share, counted once per
/// licence.
///
/// Source: the published checker contracts vote on the whole finding by simple majority and count
/// every report as wrong without one.
pub fn majority(reports: &[CheckerReport]) -> Verdict {
    let mut votes: Vec<(&str, &ContainerData)> = Vec::with_capacity(reports.len());
    for report in reports {
        if !votes
            .iter()
            .any(|(license, _)| *license == report.license_id)
        {
            votes.push((&report.license_id, &report.container_data));
        }
    }
    let winner = votes.iter().find(|(_, data)| {
        2 * votes.iter().filter(|(_, other)| other == data).count() > votes.len()
    });
    match winner {
        Some((_, data)) if data.passed() => Verdict::Passed,
        Some(_) => Verdict::Failed,
        None => Verdict::NoMajority,
    }
}

/// What happened to an order (`GET /incidents`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// Its id.
    pub incident_id: String,
    /// The order.
    pub order_id: String,
    /// The server.
    pub server_id: String,
    /// What kind.
    #[serde(rename = "type")]
    pub kind: IncidentKind,
    /// The settlement period or usage interval that it touches.
    pub period: Period,
    /// ATH taken from the host's stake.
    pub slash_ath: Decimal,
    /// ATH given back to the renter.
    pub refund_ath: Decimal,
    /// Whether the protocol waived its share.
    #[serde(default)]
    pub fee_waived: bool,
}

/// A half-open span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Period {
    /// Its start.
    pub start_ms: u64,
    /// Its end.
    pub end_ms: u64,
}

/// Kinds of incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentKind {
    /// A break in service.
    Interruption,
    /// Clearly below the promised specification.
    Underperformance,
    /// Deliberate deception.
    Deception,
    /// Offline while idle.
    Offline,
    /// A word we do not know.
    #[serde(untagged)]
    Other(String),
}

/// What a host loses for an incident, in thirds of `K x staking coefficient`: an interruption one
/// third, deception and underperformance the whole, idle time offline nothing; none for a kind
/// that we do not know.
pub fn slash_thirds(kind: &IncidentKind) -> Option<u32> {
    match kind {
        IncidentKind::Interruption => Some(1),
        IncidentKind::Underperformance | IncidentKind::Deception => Some(3),
        IncidentKind::Offline => Some(0),
        IncidentKind::Other(_) => None,
    }
}
