//! What work is charged for, and the rates of its terms: worked out again from what is stored, and
//! compared with what was agreed.

use std::collections::BTreeSet;
use std::time::Duration;

use tandem::engine::message::JobSpec;
use tandem::store::Store;
use tandem::store::sqlite::SqliteStore;
use tandem_model::id::JobId;
use tandem_model::job::JobState;
use tandem_model::placement::Epoch;
use tandem_model::workload::WorkloadKind;

use crate::disk::wait;
use crate::sim::{Done, broken};
use crate::witness::{Seen, Witness, unreadable};

/// GPU-microseconds of a GPU-hour.
const HOUR_US: i128 = 3_600_000_000;
/// Longest time of work between the notice of a rate and the rate.
const NOTICE_MAX: Duration = Duration::from_secs(3_600);

fn micros(time: Duration) -> i128 {
    i128::try_from(time.as_micros()).unwrap_or(i128::MAX)
}

/// Time of work of attempts before an epoch, in microseconds; of all before a great one.
fn worked_before(seen: &Seen, epoch: Epoch) -> i128 {
    let before = seen.attempts.iter().filter(|a| a.placement.epoch < epoch);
    before.map(|a| micros(a.proved)).sum()
}

/// What the first GPU-microseconds of an epoch cost: each at the rate of its time of work.
fn price(spec: &JobSpec, seen: &Seen, epoch: Epoch, gpu_us: u64) -> i128 {
    let Some(attempt) = seen.attempts.iter().find(|a| a.placement.epoch == epoch) else {
        return 0;
    };
    let gpus = i128::from(spec.gpus_charged(&attempt.offer));
    let begin = worked_before(seen, epoch) * gpus;
    let end = begin + i128::from(gpu_us);
    let mut rates = vec![(0, spec.quote.rate)];
    let later = seen.document.renewals.rates.iter();
    rates.extend(later.map(|later| (i128::from(later.from_us) * gpus, later.rate)));
    let mut sum = 0;
    for (at, (from, rate)) in rates.iter().enumerate() {
        let until = rates.get(at + 1).map_or(i128::MAX, |next| next.0);
        let length = (end.min(until) - begin.max(*from)).max(0);
        sum += i128::from(rate.price().get()) * length;
    }
    sum / HOUR_US
}

impl Witness {
    /// Rates that were agreed stay; a new one comes with notice, not before its term is over, and is
    /// not above what the quote says. A stop comes with notice, too.
    pub(crate) fn terms_hold(&mut self, id: JobId, now: &Seen) -> Done {
        let Some(spec) = self.ordered.get(&id) else {
            return broken(format!("{id} was never ordered"));
        };
        let quote = &spec.quote;
        let term = Duration::from_secs(quote.term_seconds.into());
        let soonest = worked_before(now, Epoch(u32::MAX)) + micros(NOTICE_MAX.min(term / 4));
        let (new, none) = (&now.document.renewals, Default::default());
        let old = self
            .jobs
            .get(&id)
            .map_or(&none, |seen| &seen.document.renewals);
        let firm = old.firm_until_us.map_or(micros(term), i128::from);
        let earliest = soonest.max(firm);
        let Some(added) = new.rates.strip_prefix(&old.rates[..]) else {
            return broken(format!("{id}: a rate that was agreed is gone"));
        };
        if new.count < old.count || new.firm_until_us < old.firm_until_us {
            return broken(format!("{id}: a term that was agreed is gone"));
        }
        let most = quote.renewal_rate_max;
        for rate in added {
            if most.is_none_or(|most| rate.rate > most) {
                return broken(format!("{id}: {rate:?}, at most {most:?} was agreed"));
            }
            if i128::from(rate.from_us) < earliest {
                return broken(format!("{id}: {rate:?} comes before {earliest}"));
            }
            self.rates_agreed += 1;
        }
        let stops = new
            .stops_at_us
            .filter(|_| new.stops_at_us != old.stops_at_us);
        if stops.is_some_and(|at| i128::from(at) < earliest) {
            return broken(format!("{id} stops at {stops:?}, before {earliest}"));
        }
        let told = u64::from(stops.is_some());
        self.term_is_kept_to(id, now)?;
        self.stops_told += told;
        Ok(())
    }

