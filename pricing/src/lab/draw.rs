//! Seeded numbers by purpose and index: the same task draws the same number under every policy.

/// What a number is drawn for. Numbers of two purposes have nothing to do with each other.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// Which tier a task wants.
    Tier,
    /// Whether it accepts a price.
    Acceptance,
    /// Which days a resample takes.
    Resample,
    /// The synthetic set.
    Synthetic,
}

/// SplitMix64 (Steele, Lea and Flood, 2014): every bit of the input decides every bit of the output.
const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The step of SplitMix64: 2^64 divided by the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A number of 64 bits.
pub(super) const fn bits(seed: u64, purpose: Purpose, index: u64) -> u64 {
    let stream = mix(seed.wrapping_add(STEP.wrapping_mul(purpose as u64 + 1)));
    mix(stream.wrapping_add(STEP.wrapping_mul(index.wrapping_add(1))))
}

/// A number below `limit`; 0 where the limit is 0.
pub(super) fn below(seed: u64, purpose: Purpose, index: u64, limit: u64) -> u64 {
    let product = u128::from(bits(seed, purpose, index)) * u128::from(limit);
    u64::try_from(product >> 64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_spread_evenly_and_purposes_do_not_agree() {
        let mut counts = [0u32; 10];
        let mut equal = 0;
        for index in 0..10_000 {
            let number = below(7, Purpose::Acceptance, index, 10);
            counts[usize::try_from(number).unwrap()] += 1;
            equal += u32::from(number == below(7, Purpose::Tier, index, 10));
        }
        assert!(
            counts.iter().all(|n| (850..1_150).contains(n)),
            "{counts:?}"
        );
        assert!((850..1_150).contains(&equal), "{equal}");
        assert_eq!(below(7, Purpose::Tier, 3, 0), 0);
    }
}
