//! Following a job to its end: lines when something changes, a bar in between.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tandem_model::error::ErrorCode;
use tandem_model::id::JobId;
use tandem_model::job::JobState;
use tandem_model::time::in_words;

use super::failure::Failure;
use super::output::{say, tell};
use super::words::{counted, word};
use crate::api::{JobView, PlacementView};
use crate::client::{Answer, Client, ClientError};

/// Time between two looks.
pub const LOOK_EVERY: Duration = Duration::from_millis(700);
/// Between two turns of the spinner.
const TICK_EVERY: Duration = Duration::from_millis(120);
/// For so many looks in a row a broker may be away before a watcher gives up.
const AWAY_LOOKS_MAX: u32 = 60;
/// Exit code of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Watches a job until it ends; fails when it did not succeed. Ctrl-C ends the watching alone.
pub async fn run(client: &Client, id: JobId, json: bool) -> anyhow::Result<()> {
    let bar = Bar::new();
    let ended = tokio::select! {
        ended = follow(client, id, &bar) => ended?,
        _ = tokio::signal::ctrl_c() => {
            bar.0.finish_and_clear();
            tell(&format!("the job goes on: `tandem job {id} --watch` looks again, `tandem cancel {id}` stops it"));
            std::process::exit(INTERRUPTED);
        }
    };
    bar.0.finish_and_clear();
    if json {
        say(&serde_json::to_string_pretty(&ended.document)?)?;
    } else {
        say(&last_line(&ended.view))?;
    }
    verdict(&ended.view)?;
    tell(&format!(
        "next: `tandem logs {id}`, `tandem job {id}`, `tandem receipt {id}`"
    ));
    Ok(())
}

/// Fails for a job that ended without success.
fn verdict(job: &JobView) -> anyhow::Result<()> {
    if job.summary.state == JobState::Succeeded {
        return Ok(());
    }
    let id = job.summary.id;
    let cause = job.cause.as_deref().unwrap_or("no cause is recorded");
    let message = format!("{id} is {}: {cause}", word(&job.summary.state));
    Err(Failure::new(ErrorCode::JOB_ENDED_BADLY, message)
        .hint(format!("tandem logs {id}"))
        .into())
}