    /// Work goes on within its terms alone: it is stopped when it was told so, and not before.
    fn term_is_kept_to(&self, id: JobId, now: &Seen) -> Done {
        let Some(spec) = self.ordered.get(&id) else {
            return broken(format!("{id} was never ordered"));
        };
        let has_terms = spec.quote.renewal_rate_max.is_some();
        let (worked, renewals) = (worked_before(now, Epoch(u32::MAX)), &now.document.renewals);
        let term_us = u64::from(spec.quote.term_seconds) * 1_000_000;
        let firm_until = i128::from(renewals.firm_until_us.unwrap_or(term_us));
        let stops_at = renewals.stops_at_us.map(i128::from);
        if now.state == JobState::Running && has_terms {
            if worked >= stops_at.unwrap_or(firm_until) {
                return broken(format!(
                    "{id} works for {worked} us: firm until {firm_until}, stops at {stops_at:?}"
                ));
            }
            return Ok(());
        }
        let before = self.jobs.get(&id).map(|seen| seen.state);
        let was_running = matches!(before, Some(JobState::Running | JobState::Suspect));
        let is_stopped = matches!(now.state, JobState::Cancelling | JobState::Cancelled);
        let is_asked = self.cancelled.contains(&id) || !has_terms;
        if was_running && is_stopped && !is_asked && stops_at.is_none_or(|at| worked < at) {
            return broken(format!(
                "{id} is stopped after {worked} us of work, to be stopped at {stops_at:?}"
            ));
        }
        Ok(())
    }

    /// Charges are the rates times what was proved, at most, to the last micro-dollar; in all no more
    /// than the file's own limits leave.
    pub(crate) fn charges_fit(&self, store: &SqliteStore, id: JobId, seen: &Seen) -> Done {
        let Some(spec) = self.ordered.get(&id) else {
            return broken(format!("{id} was never ordered"));
        };
        let charges = wait(store.charges(id)).map_err(unreadable)?;
        let all: u64 = charges.iter().map(|charge| charge.gpu_us).sum();
        let most = spec.workload.limits.max_duration_seconds;
        let most = most.map(|s| u64::from(s) * 1_000_000 * u64::from(spec.quote.gpus));
        if most.is_some_and(|most| all > most) {
            return broken(format!(
                "{id} is charged for {all} GPU-us, at most {most:?}"
            ));
        }
        let mut epochs = BTreeSet::new();
        for charge in &charges {
            let epoch = charge.epoch;
            let Some(attempt) = seen.attempts.iter().find(|a| a.placement.epoch == epoch) else {
                return broken(format!("{id} e{epoch} is charged and was never placed"));
            };
            let proved = u64::try_from(attempt.proved.as_micros()).unwrap_or(u64::MAX);
            let most = proved.saturating_mul(u64::from(spec.quote.gpus));
            if charge.gpu_us > most || !epochs.insert(epoch) {
                return broken(format!(
                    "{id} e{epoch} is charged for {} GPU-us and proved {most}",
                    charge.gpu_us
                ));
            }
            let amount = i128::from(charge.amount.get());
            if price(spec, seen, epoch, charge.gpu_us) != amount {
                return broken(format!(
                    "{id} e{epoch} is charged {} for {} GPU-us",
                    charge.amount, charge.gpu_us
                ));
            }
            let is_redone = attempt.left_at.is_some()
                && spec.workload.kind == WorkloadKind::Job
                && seen.document.session.live_epoch() != Some(epoch);
            let kept = u64::try_from(attempt.kept.as_micros()).unwrap_or(u64::MAX);
            if is_redone && charge.gpu_us > kept.saturating_mul(u64::from(spec.quote.gpus)) {
                return broken(format!(
                    "{id} e{epoch} is charged for work that is done again"
                ));
            }
        }
        Ok(())
    }
}
