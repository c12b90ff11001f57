//! The parts of the effective cost, each by its formula.
//!
//! Waste by failures is the first-order model of Hérault and Robert (eds., Fault-Tolerance
//! Techniques for High-Performance Computing, Springer 2015, chapter 1): with a period T of which
//! C is the checkpoint, a mean time between failures μ and a restart R, the expected time is the
//! useful time times `T / (T - C) x μ / (μ - R - T/2)`. A gang of N nodes fails N times as often as
//! one. Work without checkpoints has itself as its period; the model is good while that is short
//! beside μ and errs to the dear side up to it.

use super::checkpoint::{Interval, optimal_interval};
use super::{CostError, CostFacts, CostModel, Prepaid, RATIOS, Recovery, ceil_ratio};
use tandem_model::network::RefundRule;

/// Parts of one that ratios are counted in.
const BILLION: i128 = super::BILLION as i128;
/// Milliseconds of an hour.
const HOUR_MS: i128 = 3_600_000;
/// Ten thousand basis points are the whole.
const BASIS_POINTS: i128 = 10_000;
/// Hours that failure rates are counted over.
const MILLION_HOURS_MS: i128 = 1_000_000 * HOUR_MS;
/// Highest ratio of an effective cost to its price, in billionths: a million times.
const RATIO_MAX: i128 = 1_000_000 * BILLION;
/// Highest constant part in micro-dollars per useful GPU-hour: a billion dollars.
const CONSTANT_MAX: i128 = 1_000_000_000_000_000;

/// Refuses facts that divide by zero and amounts below zero.
fn check(f: &CostFacts) -> Result<(), CostError> {
    let facts = [
        ("speed_permille", f.speed_permille > 0),
        ("nodes", f.nodes > 0),
        ("gpus", f.gpus > 0),
        ("useful_seconds", f.useful_seconds > 0),
        (
            "egress_micro_usd_per_gb",
            f.egress_micro_usd_per_gb.get() >= 0,
        ),
        ("stake_micro_usd", f.stake_micro_usd.get() >= 0),
    ];
    match facts.iter().find(|(_, fine)| !fine) {
        Some((name, _)) => Err(CostError::NotPositive(name)),
        None => Ok(()),
    }
}

/// Mean time between failures of the gang in milliseconds; none when nothing fails.
fn mtbf_ms(f: &CostFacts) -> Option<i128> {
    let rate = i128::from(f.failures_per_million_node_hours) * i128::from(f.nodes);
    MILLION_HOURS_MS.checked_div(rate)
}

/// Useful time between saves where work saves itself; none when it does not, or ends before.
fn interval(f: &CostFacts, run_ms: i128, mtbf: Option<i128>) -> Option<Interval> {
    let Recovery::Checkpoints {
        save_ms,
        interval_seconds,
    } = f.recovery
    else {
        return None;
    };
    let chosen = match interval_seconds {
        Some(seconds) => u64::from(seconds.max(1)) * 1_000,
        None => optimal_interval(save_ms, u64::try_from(mtbf?).unwrap_or(u64::MAX)),
    };
    (i128::from(chosen) < run_ms).then_some(Interval {
        work_ms: chosen,
        is_given: interval_seconds.is_some(),
    })
}

/// Hours that are bought for a run of so many milliseconds.
fn hours_bought(prepaid: &Prepaid, run_ms: i128) -> i128 {
    let first = i128::from(prepaid.hours_min);
    let step = i128::from(prepaid.step_hours.max(1));
    let hours = (run_ms + HOUR_MS - 1) / HOUR_MS;
    let more = (hours - first).max(0);
    first + (more + step - 1) / step * step
}

/// Prepaid milliseconds that are neither used nor paid back: at the planned end, and at each of
/// the expected `failures` (in billionths), when on average half a step is left.
fn stranded_ms(prepaid: &Prepaid, run_ms: i128, failures: i128) -> Result<i128, CostError> {
    let step = i128::from(prepaid.step_hours.max(1)) * HOUR_MS;
    let unused = hours_bought(prepaid, run_ms) * HOUR_MS - run_ms;
    let (at_end, at_failure) = match prepaid.refund {
        RefundRule::None => (unused, step / 2),
        RefundRule::ProportionalAfterFirstHour => ((HOUR_MS - run_ms).max(0), 0),
        RefundRule::PeriodOnProviderFault { period_seconds } => {
            let period = i128::from(period_seconds) * 1_000;
            (unused, (step / 2 - period).max(0))
        }
    };
    let by_failures = ceil_ratio(at_failure, failures, BILLION)?;
    at_end.checked_add(by_failures).ok_or(CostError::OutOfRange)
}

/// Prepaid milliseconds of one start that is left before it began: the smallest purchase, as far as
/// it is not paid back. No network calls a verdict of ours its own fault.
fn abandoned_ms(prepaid: &Prepaid) -> i128 {
    match prepaid.refund {
        RefundRule::ProportionalAfterFirstHour => HOUR_MS,
        RefundRule::None | RefundRule::PeriodOnProviderFault { .. } => {
            i128::from(prepaid.hours_min.max(1)) * HOUR_MS
        }
    }
}

