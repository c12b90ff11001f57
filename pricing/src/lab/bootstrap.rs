//! How far totals could have come out otherwise: a circular block bootstrap over days.
//!
//! A resample is as many days as there were, taken in blocks of days that follow one another, with
//! the last followed by the first (Politis and Romano, 1992). Two policies are resampled with the
//! same days, so that what they share cancels in their difference.

use std::collections::BTreeMap;

use serde::Serialize;

use super::draw::{Purpose, below};
use super::parameters::{BLOCK_DAYS, RESAMPLES};
use super::tally::{Occupancy, Sums};
use crate::fixed::MILLION;

/// What is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Revenue in micro-dollars.
    RevenueMicroUsd,
    /// Cost in micro-dollars.
    CostMicroUsd,
    /// Margin in micro-dollars.
    MarginMicroUsd,
    /// Expected credit in micro-dollars.
    ExpectedCreditMicroUsd,
    /// Margin less expected credit, in micro-dollars.
    MarginAfterCreditMicroUsd,
    /// Expected breaches in billionths.
    ExpectedBreachesPpb,
    /// Tasks that were sold.
    Accepted,
    /// Of the tasks that ask for a GPU, how many were sold, in millionths.
    AcceptancePpm,
    /// GPU-seconds taken of those that there were, in millionths.
    UtilisationPpm,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Self; 9] = [
        Self::RevenueMicroUsd,
        Self::CostMicroUsd,
        Self::MarginMicroUsd,
        Self::ExpectedCreditMicroUsd,
        Self::MarginAfterCreditMicroUsd,
        Self::ExpectedBreachesPpb,
        Self::Accepted,
        Self::AcceptancePpm,
        Self::UtilisationPpm,
    ];

    /// Its value for a set of tasks and the time they were asked for in.
    pub fn of(self, sums: &Sums, occupancy: &Occupancy) -> i128 {
        let signed = |n: u128| i128::try_from(n).unwrap_or(i128::MAX);
        let share = |part: u128, whole: u128| {
            let share = (part * u128::from(MILLION)).checked_div(whole);
            signed(share.unwrap_or(0))
        };
        match self {
            Self::RevenueMicroUsd => sums.revenue_micro_usd,
            Self::CostMicroUsd => sums.cost_micro_usd,
            Self::MarginMicroUsd => sums.margin_micro_usd,
            Self::ExpectedCreditMicroUsd => sums.expected_credit_micro_usd,
            Self::MarginAfterCreditMicroUsd => {
                sums.margin_micro_usd - sums.expected_credit_micro_usd
            }
            Self::ExpectedBreachesPpb => signed(sums.expected_breaches_ppb),
            Self::Accepted => i128::from(sums.accepted),
            Self::AcceptancePpm => share(
                u128::from(sums.accepted),
                u128::from(sums.tasks - sums.refused_without_gpu),
            ),
            Self::UtilisationPpm => {
                share(occupancy.taken_gpu_seconds, occupancy.supply_gpu_seconds)
            }
        }
    }
}

/// A value with the 5th and the 95th percentile of its resamples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// What the replay gave.
    pub value: i128,
    /// 5th percentile.
    pub low: i128,
    /// 95th percentile.
    pub high: i128,
}

/// An estimate a metric.
pub type Estimates = BTreeMap<Metric, Estimate>;

type Day = (Sums, Occupancy);

/// Sums of a choice of days.
pub(super) fn total<'a>(days: impl Iterator<Item = &'a Day>) -> Day {
    days.fold(Day::default(), |mut total, day| {
        total.0.add(&day.0);
        total.1.add(&day.1);
        total
    })
}

/// The days of a resample.
fn resample(seed: u64, number: u64, days: usize) -> impl Iterator<Item = usize> {
    let limit = u64::try_from(days).unwrap_or(u64::MAX);
    let blocks = limit.div_ceil(u64::try_from(BLOCK_DAYS).unwrap_or(1));
    let starts = (0..blocks).map(move |block| {
        let start = below(seed, Purpose::Resample, number * blocks + block, limit);
        usize::try_from(start).unwrap_or(0)
    });
    let followed = starts.flat_map(|start| (0..BLOCK_DAYS).map(move |next| start + next));
    followed.take(days).map(move |day| day % days)
}

/// Estimates of every policy, and of the second less the first where there are two.
pub(super) fn estimate(seed: u64, policies: &[&[Day]]) -> (Vec<Estimates>, Option<Estimates>) {
    let days = policies.first().map_or(0, |days| days.len());
    let values = |day: &Day| Metric::ALL.map(|metric| metric.of(&day.0, &day.1));
    let found: Vec<_> = policies.iter().map(|p| values(&total(p.iter()))).collect();
    let mut drawn: Vec<Vec<_>> = vec![Vec::with_capacity(RESAMPLES); policies.len()];
    for number in (0..).take(RESAMPLES) {
        let chosen: Vec<usize> = resample(seed, number, days).collect();
        for (drawn, policy) in drawn.iter_mut().zip(policies) {
            drawn.push(values(&total(chosen.iter().map(|day| &policy[*day]))));
        }
    }
    let of = |value: &dyn Fn(usize) -> i128, sample: &dyn Fn(usize, usize) -> i128| {
        let all = Metric::ALL.into_iter().enumerate();
        all.map(|(metric, name)| {
            let mut samples: Vec<_> = (0..RESAMPLES).map(|n| sample(n, metric)).collect();
            samples.sort_unstable();
            let estimate = Estimate {
                value: value(metric),
                low: samples[RESAMPLES / 20 - 1],
                high: samples[RESAMPLES - RESAMPLES / 20 - 1],
            };
            (name, estimate)
        })
        .collect::<Estimates>()
    };
    let each = (0..policies.len())
        .map(|p| of(&|metric| found[p][metric], &|n, metric| drawn[p][n][metric]))
        .collect();
    let difference = (policies.len() == 2).then(|| {
        of(
            &|metric| found[1][metric] - found[0][metric],
            &|n, metric| drawn[1][n][metric] - drawn[0][n][metric],
        )
    });
    (each, difference)
}
