//! Numbers that a prover cannot foresee, from the verifier's secret: SHA-256 in counter mode, so
//! that the same secret and purpose give the same numbers.

use crate::proof::{Hash, PRIME, first_word, hash};

/// A stream of numbers for one purpose.
pub(super) struct Draw {
    key: Hash,
    count: u64,
}

impl Draw {
    /// The stream of a secret, a purpose and an index.
    pub(super) fn new(secret: &Hash, purpose: &str, index: u64) -> Self {
        let index = index.to_le_bytes();
        Self {
            key: hash(&[b"tandem-verifier/1", secret, purpose.as_bytes(), &index]),
            count: 0,
        }
    }

    /// The next 32 bytes.
    pub(super) fn bytes(&mut self) -> Hash {
        self.count += 1;
        hash(&[&self.key, &self.count.to_le_bytes()])
    }

    /// A number below `bound`, zero for a bound of zero; its bias is below `bound / 2^64`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        first_word(&self.bytes()).checked_rem(bound).unwrap_or(0)
    }

    /// `count` different numbers below `bound`, ascending; all of them when there are not so many.
    pub(super) fn distinct(&mut self, count: usize, bound: u64) -> Vec<u64> {
        let count = usize::try_from(bound).map_or(count, |bound| bound.min(count));
        let mut chosen = std::collections::BTreeSet::new();
        while chosen.len() < count {
            chosen.insert(self.below(bound));
        }
        chosen.into_iter().collect()
    }

    /// A vector modulo `2^61 - 1`.
    pub(super) fn vector(&mut self, len: usize) -> Vec<u64> {
        let words = |bytes: Hash| bytes.as_chunks::<8>().0.to_vec();
        std::iter::repeat_with(|| words(self.bytes()))
            .flatten()
            .map(|word| (u64::from_le_bytes(word) >> 3) % PRIME)
            .take(len)
            .collect()
    }
}
