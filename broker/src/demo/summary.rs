//! The figures at the end of the demo: what was promised to be shown, computed from the jobs and
//! from the sandbox's own truth. World seconds; sandbox figures say nothing about a live network.

use std::collections::BTreeMap;

use serde::Serialize;
use tandem_model::job::JobState;
use tandem_model::money::MicroUsd;

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
