//! The formulas of the proofs (`docs/gpu-probe.md`), on the CPU: one place for provers that open,
//! verifiers that check, and tests.
//!
//! Pure arithmetic over SHA-256 (FIPS 180-4), SplitMix64 and the field of `2^61 - 1`.

mod field;
pub mod matrix;
pub mod merkle;
mod seeds;
pub mod vram;

pub use field::{PRIME, add, mul, reduce, signed};
pub use seeds::{Binding, base, fill_key, first_seed, next_key, next_seed};

use sha2::{Digest as _, Sha256};

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// SHA-256 of joined parts.
pub fn hash(parts: &[&[u8]]) -> Hash {
    let mut state = Sha256::new();
    for part in parts {
        state.update(part);
    }
    state.finalize().into()
}

/// The first 8 bytes of a digest as a little-endian integer.
pub(crate) const fn first_word(digest: &Hash) -> u64 {
    let d = digest;
    u64::from_le_bytes([d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]])
}
