//! Words that fill the memory, and the keyed checksum of a block.

use super::{Hash, PRIME, add, first_word, hash, merkle, mul, reduce};

/// Words of 8 bytes in a block of 1 MiB.
pub const BLOCK_WORDS: u64 = 131_072;

/// `F(i)`: word `i` of the whole area.
pub fn word(fill_key: &Hash, i: u64) -> u64 {
    let inner = hash(&[&i.to_le_bytes(), fill_key]);
    first_word(&hash(&[&inner]))
}

/// `x_j`: the point at which pass `j` evaluates the blocks' polynomials.
pub fn point(key: &Hash) -> u64 {
    let v = first_word(&hash(&[b"pass", key])) & PRIME;
    2 + v % (PRIME - 2)
}

/// `c_b` of a block's words at a point.
pub fn checksum(words: impl IntoIterator<Item = u64>, x: u64) -> u64 {
    let horner = |sum, word| add(mul(sum, x), reduce(word));
    words.into_iter().fold(0, horner)
}

/// The words of a block.
pub fn block(fill_key: &Hash, block: u64) -> impl Iterator<Item = u64> {
    let first = block.saturating_mul(BLOCK_WORDS);
    (first..first.saturating_add(BLOCK_WORDS)).map(move |i| word(fill_key, i))
}

/// Leaf of a checksum.
pub fn leaf(checksum: u64) -> Hash {
    merkle::leaf(&checksum.to_le_bytes())
}
