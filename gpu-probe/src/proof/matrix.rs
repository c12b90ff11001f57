//! Entries of the matrices, `B r` and rows in the field (Freivalds), digests of rows.
//!
//! Freivalds' check: R. Freivalds, "Probabilistic machines can use less running time", IFIP 1977.
//! SplitMix64: G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", 2014.

use super::{Hash, PRIME, add, first_word, hash, merkle, mul, reduce, signed};

/// Entries in a 64-bit word.
const PARTS: usize = 16;
/// Integers of a row under one chunk digest.
const CHUNK: usize = 256;
/// Columns whose multiples are added before a partial reduction: `4 (p - 1) + p + 7 < 2^64`.
const COLUMNS: usize = 4;

/// The generator of one matrix.
#[derive(Debug, Clone, Copy)]
pub struct Entries {
    k0: u64,
    k1: u64,
}

/// The finaliser of SplitMix64.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The low four bits as a signed integer, -8 to 7.
const fn part(bits: u64) -> i8 {
    ((bits & 15) as i8 ^ 8) - 8
}

impl Entries {
    fn new(name: &[u8], seed: &Hash) -> Self {
        let digest = hash(&[name, seed]);
        let mut second = [0; 8];
        second.copy_from_slice(&digest[8..16]);
        Self {
            k0: first_word(&digest),
            k1: u64::from_le_bytes(second),
        }
    }

    /// Of `A`, which lies by rows.
    pub fn a(seed: &Hash) -> Self {
        Self::new(b"A", seed)
    }

    /// Of `B`, which lies by columns.
    pub fn b(seed: &Hash) -> Self {
        Self::new(b"B", seed)
    }

    /// The two keys, as the kernels take them.
    pub const fn keys(&self) -> (u64, u64) {
        (self.k0, self.k1)
    }

    /// Word `i`: sixteen entries, low part first.
    pub const fn word(&self, i: u64) -> u64 {
        let stepped = self.k0.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        mix(mix(stepped) ^ self.k1)
    }

    /// Row `index` of `A`, or column `index` of `B`: `n` entries, `n` a multiple of 16.
    pub fn line(&self, n: usize, index: usize) -> Vec<i8> {
        let words = (n / PARTS) as u64;
        let start = index as u64 * words;
        let parts = |w: u64| (0..PARTS).map(move |p| part(w >> (4 * p)));
        (start..start + words)
            .flat_map(|i| parts(self.word(i)))
            .collect()
    }

    /// `B r` modulo `2^61 - 1` for a reduced vector `r` of `n` entries, `n` a multiple of 16.
    /// Costs `n^2` additions and `8 n` bytes.
    pub fn b_times(&self, r: &[u64]) -> Vec<u64> {
        let words = r.len() / PARTS;
        let mut sums = vec![0_u64; r.len()];
        for (batch, factors) in r.chunks_exact(COLUMNS).enumerate() {
            let multiples = [0, 1, 2, 3].map(|c| multiples_of(factors[c]));
            for (w, sixteen) in sums.chunks_exact_mut(PARTS).enumerate() {
                let word_of = |c: usize| self.word(((batch * COLUMNS + c) * words + w) as u64);
                let mut bits = [0, 1, 2, 3].map(word_of);
                for sum in sixteen {
                    for (column, bits) in multiples.iter().zip(&mut bits) {
                        *sum += column[(*bits & 15) as usize];
                        *bits >>= 4;
                    }
                    *sum = (*sum & PRIME) + (*sum >> 61);
                }
            }
        }
        sums.into_iter().map(reduce).collect()
    }
}

/// The sixteen products of an entry with a reduced factor, by the entry's four bits.
fn multiples_of(factor: u64) -> [u64; 16] {
    std::array::from_fn(|bits| mul(signed(i64::from(part(bits as u64))), factor))
}

/// Inner product of small integers with a reduced vector.
pub fn dot<T: Copy + Into<i64>>(values: &[T], vector: &[u64]) -> u64 {
    let products = values.iter().zip(vector);
    products.fold(0, |sum, (v, r)| add(sum, mul(signed((*v).into()), *r)))
}

/// Leaf of a row of `C`: chunks of 256 integers, their digests joined, hashed, as a leaf.
pub fn row_leaf(row: &[i32]) -> Hash {
    let mut joined = Vec::with_capacity(row.len().div_ceil(CHUNK) * 32);
    for chunk in row.chunks(CHUNK) {
        let bytes: Vec<u8> = chunk.iter().flat_map(|v| v.to_le_bytes()).collect();
        joined.extend_from_slice(&hash(&[&bytes]));
    }
    merkle::leaf(&hash(&[&joined]))
}

/// Row `index` of `A B`, by definition: `n^2` multiplications.
pub fn product_row(seed: &Hash, n: usize, index: usize) -> Vec<i32> {
    let a = Entries::a(seed).line(n, index);
    let b = Entries::b(seed);
    let of_column = |c| {
        let column = b.line(n, c);
        let products = a.iter().zip(&column);
        products.map(|(x, y)| i32::from(*x) * i32::from(*y)).sum()
    };
    (0..n).map(of_column).collect()
}

/// All rows of `A B`: `n^3` multiplications, for small `n`.
pub fn product(seed: &Hash, n: usize) -> Vec<Vec<i32>> {
    let (a, b) = (Entries::a(seed), Entries::b(seed));
    let columns: Vec<Vec<i8>> = (0..n).map(|c| b.line(n, c)).collect();
    let dot = |x: &[i8], y: &[i8]| -> i32 {
        let products = x.iter().zip(y);
        products.map(|(x, y)| i32::from(*x) * i32::from(*y)).sum()
    };
    let row = |r| {
        let line = a.line(n, r);
        columns.iter().map(|column| dot(&line, column)).collect()
    };
    (0..n).map(row).collect()
}
