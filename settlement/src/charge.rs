//! Which proved time is charged, and what for it, posted as differences so that rounding never adds
//! up.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tandem_model::money::{AmountOutOfRange, MicroUsd};
use tandem_model::workload::WorkloadKind;

use crate::rates::{Rates, Stretch};

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
    rates: Rates<'_>,
    stretch: Stretch,
    gpu_microseconds_so_far: u64,
    posted: MicroUsd,
) -> Result<MicroUsd, AmountOutOfRange> {
    let total = rates.charge(stretch, gpu_microseconds_so_far)?;
    Ok(total.minus(posted)?.max(MicroUsd::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tandem_model::money::RatePerGpuHour;

    const ALL: Stretch = Stretch {
        from_us: 0,
        gpus: 1,
    };

    fn one(rate: RatePerGpuHour) -> Rates<'static> {
        Rates {
            first: rate,
            later: &[],
        }
    }

    proptest! {
        #[test]
        fn any_split_of_the_time_costs_the_same(
            price in 0i64..50_000_000,
            steps in prop::collection::vec(0u64..10_000_000_000, 1..20),
        ) {
            let rate = RatePerGpuHour::new(MicroUsd::new(price));
            let (mut time, mut posted) = (0, MicroUsd::ZERO);
            for step in steps {
                time += step;
                posted = posted.plus(charge_step(one(rate), ALL, time, posted).unwrap()).unwrap();
            }
            prop_assert_eq!(posted, rate.charge_for(time).unwrap());
        }
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
        assert_eq!(
            charge_step(one(rate), ALL, 0, posted).unwrap(),
            MicroUsd::ZERO
        );
    }
}
