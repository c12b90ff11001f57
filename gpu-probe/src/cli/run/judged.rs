//! The probe's own check of itself: a verifier in the same process, and whether a card did wrong.

use crate::bench::Progress;
use crate::exchange::ProverMessage;
use crate::prover::{Machine, Prover, ProverError};
use crate::report::{DeviceReport, Kind, SignedReport};
use crate::verdict::{Verdict, VerdictOutcome};
use crate::verify::{Facts, Policy, Session};

use super::Document;

/// Runs the whole exchange against a verifier in this process.
pub(super) fn self_check(
    machine: &Machine,
    prover: &Prover<'_>,
    kind: Kind,
    progress: Progress<'_>,
) -> Result<(SignedReport, Verdict), ProverError> {
    let now_ms = || (prover.clock_ns)() / 1_000_000;
    let (policy, facts) = (Policy::default(), Facts::default());
    let mut session = Session::new(policy, facts, kind, rand::random(), now_ms());
    let mut sent = None;
    let mut send = |message: ProverMessage| {
        if let ProverMessage::Report(report) = &message {
            sent = Some((**report).clone());
            run_checks(&mut session);
        }
        let answer = session.step(message, now_ms());
        answer.map_err(|refused| refused.to_string())
    };
    let hello = machine.hello(prover.key);
    let report =
        |plan: &_, proofs| machine.report(prover.cards, kind, Some((plan, proofs)), progress);
    let verdict = prover.run(&mut send as crate::prover::Send<'_>, hello, report)?;
    let missing = || ProverError::Transport("no report was sent".to_owned());
    Ok((sent.ok_or_else(missing)?, verdict))
}

fn run_checks(session: &mut Session) {
    while let Some(check) = session.take_check() {
        session.checked(check.run());
    }
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
