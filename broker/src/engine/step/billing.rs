//! Charges: one row a job and epoch that only grows, with a posting for each growth.

use tandem_model::job::JobState;
use tandem_model::time::WorldTime;
use tandem_settlement::charge::{self, End};
use tandem_settlement::ledger::{Currency, Transaction};

use super::Decided;
use crate::engine::job::Job;
use crate::engine::planted::Planted;
use crate::store::ChargeRecord;

/// Posts what every attempt may be charged for by now.
pub(super) fn charge(job: &mut Job, now: WorldTime, decided: &mut Decided) {
    let live = job.doc.state.may_hold_lease().then(|| job.epoch());
    let last = job.epoch();
    let spec = std::sync::Arc::clone(&job.spec);
    for index in 0..job.attempts.len() {
        let attempt = &job.attempts[index];
        let epoch = attempt.placement.epoch;
        let end = if Some(epoch) == live {
            None
        } else {
            Some(end_of(job, epoch == last))
        };
        let end = end
            .filter(|_| !Planted::RedoneCharged.is_here())
            .or_else(|| Planted::RedoneCharged.is_here().then_some(End::Succeeded));
        let time = charge::billable(spec.workload.kind, attempt.proved, attempt.kept, end);
        let gpu_us = job.gpu_us(attempt, time);
        let gpu_us = if Planted::ChargeRounded.is_here() {
            gpu_us.next_multiple_of(1_000_000)
        } else {
            gpu_us
        };
        let gpu_us = gpu_us.min(left_for(job, index));
        let Ok(more) = charge::charge_step(spec.quote.rate, gpu_us, attempt.charged) else {
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

/// What the file's own limits leave for one attempt, in GPU-microseconds.
fn left_for(job: &Job, index: usize) -> u64 {
    let most = job.spec.gpu_us_max();
    let Some(most) = most.filter(|_| !Planted::LimitOvercharged.is_here()) else {
        return u64::MAX;
    };
    let others = job
        .attempts
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != index);
    others.fold(most, |left, (_, a)| left.saturating_sub(a.charged_gpu_us))
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