async fn follow(client: &Client, id: JobId, bar: &Bar) -> Result<Answer<JobView>, Failure> {
    let mut before: Option<JobView> = None;
    let mut away = 0;
    loop {
        match look(client, id).await {
            Ok(job) => {
                away = 0;
                for line in story(before.as_ref(), &job.view) {
                    bar.line(&line);
                }
                bar.show(&job.view);
                if job.view.summary.state.is_terminal() {
                    return Ok(job);
                }
                before = Some(job.view);
            }
            Err(error) if error.may_pass() && away < AWAY_LOOKS_MAX => {
                if away == 0 {
                    bar.line(&format!("{error}; the job goes on, trying again"));
                }
                away += 1;
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// One look at a job.
pub async fn look(client: &Client, id: JobId) -> Result<Answer<JobView>, ClientError> {
    client.get(&format!("/v1/jobs/{id}")).await
}

/// The bar in the terminal; none where there is no terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        if std::io::stderr().is_terminal() {
            bar.enable_steady_tick(TICK_EVERY);
        } else {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self(bar)
    }

    fn line(&self, text: &str) {
        self.0.suspend(|| tell(text));
    }

    fn show(&self, job: &JobView) {
        let progress = job
            .nodes
            .first()
            .and_then(|n| Some((n.step?, n.total_steps?)));
        let template = match progress {
            Some((step, total)) => {
                self.0.set_length(total);
                self.0.set_position(step);
                "{spinner} {bar:24} {pos}/{len} {msg}"
            }
            None => "{spinner} {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        self.0.set_message(status_line(job));
    }
}

fn place(placement: &PlacementView) -> String {
    format!(
        "attempt {} on {} {} in {}",
        placement.epoch.0,
        placement.network,
        placement.gpu,
        placement.country.as_str()
    )
}

fn live(job: &JobView) -> Option<&PlacementView> {
    job.placements.iter().find(|placement| placement.live)
}

/// What the bar says.
fn status_line(job: &JobView) -> String {
    let mut text = word(&job.summary.state);
    if let Some(queue) = job.queue.as_ref().filter(|queue| queue.before > 0) {
        text.push_str(&format!(", {} before it", queue.before));
    }
    if let Some(placement) = live(job) {
        text.push_str(&format!(", {}", place(placement)));
    }
    let node = job.nodes.first();
    if let Some(step) = node
        .filter(|n| n.total_steps.is_none())
        .and_then(|n| n.step)
    {
        text.push_str(&format!(", step {step}"));
    }
    text.push_str(&format!(", {} so far", job.charged_micro_usd));
    text
}

/// What changed since the last look.
fn story(before: Option<&JobView>, now: &JobView) -> Vec<String> {
    let mut lines = Vec::new();
    for placement in &now.placements {
        let known = before.and_then(|b| b.placements.iter().find(|p| p.id == placement.id));
        if known.is_none() {
            lines.push(place(placement));
        }
        let left_before = known.is_some_and(|p| p.left_at.is_some());
        if let (false, Some(why)) = (left_before, &placement.left_because) {
            lines.push(format!("attempt {} was left: {why}", placement.epoch.0));
        }
    }
    if before.is_none_or(|b| b.summary.state != now.summary.state) {
        let from = match (&now.checkpoint, now.summary.state) {
            (Some(checkpoint), JobState::Running) => {
                format!(", checkpoint at step {}", checkpoint.step)
            }
            _ => String::new(),
        };
        lines.push(format!("{}{from}", word(&now.summary.state)));
    }
    lines
}

/// How a job ended, or stands.
pub fn last_line(job: &JobView) -> String {
    let mut text = format!(
        "{} {}: {} GPU time, {} charged, {}",
        job.summary.name,
        word(&job.summary.state),
        in_words(job.delivered_gpu_seconds),
        job.charged_micro_usd,
        counted(job.placements.len() as u64, "attempt")
    );
    if let Some(digest) = &job.output_sha256 {
        text.push_str(&format!(", output sha256 {digest}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn job(state: &str, placements: serde_json::Value) -> JobView {
        let id = "job_0198c1c2f0b47d3e8a1b2c3d4e5f6071";
        serde_json::from_value(json!({
            "id": id, "name": "train", "state": state, "kind": "job",
            "class": "single_node_training", "tier": "consumer", "gpus": 1,
            "accepted_at": "2026-08-21T09:30:00Z", "ended_at": null,
            "quote": {
                "id": "qt_0198c1c2f0b47d3e8a1b2c3d4e5f6071", "tier": "consumer", "offer": "o",
                "rate_micro_usd_per_gpu_hour": 250_000, "gpus": 1, "term_seconds": 86_400,
                "replacement_rate_max_micro_usd_per_gpu_hour": 1_000_000, "not_to_exceed_micro_usd": 6_000_000, "lines": [],
                "expires_at": "2026-08-21T09:32:00Z",
            },
            "queue": null, "placements": placements, "nodes": [], "checkpoint": null,
            "charged_micro_usd": 12_300, "charged_gpu_us": 0, "delivered_gpu_seconds": 177,
            "cause": null, "output_sha256": null,
        }))
        .unwrap()
    }

    fn placement(epoch: u32, left: Option<&str>) -> serde_json::Value {
        json!({
            "id": format!("pl_0198c1c2f0b47d3e8a1b2c3d4e5f607{epoch}"), "epoch": epoch,
            "live": left.is_none(), "network": "ionet", "product": "vmaas", "gpu": "rtx_4090",
            "grade": "consumer", "country": "US", "decided_at": "2026-08-21T09:30:00Z",
            "bound_at": null, "left_at": left.map(|_| "2026-08-21T09:31:00Z"),
            "left_because": left,
        })
    }

    #[test]
    fn a_move_is_told_as_what_was_left_why_and_where_it_goes_on() {
        let before = job("running", json!([placement(1, None)]));
        let now = job(
            "placing",
            json!([placement(1, Some("the node was lost")), placement(2, None)]),
        );
        assert_eq!(
            story(Some(&before), &now),
            [
                "attempt 1 was left: the node was lost",
                "attempt 2 on ionet rtx_4090 in US",
                "placing"
            ]
        );
        assert!(story(Some(&now), &now).is_empty());
        assert_eq!(
            story(None, &before),
            ["attempt 1 on ionet rtx_4090 in US", "running"]
        );
    }

    #[test]
    fn the_bar_names_state_attempt_network_and_cost() {
        let text = status_line(&job("running", json!([placement(1, None)])));
        assert_eq!(
            text,
            "running, attempt 1 on ionet rtx_4090 in US, $0.0123 so far"
        );
    }

    #[test]
    fn a_job_that_failed_fails_the_command_with_its_cause_and_the_command_for_its_log() {
        let mut ended = job("failed", json!([]));
        ended.cause = Some("exit code 3".into());
        let error = verdict(&ended).unwrap_err().to_string();
        assert!(error.contains("exit code 3"));
        assert!(verdict(&job("succeeded", json!([]))).is_ok());
        assert_eq!(
            last_line(&job("succeeded", json!([]))),
            "train succeeded: 2 min 57 s GPU time, $0.0123 charged, 0 attempts"
        );
    }
}
