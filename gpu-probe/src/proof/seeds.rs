//! How proofs are bound to a challenge, a device and a key, and how jobs and passes are chained.

use super::{Hash, hash};
use crate::report::{ChallengeId, DeviceUuid, Nonce, PublicKey};

/// What a proof is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The challenge.
    pub challenge_id: ChallengeId,
    /// Its nonce.
    pub nonce: Nonce,
    /// The device.
    pub device: DeviceUuid,
    /// The prover's key.
    pub public_key: PublicKey,
}

/// `base` of a binding.
pub fn base(binding: &Binding) -> Hash {
    hash(&[
        b"tandem-probe/1",
        &binding.challenge_id.0,
        &binding.nonce.0,
        &binding.device.0,
        &binding.public_key.0,
    ])
}

/// `s_0`: seed of the first product. Nobody knows `key` before the verifier's clock runs.
pub fn first_seed(base: &Hash, key: &Hash) -> Hash {
    hash(&[b"matrix", base, key])
}

/// `s_(j+1)` from `s_j` and the root `R_j`.
pub fn next_seed(seed: &Hash, root: &Hash) -> Hash {
    hash(&[b"job", seed, root])
}

/// The key of the words that fill the memory.
pub fn fill_key(base: &Hash) -> Hash {
    hash(&[b"vram", base])
}

/// `K_(j+1)` from `K_j` and the root `R_j`.
pub fn next_key(key: &Hash, root: &Hash) -> Hash {
    hash(&[b"next", key, root])
}
