//! What work costs whose rate changes at the ends of its terms: each piece of it at the rate of its
//! time, added up before anything is rounded.

use serde::{Deserialize, Serialize};
use tandem_model::money::{
    AmountOutOfRange, GPU_MICROSECONDS_PER_GPU_HOUR, MicroUsd, RatePerGpuHour,
};

/// From when on a rate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateFrom {
    /// Time of work over all attempts, in microseconds.
    pub from_us: u64,
    /// The rate from then on.
    pub rate: RatePerGpuHour,
}

/// The rates of a job by the time that it worked.
#[derive(Debug, Clone, Copy)]
pub struct Rates<'a> {
    /// The rate that was quoted.
    pub first: RatePerGpuHour,
    /// Later ones, in the order of their times.
    pub later: &'a [RateFrom],
}

/// One attempt's place in the work of its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Time of work before it, in microseconds.
    pub from_us: u64,
    /// GPUs that it is charged for.
    pub gpus: u32,
}

impl Rates<'_> {
    /// The rate at a time of work, in microseconds.
    pub fn at(&self, us: u64) -> RatePerGpuHour {
        let reached = self.later.iter().rev().find(|later| later.from_us <= us);
        reached.map_or(self.first, |later| later.rate)
    }

    /// Rates from the beginning of a stretch on, each with its GPU-microseconds; the last has no end.
    fn pieces(self, stretch: Stretch) -> impl Iterator<Item = (i128, u64)> {
        let first = RateFrom {
            from_us: 0,
            rate: self.first,
        };
        let starts = std::iter::once(first).chain(self.later.iter().copied());
        let ends = self.later.iter().map(|later| later.from_us);
        let ends = ends.chain(std::iter::once(u64::MAX));
        starts.zip(ends).filter_map(move |(piece, end)| {
            let time = end.checked_sub(piece.from_us.max(stretch.from_us))?;
            let length = match end {
                u64::MAX => u64::MAX,
                _ => time.saturating_mul(stretch.gpus.into()),
            };
            Some((i128::from(piece.rate.price().get()), length))
        })
    }

    /// The charge for the first GPU-microseconds of a stretch, rounded down once.
    ///
    /// # Errors
    /// An amount out of range.
    pub fn charge(self, stretch: Stretch, gpu_us: u64) -> Result<MicroUsd, AmountOutOfRange> {
        let (mut left, mut sum) = (gpu_us, 0i128);
        for (rate, length) in self.pieces(stretch) {
            let here = left.min(length);
            sum += rate * i128::from(here);
            left -= here;
        }
        let charge = i64::try_from(sum.div_euclid(GPU_MICROSECONDS_PER_GPU_HOUR));
        charge.map(MicroUsd::new).map_err(|_| AmountOutOfRange)
    }

    /// The most GPU-microseconds of a stretch whose charge is within an amount; 0 where the amount is
    /// negative.
    pub fn gpu_microseconds_for(self, stretch: Stretch, amount: MicroUsd) -> u64 {
        if amount < MicroUsd::ZERO {
            return 0;
        }
        // floor(sum / hour) <= amount holds up to sum < (amount + 1) x hour.
        let mut left = (i128::from(amount.get()) + 1) * GPU_MICROSECONDS_PER_GPU_HOUR - 1;
        let mut most = 0u64;
        for (rate, length) in self.pieces(stretch) {
            let paid = match rate {
                ..=0 => length,
                rate => u64::try_from(left / rate).unwrap_or(u64::MAX).min(length),
            };
            most = most.saturating_add(paid);
            left -= rate.max(0) * i128::from(paid);
            if paid < length {
                break;
            }
        }
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rate(micro_usd: i64) -> RatePerGpuHour {
        RatePerGpuHour::new(MicroUsd::new(micro_usd))
    }

    const HOUR_US: u64 = 3_600_000_000;

    #[test]
    fn each_hour_costs_what_was_agreed_for_it() {
        let later = [
            RateFrom {
                from_us: HOUR_US,
                rate: rate(500),
            },
            RateFrom {
                from_us: 3 * HOUR_US,
                rate: rate(100),
            },
        ];
        let rates = Rates {
            first: rate(300),
            later: &later,
        };
        let charge = |from_hours: u64, gpus, hours: u64| {
            let stretch = Stretch {
                from_us: from_hours * HOUR_US,
                gpus,
            };
            let gpu_us = hours * HOUR_US * u64::from(gpus);
            rates.charge(stretch, gpu_us).unwrap().get()
        };
        assert_eq!(charge(0, 1, 1), 300);
        assert_eq!(charge(0, 2, 4), 2 * (300 + 500 + 500 + 100));
        assert_eq!(charge(2, 1, 2), 500 + 100);
        assert_eq!(charge(5, 1, 2), 200);
        let at = |hours| rates.at(hours * HOUR_US).price().get();
        assert_eq!(
            [at(0), at(1), at(2), at(3), at(9)],
            [300, 500, 500, 100, 100]
        );
    }

    /// Up to four rates at rising times, and a stretch of their work.
    fn any() -> impl Strategy<Value = (i64, Vec<RateFrom>, Stretch)> {
        let times = prop::collection::btree_set(1..20 * HOUR_US, 0..4);
        let prices = prop::collection::vec(0i64..50_000_000, 4);
        (0i64..50_000_000, times, prices, 0..20 * HOUR_US, 1u32..9).prop_map(
            |(first, times, prices, from_us, gpus)| {
                let later = times.into_iter().zip(prices);
                let later = later.map(|(from_us, price)| RateFrom {
                    from_us,
                    rate: rate(price),
                });
                (first, later.collect(), Stretch { from_us, gpus })
            },
        )
    }

    proptest! {
        #[test]
        fn a_charge_is_the_sum_of_its_microseconds(
            (first, later, stretch) in any(), seconds in 0u64..100_000,
        ) {
            let rates = Rates { first: rate(first), later: &later };
            // In steps of which none reaches over the beginning of a rate.
            let end = stretch.from_us + seconds * 1_000_000;
            let mut cuts = vec![stretch.from_us];
            cuts.extend(later.iter().map(|l| l.from_us).filter(|f| (stretch.from_us..end).contains(f)));
            cuts.push(end);
            let sum: i128 = cuts.windows(2).map(|cut| {
                let time = i128::from(cut[1] - cut[0]) * i128::from(stretch.gpus);
                i128::from(rates.at(cut[0]).price().get()) * time
            }).sum();
            let gpu_us = seconds * 1_000_000 * u64::from(stretch.gpus);
            let charged = rates.charge(stretch, gpu_us).unwrap();
            prop_assert_eq!(i128::from(charged.get()), sum / GPU_MICROSECONDS_PER_GPU_HOUR);
        }

        #[test]
        fn an_amount_pays_for_all_the_time_that_it_can_and_no_more(
            (first, later, stretch) in any(), amount in 0i64..5_000_000_000,
        ) {
            let rates = Rates { first: rate(first), later: &later };
            let amount = MicroUsd::new(amount);
            let most = rates.gpu_microseconds_for(stretch, amount);
            if most < u64::MAX {
                prop_assert!(rates.charge(stretch, most).unwrap() <= amount);
                prop_assert!(rates.charge(stretch, most + 1).unwrap() > amount);
            }
        }

        #[test]
        fn one_rate_is_charged_as_quoted(price in 0i64..50_000_000, gpu_us: u32) {
            let one = Rates { first: rate(price), later: &[] };
            let stretch = Stretch { from_us: 7, gpus: 3 };
            let gpu_us = u64::from(gpu_us) * 1_000;
            prop_assert_eq!(one.charge(stretch, gpu_us), rate(price).charge_for(gpu_us));
        }
    }

    #[test]
    fn nothing_is_left_of_an_amount_below_zero() {
        let one = Rates {
            first: rate(0),
            later: &[],
        };
        let stretch = Stretch {
            from_us: 0,
            gpus: 1,
        };
        assert_eq!(one.gpu_microseconds_for(stretch, MicroUsd::new(-1)), 0);
        assert_eq!(one.gpu_microseconds_for(stretch, MicroUsd::ZERO), u64::MAX);
    }
}
