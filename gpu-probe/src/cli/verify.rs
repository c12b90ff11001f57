//! `gpu-probe verify FILE`: judges a stored report, and says what only a live exchange can show.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::report::{FormatRefused, REPORT_BYTES_MAX, SignedReport};
use crate::verdict::{Effect, Verdict, VerdictOutcome};
use crate::verify::{Facts, Policy, judge_stored};

/// Exit code of a report that could not be read or judged.
const EXIT_COULD_NOT_RUN: u8 = 2;

/// What a stored report cannot show; printed beside every verdict for a person.
const NOT_SHOWN: &str = "\
A stored report shows who signed it and whether its numbers are possible and agree. It does not show
that the work was done, when, how fast by anyone else's clock, or that the memory is there: those
need a live exchange with a verifier. All rates are the prover's own word.";

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// A signed report, as JSON
    file: PathBuf,
    /// Print the verdict as one JSON document
    #[arg(long)]
    json: bool,
}

/// Why a file could not be judged.
#[derive(Debug, thiserror::Error)]
enum VerifyError {
    #[error("could not read the file: {0}")]
    Read(#[from] io::Error),
    #[error(transparent)]
    Format(#[from] FormatRefused),
}

/// Judges a file; the exit code is 0 for pass, 1 for fail, 2 for could not run.
pub(super) fn run(args: &VerifyArgs) -> u8 {
    let mut stdout = io::stdout().lock();
    let written = match judge_file(&args.file) {
        Ok((signed, verdict)) => {
            let text = if args.json {
                serde_json::to_string(&verdict).unwrap_or_default() + "\n"
            } else {
                describe(&signed, &verdict)
            };
            stdout
                .write_all(text.as_bytes())
                .map(|()| exit_code(verdict.outcome))
        }
        Err(error) => {
            tracing::error!("{}: {error}", args.file.display());
            Ok(EXIT_COULD_NOT_RUN)
        }
    };
    // A reader that has gone away, as `head` does, is no reason to judge otherwise.
    written.unwrap_or(EXIT_COULD_NOT_RUN)
}

const fn exit_code(outcome: VerdictOutcome) -> u8 {
    match outcome {
        VerdictOutcome::Pass => 0,
        VerdictOutcome::Fail => 1,
        VerdictOutcome::CouldNotRun => EXIT_COULD_NOT_RUN,
    }
}

fn judge_file(path: &Path) -> Result<(SignedReport, Verdict), VerifyError> {
    let mut text = Vec::new();
    let bytes_max = REPORT_BYTES_MAX as u64 + 1;
    File::open(path)?.take(bytes_max).read_to_end(&mut text)?;
    let signed = SignedReport::parse(&text)?;
    let verdict = judge_stored(&signed, &Policy::default(), &Facts::default());
    Ok((signed, verdict))
}

const fn word(outcome: VerdictOutcome) -> &'static str {
    match outcome {
        VerdictOutcome::Pass => "pass",
        VerdictOutcome::Fail => "fail",
        VerdictOutcome::CouldNotRun => "could not run",
    }
}

const fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Note => "note",
        Effect::Degraded => "degraded",
        Effect::CouldNotRun => "could not run",
        Effect::Fail => "fail",
    }
}

/// The verdict for a person.
fn describe(signed: &SignedReport, verdict: &Verdict) -> String {
    let mut devices = super::table(&[
        "device",
        "name",
        "card",
        "copy GB/s",
        "FP32 TFLOP/s",
        "own rates",
    ]);
    for (device, evidence) in signed.report.devices.iter().zip(&verdict.evidence) {
        let copy = device.bandwidth.measured().and_then(|b| b.copy.mb_per_s());
        let fp32 = device.fp32.measured().and_then(crate::report::Rate::gflops);
        devices.add_row([
            evidence.uuid.to_string(),
            device.identity.cuda.name.clone(),
            evidence
                .model
                .clone()
                .unwrap_or_else(|| "unknown".to_owned()),
            thousandths(copy),
            thousandths(fp32),
            evidence
                .reported_permille
                .map_or_else(|| "-".to_owned(), |p| format!("{} %", p / 10)),
        ]);
    }
    let mut reasons = super::table(&["effect", "reason", "what was seen"]);
    for reason in &verdict.reasons {
        let code = reason.code.to_string();
        reasons.add_row([effect(reason.effect), &code, &reason.detail]);
    }
    let level = verdict.proof_level.number();
    let outcome = word(verdict.outcome);
    format!("{devices}\n{reasons}\n{outcome}, proof level {level} (claimed)\n\n{NOT_SHOWN}\n")
}

/// `12345` as `12.3`.
fn thousandths(value: Option<u64>) -> String {
    value.map_or_else(
        || "-".to_owned(),
        |value| format!("{}.{}", value / 1_000, value % 1_000 / 100),
    )
}
