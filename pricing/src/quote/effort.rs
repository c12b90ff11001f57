//! What a workload does on whatever it runs on: how long, and what a failure does to it. The facts
//! that are not of the offer, from which the effective cost of one is computed.

use tandem_model::money::MicroUsd;
use tandem_model::workload::{Checkpoints, Workload, WorkloadClass, WorkloadKind};

use super::supply::Seller;
use crate::backstop;
use crate::cost::{CostFacts, Prepaid, Recovery};

/// How long work stands still for a checkpoint where nothing was measured, in milliseconds.
pub const SAVE_MS: u64 = 30_000;
/// From a failure to work going on where nothing was measured, in seconds: detection, the end of
/// the lease and the start of a machine.
pub const RESTART_SECONDS: u32 = 300;
/// Paid time of each start that is not billed, in seconds: the quick probe and the agent's start.
pub const PROBE_SECONDS: u32 = 60;

/// Failures are known per GPU and asked for per node and million hours.
const PER_BILLION_TO_MILLION: u64 = 1_000;

/// One workload, whatever it runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Effort {
    /// How long it runs at reference speed, in seconds; not 0. The customer's estimate, else his
    /// limit, else the term.
    pub useful_seconds: u64,
    /// GPUs of each node, at least 1.
    pub gpus_per_node: u16,
    /// Nodes, at least 1.
    pub nodes: u16,
    recovery: Recovery,
    egress_gb: u64,
}

impl Effort {
    /// What a workload of a class does; `term_seconds` stands in for a length that nobody gave.
    pub fn of(w: &Workload, class: WorkloadClass, term_seconds: u32) -> Self {
        let limits = &w.limits;
        let stated = limits.expected_seconds.or(limits.max_duration_seconds);
        let is_stateless = w.kind == WorkloadKind::Service
            || matches!(
                class,
                WorkloadClass::OnlineInference | WorkloadClass::Interactive
            );
        let recovery = match w.checkpoints {
            _ if is_stateless => Recovery::Stateless,
            Checkpoints::Agent { interval_seconds } => Recovery::Checkpoints {
                save_ms: SAVE_MS,
                interval_seconds: Some(interval_seconds),
            },
            Checkpoints::Customer => Recovery::Checkpoints {
                save_ms: SAVE_MS,
                interval_seconds: None,
            },
            Checkpoints::None => Recovery::FromStart,
        };
        Self {
            useful_seconds: u64::from(stated.unwrap_or(term_seconds).max(1)),
            gpus_per_node: w.resources.gpus_per_node.max(1),
            nodes: w.resources.nodes.max(1),
            recovery,
            egress_gb: limits.egress_gb.unwrap_or(0),
        }
    }

    /// Share of a run that the backstop runs after a failure, in permille.
    pub(super) fn backstop_run_permille(&self) -> u32 {
        match self.recovery {
            Recovery::FromStart => backstop::RUN_ANEW_PERMILLE,
            Recovery::Stateless | Recovery::Checkpoints { .. } => backstop::RUN_PERMILLE,
        }
    }

    /// GPUs that the work uses, over all nodes.
    pub fn gpus(&self) -> u32 {
        u32::from(self.gpus_per_node) * u32::from(self.nodes)
    }

    /// How long it runs with its checkpoints where nothing fails, in seconds: what a deadline and a
    /// budget look at.
    pub fn billed_seconds(&self) -> u64 {
        match self.recovery {
            Recovery::Checkpoints {
                save_ms,
                interval_seconds: Some(interval),
            } => {
                let interval_ms = u64::from(interval.max(1)) * 1_000;
                let saves = self.useful_seconds.saturating_mul(save_ms) / interval_ms;
                self.useful_seconds.saturating_add(saves)
            }
            _ => self.useful_seconds,
        }
    }

    /// GPU-seconds of the work at a speed in thousandths of the reference, not 0; rounded up.
    pub fn gpu_seconds(&self, speed_permille: u32) -> u128 {
        let at_reference = u128::from(self.useful_seconds) * u128::from(self.gpus());
        (at_reference * 1_000).div_ceil(speed_permille.max(1).into())
    }

    /// The facts of it on the machines of a seller.
    pub(super) fn facts(&self, seller: &Seller) -> CostFacts {
        let failures = u64::from(seller.failures) * u64::from(self.gpus_per_node);
        CostFacts {
            fee_basis_points: seller.fee_basis_points,
            speed_permille: seller.speed_permille,
            nodes: self.nodes,
            gpus: self.gpus(),
            failures_per_million_node_hours: u32::try_from(
                failures.div_ceil(PER_BILLION_TO_MILLION),
            )
            .unwrap_or(u32::MAX),
            useful_seconds: self.useful_seconds,
            recovery: self.recovery,
            restart_seconds: RESTART_SECONDS,
            prepaid: seller.prepaid.unwrap_or(Prepaid::UNKNOWN),
            probe_seconds: PROBE_SECONDS,
            starts_lost_ppb: seller.starts_lost_ppb,
            egress_gb: self.egress_gb,
            egress_micro_usd_per_gb: MicroUsd::ZERO,
            stake_micro_usd: MicroUsd::ZERO,
        }
    }
}
