//! `gpu-probe run`: measures the cards of this machine and prints what came of it.
//!
//! Everything runs on a thread of its own, which the command gives up on after a while: a driver
//! can hang in a call.

mod judged;
mod table;

use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tandem_model::error::ErrorCode;

use crate::bench::{Card, STEPS, Scale, driver_copy};
use crate::cuda::{CudaError, Driver, EXIT_COULD_NOT_RUN, with_work_left};
use crate::prover::{Machine, Prover, fresh_key};
use crate::report::{DEVICES_MAX, Kind, SignedReport};
use crate::verdict::{ProofLevel, Verdict};

use judged::SelfCheck;

/// Set to `tiny`, the benchmarks run at sizes for an interpreter; their rates mean nothing.
const SCALE_VARIABLE: &str = "TANDEM_PROBE_SCALE";
/// Longest run of a card beside its loads and waits.
const RUN_MAX: Duration = Duration::from_secs(300);
/// Exit code where a card did wrong, or fails its own check.
const EXIT_CARD_BAD: u8 = 1;
/// Longest soak, in minutes.
const MINUTES_MAX: u64 = 24 * 60;

/// Arguments of `gpu-probe run`.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// How much to do: about ten seconds, under two minutes, or with 25 minutes of load
    #[arg(long, value_enum, default_value_t = KindName::Quick)]
    kind: KindName,
    /// Minutes of a soak's load
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=MINUTES_MAX))]
    minutes: Option<u64>,
    /// The card's number, as `gpu-probe info` has it; all cards without it
    #[arg(long)]
    device: Option<u32>,
    /// Also make both proofs, against a verifier in this process
    #[arg(long)]
    self_check: bool,
    /// One JSON document on stdout
    #[arg(long)]
    json: bool,
    /// Also write the signed report to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum KindName {
    Quick,
    Full,
    Soak,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub(super) enum RunError {
    #[error(transparent)]
    Card(#[from] CudaError),
    #[error("the probe did not end within {} s: the driver hangs in a call", .0.as_secs())]
    Hung(Duration),
    #[error("`{path}` cannot be written")]
    Out {
        path: String,
        source: std::io::Error,
    },
}

impl RunError {
    /// The code under which it is explained.
    pub(super) fn code(&self) -> ErrorCode {
        match self {
            Self::Card(error) => error.code(),
            Self::Hung(_) => ErrorCode::PROBE_DEADLINE,
            Self::Out { .. } => ErrorCode::FILE_UNREADABLE,
        }
    }
}

/// What is printed with `--json`.
#[derive(Debug, Serialize)]
pub(super) struct Document {
    /// 0: nobody else's clock or challenge was involved, whatever was checked here.
    level: u8,
    note: &'static str,
    /// Why NVML's values are missing.
    nvml_missing: Option<String>,
    /// The driver's own copies inside each card's memory in MB/s, both ways counted, to be held
    /// beside the report's; empty without `--self-check`.
    driver_copy_mb_per_s: Vec<Option<u64>>,
    report: SignedReport,
    /// What a verifier in this process says; none without `--self-check`, or without proofs.
    verdict: Option<Verdict>,
    /// Why the proofs of `--self-check` could not be made.
    proof_error: Option<String>,
}

/// Says what a run alone is worth.
const NOTE: &str = "level 0: this is the machine's own word; only a verifier elsewhere, with its own \
                    clock, shows more";

/// Measures and prints; gives the exit code.
///
/// # Errors
///
/// Whatever kept the probe from making a report.
pub(super) fn run(run: &Run) -> Result<u8, RunError> {
    let scale = scale(run);
    let limit = limit(run, &scale);
    let (kind, device, self_check) = (run.kind(), run.device, run.self_check);
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = send.send(probe(kind, device, self_check, &scale));
    });
    let document = match receive.recv_timeout(limit) {
        Ok(result) => result?,
        Err(_) => {
            with_work_left();
            return Err(RunError::Hung(limit));
        }
    };
    if let Some(path) = &run.out {
        let json = serde_json::to_vec(&document.report).unwrap_or_default();
        std::fs::write(path, json).map_err(|source| RunError::Out {
            path: path.display().to_string(),
            source,
        })?;
    }
    let text = if run.json {
        serde_json::to_string(&document).unwrap_or_default()
    } else {
        table::text(&document)
    };
    // A closed pipe is the reader's choice.
    let _ = writeln!(std::io::stdout(), "{text}");
    Ok(if judged::is_bad(&document) {
        EXIT_CARD_BAD
    } else if document.proof_error.is_some() {
        EXIT_COULD_NOT_RUN
    } else {
        0
    })
}

