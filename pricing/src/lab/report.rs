//! The result of a back-test: everything that is needed to read it and to run it again.

use std::collections::BTreeMap;

use serde::Serialize;
use tandem_model::workload::{Tier, WorkloadClass};

use super::bootstrap::{Estimates, estimate, total};
use super::demand::DemandFormat;
use super::parameters::{BLOCK_DAYS, Parameters, RESAMPLES};
use super::replay::{Played, play};
use super::scenario::{InputDigest, Scenario};
use super::tally::{Occupancy, Sums};
use crate::policy::{Policy, PolicyDigest};

/// What came of one policy, or of two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Backtest {
    /// Version of this form.
    pub tandem_backtest: u32,
    /// What it played on.
    pub inputs: InputsReport,
    /// What it assumed.
    pub parameters: Parameters,
    /// Resamples behind every interval.
    pub resamples: usize,
    /// Days of a block of a resample.
    pub block_days: usize,
    /// One policy, or two.
    pub policies: Vec<PolicyReport>,
    /// The second less the first.
    pub difference: Option<Estimates>,
}

/// What a back-test played on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InputsReport {
    /// The files.
    pub files: Vec<InputDigest>,
    /// The format of the demand.
    pub demand_format: DemandFormat,
    /// Whether the demand is the synthetic set that ships: then no customer stands behind a figure.
    pub demand_is_synthetic: bool,
    /// Whether acceptance follows a table of conversion.
    pub acceptance_by_table: bool,
    /// Tasks.
    pub tasks: usize,
    /// Days.
    pub days: usize,
    /// Places that sold.
    pub lanes: usize,
    /// Changes of their prices and supply.
    pub steps: usize,
    /// Rows of price files about cards that we do not sell.
    pub price_rows_left_out: usize,
}

/// What came of one policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyReport {
    /// Its name.
    pub name: String,
    /// SHA-256 of its document.
    pub digest: PolicyDigest,
    /// Totals with their intervals.
    pub estimates: Estimates,
    /// All tasks.
    pub totals: Sums,
    /// All GPU-seconds.
    pub occupancy: Occupancy,
    /// By class.
    pub by_class: BTreeMap<WorkloadClass, Sums>,
    /// By the tier that was wanted; tasks without a GPU want none.
    pub by_tier: BTreeMap<Tier, Sums>,
    /// By day of arrival.
    pub by_day: Vec<DayReport>,
}

/// What came of one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DayReport {
    /// Its number from 0.
    pub day: usize,
    /// Tasks that arrived.
    pub sums: Sums,
    /// GPU-seconds of the day.
    pub occupancy: Occupancy,
}

/// Replays a policy, or two on the same draws, and says what came of it.
///
/// The same scenario, parameters and policies give an equal result.
pub fn backtest(
    policy: &Policy,
    other: Option<&Policy>,
    scenario: &Scenario,
    parameters: Parameters,
) -> Backtest {
    let policies: Vec<&Policy> = std::iter::once(policy).chain(other).collect();
    let played: Vec<Played> = policies
        .iter()
        .map(|policy| play(policy, scenario, &parameters))
        .collect();
    let days: Vec<_> = played.iter().map(|played| &*played.days).collect();
    let (estimates, difference) = estimate(parameters.seed, &days);
    let inputs = InputsReport {
        files: scenario.inputs.clone(),
        demand_format: scenario.demand.format,
        demand_is_synthetic: scenario.synthetic,
        acceptance_by_table: scenario.conversion.is_some(),
        tasks: scenario.demand.tasks.len(),
        days: days.first().map_or(0, |days| days.len()),
        lanes: scenario.history.lanes.len(),
        steps: scenario.history.steps.len(),
        price_rows_left_out: scenario.history.left_out,
    };
    let reports = policies.into_iter().zip(played).zip(estimates);
    Backtest {
        tandem_backtest: 1,
        inputs,
        parameters,
        resamples: RESAMPLES,
        block_days: BLOCK_DAYS,
        policies: reports
            .map(|((policy, played), estimates)| report(policy, played, estimates))
            .collect(),
        difference,
    }
}

fn report(policy: &Policy, played: Played, estimates: Estimates) -> PolicyReport {
    let (totals, occupancy) = total(played.days.iter());
    let days = played.days.into_iter().enumerate();
    PolicyReport {
        name: policy.name().to_owned(),
        digest: policy.digest(),
        estimates,
        totals,
        occupancy,
        by_class: played.by_class,
        by_tier: played.by_tier,
        by_day: days
            .map(|(day, (sums, occupancy))| DayReport {
                day,
                sums,
                occupancy,
            })
            .collect(),
    }
}
