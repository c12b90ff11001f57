//! Charges: one row a job and epoch that only grows, with a posting for each growth.

use tandem_model::job::JobState;
use tandem_model::money::MicroUsd;
use tandem_model::time::WorldTime;
use tandem_settlement::charge::{self, End};
use tandem_settlement::ledger::{Currency, Transaction};
use tandem_settlement::rates::Rates;

use super::Decided;
use crate::engine::job::Job;
use crate::engine::planted::Planted;
use crate::store::ChargeRecord;

/// Posts what every attempt may be charged for by now.
pub(super) fn charge(job: &mut Job, now: WorldTime, decided: &mut Decided) {
    let spec = std::sync::Arc::clone(&job.spec);
    for index in 0..job.attempts.len() {
        let gpu_us = billable(job, index).min(left_for(job, index));
        let attempt = &job.attempts[index];
        let epoch = attempt.placement.epoch;
        let (rates, stretch) = (job.rates(), job.stretch(index));
        let rates = match Planted::OldRateCharged.is_here() {
            true => Rates {
                later: &[],
                ..rates
            },
            false => rates,
        };
        let Ok(more) = charge::charge_step(rates, stretch, gpu_us, attempt.charged) else {
            tracing::error!(job = %job.id, %epoch, "defect: a charge out of range");
            continue;
        };
        if gpu_us <= attempt.charged_gpu_us || more.get() == 0 {
            continue;
        }
        let job_id = job.id;
        let attempt = &mut job.attempts[index];
        let Ok(amount) = attempt.charged.plus(more) else {
            continue;
        };
        let key = format!("charge:{job_id}:e{epoch}:{}", attempt.postings + 1);
        let owed = (
            format!("receivable:{}", spec.account),
            "revenue:compute".to_owned(),
        );
        let micro_usd = u128::from(more.get().unsigned_abs());
        match Transaction::transfer(key, now, owed, Currency::MicroUsd, micro_usd) {
            Ok(posting) => decided.postings.push(posting),
            Err(refused) => {
                tracing::error!(job = %job_id, %refused, "defect: a charge that does not balance");
                continue;
            }
        }
        attempt.postings += 1;
        attempt.charged = amount;
        attempt.charged_gpu_us = gpu_us;
        decided.charges.push(ChargeRecord {
            job: job_id,
            epoch,
            gpu_us,
            amount,
        });
    }
}

/// What the work of an attempt comes to, in GPU-microseconds, without the file's limits.
fn billable(job: &Job, index: usize) -> u64 {
    let (attempt, last) = (&job.attempts[index], job.epoch());
    let epoch = attempt.placement.epoch;
    let end = match job.doc.state.may_hold_lease() && epoch == last {
        true => None,
        false => Some(end_of(job, epoch == last)),
    };
    let end = end
        .filter(|_| !Planted::RedoneCharged.is_here())
        .or_else(|| Planted::RedoneCharged.is_here().then_some(End::Succeeded));
    let kind = job.spec.workload.kind;
    let time = charge::billable(kind, attempt.proved, attempt.kept, end);
    let gpu_us = job.gpu_us(attempt, time);
    match Planted::ChargeRounded.is_here() {
        true => gpu_us.next_multiple_of(1_000_000),
        false => gpu_us,
    }
}

/// What the file's own limits, of time and of money, leave for one attempt, in GPU-microseconds.
pub(super) fn left_for(job: &Job, index: usize) -> u64 {
    if Planted::LimitOvercharged.is_here() {
        return u64::MAX;
    }
    let others = job.attempts.iter().enumerate();
    let others = others.filter(|(at, _)| *at != index).map(|(_, a)| a);
    let in_time = job.spec.gpu_us_max().map_or(u64::MAX, |most| {
        let others = others.clone();
        others.fold(most, |left, a| left.saturating_sub(a.charged_gpu_us))
    });
    let budget = job.spec.workload.limits.budget_micro_usd;
    let in_budget = budget.map_or(u64::MAX, |budget| {
        let left = others.fold(budget.get(), |left, a| left.saturating_sub(a.charged.get()));
        let stretch = job.stretch(index);
        job.rates()
            .gpu_microseconds_for(stretch, MicroUsd::new(left))
    });
    in_time.min(in_budget)
}

/// How an attempt that is not live ended: all but the last were lost by their provider.
fn end_of(job: &Job, is_last: bool) -> End {
    match job.doc.state {
        JobState::Succeeded if is_last => End::Succeeded,
        JobState::Failed if is_last && job.doc.session.outcome().is_some() => End::CustomerFailed,
        JobState::Cancelled | JobState::Cancelling if is_last && was_stopped(job) => End::Cancelled,
        _ => End::ProviderLost,
    }
}

/// Whether the last attempt still worked when its stop was asked for.
fn was_stopped(job: &Job) -> bool {
    job.last().is_some_and(|a| a.left_at.is_none())
}
