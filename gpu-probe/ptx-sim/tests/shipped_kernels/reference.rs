//! The formulas of `docs/gpu-probe.md` in plain Rust.

use sha2::{Digest, Sha256};

pub(crate) const P: u64 = (1 << 61) - 1;
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

pub(crate) fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

pub(crate) fn leaf(data: &[u8]) -> [u8; 32] {
    hash(&[&[0], data])
}

pub(crate) fn node(left: &[u8], right: &[u8]) -> [u8; 32] {
    hash(&[&[1], left, right])
}

pub(crate) fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Word `index` of the random sequence of a seed.
pub(crate) fn random(seed: u64, index: u64) -> u64 {
    mix(seed.wrapping_add(index.wrapping_mul(GOLDEN)))
}

/// Word `i` of a matrix.
pub(crate) fn entry_word(k0: u64, k1: u64, i: u64) -> u64 {
    mix(mix(k0.wrapping_add(i.wrapping_mul(GOLDEN))) ^ k1)
}

/// The matrix in the order of its words: A by rows, or B by columns.
pub(crate) fn matrix(k0: u64, k1: u64, n: usize) -> Vec<i8> {
    (0..n * n)
        .map(|i| {
            let part = entry_word(k0, k1, (i / 16) as u64) >> (i % 16 * 4) & 15;
            ((part << 4) as u8 as i8) >> 4
        })
        .collect()
}

/// The product of a matrix by rows and one by columns.
pub(crate) fn product(a: &[i8], b_columns: &[i8], n: usize) -> Vec<i32> {
    let mut out = Vec::with_capacity(n * n);
    for row in a.chunks_exact(n) {
        for column in b_columns.chunks_exact(n) {
            let terms = row.iter().zip(column);
            out.push(terms.map(|(x, y)| i32::from(*x) * i32::from(*y)).sum());
        }
    }
    out
}

/// Word `i` of the VRAM proof.
pub(crate) fn fill_word(key: &[u8; 32], i: u64) -> u64 {
    let digest = hash(&[&hash(&[&i.to_le_bytes(), key])]);
    u64::from_le_bytes(digest[..8].try_into().unwrap())
}

/// The checksum of a block of words at `x`, by Horner's rule.
pub(crate) fn checksum(words: &[u64], x: u64) -> u64 {
    words.iter().fold(0, |sum, word| {
        let sum = u128::from(sum) * u128::from(x) + u128::from(word % P);
        (sum % u128::from(P)) as u64
    })
}
