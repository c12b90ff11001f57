//! The figures at the end of the demo: what was promised to be shown, computed from the API's
//! documents of the jobs and from the sandbox's own truth. World seconds; sandbox figures say
//! nothing about a live network.

use std::collections::BTreeMap;

use serde::Serialize;
use tandem_model::job::JobState;
use tandem_model::money::MicroUsd;
use tandem_model::workload::WorkloadKind;

use super::saboteur::{Deployment, Silence, Truth, Unit};
use crate::api::{JobView, PlacementView};

/// How one job went.
#[derive(Debug, Serialize)]
pub struct JobLine {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its end state.
    pub state: JobState,
    /// Where each attempt stood.
    pub placements: Vec<String>,
    /// World seconds from acceptance to the end.
    pub seconds: u64,
    /// Proved GPU-seconds.
    pub delivered_gpu_seconds: u64,
    /// GPU-seconds that its live attempts really ran.
    pub truth_gpu_seconds: u64,
    /// Charged.
    pub charged_micro_usd: MicroUsd,
}

/// The whole demo in figures.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    /// Where the sandbox listened.
    pub sandbox_url: String,
    /// Where the broker listened.
    pub broker_url: String,
    /// Speed of the world.
    pub speed: u32,
    /// Seconds on the wall that it took, from the start to the last figure.
    pub wall_seconds: u64,
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
    /// Pairs of placements of one job that could both publish, or rented things of one attempt
    /// that both ran; must be 0.
    pub double_placements: usize,
    /// Incidents of whole networks.
    pub incidents: usize,
    /// Charged over all jobs.
    pub charged_micro_usd: MicroUsd,
    /// What the ledger says that the customer owes; must be the same.
    pub ledger_micro_usd: i128,
    /// Proved GPU-seconds over all jobs.
    pub delivered_gpu_seconds: u64,
    /// GPU-seconds that really ran while their attempt was the live one, by the sandbox's truth.
    pub truth_gpu_seconds: u64,
    /// Rented things that were not given back; must be 0.
    pub still_rented: usize,
    /// Longest time from a death or silence to the decision to leave the machine.
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
pub fn ended_well(job: &JobView) -> bool {
    match job.summary.kind {
        WorkloadKind::Job => job.summary.state == JobState::Succeeded,
        WorkloadKind::Service => {
            job.summary.state == JobState::Cancelled
                && job.placements.iter().any(|p| p.bound_at.is_some())
        }
    }
}

/// Until when an attempt was the live one: its fence, or the end of its job.
fn live_until_us(job: &JobView, placement: &PlacementView) -> i64 {
    let ended = job.summary.ended_at.map(|at| at.micros());
    let fenced = placement.fenced_at.map(|at| at.micros());
    fenced.or(ended).unwrap_or(i64::MAX)
}

/// Microseconds in which a machine worked, up to a moment; one that works on counts to `now_us`.
fn worked_us(unit: &Unit, until_us: i64, now_us: i64) -> u64 {
    let span = |(start, end): &(i64, Option<i64>)| {
        let end = end.unwrap_or(now_us).min(until_us);
        u64::try_from(end - start).unwrap_or(0)
    };
    unit.ran_us.iter().map(span).sum()
}

/// GPU-seconds that a job's attempts really ran while they were live.
fn truth_gpu_seconds(job: &JobView, truth: &Truth, now_us: i64) -> u64 {
    let of_attempt = |placement: &PlacementView| {
        let until = live_until_us(job, placement);
        truth
            .attempt(job.summary.id, placement.epoch)
            .flat_map(|deployment| &deployment.units)
            .map(|unit| worked_us(unit, until, now_us) * unit.gpu_count)
            .sum::<u64>()
    };
    job.placements.iter().map(of_attempt).sum::<u64>() / 1_000_000
}

impl JobLine {
    fn of(job: &JobView, truth: &Truth, now_us: i64) -> Self {
        let place = |p: &PlacementView| format!("{} {} in {}", p.network, p.gpu, p.country);
        let accepted = job.summary.accepted_at.micros();
        let ended = job.summary.ended_at.map_or(now_us, |at| at.micros());
        Self {
            id: job.summary.id.to_string(),
            name: job.summary.name.clone(),
            state: job.summary.state,
            placements: job.placements.iter().map(place).collect(),
            seconds: seconds(ended - accepted),
            delivered_gpu_seconds: job.delivered_gpu_seconds,
            truth_gpu_seconds: truth_gpu_seconds(job, truth, now_us),
            charged_micro_usd: job.charged_micro_usd,
        }
    }
}