/// Starts of the whole gang that are lost before one begins, in billionths: with the odds
/// `o = p / (1 - p)` that a node's probe fails, `(1 + o)^nodes - 1`.
fn gang_starts_lost(f: &CostFacts) -> Result<i128, CostError> {
    let mut tries = BILLION;
    let mut power = BILLION + i128::from(f.starts_lost_ppb);
    let mut nodes = f.nodes;
    while nodes > 0 && power > BILLION {
        if power.max(tries) > RATIO_MAX {
            return Err(CostError::OutOfRange);
        }
        if nodes & 1 == 1 {
            tries = ceil_ratio(tries, power, BILLION)?;
        }
        power = ceil_ratio(power, power, BILLION)?;
        nodes >>= 1;
    }
    Ok(tries - BILLION)
}

/// Prepaid milliseconds that starts lose whose probe fails: before the first and after each of the
/// expected `failures` (in billionths).
fn lost_starts_ms(f: &CostFacts, failures: i128) -> Result<i128, CostError> {
    let starts = ceil_ratio(gang_starts_lost(f)?, BILLION + failures, BILLION)?;
    ceil_ratio(abandoned_ms(&f.prepaid), starts, BILLION)
}

/// A constant amount spread over the useful GPU-hours of the work, rounded up; `share` is in
/// billionths.
fn spread(amount: i128, share: i128, f: &CostFacts) -> Result<u64, CostError> {
    let gpu_seconds = i128::from(f.useful_seconds) * i128::from(f.gpus);
    let expected = ceil_ratio(amount, share, BILLION)?;
    let per_hour = ceil_ratio(expected, 3_600, gpu_seconds)?;
    if per_hour > CONSTANT_MAX {
        return Err(CostError::OutOfRange);
    }
    u64::try_from(per_hour).map_err(|_| CostError::OutOfRange)
}

/// Ratios after checkpoints, lost work and restarts, from the one before them.
fn waste(
    f: &CostFacts,
    before: i128,
    run_ms: i128,
    mtbf: Option<i128>,
    interval: Option<Interval>,
) -> Result<[i128; 3], CostError> {
    let (period, saving) = match (f.recovery, interval) {
        (Recovery::Checkpoints { save_ms, .. }, Some(chosen)) => {
            let save = i128::from(save_ms);
            (i128::from(chosen.work_ms) + save, save)
        }
        (Recovery::Stateless, _) => (0, 0),
        _ => (run_ms, 0),
    };
    let saves = ceil_ratio(before, period.max(1), (period - saving).max(1))?;
    let Some(mtbf) = mtbf else {
        return Ok([saves; 3]);
    };
    // In halves: μ - T/2 and μ - T/2 - R.
    let after_loss = 2 * mtbf - period;
    let after_restart = after_loss - 2 * i128::from(f.restart_seconds) * 1_000;
    if after_restart <= 0 {
        return Err(CostError::NoProgress);
    }
    let loss = ceil_ratio(saves, 2 * mtbf, after_loss)?;
    let restart = ceil_ratio(loss, after_loss, after_restart)?;
    Ok([saves, loss, restart])
}

/// Computes the model.
pub(super) fn model(f: &CostFacts) -> Result<CostModel, CostError> {
    check(f)?;
    let speed = i128::from(f.speed_permille);
    let useful_ms = i128::from(f.useful_seconds) * 1_000;
    let run_ms = ceil_ratio(useful_ms, 1_000, speed)?;
    let mtbf = mtbf_ms(f);
    let interval = interval(f, run_ms, mtbf);

    let fee = ceil_ratio(
        BILLION,
        BASIS_POINTS + i128::from(f.fee_basis_points),
        BASIS_POINTS,
    )?;
    let slow = ceil_ratio(fee, 1_000, speed)?;
    let [saves, loss, restart] = waste(f, slow, run_ms, mtbf, interval)?;
    let expected_ms = ceil_ratio(run_ms, restart, slow)?;
    let failures = match mtbf {
        Some(mtbf) => ceil_ratio(expected_ms, BILLION, mtbf)?,
        None => 0,
    };
    let stranded = stranded_ms(&f.prepaid, expected_ms, failures)?;
    let stranded = stranded
        .checked_add(lost_starts_ms(f, failures)?)
        .ok_or(CostError::OutOfRange)?;
    let probe = i128::from(f.probe_seconds) * 1_000;
    let probes = ceil_ratio(probe, BILLION + failures, BILLION)?;
    let longer = |ms: i128| ceil_ratio(restart, expected_ms + ms, expected_ms);
    let ratios = [
        BILLION,
        fee,
        slow,
        saves,
        loss,
        restart,
        longer(stranded)?,
        longer(stranded + probes)?,
    ];
    if ratios[RATIOS - 1] > RATIO_MAX {
        return Err(CostError::OutOfRange);
    }
    let egress = i128::from(f.egress_gb) * i128::from(f.egress_micro_usd_per_gb.get());
    // 1 - e^(-x) is at most x: the expected number of failures bounds the chance of one.
    let fails = failures.min(BILLION);
    let narrow = |n: i128| u64::try_from(n).map_err(|_| CostError::OutOfRange);
    let mut out = [0; RATIOS];
    for (to, from) in out.iter_mut().zip(ratios) {
        *to = narrow(from)?;
    }
    Ok(CostModel {
        ratios: out,
        egress: spread(egress, BILLION, f)?,
        stake: spread(i128::from(f.stake_micro_usd.get()), fails, f)?,
        interval,
        expected_seconds: narrow((expected_ms + 999) / 1_000)?,
    })
}
