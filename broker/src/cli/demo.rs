//! `tandem demo`: arguments, and how its end is shown.

use std::path::PathBuf;

use comfy_table::CellAlignment;
use tandem_model::error::ErrorCode;
use tandem_model::money::MicroUsd;

use super::failure::Failure;
use super::output::{say, table, tell};
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
        let stood = line.placements.join("\nthen ");
        rows.add_row([
            line.name.clone(),
            format!("{:?}", line.state).to_lowercase(),
            stood,
            format!("{} s", line.seconds),
            line.gpu_seconds.to_string(),
            line.charged_micro_usd.to_string(),
        ]);
    }
    for column in 3..6 {
        if let Some(column) = rows.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    say(&rows.to_string())?;
    let cost: MicroUsd = summary.charged_micro_usd;
    say(&format!(
        "{} jobs, {} ended well, {} placements, {} moved to the other network; cost {cost}",
        summary.jobs, summary.succeeded, summary.placements, summary.failovers_across_networks
    ))?;
    say(&format!(
        "detected within {} s, replaced within {} s (world time, in the sandbox)",
        summary.max_detection_seconds, summary.max_replacement_seconds
    ))?;
    say(&format!(
        "delivered {} GPU-s of {} that really ran; nothing else is charged",
        summary.delivered_gpu_seconds, summary.truth_gpu_seconds
    ))?;
    if let Some(digest) = &summary.digest {
        let same = if *digest == summary.digest_expected {
            "the same as"
        } else {
            "NOT that of"
        };
        say(&format!(
            "result {}… is {same} an uninterrupted run",
            &digest[..digest.len().min(16)]
        ))?;
    }
    tell("next: `tandem classify FILE`, `tandem check FILE`, `tandem sandbox`");
    Ok(())
}

fn verdict(summary: &Summary) -> anyhow::Result<()> {
    let broken = if summary.lost_jobs > 0 {
        format!(
            "{} of {} jobs did not end well",
            summary.lost_jobs, summary.jobs
        )
    } else if summary.still_rented > 0 {
        format!("{} rented things were not given back", summary.still_rented)
    } else if summary.digest.as_deref() != Some(&summary.digest_expected) {
        "the moved training's result differs from an uninterrupted run".to_owned()
    } else if summary.double_placements + summary.pointers_gone_back > 0 {
        "two placements of one job were live at once, or a checkpoint pointer went back".to_owned()
    } else {
        return Ok(());
    };
    Err(Failure::new(ErrorCode::JOB_ENDED_BADLY, broken)
        .hint("RUST_LOG=tandem=debug tandem demo --keep DIR shows how")
        .into())
}
