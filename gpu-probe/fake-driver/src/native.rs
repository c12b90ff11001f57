//! The VRAM proof's kernels, computed on the host by the formulas of `docs/gpu-probe.md`.

use sha2::{Digest, Sha256};

/// `2^61 - 1`.
const PRIME: u64 = (1 << 61) - 1;
/// Bytes of a block.
pub(crate) const BLOCK_BYTES: u64 = 1 << 20;

/// `F(first)` and the words after it, `count` of them.
pub(crate) fn fill(first: u64, count: u64, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(count as usize * 8);
    for index in first..first + count {
        let inner = Sha256::new()
            .chain_update(index.to_le_bytes())
            .chain_update(key)
            .finalize();
        out.extend_from_slice(&Sha256::digest(inner)[..8]);
    }
    out
}

/// The polynomial of a block's words at `x`, by Horner's rule.
pub(crate) fn checksum(words: &[u8], x: u64) -> u64 {
    let words = words.as_chunks::<8>().0.iter();
    words.fold(0, |sum, word| {
        let word = u128::from(u64::from_le_bytes(*word));
        let next = u128::from(sum) * u128::from(x) + word;
        (next % u128::from(PRIME)) as u64
    })
}
