//! What is charged for proved time, posted as differences so that rounding never adds up.

use tandem_model::money::{AmountOutOfRange, MicroUsd, RatePerGpuHour};

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
                posted = posted.plus(charge_step(rate, time, posted).unwrap()).unwrap();
            }
            prop_assert_eq!(posted, rate.charge_for(time).unwrap());
        }
    }

    #[test]
    fn time_that_shrinks_is_not_paid_back() {
        let rate = RatePerGpuHour::new(MicroUsd::from_cents(100));
        let posted = MicroUsd::from_cents(100);
        assert_eq!(charge_step(rate, 0, posted).unwrap(), MicroUsd::ZERO);
    }
}
