//! How placements are probed, and what that means for the engine and the verifier.

use std::time::Duration;

use gpu_probe::verify::Policy;

use crate::engine::probe::{OnCouldNotRun, ProbeTerms};

/// How placements are probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeConfig {
    /// Whether every placement starts with a quick probe.
    pub at_start: bool,
    /// What is done where it could not run.
    pub on_could_not_run: OnCouldNotRun,
    /// Failed probes after which a job never takes an offer again.
    pub fails_of_offer: u32,
    /// Failed verdicts after which a device is banned.
    pub ban_after_fails: u32,
    /// Expected share of failed starts, in thousandths, above which a kind loses its grade.
    pub grade_failed_permille: u32,
    /// Thousandths of the reference that pass.
    pub pass_permille: u32,
    /// Thousandths of the reference under which a probe fails.
    pub fail_permille: u32,
    /// Longest exchange.
    pub exchange: Duration,
    /// Moments of a GPU model and day at which running work is probed that agreed to it.
    pub while_running_per_day: u32,
    /// Days over which a machine's devices must have stayed the same for proof level 2.
    pub continuity_days: u32,
}

impl ProbeConfig {
    /// Exchanges that fit between a binding and the last moment for its verdict: one that a restart
    /// of the broker ended is begun anew.
    const EXCHANGES: u32 = 3;

    /// What the engine is told, in a world that runs so many times faster than the wall clock; but
    /// for the key of moments, which is the vault's.
    pub fn terms(&self, time_factor: u32) -> ProbeTerms {
        ProbeTerms {
            at_start: self.at_start,
            on_could_not_run: self.on_could_not_run,
            fails_of_offer: self.fails_of_offer,
            ban_after_fails: self.ban_after_fails,
            grade_failed_permille: self.grade_failed_permille,
            within: self.exchange * Self::EXCHANGES * time_factor,
            while_running_per_day: self.while_running_per_day,
            ..ProbeTerms::OFF
        }
    }

    /// How the verifier judges real cards, or those of a sandbox.
    pub fn policy(&self, is_sandbox: bool) -> Policy {
        let mut policy = if is_sandbox {
            Policy::sandbox()
        } else {
            Policy::default()
        };
        policy.thresholds.pass_permille = self.pass_permille.into();
        policy.thresholds.fail_permille = self.fail_permille.into();
        policy.thresholds.continuity_days = self.continuity_days;
        let exchange_ms = u64::try_from(self.exchange.as_millis()).unwrap_or(u64::MAX);
        policy.sizing.session_ms_max = exchange_ms;
        policy
    }
}
