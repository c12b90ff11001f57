//! Collects everything that is found, so that a verdict lists every reason and not only the first.

use crate::report::DeviceUuid;
use crate::verdict::{Effect, Reason, ReasonCode, VerdictOutcome};

/// Most reasons of a verdict; there are fewer codes times devices.
const REASONS_MAX: usize = 1_024;

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    reasons: Vec<Reason>,
    device: Option<DeviceUuid>,
}

impl Findings {
    /// From here on findings concern this device, or the machine.
    pub(super) fn about(&mut self, device: Option<DeviceUuid>) {
        self.device = device;
    }

    /// Adds a finding.
    pub(super) fn add(&mut self, effect: Effect, code: ReasonCode, detail: String) {
        if self.reasons.len() < REASONS_MAX {
            let device = self.device;
            self.reasons.push(Reason {
                code,
                effect,
                device,
                detail,
            });
        }
    }

    /// Adds what fails the probe.
    pub(super) fn fail(&mut self, code: ReasonCode, detail: String) {
        self.add(Effect::Fail, code, detail);
    }

    /// Adds what is worth knowing.
    pub(super) fn note(&mut self, code: ReasonCode, detail: String) {
        self.add(Effect::Note, code, detail);
    }

    /// Judges a share of a reference: fails, degrades or passes it; gives the share, at most 1000.
    pub(super) fn floor(
        &mut self,
        code: ReasonCode,
        what: &str,
        permille: u64,
        lines: &super::Thresholds,
    ) -> u64 {
        let detail = || format!("{what} at {permille} permille of the reference");
        if permille < lines.fail_permille {
            self.fail(code, detail());
        } else if permille < lines.pass_permille {
            self.add(Effect::Degraded, code, detail());
        }
        permille.min(1_000)
    }

    /// The outcome and all reasons, worst first.
    pub(super) fn finish(mut self) -> (VerdictOutcome, Vec<Reason>) {
        self.reasons
            .sort_by_key(|r| (std::cmp::Reverse(r.effect), r.code, r.device));
        let outcome = match self.reasons.first().map(|r| r.effect) {
            Some(Effect::Fail) => VerdictOutcome::Fail,
            Some(Effect::CouldNotRun) => VerdictOutcome::CouldNotRun,
            Some(Effect::Degraded | Effect::Note) | None => VerdictOutcome::Pass,
        };
        (outcome, self.reasons)
    }
}
