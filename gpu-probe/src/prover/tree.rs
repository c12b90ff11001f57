//! Merkle trees on the card: leaves are hashed there, levels go up there, and only the root, or
//! the leaves for a path, come down.

use crate::bench::{Card, kernel};
use crate::cuda::{Argument, CudaError, DeviceMemory, PinnedMemory, download};
use crate::kernels::Module as KernelFile;
use crate::proof::{
    Hash,
    merkle::{Tree, level},
};

/// Bytes of a digest.
const HASH_BYTES: u64 = 32;
/// Most threads that make a level of a tree.
const THREADS_MAX: usize = 16;
/// Least nodes that are worth a thread.
const NODES_MIN: usize = 1_024;

/// Room for a tree: its leaves, and two buffers for the levels above.
#[derive(Debug)]
pub(super) struct DeviceTree {
    pub(super) leaves: DeviceMemory,
    levels: [DeviceMemory; 2],
    /// Where the root comes down: kept, because page-locked memory is dear to get.
    landing: PinnedMemory,
    count: u64,
}

impl DeviceTree {
    /// A tree of `leaves` leaves, padded to a power of two.
    pub(super) fn new(card: &Card<'_>, leaves: u64) -> Result<Self, CudaError> {
        let count = leaves.max(1).next_power_of_two();
        let half = (count / 2).max(1) * HASH_BYTES;
        Ok(Self {
            leaves: card.memory(count * HASH_BYTES, "a Merkle tree")?,
            levels: [
                card.memory(half, "a Merkle tree")?,
                card.memory(half, "a Merkle tree")?,
            ],
            landing: PinnedMemory::new(card.context(), HASH_BYTES as usize, "a Merkle tree")?,
            count,
        })
    }

    /// Leaves with the padding.
    pub(super) fn padded(&self) -> u64 {
        self.count
    }

    /// Builds the levels above the leaves and returns the root.
    pub(super) fn root(&self, card: &Card<'_>) -> Result<Hash, CudaError> {
        let (mut below, mut nodes) = (&self.leaves, self.count / 2);
        for level in self.levels.iter().cycle() {
            if nodes == 0 {
                break;
            }
            let arguments = [below.pointer(), level.pointer(), Argument::U64(nodes)];
            card.launch_wide(KernelFile::Merkle, kernel::MERKLE_LEVEL, &arguments)?;
            (below, nodes) = (level, nodes / 2);
        }
        card.stream
            .copy_to_host(below, 0, &self.landing, HASH_BYTES as usize)?;
        card.wait("a step of a proof")?;
        let mut root = [0; HASH_BYTES as usize];
        self.landing.read(&mut root);
        Ok(root)
    }

    /// The whole tree on the host, from the leaves as they are on the card.
    pub(super) fn to_host(&self, card: &Card<'_>) -> Result<Tree, CudaError> {
        card.wait("a step of a proof")?;
        let bytes = download(
            &card.stream,
            &self.leaves,
            0,
            (self.count * HASH_BYTES) as usize,
        )?;
        Ok(Tree::by(bytes.as_chunks::<32>().0.to_vec(), level_at_once))
    }
}

/// The nodes of a level, on as many threads as there are cores: a tree of a card's whole memory is made
/// anew for every pass that is opened.
fn level_at_once(below: &[Hash]) -> Vec<Hash> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let pairs = below.len() / 2;
    let each = pairs.div_ceil(cores.min(THREADS_MAX)).max(NODES_MIN);
    if each >= pairs {
        return level(below);
    }
    std::thread::scope(|scope| {
        let parts = below.chunks(2 * each);
        let threads: Vec<_> = parts.map(|part| scope.spawn(|| level(part))).collect();
        let made = threads.into_iter().map(|thread| thread.join());
        // A thread that panicked leaves too few nodes, which the verifier refuses.
        made.flat_map(Result::unwrap_or_default).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_made_by_many_threads_is_that_made_by_one() {
        for count in [2, 4, 2 * NODES_MIN, 8 * NODES_MIN + 6] {
            let below: Vec<Hash> = (0..count).map(|i| [(i % 251) as u8; 32]).collect();
            assert_eq!(level_at_once(&below), level(&below), "{count}");
        }
    }
}
