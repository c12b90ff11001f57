//! The probe's own check of itself: a verifier in the same process, and whether a card did wrong.

use std::thread::ScopedJoinHandle;

use crate::bench::{Progress, outcome_of_error};
use crate::exchange::ProverMessage;
use crate::prover::{Machine, Prover, ProverError};
use crate::report::{DeviceReport, Kind, Outcome, SignedReport};
use crate::verdict::{Verdict, VerdictOutcome};
use crate::verify::{CheckFindings, Facts, Policy, Session};

use super::Document;

/// Proofs for an interpreter, whose times mean nothing.
const TINY_MATRIX_N: u32 = 256;
const TINY_VRAM_BLOCKS: u64 = 3;

/// What came of the check.
pub(super) struct SelfCheck {
    pub(super) report: SignedReport,
    /// None without proofs.
    pub(super) verdict: Option<Verdict>,
    /// Why there are no proofs.
    pub(super) error: Option<String>,
}

impl SelfCheck {
    /// A report alone.
    pub(super) fn none(report: SignedReport) -> Self {
        Self {
            report,
            verdict: None,
            error: None,
        }
    }
}

/// Runs the whole exchange against a verifier in this process. Where it breaks off, the report says
/// why, and has the benchmarks that the card still makes.
pub(super) fn self_check(
    machine: &Machine,
    prover: &Prover<'_>,
    kind: Kind,
    progress: Progress<'_>,
) -> SelfCheck {
    match exchanged(machine, prover, kind, progress) {
        Ok((report, verdict)) => SelfCheck {
            report,
            verdict: Some(verdict),
            error: None,
        },
        Err(error) => {
            tracing::error!("the self-check broke off: {error}");
            let mut report = machine.report(prover.cards, kind, None, progress);
            for device in &mut report.devices {
                device.matrix = broken(&error);
                device.vram = broken(&error);
            }
            SelfCheck {
                error: Some(error.to_string()),
                ..SelfCheck::none(report.sign(prover.key))
            }
        }
    }
}

/// What a report says of a proof that was not made.
fn broken<T>(error: &ProverError) -> Outcome<T> {
    match error {
        ProverError::Card(error) => outcome_of_error(error),
        other => Outcome::CouldNotRun {
            reason: other.to_string(),
        },
    }
}

fn exchanged(
    machine: &Machine,
    prover: &Prover<'_>,
    kind: Kind,
    progress: Progress<'_>,
) -> Result<(SignedReport, Verdict), ProverError> {
    let now_ms = || (prover.clock_ns)() / 1_000_000;
    let mut policy = Policy::default();
    if super::is_tiny() {
        policy.sizing.matrix_n = TINY_MATRIX_N;
        policy.sizing.vram_blocks_max = TINY_VRAM_BLOCKS;
        // The least products and passes that there are.
        (policy.sizing.matrix_aim_ms, policy.sizing.vram_aim_ms) = (0, 0);
    }
    let facts = Facts::default();
    let mut session = Session::new(policy, facts, kind, rand::random(), now_ms());
    let mut sent = None;
    let verdict = std::thread::scope(|scope| {
        // A check takes seconds of one core: it runs while the card goes on.
        let mut checks = Vec::new();
        let mut send = |message: ProverMessage| {
            if let ProverMessage::Report(report) = &message {
                sent = Some((**report).clone());
                for check in checks.drain(..) {
                    let check: ScopedJoinHandle<'_, CheckFindings> = check;
                    session.checked(check.join().map_err(|_| "a check panicked")?);
                }
            }
            let answer = session.step(message, now_ms());
            while let Some(check) = session.take_check() {
                checks.push(scope.spawn(move || check.run()));
            }
            answer.map_err(|refused| refused.to_string())
        };
        let hello = machine.hello(prover.key);
        let report =
            |plan: &_, proofs| machine.report(prover.cards, kind, Some((plan, proofs)), progress);
        prover.run(&mut send as crate::prover::Send<'_>, hello, report)
    })?;
    let missing = || ProverError::Transport("no report was sent".to_owned());
    Ok((sent.ok_or_else(missing)?, verdict))
}

/// Whether a card failed a benchmark or its own check.
pub(super) fn is_bad(document: &Document) -> bool {
    let fails = document
        .verdict
        .as_ref()
        .is_some_and(|verdict| verdict.outcome == VerdictOutcome::Fail);
    fails || document.report.report.devices.iter().any(has_failed)
}

fn has_failed(device: &DeviceReport) -> bool {
    let outcomes = [
        super::table::failed(&device.census),
        super::table::failed(&device.isa_gate),
        super::table::failed(&device.bandwidth),
        super::table::failed(&device.latency),
        super::table::failed(&device.fp32),
        super::table::failed(&device.tensor_f16),
        super::table::failed(&device.tensor_bf16),
        super::table::failed(&device.tensor_fp8),
        super::table::failed(&device.matrix),
        super::table::failed(&device.vram),
        super::table::failed(&device.pcie),
        super::table::failed(&device.launch),
    ];
    let wrong = device
        .isa_gate
        .measured()
        .is_some_and(|gate| !gate.is_right);
    let health = device.health.as_ref().is_some_and(|health| {
        let patterns = health.patterns.measured();
        let bad_words = patterns.is_some_and(|p| p.passes.iter().any(|pass| pass.errors > 0));
        let loads = [&health.steady_load, &health.pulsed_load];
        let mut loads = loads.into_iter().chain(&health.soak);
        bad_words || loads.any(|load| load.measured().is_some_and(|l| l.mismatches > 0))
    });
    wrong || health || outcomes.into_iter().any(|failed| failed)
}
