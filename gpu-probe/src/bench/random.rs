//! The kernels' random sequence on the host: SplitMix64 by index, and seeds for each run.

/// 2^64 over the golden ratio, odd: the increment of SplitMix64 (Steele, Lea, Flood 2014).
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of SplitMix64.
fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Word `index` of the random sequence of `seed`, as the kernels compute it.
pub(super) fn random_word(seed: u64, index: u64) -> u64 {
    mix(seed.wrapping_add(index.wrapping_mul(GOLDEN)))
}

/// A seed that nobody can foresee.
pub(super) fn fresh_seed() -> u64 {
    rand::random()
}