impl Run {
    fn kind(&self) -> Kind {
        match self.kind {
            KindName::Quick => Kind::Quick,
            KindName::Full => Kind::Full,
            KindName::Soak => Kind::Soak,
        }
    }
}

/// Whether the sizes are those for an interpreter.
fn is_tiny() -> bool {
    std::env::var(SCALE_VARIABLE).is_ok_and(|scale| scale == "tiny")
}

fn scale(run: &Run) -> Scale {
    let mut scale = if is_tiny() {
        Scale::tiny()
    } else {
        Scale::standard()
    };
    if let Some(minutes) = run.minutes {
        scale.soak_ms = minutes * 60_000;
    }
    scale
}

/// How long the whole of it may take: every card in turn.
fn limit(run: &Run, scale: &Scale) -> Duration {
    let pulses = u64::from(scale.pulses) * scale.pulse_ms * 2;
    let loads_ms = match run.kind() {
        Kind::Spot | Kind::Quick => 0,
        Kind::Full => scale.steady_ms + pulses + scale.gaps_ms,
        Kind::Soak => scale.steady_ms + pulses + scale.gaps_ms + scale.soak_ms,
    };
    let cards = match run.device {
        Some(_) => 1,
        None => u32::try_from(DEVICES_MAX).unwrap_or(u32::MAX),
    };
    (RUN_MAX + Duration::from_millis(loads_ms)) * cards
}

fn bar(kind: Kind) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:20} {pos}/{len} {msg}");
    ProgressBar::new(u64::from(STEPS(kind)))
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn probe(
    kind: Kind,
    device: Option<u32>,
    self_check: bool,
    scale: &Scale,
) -> Result<Document, RunError> {
    let machine = Machine::open(Driver::load()?, device)?;
    if let Some(reason) = machine.nvml_missing() {
        tracing::warn!("no NVML, so no power, temperature or clocks: {reason}");
    }
    let cards = machine.cards(scale)?;
    let key = fresh_key();
    let bar = bar(kind);
    let progress = |step: u32, name: &'static str| {
        bar.set_position(u64::from(step - 1));
        bar.set_message(name);
    };
    let checked = if self_check {
        let begun = Instant::now();
        let clock_ns = move || u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let prover = Prover {
            cards: &cards,
            key: &key,
            clock_ns: &clock_ns,
        };
        judged::self_check(&machine, &prover, kind, &progress)
    } else {
        let report = machine.report(&cards, kind, None, &progress);
        SelfCheck::none(report.sign(&key))
    };
    bar.finish_and_clear();
    let is_abandoned = machine.driver().is_abandoned();
    let driver_copy = |card: &Card<'_>| driver_copy(card).ok()?.mb_per_s();
    let compared = cards.iter().filter(|_| self_check && !is_abandoned);
    Ok(Document {
        level: ProofLevel::Claimed.number(),
        note: NOTE,
        nvml_missing: machine.nvml_missing().map(str::to_owned),
        driver_copy_mb_per_s: compared.map(driver_copy).collect(),
        report: checked.report,
        verdict: checked.verdict,
        proof_error: checked.error,
    })
}
