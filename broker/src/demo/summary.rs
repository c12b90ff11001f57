//! The figures at the end of the demo: what was promised to be shown, computed from the jobs and
//! from the sandbox's own truth. World seconds; sandbox figures say nothing about a live network.

use std::collections::BTreeMap;

use serde::Serialize;
use tandem_model::job::JobState;
use tandem_model::money::MicroUsd;
use tandem_model::time::WorldTime;
use tandem_model::workload::WorkloadKind;

use crate::engine::job::{Job, Jobs};

/// How one job went.
#[derive(Debug, Serialize)]
pub struct JobLine {
    /// Its name.
    pub name: String,
    /// Its end state.
    pub state: JobState,
    /// Where each attempt stood.
    pub placements: Vec<String>,
    /// World seconds from acceptance to the end.
    pub seconds: u64,
    /// Proved GPU-seconds.
    pub gpu_seconds: u64,
    /// Charged.
    pub charged_micro_usd: MicroUsd,
}

/// The whole demo in figures.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Where the sandbox listened.
    pub sandbox_url: String,
    /// Workload files read.
    pub files: usize,
    /// Files that were classified and priced but not placed, by reason.
    pub not_placed: BTreeMap<String, usize>,
    /// Jobs accepted.
    pub jobs: usize,
    /// Jobs that ended well; a service ends well when it ran and was stopped on request.
    pub succeeded: usize,
    /// Jobs that did not.
    pub lost_jobs: usize,
    /// Placements made.
    pub placements: usize,
    /// Moves to another machine of the same network.
    pub failovers_within_network: usize,
    /// Moves to the other network.
    pub failovers_across_networks: usize,
    /// Pairs of placements of one job that both ran as live at the same time; must be 0.
    pub double_placements: usize,
    /// Times a checkpoint pointer went back; must be 0.
    pub pointers_gone_back: usize,
    /// Charged over all jobs.
    pub charged_micro_usd: MicroUsd,
    /// Proved GPU-seconds over all jobs.
    pub delivered_gpu_seconds: u64,
    /// What really ran, by the sandbox's truth.
    pub truth_gpu_seconds: u64,
    /// Rented things that were not given back; must be 0.
    pub still_rented: usize,
    /// Longest time from the last word of a placement to the decision to leave it.
    pub max_detection_seconds: u64,
    /// Longest time from that decision to the binding of the next agent.
    pub max_replacement_seconds: u64,
    /// Digest that the real process printed.
    pub digest: Option<String>,
    /// Digest of an uninterrupted run.
    pub digest_expected: String,
    /// Each job.
    pub job_lines: Vec<JobLine>,
}

/// Whether a job ended as it should.
pub fn ended_well(job: &Job) -> bool {
    match job.workload.kind {
        WorkloadKind::Job => job.state == JobState::Succeeded,
        WorkloadKind::Service => {
            job.state == JobState::Cancelled && job.attempts.iter().any(|a| a.bound_at.is_some())
        }
    }
}

impl JobLine {
    fn of(job: &Job, now: WorldTime) -> Self {
        let place = |a: &crate::engine::job::Attempt| {
            format!("{} {} in {}", a.offer.network, a.offer.gpu, a.offer.country)
        };
        Self {
            name: job.workload.name.clone(),
            state: job.state,
            placements: job.attempts.iter().map(place).collect(),
            seconds: job.ended_at.unwrap_or(now).since(job.accepted_at).as_secs(),
            gpu_seconds: job.proved_gpu_us() / 1_000_000,
            charged_micro_usd: job.charged,
        }
    }
}

/// What the jobs alone say; the caller adds what only the sandbox and the files know.
pub fn of_jobs(jobs: &Jobs, now: WorldTime) -> Summary {
    let all = || jobs.values();
    let moves = || all().flat_map(|job| job.attempts.windows(2));
    let across = moves()
        .filter(|m| m[0].offer.network != m[1].offer.network)
        .count();
    let detection = |m: &[crate::engine::job::Attempt]| {
        // A creation that was refused never had a word; it is no detection.
        Some(m[0].left_at?.since(m[0].heard_at?).as_secs())
    };
    let replacement =
        |m: &[crate::engine::job::Attempt]| Some(m[1].bound_at?.since(m[0].left_at?).as_secs());
    let well = all().filter(|job| ended_well(job)).count();
    Summary {
        sandbox_url: String::new(),
        files: 0,
        not_placed: BTreeMap::new(),
        jobs: jobs.len(),
        succeeded: well,
        lost_jobs: jobs.len() - well,
        placements: all().map(|job| job.attempts.len()).sum(),
        failovers_within_network: moves().count() - across,
        failovers_across_networks: across,
        double_placements: all().map(double_placements).sum(),
        pointers_gone_back: all().filter(|job| job.pointer_went_back).count(),
        charged_micro_usd: MicroUsd::new(all().map(|job| job.charged.get()).sum()),
        delivered_gpu_seconds: all().map(Job::proved_gpu_us).sum::<u64>() / 1_000_000,
        truth_gpu_seconds: 0,
        still_rented: 0,
        max_detection_seconds: moves().filter_map(detection).max().unwrap_or(0),
        max_replacement_seconds: moves().filter_map(replacement).max().unwrap_or(0),
        digest: None,
        digest_expected: String::new(),
        job_lines: all().map(|job| JobLine::of(job, now)).collect(),
    }
}

/// Placements of a job that were bound before the one before was fenced.
fn double_placements(job: &Job) -> usize {
    job.attempts
        .windows(2)
        .filter(|m| match (m[0].fenced_at, m[1].bound_at) {
            (Some(fenced), Some(bound)) => bound < fenced,
            (None, Some(_)) => true,
            _ => false,
        })
        .count()
}