fn seconds(us: i64) -> u64 {
    u64::try_from(us / 1_000_000).unwrap_or(0)
}

/// What the jobs and the truth say together; the caller adds what only it knows.
pub fn of_jobs(jobs: &[JobView], truth: &Truth, silence: &Silence, now_us: i64) -> Summary {
    let moves = || {
        jobs.iter()
            .flat_map(|job| job.placements.windows(2).map(move |pair| (job, pair)))
    };
    let across = moves()
        .filter(|(_, pair)| pair[0].network != pair[1].network)
        .count();
    let lines: Vec<JobLine> = jobs
        .iter()
        .map(|job| JobLine::of(job, truth, now_us))
        .collect();
    let well = jobs.iter().filter(|job| ended_well(job)).count();
    let charged: i64 = jobs.iter().map(|job| job.charged_micro_usd.get()).sum();
    let placements = || {
        jobs.iter()
            .flat_map(|j| j.placements.iter().map(move |p| (j, p)))
    };
    let detections = placements().filter_map(|(job, p)| detection(job, p, truth, silence));
    Summary {
        jobs: jobs.len(),
        succeeded: well,
        lost_jobs: jobs.len() - well,
        placements: placements().count(),
        failovers_within_network: moves().count() - across,
        failovers_across_networks: across,
        double_placements: jobs.iter().map(|job| double_placements(job, truth)).sum(),
        charged_micro_usd: MicroUsd::new(charged),
        delivered_gpu_seconds: lines.iter().map(|line| line.delivered_gpu_seconds).sum(),
        truth_gpu_seconds: lines.iter().map(|line| line.truth_gpu_seconds).sum(),
        still_rented: truth.still_rented(),
        max_detection_seconds: detections.max().unwrap_or(0),
        max_replacement_seconds: jobs.iter().flat_map(replacements).max().unwrap_or(0),
        job_lines: lines,
        ..Summary::default()
    }
}

/// Seconds from what broke an attempt that was at work to the decision to leave it.
fn detection(
    job: &JobView,
    placement: &PlacementView,
    truth: &Truth,
    silence: &Silence,
) -> Option<u64> {
    let left = placement.left_at?.micros();
    placement.bound_at?;
    let died = truth
        .attempt(job.summary.id, placement.epoch)
        .flat_map(|deployment| &deployment.units)
        .filter_map(|unit| unit.ended_us);
    let silenced = (placement.network == silence.network).then_some(silence.began_us);
    let broke = died.chain(silenced).filter(|at| *at <= left).min()?;
    Some(seconds(left - broke))
}

/// Seconds from each decision to leave an attempt to the binding of the next that was bound.
fn replacements(job: &JobView) -> Vec<u64> {
    let bound_after = |left: i64| {
        let bound = job.placements.iter().filter_map(|p| p.bound_at);
        bound.map(|at| at.micros()).find(|at| *at > left)
    };
    let worked = job.placements.iter().filter(|p| p.bound_at.is_some());
    let left = worked.filter_map(|p| p.left_at).map(|at| at.micros());
    left.filter_map(|left| Some(seconds(bound_after(left)? - left)))
        .collect()
}

/// Attempts that were bound before the one before was fenced, and rented things of one attempt
/// beyond the first that ever ran.
fn double_placements(job: &JobView, truth: &Truth) -> usize {
    let overlaps =
        job.placements
            .windows(2)
            .filter(|pair| match (pair[0].fenced_at, pair[1].bound_at) {
                (Some(fenced), Some(bound)) => bound < fenced,
                (None, Some(_)) => true,
                _ => false,
            });
    let ran = |d: &&Deployment| d.units.iter().any(|unit| !unit.ran_us.is_empty());
    let twins = job.placements.iter().map(|placement| {
        let deployments = truth.attempt(job.summary.id, placement.epoch);
        deployments.filter(ran).count().saturating_sub(1)
    });
    overlaps.count() + twins.sum::<usize>()
}
