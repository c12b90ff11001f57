//! Merkle trees as in RFC 6962, padded to a power of two with leaves of 32 zero bytes.

use super::{Hash, hash};

/// `H(0x00 || data)`.
pub fn leaf(data: &[u8]) -> Hash {
    hash(&[&[0], data])
}

/// `H(0x01 || left || right)`.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    hash(&[&[1], left, right])
}

/// The nodes above each two of an even number of digests.
pub fn level(below: &[Hash]) -> Vec<Hash> {
    let pairs = below.as_chunks::<2>().0.iter();
    pairs.map(|[left, right]| node(left, right)).collect()
}

/// A whole tree; 64 bytes a leaf.
#[derive(Debug, Clone)]
pub struct Tree {
    /// From the leaves to the root.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// Builds a tree over leaf digests; without leaves it is that of one leaf of zeros.
    pub fn new(leaves: Vec<Hash>) -> Self {
        Self::by(leaves, level)
    }

    /// The same, where `above` makes each level of nodes from the one below it, as [`level`] does.
    pub fn by(mut leaves: Vec<Hash>, above: impl Fn(&[Hash]) -> Vec<Hash>) -> Self {
        leaves.resize(leaves.len().max(1).next_power_of_two(), [0; 32]);
        let mut levels = vec![leaves];
        while let Some(below) = levels.last().filter(|below| below.len() > 1) {
            let nodes = above(below);
            levels.push(nodes);
        }
        Self { levels }
    }

    /// Its root.
    pub fn root(&self) -> Hash {
        self.levels
            .last()
            .and_then(|top| top.first())
            .copied()
            .unwrap_or_default()
    }

    /// The siblings of a leaf, from the leaf upwards; none for a leaf that is not there.
    pub fn path(&self, index: usize) -> Option<Vec<Hash>> {
        let below_root = &self.levels[..self.levels.len() - 1];
        let sibling =
            |(height, level): (usize, &Vec<Hash>)| level.get((index >> height) ^ 1).copied();
        let inside = index < self.levels[0].len();
        inside.then(|| below_root.iter().enumerate().map(sibling).collect())?
    }
}

/// The length of a path in a tree of so many leaves.
pub fn path_len(leaves: u64) -> usize {
    leaves.max(1).next_power_of_two().trailing_zeros() as usize
}

/// The root to which a leaf and its path lead.
pub fn root_by_path<'a>(leaf: Hash, index: u64, path: impl IntoIterator<Item = &'a Hash>) -> Hash {
    let mut at = index;
    path.into_iter().fold(leaf, |below, sibling| {
        let is_right = at & 1 == 1;
        at >>= 1;
        if is_right {
            node(sibling, &below)
        } else {
            node(&below, sibling)
        }
    })
}
