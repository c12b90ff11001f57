//! `tandem demo`: the story on real HTTP, with both networks emulated and the broker real.
//!
//! It reads workload files, says what each needs, prices them from the live offers of both
//! sandbox networks, places them, runs one as a real process under the real agent, takes its
//! machine away, and goes on from the checkpoint on the other network.

pub mod digest;
pub mod files;
pub mod market;
pub mod narrator;
pub mod stage;
pub mod summary;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use serde_json::json;
use tandem_model::error::ErrorCode;
use tandem_model::id::JobId;
use tandem_model::job::JobState;
use tandem_model::time::Clock;
use tandem_model::workload::WorkloadKind;

use crate::cli::failure::Failure;
use crate::engine::job::Accepted;
use crate::engine::job::Job;
use crate::engine::step;
use crate::shutdown;
use narrator::Narrator;
use stage::Stage;
pub use summary::Summary;

/// Name of the workload that runs as a real process.
const REAL_JOB: &str = "digest-training";
/// Steps of the real training.
const REAL_STEPS: u64 = 120;
/// Step after which its machine is taken away.
const LOSE_AT_STEP: u64 = 20;
/// How long a service runs before it is stopped, in world time.
const SERVICE_RUNS: Duration = Duration::from_secs(60);
/// Longest time for everything, in wall time.
const WHOLE_TIMEOUT: Duration = Duration::from_secs(240);
/// Time between two looks at the jobs.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How the demo runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Speed of the world, 1 to 10.
    pub speed: u32,
    /// Seed of the world.
    pub seed: u64,
    /// Where to leave the working folder.
    pub keep: Option<PathBuf>,
    /// Folder of further workload files.
    pub workloads: PathBuf,
    /// The agent's executable; none takes the one beside this program, or this program.
    pub agent: Option<PathBuf>,
    /// The story goes to stderr, so that stdout stays one document.
    pub quiet: bool,
}

/// Tells the story and returns its figures.
pub async fn run(settings: Settings) -> anyhow::Result<Summary> {
    let narrator = Narrator::new(settings.quiet);
    let stage = Stage::open(&settings).await?;
    // However it ends, what was started is taken down: real processes run in groups of their own.
    let told = tokio::select! {
        told = tell(&settings, &stage, &narrator) => told,
        () = tokio::time::sleep(WHOLE_TIMEOUT) => {
            Err(ended_early(format!("the demo did not end within {WHOLE_TIMEOUT:?}")))
        }
        () = shutdown::asked() => Err(ended_early("the demo was asked to end")),
        () = narrator.unheard() => Err(ended_early("nobody reads the demo any more")),
    };
    narrator.finish();
    stage.close().await;
    told
}

fn ended_early(why: impl Into<String>) -> anyhow::Error {
    Failure::new(ErrorCode::JOB_ENDED_BADLY, why)
        .hint("everything that it started was stopped; run it again")
        .into()
}

async fn tell(settings: &Settings, stage: &Stage, narrator: &Narrator) -> anyhow::Result<Summary> {
    narrator.chapter(&format!(
        "Two networks, emulated at {}",
        stage.sandbox_url()
    ));
    let files = files::gather(&settings.workloads);
    let offers = stage.offers().await?;
    narrator.line(&format!(
        "{} offers of both networks, {} workload files",
        offers.len(),
        files.len()
    ));

    narrator.chapter("What each file is, what it needs, what it costs per GPU-hour");
    let considered = market::consider(stage, &files, &offers)?;
    narrator.table(&considered.table);
    for (reason, count) in &considered.not_placed {
        narrator.line(&format!("not placed: {count} x {reason}"));
    }

    narrator.chapter("Placing every one of them over HTTP");
    let real = place(stage, considered.accepted)?;
    let watch = narrator.follow(stage.engine().board.clone(), stage.engine().clock.world());
    lose_the_machine(stage, narrator, real).await?;
    finish(stage).await;
    watch.stop().await;

    let mut summary = stage
        .engine()
        .board
        .all(|jobs| summary::of_jobs(jobs, stage.engine().clock.world()));
    summary.sandbox_url = stage.sandbox_url();
    summary.files = files.len();
    summary.not_placed = considered.not_placed;
    let truth = stage.truth().await?;
    summary.truth_gpu_seconds = truth.gpu_seconds;
    summary.still_rented = truth.still_rented;
    summary.digest_expected = digest::expected(REAL_STEPS);
    summary.digest = stage
        .engine()
        .board
        .with(real, |job| {
            digest::printed(job.log.iter()).map(str::to_owned)
        })
        .flatten();
    Ok(summary)
}

/// Starts a driver for every accepted job; the id of the real one.
fn place(stage: &Stage, accepted: Vec<Accepted>) -> anyhow::Result<JobId> {
    let mut real = None;
    for job in accepted {
        let is_real = job.workload.name == REAL_JOB;
        let id = stage.accept(job);
        if is_real {
            real = Some(id);
        }
    }
    real.ok_or_else(|| anyhow::anyhow!("`{REAL_JOB}` could not be priced"))
}

/// Waits until the real training has checkpoints, then takes its machine away.
async fn lose_the_machine(stage: &Stage, narrator: &Narrator, real: JobId) -> anyhow::Result<()> {
    let board = &stage.engine().board;
    loop {
        let at = board.with(real, |job| {
            let step = job.session.pointer().map_or(0, |pointer| pointer.step);
            (job.state, step, job.last().cloned())
        });
        match at {
            Some((JobState::Running, step, Some(attempt))) if step >= LOSE_AT_STEP => {
                let network = attempt.offer.network.clone();
                let device = attempt.remote_id.clone().unwrap_or_default();
                narrator.chapter(&format!(
                    "{network} loses the machine of {REAL_JOB} at step {step}, and is paused for it"
                ));
                board.with(real, |job| step::avoid(job, network.clone()));
                let fault = json!({
                    "network": network.as_str(), "scope": "node", "kind": "crash",
                    "target": device, "count": 1,
                });
                return stage.fault(&fault).await;
            }
            Some((state, ..)) if state.is_terminal() => {
                bail!("{REAL_JOB} ended ({state:?}) before its machine could be taken away");
            }
            _ => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// Waits until every job ended and gave back what it rented; services are stopped once they ran
/// for a while.
async fn finish(stage: &Stage) {
    let engine = stage.engine();
    loop {
        let now = engine.clock.world();
        let has_served = |job: &&Job| {
            let since = job.last().and_then(|a| a.bound_at);
            job.workload.kind == WorkloadKind::Service
                && job.state == JobState::Running
                && since.is_some_and(|since| now.since(since) > SERVICE_RUNS)
        };
        let (is_over, served) = engine.board.all(|jobs| {
            let served: Vec<_> = jobs.values().filter(has_served).map(|j| j.id).collect();
            (jobs.values().all(Job::is_settled), served)
        });
        if is_over {
            return;
        }
        for id in served {
            engine.cancel(id);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
