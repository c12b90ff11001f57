//! Which proved time is charged, and what for it, posted as differences so that rounding never adds
//! up.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tandem_model::money::{AmountOutOfRange, MicroUsd, RatePerGpuHour};
use tandem_model::workload::WorkloadKind;

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The job is done.
    Succeeded,
    /// The job failed by itself.
    CustomerFailed,
    /// The customer ended it.
    Cancelled,
    /// Its placement was lost or left, which is no fault of the customer's.
    ProviderLost,
}

/// How much of an attempt's proved time is charged, as of now.
///
/// `kept` is the time that was proved when the newest checkpoint that the next attempt can start
/// from was published; more than `proved` counts as `proved`. `end` is `None` while the attempt
/// runs. A finite job is charged for kept work only while it may still have to be done again
/// without a fault of the customer's, and that is all when the placement is lost; otherwise, and
/// for a service, whose time is served as it passes, all proved time is charged. Never more than
/// `proved`, and it only grows as `proved` and `kept` do and an end is added.
pub fn billable(
    kind: WorkloadKind,
    proved: Duration,
    kept: Duration,
    end: Option<End>,
) -> Duration {
    match (kind, end) {
        (WorkloadKind::Service, _)
        | (WorkloadKind::Job, Some(End::Succeeded | End::CustomerFailed | End::Cancelled)) => {
            proved
        }
        (WorkloadKind::Job, None | Some(End::ProviderLost)) => kept.min(proved),
    }
}

/// The next posting of an epoch: the charge for all its GPU-microseconds so far, less what was
/// posted before. Never negative, because proved time only grows; a caller that lowers it gets
/// zero.
pub fn charge_step(
    rate: RatePerGpuHour,
    gpu_microseconds_so_far: u64,
    posted: MicroUsd,
) -> Result<MicroUsd, AmountOutOfRange> {
    let total = rate.charge_for(gpu_microseconds_so_far)?;
    Ok(total.minus(posted)?.max(MicroUsd::ZERO))
}

/// The most GPU-microseconds that are charged for work in all: its limit of time on all its GPUs, and
/// what its budget pays for. None where it has neither.
pub fn gpu_microseconds_max(
    rate: RatePerGpuHour,
    gpus: u32,
    limit: Option<Duration>,
    budget: Option<MicroUsd>,
) -> Option<u64> {
    let narrow = |n: u128| u64::try_from(n).unwrap_or(u64::MAX);
    let in_time = limit.map(|limit| narrow(limit.as_micros() * u128::from(gpus)));
    let in_budget = budget.map(|budget| rate.gpu_microseconds_for(budget));
    [in_time, in_budget].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_budget_pays_for_all_the_time_that_it_can_and_no_more(
            price in 1i64..50_000_000,
            budget in 0i64..5_000_000_000,
        ) {
            let rate = RatePerGpuHour::new(MicroUsd::new(price));
            let most = gpu_microseconds_max(rate, 8, None, Some(MicroUsd::new(budget))).unwrap();
            prop_assert!(rate.charge_for(most).unwrap().get() <= budget);
            prop_assert!(rate.charge_for(most + 1).unwrap().get() > budget);
        }

        #[test]
        fn any_split_of_the_time_costs_the_same(
            price in 0i64..50_000_000,
            steps in prop::collection::vec(0u64..10_000_000_000, 1..20),
        ) {
            let rate = RatePerGpuHour::new(MicroUsd::new(price));
            let (mut time, mut posted) = (0, MicroUsd::ZERO);
            for step in steps {
                time += step;
                posted = posted.plus(charge_step(rate, time, posted).unwrap()).unwrap();
            }
            prop_assert_eq!(posted, rate.charge_for(time).unwrap());
        }
    }

    #[test]
    fn the_lower_of_time_and_budget_bounds_the_charge() {
        let rate = RatePerGpuHour::new(MicroUsd::from_cents(36));
        let most = |limit, budget| gpu_microseconds_max(rate, 2, limit, budget);
        let hour = Duration::from_secs(3_600);
        assert_eq!(most(None, None), None);
        assert_eq!(most(Some(hour), None), Some(7_200_000_000));
        assert_eq!(
            most(Some(hour), Some(MicroUsd::from_cents(36))),
            Some(3_600_009_999)
        );
        assert_eq!(
            most(Some(hour), Some(MicroUsd::from_cents(360))),
            Some(7_200_000_000)
        );
        let free = RatePerGpuHour::new(MicroUsd::ZERO);
        assert_eq!(
            gpu_microseconds_max(free, 2, None, Some(MicroUsd::ZERO)),
            Some(u64::MAX)
        );
    }

    #[test]
    fn work_that_would_be_redone_is_not_charged() {
        let hour = |hours: u64| Duration::from_secs(hours * 3_600);
        use WorkloadKind::{Job, Service};
        for (kind, kept, end, charged) in [
            (Job, 0, None, 0),
            (Job, 2, None, 2),
            (Job, 9, None, 3),
            (Job, 2, Some(End::ProviderLost), 2),
            (Job, 0, Some(End::ProviderLost), 0),
            (Job, 2, Some(End::Succeeded), 3),
            (Job, 2, Some(End::CustomerFailed), 3),
            (Job, 2, Some(End::Cancelled), 3),
            (Service, 0, None, 3),
            (Service, 0, Some(End::ProviderLost), 3),
            (Service, 0, Some(End::Cancelled), 3),
        ] {
            let was = billable(kind, hour(3), hour(kept), end);
            assert_eq!(was, hour(charged), "{kind:?} {kept} {end:?}");
        }
    }

    proptest! {
        #[test]
        fn the_charged_time_never_falls_and_never_passes_the_proved(
            is_job: bool, end in 0usize..5, ends_now: bool,
            steps in prop::collection::vec((0u64..1_000, 0u64..1_000), 1..20),
        ) {
            let kind = if is_job { WorkloadKind::Job } else { WorkloadKind::Service };
            let ends = [End::Succeeded, End::CustomerFailed, End::Cancelled, End::ProviderLost];
            let end = ends.get(end).copied();
            let (mut proved, mut kept, mut before) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
            let last = steps.len() - 1;
            for (i, (worked, saved)) in steps.into_iter().enumerate() {
                proved += Duration::from_secs(worked);
                kept += Duration::from_secs(saved);
                let end = end.filter(|_| !ends_now || i == last);
                let charged = billable(kind, proved, kept, end);
                prop_assert!(before <= charged && charged <= proved);
                before = charged;
            }
        }
    }

    #[test]
    fn time_that_shrinks_is_not_paid_back() {
        let rate = RatePerGpuHour::new(MicroUsd::from_cents(100));
        let posted = MicroUsd::from_cents(100);
        assert_eq!(charge_step(rate, 0, posted).unwrap(), MicroUsd::ZERO);
    }
}
