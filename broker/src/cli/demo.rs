//! `tandem demo`: arguments, and how its end is shown.

use std::path::PathBuf;

use comfy_table::CellAlignment;
use tandem_model::error::ErrorCode;

use super::failure::Failure;
use super::output::{say, table, tell};
use super::words::word;
use crate::demo::{self, Settings, Summary};

/// Arguments of `tandem demo`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How many times faster than the wall clock the world runs, 1 to 10.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10))]
    speed: u32,
    /// Seed of the emulated world.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Leave the working folder here instead of removing it.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Further workload files to classify, price and place.
    #[arg(long, value_name = "DIR", default_value = "../shared/data/workloads")]
    workloads: PathBuf,
}

/// Runs the demo and fails when a job was lost or an invariant broken.
pub async fn run(arguments: Arguments, json: bool) -> anyhow::Result<()> {
    let settings = Settings {
        speed: arguments.speed,
        seed: arguments.seed,
        keep: arguments.keep,
        workloads: arguments.workloads,
        agent: None,
        quiet: json,
    };
    let summary = demo::run(settings).await?;
    if json {
        say(&serde_json::to_string_pretty(&summary)?)?;
    } else {
        print(&summary)?;
    }
    verdict(&summary)
}

fn print(summary: &Summary) -> anyhow::Result<()> {
    say("")?;
    let mut rows = table(&["job", "end", "stood on", "time", "GPU-s", "cost"]);
    for line in &summary.job_lines {
        rows.add_row([
            line.name.clone(),
            word(&line.state),
            line.placements.join("\nthen "),
            format!("{} s", line.seconds),
            line.delivered_gpu_seconds.to_string(),
            line.charged_micro_usd.to_string(),
        ]);
    }
    for column in 3..6 {
        if let Some(column) = rows.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    say(&rows.to_string())?;
    for line in words(summary) {
        say(&line)?;
    }
    tell(
        "next: `tandem serve --sandbox` runs a broker like this one, `tandem submit FILE --watch` uses it",
    );
    Ok(())
}

/// The figures in words.
fn words(summary: &Summary) -> Vec<String> {
    let mut lines = vec![
        format!(
            "{} jobs, {} ended well, {} placements; {} moved within their network, {} to the other one",
            summary.jobs,
            summary.succeeded,
            summary.placements,
            summary.failovers_within_network,
            summary.failovers_across_networks
        ),
        format!(
            "losses were noticed within {} s, replaced within {} s more (world time, in the sandbox)",
            summary.max_detection_seconds, summary.max_replacement_seconds
        ),
        format!(
            "charged {}, which is what the ledger says, for {} proved GPU-seconds of {} that really ran",
            summary.charged_micro_usd, summary.delivered_gpu_seconds, summary.truth_gpu_seconds
        ),
    ];
    if let Some(digest) = &summary.digest {
        let same = match *digest == summary.digest_expected {
            true => "the same as",
            false => "NOT that of",
        };
        let short: String = digest.chars().take(16).collect();
        lines.push(format!(
            "the moved training's result {short}… is {same} an uninterrupted run's"
        ));
    }
    lines.push(format!("it took {} s", summary.wall_seconds));
    lines
}

/// What must hold and does not, in words.
fn broken(summary: &Summary) -> Vec<String> {
    let s = summary;
    let charged = i128::from(s.charged_micro_usd.get());
    let all = [
        (
            s.lost_jobs > 0,
            format!("{} of {} jobs did not end well", s.lost_jobs, s.jobs),
        ),
        (
            s.still_rented > 0,
            format!("{} rented things were not given back", s.still_rented),
        ),
        (
            s.digest.as_deref() != Some(&s.digest_expected),
            "the moved training's result is not that of an uninterrupted run".to_owned(),
        ),
        (
            s.double_placements > 0,
            format!(
                "{} times two placements of a job were live at once",
                s.double_placements
            ),
        ),
        (
            charged != s.ledger_micro_usd,
            format!(
                "{charged} micro-dollars are charged, and {} stand in the ledger",
                s.ledger_micro_usd
            ),
        ),
        (
            s.delivered_gpu_seconds > s.truth_gpu_seconds,
            format!(
                "{} GPU-seconds count as delivered, and {} really ran",
                s.delivered_gpu_seconds, s.truth_gpu_seconds
            ),
        ),
        (
            s.failovers_within_network == 0,
            "no job moved within its network".to_owned(),
        ),
        (
            s.failovers_across_networks == 0,
            "no job moved to the other network".to_owned(),
        ),
    ];
    all.into_iter()
        .filter_map(|(holds_not, words)| holds_not.then_some(words))
        .collect()
}

fn verdict(summary: &Summary) -> anyhow::Result<()> {
    let broken = broken(summary);
    if broken.is_empty() {
        return Ok(());
    }
    Err(Failure::new(ErrorCode::JOB_ENDED_BADLY, broken.join("; "))
        .hint("RUST_LOG=tandem=debug tandem demo --keep DIR shows how")
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tandem_model::money::MicroUsd;

    fn good() -> Summary {
        Summary {
            jobs: 6,
            succeeded: 6,
            failovers_within_network: 1,
            failovers_across_networks: 2,
            charged_micro_usd: MicroUsd::new(7),
            ledger_micro_usd: 7,
            delivered_gpu_seconds: 9,
            truth_gpu_seconds: 10,
            digest: Some("d".to_owned()),
            digest_expected: "d".to_owned(),
            ..Summary::default()
        }
    }

    #[test]
    fn every_broken_promise_is_named() {
        verdict(&good()).unwrap();
        let bad = Summary {
            lost_jobs: 1,
            still_rented: 1,
            double_placements: 1,
            digest: None,
            ledger_micro_usd: 8,
            truth_gpu_seconds: 8,
            failovers_within_network: 0,
            failovers_across_networks: 0,
            ..good()
        };
        assert_eq!(broken(&bad).len(), 8);
        assert!(
            words(&good())
                .iter()
                .any(|line| line.contains("the same as"))
        );
    }
}
