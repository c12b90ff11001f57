//! `tandem jobs`, `tandem job`, `tandem cancel`.

use gpu_probe::verdict::Effect;
use tandem_model::id::JobId;
use tandem_model::job::JobState;
use tandem_model::placement::Epoch;

use super::connection::Connection;
use super::output::{say, table, tell};
use super::watch;
use super::words::{PROBED_WHILE_RUNNING, hourly, made, moment, seconds, word};
use crate::api::{CancelReply, JobSummary, JobView, NodeView, PerformanceBreachView, ProbeView};
use crate::client::Answer;

/// Arguments of `tandem jobs`.
#[derive(Debug, clap::Args)]
pub struct ListArguments {
    /// Only jobs in this state, such as running or failed.
    #[arg(long, value_parser = state)]
    state: Option<JobState>,
    #[command(flatten)]
    connection: Connection,
}

/// Arguments of `tandem job`.
#[derive(Debug, clap::Args)]
pub struct ShowArguments {
    /// The job.
    id: JobId,
    /// Watch it until it ends.
    #[arg(long, short)]
    watch: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Arguments of `tandem cancel`.
#[derive(Debug, clap::Args)]
pub struct CancelArguments {
    /// The job.
    id: JobId,
    #[command(flatten)]
    connection: Connection,
}

fn state(name: &str) -> Result<JobState, String> {
    let found = JobState::ALL.into_iter().find(|s| word(s) == name);
    found.ok_or_else(|| {
        let all: Vec<String> = JobState::ALL.iter().map(word).collect();
        format!("one of {}", all.join(", "))
    })
}

/// Lists jobs, oldest first.
pub async fn list(arguments: ListArguments, json: bool) -> anyhow::Result<()> {
    let client = arguments.connection.client()?;
    let path = match arguments.state {
        Some(state) => format!("/v1/jobs?state={}", word(&state)),
        None => "/v1/jobs".to_owned(),
    };
    let jobs: Answer<Vec<JobSummary>> = client.all(&path).await?;
    if json {
        return say(&serde_json::to_string_pretty(&jobs.document)?);
    }
    if jobs.view.is_empty() {
        tell("there are no such jobs; `tandem submit FILE` runs one");
        return Ok(());
    }
    let mut rows = table(&["job", "name", "state", "tier", "GPUs", "accepted", "ended"]);
    for job in &jobs.view {
        rows.add_row([
            job.id.to_string(),
            job.name.clone(),
            word(&job.state),
            job.tier.as_str().to_owned(),
            job.gpus.to_string(),
            moment(job.accepted_at),
            job.ended_at.map_or_else(String::new, moment),
        ]);
    }
    say(&rows.to_string())
}

/// Shows one job, or follows it.
pub async fn show(arguments: ShowArguments, json: bool) -> anyhow::Result<()> {
    let client = arguments.connection.client()?;
    if arguments.watch {
        return watch::run(&client, arguments.id, json).await;
    }
    let job = watch::look(&client, arguments.id).await?;
    if json {
        return say(&serde_json::to_string_pretty(&job.document)?);
    }
    print(&job.view)
}

fn print(job: &JobView) -> anyhow::Result<()> {
    let quote = &job.quote;
    let rate = quote.rate_micro_usd_per_gpu_hour;
    say(&watch::last_line(job))?;
    say(&format!("  accepted  {}", moment(job.summary.accepted_at)))?;
    say(&format!(
        "  price     {} tier, {} GPU(s), {} an hour, at most {} in {}",
        quote.tier.as_str(),
        quote.gpus,
        hourly(rate, quote.gpus),
        quote.not_to_exceed_micro_usd,
        seconds(quote.term_seconds.into())
    ))?;
    if job.probe_while_running {
        say(&format!("  probes    {PROBED_WHILE_RUNNING}"))?;
    }
    if let Some(queue) = &job.queue {
        say(&format!("  queue     {} before it", queue.before))?;
    }
    if let Some(cause) = &job.cause {
        say(&format!("  cause     {cause}"))?;
    }
    if let Some(checkpoint) = &job.checkpoint {
        let (step, epoch) = (checkpoint.step, checkpoint.epoch.0);
        say(&format!(
            "  restarts  from step {step}, saved by attempt {epoch}"
        ))?;
    }
    for node in &job.nodes {
        say(&node_line(node))?;
    }
    print_attempts(job)
}

/// What a node was heard to do.
fn node_line(node: &NodeView) -> String {
    let phase = node.phase.as_deref().unwrap_or("heard");
    let step = match (node.step, node.total_steps) {
        (Some(step), Some(total)) => format!(", step {step} of {total}"),
        (Some(step), None) => format!(", step {step}"),
        _ => String::new(),
    };
    format!("  node {:<4} {phase}{step}", node.rank)
}

fn print_attempts(job: &JobView) -> anyhow::Result<()> {
    let mut rows = table(&["attempt", "on", "decided", "left", "because"]);
    for placement in &job.placements {
        rows.add_row([
            placement.epoch.0.to_string(),
            format!(
                "{} {} in {}",
                placement.network,
                placement.gpu,
                placement.country.as_str()
            ),
            moment(placement.decided_at),
            placement.left_at.map_or_else(String::new, moment),
            placement.left_because.clone().unwrap_or_default(),
        ]);
    }
    say(&rows.to_string())?;
    for placement in &job.placements {
        for probe in &placement.probes {
            say(&probe_line(placement.epoch, probe))?;
        }
        for breach in &placement.performance_breaches {
            say(&breach_line(placement.epoch, breach))?;
        }
    }
    Ok(())
}

/// What a node's speed fell short of.
fn breach_line(epoch: Epoch, breach: &PerformanceBreachView) -> String {
    format!(
        "  breach    attempt {}, node {}: speed {} of 1000, {} promised, proof level {}, {}",
        epoch.0,
        breach.rank,
        breach.measured_permille,
        breach.promised_permille,
        breach.proof_level,
        moment(breach.at),
    )
}

/// What came of one node's probe.
fn probe_line(epoch: Epoch, probe: &ProbeView) -> String {
    let speed = probe
        .speed_permille
        .map_or_else(String::new, |speed| format!(", speed {speed} of 1000"));
    let reasons: Vec<String> = probe
        .reasons
        .iter()
        .filter(|reason| reason.effect != Effect::Note)
        .map(|reason| format!("{} ({})", reason.code, reason.detail))
        .collect();
    let why = if reasons.is_empty() {
        String::new()
    } else {
        format!(": {}", reasons.join("; "))
    };
    format!(
        "  probe     attempt {}, node {}, {}: {}, proof level {}{speed}{why}",
        epoch.0,
        probe.rank,
        made(probe.while_running),
        word(&probe.outcome),
        probe.proof_level,
    )
}

/// Asks for a job to be stopped.
pub async fn cancel(arguments: CancelArguments, json: bool) -> anyhow::Result<()> {
    let client = arguments.connection.client()?;
    let path = format!("/v1/jobs/{}/cancel", arguments.id);
    let stopped: Answer<CancelReply> = client.settle(reqwest::Method::POST, &path).await?;
    if json {
        return say(&serde_json::to_string_pretty(&stopped.document)?);
    }
    say(&format!(
        "{} is {}",
        arguments.id,
        word(&stopped.view.state)
    ))
}

#[cfg(test)]
mod tests {
    use gpu_probe::verdict::VerdictOutcome;
    use tandem_model::time::WorldTime;

    use super::*;

    #[test]
    fn a_probe_of_running_work_reads_unlike_one_at_the_start() {
        let start = ProbeView {
            rank: 2,
            outcome: VerdictOutcome::Pass,
            while_running: false,
            accepted: true,
            proof_level: 1,
            speed_permille: Some(940),
            reasons: Vec::new(),
            at: WorldTime::default().into(),
        };
        let running = ProbeView {
            while_running: true,
            ..start.clone()
        };
        let lines = [start, running].map(|probe| probe_line(Epoch(1), &probe));
        assert_eq!(
            lines,
            [
                "  probe     attempt 1, node 2, at the start: pass, proof level 1, speed 940 of 1000",
                "  probe     attempt 1, node 2, while running: pass, proof level 1, speed 940 of 1000",
            ]
        );
    }
}
