//! One attempt of a job on one offer, with everything known of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tandem_model::money::MicroUsd;
use tandem_model::offer::Offer;
use tandem_model::placement::{Observed, Placement};
use tandem_model::time::WorldTime;
use tandem_settlement::prepaid::Prepaid;

use super::job::HostKeys;
use super::planted::Planted;
use super::probe::running::RunningProbes;
use super::probe::{PerformanceBreach, Probed};

/// What is known of the thing rented for an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rented {
    /// Its creation was asked for, and the answer is not there yet.
    Asked,
    /// Its creation may have worked: it is looked for by its tag.
    Unsure {
        /// The first listing without it.
        missed_at: Option<WorldTime>,
    },
    /// It exists under the network's id.
    Exists,
    /// It was never created, or is stopped.
    Gone,
    /// It could not be found or stopped in all tries: a person must look.
    GivenUp,
}

/// How far the stop of a rented thing that is not wanted any more has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopping {
    /// How often it was looked for, asked to stop, or looked at.
    pub tries: u32,
    /// The last try.
    pub tried_at: Option<WorldTime>,
    /// The network took the request.
    pub accepted: bool,
}

/// A purchase of more time that is not confirmed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// Counts the purchases of the attempt, from 1.
    pub number: u32,
    /// Hours asked for.
    pub hours: u32,
    /// Minutes served and remaining before it: tells later whether it worked.
    pub minutes_before: u32,
    /// When it was asked for.
    pub asked_at: WorldTime,
    /// Its answer said neither yes nor no, or was lost.
    pub unsure: bool,
    /// Since when that is known: nothing that was seen before says anything.
    #[serde(default)]
    pub unsure_since: Option<WorldTime>,
    /// When the first look that showed no more minutes than before was ordered.
    #[serde(default)]
    pub unchanged_at: Option<WorldTime>,
}

/// One attempt with everything known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// What is intended.
    pub placement: Placement,
    /// The offer it stands on.
    pub offer: Offer,
    /// The thing rented for it.
    pub rented: Rented,
    /// Its stop.
    #[serde(default)]
    pub stopping: Stopping,
    /// The network's id, once known.
    #[serde(default)]
    pub remote_id: Option<String>,
    /// The last look at it.
    #[serde(default)]
    pub observed: Option<Observed>,
    /// When it was decided.
    pub decided_at: WorldTime,
    /// When its creation was confirmed.
    #[serde(default)]
    pub created_at: Option<WorldTime>,
    /// When its agents were all bound.
    #[serde(default)]
    pub bound_at: Option<WorldTime>,
    /// Time of work that its agents proved.
    #[serde(default)]
    pub proved: Duration,
    /// The part of it that a checkpoint kept.
    #[serde(default)]
    pub kept: Duration,
    /// GPU-microseconds charged.
    #[serde(default)]
    pub charged_gpu_us: u64,
    /// Charged.
    #[serde(default)]
    pub charged: MicroUsd,
    /// Postings made for it.
    #[serde(default)]
    pub postings: u32,
    /// Until when it is paid to the network, and for how many hours.
    pub prepaid: Prepaid,
    /// Purchases of more time so far.
    #[serde(default)]
    pub extensions: u32,
    /// The one under way.
    #[serde(default)]
    pub extension: Option<Extension>,
    /// When a refused purchase is tried again.
    #[serde(default)]
    pub pay_again_at: Option<WorldTime>,
    /// Its time runs out and more cannot be bought: it saves its work and is left.
    #[serde(default)]
    pub ends_soon: bool,
    /// Whether the network itself starts the workload.
    #[serde(default)]
    pub starts_by_itself: bool,
    /// When it was last looked at, or for.
    #[serde(default)]
    pub looked_at: Option<WorldTime>,
    /// When its start over SSH was last ordered.
    #[serde(default)]
    pub bootstrap_at: Option<WorldTime>,
    /// Whether the start over SSH was done.
    #[serde(default)]
    pub bootstrapped: bool,
    /// Host keys that its machines showed at the first start.
    #[serde(default)]
    pub host_keys: HostKeys,
    /// Its creation was refused, or never paid, for a cause that says nothing of the job: no room
    /// there, or trouble of the network's own or of ours with it.
    #[serde(default)]
    pub was_turned_away: bool,
    /// When each node was told to probe its GPUs first; of one that is not judged, not before this
    /// broker took the job over.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub probe_ordered: BTreeMap<u16, WorldTime>,
    /// How often each node began its probe.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub probe_openings: BTreeMap<u16, u32>,
    /// What came of each node's probe, once.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub probes: BTreeMap<u16, Probed>,
    /// The probes of each node while its work runs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub running_probes: BTreeMap<u16, RunningProbes>,
    /// What each node's speed fell short of, once a node.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub performance_breaches: BTreeMap<u16, PerformanceBreach>,
    /// Its offer was listed as data-centre hardware, and taken as consumer grade.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub grade_lost: bool,
    /// The first node that began its work without its verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_skipped: Option<u16>,
    /// It was left because of its probe.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed_probe: bool,
    /// Why it was left.
    #[serde(default)]
    pub left_because: Option<String>,
    /// When it was decided to leave it.
    #[serde(default)]
    pub left_at: Option<WorldTime>,
    /// When it could surely publish nothing any more.
    #[serde(default)]
    pub fenced_at: Option<WorldTime>,
}

