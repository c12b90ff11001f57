//! The world's only randomness: a seeded generator for what happens in sequence, and a keyed mix
//! for what must not depend on the order of questions (prices, device ids).

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::time::Duration;
use uuid::Uuid;

/// Seeded generator of one world.
#[derive(Debug)]
pub(crate) struct Dice(ChaCha12Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha12Rng::seed_from_u64(seed))
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        if bound == 0 {
            return 0;
        }
        let scaled = (u128::from(self.0.next_u64()) * u128::from(bound)) >> 64;
        usize::try_from(scaled).unwrap_or(0)
    }

    /// Whether an event of `permille` in a thousand happens.
    pub(crate) fn permille(&mut self, permille: u32) -> bool {
        self.below(1_000) < permille as usize
    }

    /// A duration from `low` to `high`, whole milliseconds.
    pub(crate) fn between(&mut self, low: Duration, high: Duration) -> Duration {
        let span = usize::try_from(high.saturating_sub(low).as_millis()).unwrap_or(0);
        low + Duration::from_millis(self.below(span + 1) as u64)
    }

    /// A random UUID (version 4).
    pub(crate) fn uuid(&mut self) -> Uuid {
        let mut bytes = [0; 16];
        self.0.fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }
}

/// A number that depends on the seed and three keys alone (SplitMix64's finaliser, chained).
pub(crate) fn mix(seed: u64, a: u64, b: u64, c: u64) -> u64 {
    [a, b, c].into_iter().fold(finish(seed), |state, key| {
        finish(state ^ key.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    })
}

const fn finish(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A UUID that depends on the seed and two keys alone.
pub(crate) fn uuid_of(seed: u64, kind: u64, key: u64) -> Uuid {
    let (high, low) = (mix(seed, kind, key, 1), mix(seed, kind, key, 2));
    let wide = (u128::from(high) << 64) | u128::from(low);
    uuid::Builder::from_random_bytes(wide.to_be_bytes()).into_uuid()
}
