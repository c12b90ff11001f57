//! Powers and exponentials in fixed point, so that a price and a replay give the same bytes on every machine.
//!
//! Logarithms and exponents to base 2 are Q32 (32 bits behind the point), results are Q62. The
//! logarithm is found bit by bit by squaring; the power is a product of the roots of one half.

/// One in Q62.
const ONE: u128 = 1 << 62;
/// One in Q32.
const ONE_Q32: u128 = 1 << 32;
/// log2(e) in Q32: 1.442695040888963 x 2^32, rounded.
const LOG2_E_Q32: u128 = 6_196_328_019;
/// Bits behind the point of an exponent.
const FRACTION_BITS: usize = 32;
/// A power of two smaller than this is nothing in Q62.
const WHOLE_MAX: u128 = 62;
/// A thousand permille are the whole.
const PERMILLE: u128 = 1_000;

/// Shares are counted in millionths.
pub(crate) const MILLION: u64 = 1_000_000;
/// Probabilities are counted in billionths.
pub(crate) const BILLION: u64 = 1_000_000_000;

/// 2^(-1/2), 2^(-1/4), 2^(-1/8) and so on, in Q62.
const ROOTS: [u128; FRACTION_BITS] = {
    let mut roots = [0; FRACTION_BITS];
    let mut root = ONE / 2;
    let mut index = 0;
    while index < FRACTION_BITS {
        root = (root << 62).isqrt();
        roots[index] = root;
        index += 1;
    }
    roots
};

/// log2(n / d) in Q32, rounded down; both must be positive.
fn log2_ratio(n: u64, d: u64) -> i64 {
    let mut whole = i64::from(n.ilog2()) - i64::from(d.ilog2());
    let top = |value: u64| u128::from(value) << (63 - value.ilog2());
    let mut x = (top(n) << 62) / top(d);
    if x < ONE {
        x *= 2;
        whole -= 1;
    }
    let mut fraction = 0;
    for _ in 0..FRACTION_BITS {
        x = (x * x) >> 62;
        fraction *= 2;
        if x >= 2 * ONE {
            x /= 2;
            fraction += 1;
        }
    }
    (whole << 32) + fraction
}

/// 2^-y in Q62 of a `y` in Q32; 0 where that is smaller than the last bit.
fn exp2_negative(y: u128) -> u128 {
    let whole = y >> 32;
    if whole >= WHOLE_MAX {
        return 0;
    }
    let bits = y & (ONE_Q32 - 1);
    let set = (0..FRACTION_BITS).filter(|index| bits >> (FRACTION_BITS - 1 - index) & 1 == 1);
    set.fold(ONE, |product, index| (product * ROOTS[index]) >> 62) >> whole
}

/// `base_ppm x (price / reference)^-elasticity` in millionths, clipped to the whole.
///
/// The elasticity is in permille; price and reference must be positive. A higher price never gives
/// more.
pub(crate) fn demand_ppm(
    base_ppm: u64,
    price: u64,
    reference: u64,
    elasticity_permille: u32,
) -> u64 {
    if base_ppm == 0 {
        return 0;
    }
    let log2 = log2_ratio(price, reference);
    let exponent = u128::from(log2.unsigned_abs()) * u128::from(elasticity_permille) / PERMILLE;
    let power = exp2_negative(exponent);
    let base = u128::from(base_ppm);
    let share = if log2 >= 0 {
        (base * power) >> 62
    } else {
        (base << 62).checked_div(power).unwrap_or(u128::MAX)
    };
    u64::try_from(share).unwrap_or(u64::MAX).min(MILLION)
}

/// `1 - e^-(n / d)` in billionths: the probability of at least one event where `n / d` are expected.
pub(crate) fn at_least_one_ppb(n: u128, d: u128) -> u64 {
    let Some(exponent) = n.checked_mul(LOG2_E_Q32).and_then(|x| x.checked_div(d)) else {
        return BILLION;
    };
    let none = (exp2_negative(exponent) * u128::from(BILLION)) >> 62;
    BILLION - u64::try_from(none).unwrap_or(BILLION).min(BILLION)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn powers_agree_with_values_computed_elsewhere() {
        // 1.1^-1.5, 2^-1.5, 0.9^-1.5 (clipped from 0.6 x 1.171214), 1.25^-2, 3^-0.7, to a millionth.
        for (base, price, reference, elasticity, expected) in [
            (1_000_000, 110, 100, 1_500, 866_784),
            (1_000_000, 200, 100, 1_500, 353_553),
            (600_000, 90, 100, 1_500, 702_728),
            (1_000_000, 125, 100, 2_000, 640_000),
            (1_000_000, 3, 1, 700, 463_463),
            (600_000, 1_234_567, 1_234_567, 9_000, 600_000),
            (600_000, 5, 4, 0, 600_000),
        ] {
            let found = demand_ppm(base, price, reference, elasticity);
            assert!(found.abs_diff(expected) <= 1, "{price}: {found}");
        }
    }

    #[test]
    fn probabilities_agree_with_values_computed_elsewhere() {
        for (n, d, expected) in [
            (0, 1, 0),
            (1, 1, 632_120_559),
            (1, 10, 95_162_582),
            (1, 1_000, 999_500),
            (1, 1_000_000, 1_000),
            (50, 1, 1_000_000_000),
            (u128::MAX, 1, 1_000_000_000),
            (1, 0, 1_000_000_000),
        ] {
            let found = at_least_one_ppb(n, d);
            assert!(found.abs_diff(expected) <= 2, "{n}/{d}: {found}");
        }
    }

    #[test]
    fn the_ends_of_the_range_are_clipped() {
        assert_eq!(demand_ppm(600_000, u64::MAX, 1, 5_000), 0);
        assert_eq!(demand_ppm(600_000, 1, u64::MAX, 5_000), MILLION);
        assert_eq!(demand_ppm(0, 1, u64::MAX, 5_000), 0);
        assert_eq!(demand_ppm(1_000_000, u64::MAX, u64::MAX, u32::MAX), MILLION);
    }

    proptest! {
        #[test]
        fn a_higher_price_never_gives_more(
            price in 1u64..2_000_000_000, more in 1u64..1_000_000, reference in 1u64..2_000_000_000,
            elasticity in 0u32..20_000,
        ) {
            let share = |price| demand_ppm(600_000, price, reference, elasticity);
            prop_assert!(share(price + more) <= share(price));
        }

        #[test]
        fn the_logarithm_of_a_ratio_and_of_its_inverse_cancel(n in 1u64.., d in 1u64..) {
            prop_assert!((log2_ratio(n, d) + log2_ratio(d, n)).abs() <= 2);
        }
    }
}