impl Attempt {
    /// An attempt whose creation is about to be asked for.
    pub fn new(placement: Placement, offer: Offer, prepaid_hours: u32, now: WorldTime) -> Self {
        let paid = Duration::from_secs(u64::from(prepaid_hours) * 3_600);
        Self {
            placement,
            offer,
            rented: Rented::Asked,
            stopping: Stopping::default(),
            remote_id: None,
            observed: None,
            decided_at: now,
            created_at: None,
            bound_at: None,
            proved: Duration::ZERO,
            kept: Duration::ZERO,
            charged_gpu_us: 0,
            charged: MicroUsd::ZERO,
            postings: 0,
            prepaid: Prepaid {
                until: now.after(paid),
                bought_hours: prepaid_hours,
            },
            extensions: 0,
            extension: None,
            pay_again_at: None,
            ends_soon: false,
            starts_by_itself: false,
            looked_at: None,
            bootstrap_at: None,
            bootstrapped: false,
            host_keys: HostKeys::new(),
            was_turned_away: false,
            probe_ordered: BTreeMap::new(),
            probe_openings: BTreeMap::new(),
            probes: BTreeMap::new(),
            running_probes: BTreeMap::new(),
            performance_breaches: BTreeMap::new(),
            grade_lost: false,
            probe_skipped: None,
            failed_probe: false,
            left_because: None,
            left_at: None,
            fenced_at: None,
        }
    }

    /// Whether nothing is rented for it any more, as far as can be known.
    pub fn is_released(&self) -> bool {
        matches!(self.rented, Rented::Gone | Rented::GivenUp)
    }

    /// Whether it was left because its machine or its network failed after it had begun, or its
    /// GPUs before.
    pub fn has_failed(&self) -> bool {
        let has_begun = self.bound_at.is_some() || self.failed_probe;
        has_begun && self.left_because.is_some() && !self.ends_soon
    }

    /// Whether a verdict of its probes is why it was left.
    pub fn was_refused(&self) -> bool {
        self.failed_probe && self.probes.values().any(|probed| !probed.accepted)
    }

    /// The fate of a purchase of time that is under way is open from now on: it is looked at.
    pub fn doubt_extension(&mut self, now: WorldTime) {
        if let Some(extension) = &mut self.extension {
            extension.unsure = true;
            extension.unsure_since = Some(now);
            extension.unchanged_at = None;
        }
    }

    /// Whether the last look saw it ended.
    pub fn seen_ended(&self) -> bool {
        self.observed.as_ref().is_some_and(|o| o.state.is_ended())
    }

    /// What was under way with the broker before this one has no answer any more: a creation is
    /// looked for by its tag, a purchase of time by the minutes it left, and the probe of a node
    /// begins anew, with all of its time, or, inside running work, may be lost without its fault.
    pub fn adopt(&mut self, now: WorldTime) {
        for (rank, told) in &mut self.probe_ordered {
            if !self.probes.contains_key(rank) {
                *told = now.max(*told);
            }
        }
        for probes in self.running_probes.values_mut() {
            probes.adopt();
        }
        if self.rented == Rented::Asked {
            self.rented = if Planted::CreationForgotten.is_here() {
                Rented::Gone
            } else {
                Rented::Unsure { missed_at: None }
            };
        }
        self.doubt_extension(now);
        if Planted::BarForgotten.is_here() {
            self.probe_ordered.clear();
        }
    }
}
