//! `tandem jobs`, `tandem job`, `tandem cancel`.

use gpu_probe::verdict::Effect;
use tandem_model::id::JobId;
use tandem_model::job::JobState;
use tandem_model::placement::Epoch;
use tandem_model::time::in_words;

use super::connection::Connection;
use super::output::{listing, say, table, tell};
use super::watch;
use super::words::{PROBED_WHILE_RUNNING, counted, hourly, made, moment, tell_clock, word};
use crate::api::{
    CancelReply, JobSummary, JobView, NodeView, PerformanceBreachView, ProbeView, QuoteView,
    TermView,
};
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
    say(&listing(&rows))?;
    tell_clock(&client);
    Ok(())
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
    print(&job.view)?;
    tell_clock(&client);
    Ok(())
}

/// What follows the term of a job that has no limit of time; none for one that ends with it.
fn term_line(quote: &QuoteView, term: &TermView) -> Option<String> {
    let most = quote.renewal_rate_max_micro_usd_per_gpu_hour?;
    let gpus = quote.gpus;
    let now = hourly(term.rate_micro_usd_per_gpu_hour, gpus);
    let until = in_words(term.firm_until_seconds);
    let next = term.next_rate_micro_usd_per_gpu_hour;
    let agreed = match next.zip(term.next_rate_from_seconds) {
        Some((rate, from)) => {
            let (from, next) = (in_words(from), hourly(rate, gpus));
            format!("{now} an hour until {from} of work, then {next} an hour until {until}")
        }
        None => format!("{now} an hour until {until} of work"),
    };
    let then = match term.stops_at_seconds {
        Some(at) => format!("stops after {} unless its price falls", in_words(at)),
        None => format!("then {} an hour at most", hourly(most, gpus)),
    };
    let worked = in_words(term.worked_seconds);
    Some(format!("{agreed} ({worked} so far); {then}"))
}

fn print(job: &JobView) -> anyhow::Result<()> {
    let quote = &job.quote;
    let rate = quote.rate_micro_usd_per_gpu_hour;
    say(&watch::last_line(job))?;
    say(&format!("  accepted  {}", moment(job.summary.accepted_at)))?;
    say(&format!(
        "  price     {} tier, {}, {} an hour, {}",
        quote.tier.as_str(),
        counted(quote.gpus.into(), "GPU"),
        hourly(rate, quote.gpus),
        quote.at_most()
    ))?;
    let is_open = !job.summary.state.is_terminal();
    let goes_on = job.term.as_ref().filter(|_| is_open);
    if let Some(term) = goes_on.and_then(|term| term_line(quote, term)) {
        say(&format!("  term      {term}"))?;
    }
    if job.probe_while_running {
        say(&format!("  probes    {PROBED_WHILE_RUNNING}"))?;
    }
    if let Some(queue) = &job.queue {
        say(&format!("  queue     {} before it", queue.before))?;
    }
    if let Some(cause) = &job.cause {
        say(&format!("  cause     {cause}"))?;
    }
    if let Some(checkpoint) = job.checkpoint.as_ref().filter(|_| is_open) {
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
    use tandem_model::money::{MicroUsd, RatePerGpuHour};
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

    #[test]
    fn what_follows_a_term_is_said_by_what_is_known_of_it() {
        let rate = |micro_usd| RatePerGpuHour::new(MicroUsd::new(micro_usd));
        let quote: QuoteView = serde_json::from_value(serde_json::json!({
            "id": "qt_0198c1c2f0b47d3e8a1b2c3d4e5f6071", "tier": "consumer", "offer": "o",
            "rate_micro_usd_per_gpu_hour": 250_000, "gpus": 2, "term_seconds": 86_400,
            "replacement_rate_max_micro_usd_per_gpu_hour": 1_000_000, "lines": [],
            "renewal_rate_max_micro_usd_per_gpu_hour": 300_000,
            "not_to_exceed_micro_usd": 12_000_000, "expires_at": "2026-08-21T09:32:00Z",
        }))
        .unwrap();
        let term = TermView {
            number: 1,
            rate_micro_usd_per_gpu_hour: rate(250_000),
            worked_seconds: 7_200,
            firm_until_seconds: 86_400,
            next_rate_micro_usd_per_gpu_hour: None,
            next_rate_from_seconds: None,
            stops_at_seconds: None,
        };
        // As the broker shows them: the next term is agreed, and its rate holds from the end of this.
        let agreed = TermView {
            number: 2,
            firm_until_seconds: 172_800,
            next_rate_micro_usd_per_gpu_hour: Some(rate(200_000)),
            next_rate_from_seconds: Some(86_400),
            ..term
        };
        let stops = TermView {
            stops_at_seconds: Some(86_400),
            ..term
        };
        for (term, said) in [
            (
                term,
                "$0.50 an hour until 24 h of work (2 h so far); then $0.60 an hour at most",
            ),
            (
                agreed,
                "$0.50 an hour until 24 h of work, then $0.40 an hour until 48 h (2 h so far); \
                 then $0.60 an hour at most",
            ),
            (
                stops,
                "$0.50 an hour until 24 h of work (2 h so far); stops after 24 h unless its price \
                 falls",
            ),
        ] {
            assert_eq!(term_line(&quote, &term).as_deref(), Some(said));
        }
        let ends = QuoteView {
            renewal_rate_max_micro_usd_per_gpu_hour: None,
            ..quote.clone()
        };
        assert_eq!(term_line(&ends, &term), None);
        assert_eq!(
            quote.at_most(),
            "at most $12.00 in 24 h, then $0.60 an hour at most"
        );
        assert_eq!(ends.at_most(), "at most $12.00 in 24 h");
    }
}
