//! `tandem demo`: the story on real HTTP, with both networks emulated and the broker real.
//!
//! A sandbox and a broker are started as `tandem sandbox` and `tandem serve` start them. From then
//! on there are two: a customer, who has nothing but an API key, and a saboteur, who has nothing
//! but the sandbox's control. The customer has workload files classified and priced and accepts
//! them all; the saboteur takes a machine away, then silences a whole network and heals it.

pub mod digest;
pub mod environment;
pub mod files;
pub mod market;
pub mod narrator;
pub mod saboteur;
pub mod stage;
pub mod story;
pub mod summary;
pub mod watch;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tandem_model::error::ErrorCode;
use tandem_model::id::JobId;

use crate::api::{JobView, LogPage};
use crate::cli::failure::Failure;
use crate::shutdown;

use market::Accepted;
use narrator::Narrator;
use stage::Stage;
use story::Story;
pub use summary::Summary;
use watch::Watch;

/// Name of the workload that runs as a real process.
const REAL_JOB: &str = "digest-training";
/// Steps of the real training.
const REAL_STEPS: u64 = 100;
/// Step after which its machine is taken away.
const LOSE_AT_STEP: u64 = 20;
/// Steps of a simulated job; one takes a world second.
const SIMULATED_STEPS: u64 = 150;
/// Longest time for everything, in wall time.
const WHOLE_TIMEOUT: Duration = Duration::from_secs(240);

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
    let started = Instant::now();
    let narrator = Narrator::new(settings.quiet);
    let stage = Stage::open(&settings).await?;
    let timeout = WHOLE_TIMEOUT * 10 / settings.speed.clamp(1, 10);
    // However it ends, what was started is taken down: real processes run in groups of their own.
    let told = tokio::select! {
        told = tell(&settings, &stage, &narrator) => told,
        () = tokio::time::sleep(timeout) => {
            Err(ended_early(format!("the demo did not end within {timeout:?}")))
        }
        () = shutdown::asked() => Err(ended_early("the demo was asked to end")),
        () = narrator.unheard() => Err(ended_early("nobody reads the demo any more")),
    };
    narrator.finish();
    stage.close().await;
    told.map(|summary| Summary {
        wall_seconds: started.elapsed().as_secs(),
        ..summary
    })
}

fn ended_early(why: impl Into<String>) -> anyhow::Error {
    Failure::new(ErrorCode::JOB_ENDED_BADLY, why)
        .hint("everything that it started was stopped; run it again")
        .into()
}

async fn tell(settings: &Settings, stage: &Stage, narrator: &Narrator) -> anyhow::Result<Summary> {
    narrator.chapter("A broker, and two networks to rent from");
    narrator.line(&format!("the broker listens at {}", stage.broker_url()));
    narrator.line(&format!(
        "both networks are emulated at {}, {} times faster than the clock on the wall",
        stage.sandbox_url(),
        settings.speed
    ));
    let files = files::gather(&settings.workloads);
    let offers = stage.offers().await?;
    narrator.line(&format!(
        "{offers} offers of both networks, {} workload files",
        files.len()
    ));

    narrator.chapter("What each file is, what it needs, what it costs per GPU-hour");
    let considered = market::consider(&stage.customer, &files).await?;
    narrator.table(&considered.table);
    for (reason, count) in &considered.not_placed {
        narrator.line(&format!("not placed: {count} x {reason}"));
    }

    narrator.chapter("All of them are accepted; seconds are those of the emulated world");
    let start_us = stage.saboteur.world_us().await?;
    let watch = Watch::new(stage.customer.clone(), narrator.clone(), start_us);
    let accepted = market::accept(&stage.customer, considered.chosen).await?;
    for job in &accepted {
        watch.follow(job.clone());
    }
    let summary = played(stage, narrator, &watch, &accepted).await;
    watch.stop().await;
    Ok(Summary {
        speed: settings.speed,
        files: files.len(),
        not_placed: considered.not_placed,
        ..summary?
    })
}

/// Everything that happens to the jobs, and the figures of it.
async fn played(
    stage: &Stage,
    narrator: &Narrator,
    watch: &Watch,
    accepted: &[Accepted],
) -> anyhow::Result<Summary> {
    let real = accepted.iter().find(|job| job.is_real());
    let real = real.ok_or_else(|| anyhow::anyhow!("`{REAL_JOB}` could not be priced"))?;
    let story = Story {
        stage,
        watch,
        narrator,
        real: real.id,
    };
    story.lose_machines().await?;
    let silence = story.lose_network().await?;
    let truth = story.finish().await?;

    let mut jobs: Vec<JobView> = Vec::new();
    for job in accepted {
        jobs.push(watch.job(job.id).await?);
    }
    let now_us = stage.saboteur.world_us().await?;
    Ok(Summary {
        sandbox_url: stage.sandbox_url(),
        broker_url: stage.broker_url(),
        incidents: watch.incidents(),
        ledger_micro_usd: stage.ledger_micro_usd().await?,
        digest: printed_digest(stage, real.id).await?,
        digest_expected: digest::expected(REAL_STEPS),
        ..summary::of_jobs(&jobs, &truth, &silence, now_us)
    })
}

/// The digest in the log of the real training.
async fn printed_digest(stage: &Stage, job: JobId) -> Result<Option<String>, Failure> {
    let mut lines: Vec<String> = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/v1/jobs/{job}/logs?limit=200{after}");
        let page: LogPage = stage.customer.get(&path).await?.view;
        let text = page.items.iter().flat_map(|chunk| chunk.text.lines());
        lines.extend(text.map(str::to_owned));
        match page.next.filter(|_| page.more) {
            Some(next) => after = format!("&after={next}"),
            None => return Ok(digest::printed(lines.iter()).map(str::to_owned)),
        }
    }
}
