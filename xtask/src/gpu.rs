//! `cargo xtask test --gpu`: what only a real card can show. Repeats the quick probe, holds its rates
//! to each other and to the driver's own copy, and records the reports.
//!
//! Everything is measured and written before anything fails, because time on a card is dear. With a
//! built program it runs where there is no cargo, and what it recorded can be judged elsewhere.

mod judge;
mod program;
mod rates;
mod record;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;

use program::Program;
use record::{Record, Run};

/// Quick probes where nothing else is asked for.
const RUNS: u32 = 20;
/// Longest quick probe with both proofs and their check.
const QUICK_MAX: Duration = Duration::from_secs(15);
/// Runs without a report, one after the other, after which no more are begun.
const SILENT_MAX: u32 = 3;

/// What is asked for.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Use this gpu-probe: nothing is built, and no cargo is needed.
    #[arg(long, requires = "gpu", value_name = "PATH")]
    program: Option<PathBuf>,
    /// Write the reports and `reports.tar`, one file with all of them, into this folder.
    #[arg(long, requires = "gpu", value_name = "DIR")]
    out: Option<PathBuf>,
    /// How many quick probes, about 15 s each; 20 without it.
    #[arg(long, requires = "gpu", value_parser = clap::value_parser!(u32).range(0..=100))]
    runs: Option<u32>,
    /// After that, minutes of load; none without it.
    #[arg(long, requires = "gpu", value_parser = clap::value_parser!(u64).range(0..=60))]
    soak_minutes: Option<u64>,
    /// Measure nothing: judge what was recorded in this folder; needs no card.
    #[arg(long, requires = "gpu", value_name = "DIR", conflicts_with_all = ["out", "runs", "soak_minutes"])]
    judge: Option<PathBuf>,
}

/// Probes card 0, records what it says, and fails with everything that was wrong.
pub(crate) fn run(asked: &Arguments) -> anyhow::Result<()> {
    let program = Program::of(asked.program.as_deref())?;
    let problems = match &asked.judge {
        Some(folder) => judge::folder(folder, &program)?,
        None => measure(asked, &program)?,
    };
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    Ok(())
}

fn measure(asked: &Arguments, program: &Program) -> anyhow::Result<Vec<String>> {
    let mut record = Record::begin(asked.out.as_deref())?;
    let runs = asked.runs.unwrap_or(RUNS);
    let (mut silent, mut was_alone) = (0, false);
    for number in 1..=runs {
        let probed = program.probe(&["--kind", "quick", "--self-check"]);
        println!("run {number:2}: {:.1} s", probed.took.as_secs_f64());
        silent = if probed.document.is_some() {
            0
        } else {
            silent + 1
        };
        let is_alone_due = !probed.has_proofs() && !probed.is_without_card;
        record.add(Run::of(number, &probed))?;
        if is_alone_due && !was_alone {
            // The benchmarks of a process whose proofs broke its card may all be missing.
            was_alone = true;
            alone(program, &mut record)?;
        }
        if silent >= SILENT_MAX || (number == 1 && probed.is_without_card) {
            break;
        }
    }
    if let Some(minutes) = asked.soak_minutes.filter(|minutes| *minutes > 0) {
        let minutes = minutes.to_string();
        let mut probed = program.probe(&["--kind", "soak", "--minutes", &minutes]);
        println!("soak: {:.1} s", probed.took.as_secs_f64());
        probed.needs_load();
        record.add_one("soak.json", &probed)?;
    }
    println!("recorded in {}", record.folder().display());
    Ok(record.problems())
}

/// One probe without proofs.
fn alone(program: &Program, record: &mut Record) -> anyhow::Result<()> {
    let probed = program.probe(&["--kind", "quick"]);
    println!("without proofs: {:.1} s", probed.took.as_secs_f64());
    record.add_one("alone.json", &probed)
}
