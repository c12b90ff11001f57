//! What a replay assumes. Every figure is named in the result, so that nobody has to guess.

use crate::{backstop, failures};
use std::collections::BTreeMap;

use serde::Serialize;
use tandem_model::time::WallTime;
use tandem_model::workload::{Tier, WorkloadClass};

/// Resamples of the bootstrap.
pub const RESAMPLES: usize = 1_000;
/// Days of a block of the bootstrap: long enough for a busy spell, short enough for a fortnight.
pub const BLOCK_DAYS: usize = 3;
/// Largest elasticity in permille.
pub const ELASTICITY_PERMILLE_MAX: u32 = 20_000;

/// A figure for each tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ByTier {
    /// `consumer`.
    pub consumer: u32,
    /// `assured`.
    pub assured: u32,
    /// `enterprise`.
    pub enterprise: u32,
}

impl ByTier {
    /// The figure of a tier.
    pub const fn of(&self, tier: Tier) -> u32 {
        match tier {
            Tier::Consumer => self.consumer,
            Tier::Assured => self.assured,
            Tier::Enterprise => self.enterprise,
        }
    }
}

/// The reference price is the cost and this margin, in basis points.
pub(super) const REFERENCE_MARGIN_BASIS_POINTS: u32 = 1_300;

/// Assumptions of a replay. `docs/price-lab.md` says where each comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parameters {
    /// Seed of every number that is drawn.
    pub seed: u64,
    /// The moment at which the replay starts; promotions look at it.
    pub starts_at: WallTime,
    /// Share of the tasks that accept the reference price, in millionths. Not used with a table of
    /// conversion.
    pub base_acceptance_ppm: u32,
    /// Elasticity of acceptance in permille: at 1,500 a price 1 % higher is accepted 1.5 % less.
    /// Not used with a table of conversion.
    pub elasticity_permille: u32,
    /// The reference price is the list cost and this margin, in basis points.
    pub reference_margin_basis_points: u32,
    /// Failures in a billion GPU-hours, of hardware that can be sold as enterprise.
    pub enterprise_failures_per_billion_gpu_hours: u32,
    /// Failures in a billion GPU-hours, of all other hardware.
    pub consumer_failures_per_billion_gpu_hours: u32,
    /// How many of a thousand failures break an objective.
    pub breach_per_failure_permille: ByTier,
    /// What a breach pays back, in basis points of the price of the run.
    pub credit_basis_points: ByTier,
    /// How long the backstop of `assured` runs after a failure, in permille of the run.
    pub backstop_run_permille: u32,
    /// Of a thousand tasks of a class, how many want which tier, if all fit.
    pub wanted_tiers_permille: BTreeMap<WorkloadClass, ByTier>,
}

impl Parameters {
    /// The assumptions that hold unless others are given.
    pub fn standard(seed: u64, starts_at: WallTime) -> Self {
        Self {
            seed,
            starts_at,
            base_acceptance_ppm: 600_000,
            elasticity_permille: 1_500,
            reference_margin_basis_points: REFERENCE_MARGIN_BASIS_POINTS,
            enterprise_failures_per_billion_gpu_hours: failures::ENTERPRISE_PER_BILLION_GPU_HOURS,
            consumer_failures_per_billion_gpu_hours: failures::OTHER_PER_BILLION_GPU_HOURS,
            breach_per_failure_permille: ByTier {
                consumer: 200,
                assured: 50,
                enterprise: 100,
            },
            credit_basis_points: ByTier {
                consumer: 1_000,
                assured: 2_500,
                enterprise: 2_500,
            },
            backstop_run_permille: backstop::RUN_PERMILLE,
            wanted_tiers_permille: WorkloadClass::ALL
                .into_iter()
                .map(|class| (class, wanted(class)))
                .collect(),
        }
    }
}

const fn wanted(class: WorkloadClass) -> ByTier {
    let (consumer, assured, enterprise) = match class {
        WorkloadClass::DistributedTraining => (0, 0, 1_000),
        WorkloadClass::SingleNodeTraining => (400, 300, 300),
        WorkloadClass::OnlineInference => (200, 400, 400),
        WorkloadClass::BatchInference => (700, 150, 150),
        WorkloadClass::Rendering => (800, 150, 50),
        WorkloadClass::Interactive => (600, 200, 200),
        WorkloadClass::EvaluationOrData => (700, 200, 100),
    };
    ByTier {
        consumer,
        assured,
        enterprise,
    }
}
