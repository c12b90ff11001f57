//! What failures cost: the backstop of `assured` before a price is made, breach and credit after.

use tandem_model::money::MicroUsd;
use tandem_model::workload::Tier;

use super::demand::Task;
use super::parameters::Parameters;
use crate::backstop as formula;
use crate::fixed::{BILLION, at_least_one_ppb};

/// GPU-seconds of a billion GPU-hours.
const GPU_SECONDS_PER_BILLION_GPU_HOURS: u128 = 3_600 * 1_000_000_000;

/// What a run is expected to owe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Expected {
    /// Probability of a breach, in billionths.
    pub(super) breach_ppb: u64,
    /// Credit.
    pub(super) credit: MicroUsd,
}

fn gpu_seconds(task: &Task) -> u128 {
    u128::from(task.gpus) * u128::from(task.duration_s)
}

/// Expected cost of the backstop per GPU-hour of a task.
pub(super) fn backstop(
    task: &Task,
    first: MicroUsd,
    backstop: MicroUsd,
    parameters: &Parameters,
) -> MicroUsd {
    let share = formula::share_ppb(
        gpu_seconds(task),
        parameters.consumer_failures_per_billion_gpu_hours,
        parameters.backstop_run_permille,
    );
    formula::cost(first, backstop, share)
}

/// Breach and credit of a run that is sold for `revenue`. The credit is rounded up.
pub(super) fn expected(
    task: &Task,
    tier: Tier,
    on_enterprise: bool,
    revenue: i128,
    parameters: &Parameters,
) -> Expected {
    let rate = if on_enterprise {
        parameters.enterprise_failures_per_billion_gpu_hours
    } else {
        parameters.consumer_failures_per_billion_gpu_hours
    };
    let breaches = u128::from(parameters.breach_per_failure_permille.of(tier));
    let breach_ppb = at_least_one_ppb(
        gpu_seconds(task) * u128::from(rate) * breaches,
        GPU_SECONDS_PER_BILLION_GPU_HOURS * 1_000,
    );
    let share = u128::from(parameters.credit_basis_points.of(tier)) * u128::from(breach_ppb);
    let revenue = u128::try_from(revenue).unwrap_or(0);
    let credit = (revenue * share).div_ceil(u128::from(BILLION) * 10_000);
    Expected {
        breach_ppb,
        credit: MicroUsd::new(i64::try_from(credit).unwrap_or(i64::MAX)),
    }
}
