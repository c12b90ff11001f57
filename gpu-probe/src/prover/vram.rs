//! Q8 on one card: memory filled with words that are dear to recompute, then read again and again.

use crate::bench::{Card, kernel};
use crate::cuda::{Argument, CudaError, DeviceMemory, Dimensions, download, upload};
use crate::exchange::{BlockOpening, BlockPick};
use crate::hex::HexBytes;
use crate::kernels::Module as KernelFile;
use crate::proof::{Hash, fill_key, next_key, vram};

use super::tree::DeviceTree;

/// Bytes of a block.
const BLOCK_BYTES: u64 = 1 << 20;
/// Threads of a block of the checksum, as the kernel wants, and such blocks for each SM.
const CHECKSUM_THREADS: u32 = 256;
const CHECKSUM_BLOCKS_PER_SM: u32 = 4;

/// The filled memory, and the keys of the passes that were made.
#[derive(Debug)]
pub struct VramArea<'a> {
    card: &'a Card<'a>,
    areas: Vec<DeviceMemory>,
    blocks: u64,
    checksums: DeviceMemory,
    tree: DeviceTree,
    keys: Vec<Hash>,
}

impl<'a> VramArea<'a> {
    /// Takes memory for `blocks` blocks, or for as many as there are.
    ///
    /// # Errors
    ///
    /// Memory for not even one block, or a failed call.
    pub fn new(card: &'a Card<'a>, blocks: u64) -> Result<Self, CudaError> {
        let checksums = card.memory(blocks.max(1) * 8, "the VRAM proof")?;
        let tree = DeviceTree::new(card, blocks)?;
        let (mut areas, mut taken, mut step) = (Vec::new(), 0, card.scale.vram_area_blocks);
        while taken < blocks && step > 0 {
            let wanted = step.min(blocks - taken);
            match card.memory(wanted * BLOCK_BYTES, "the VRAM proof") {
                Ok(area) => {
                    areas.push(area);
                    taken += wanted;
                }
                Err(error @ CudaError::OutOfMemory { .. }) if wanted == 1 && taken == 0 => {
                    return Err(error);
                }
                Err(CudaError::OutOfMemory { .. }) => step = wanted / 2,
                Err(error) => return Err(error),
            }
        }
        Ok(Self {
            card,
            areas,
            blocks: taken,
            checksums,
            tree,
            keys: Vec::new(),
        })
    }

    /// Blocks that are held.
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Fills all of it.
    ///
    /// # Errors
    ///
    /// A failed call or a deadline.
    pub fn fill(&mut self, base: &Hash) -> Result<(), CudaError> {
        if self.tree.padded() != self.blocks.max(1).next_power_of_two() {
            self.tree = DeviceTree::new(self.card, self.blocks)?;
        }
        let card = self.card;
        let key = card.memory(32, "the VRAM proof")?;
        upload(&card.stream, &key, 0, &fill_key(base))?;
        let mut first = 0;
        for area in &self.areas {
            let count = area.bytes() / 8;
            let arguments = [
                area.pointer(),
                Argument::U64(first),
                Argument::U64(count),
                key.pointer(),
            ];
            card.launch_wide(KernelFile::Vram, kernel::VRAM_FILL, &arguments)?;
            first += count;
        }
        card.wait("the fill of the VRAM proof")
    }

    /// Makes all passes and returns their roots.
    ///
    /// # Errors
    ///
    /// A failed call or a deadline.
    pub fn run(&mut self, first_key: Hash, passes: u32) -> Result<Vec<Hash>, CudaError> {
        let mut key = first_key;
        let mut roots = Vec::new();
        self.keys.clear();
        for _ in 0..passes {
            self.pass(&key)?;
            let root = self.tree.root(self.card)?;
            self.keys.push(key);
            roots.push(root);
            key = next_key(&key, &root);
        }
        Ok(roots)
    }

    /// Queues one pass up to its leaves.
    fn pass(&self, key: &Hash) -> Result<(), CudaError> {
        let (card, x) = (self.card, Argument::U64(vram::point(key)));
        let mut first = 0;
        for area in &self.areas {
            let blocks = area.bytes() / BLOCK_BYTES;
            let most = card.sm_count.saturating_mul(CHECKSUM_BLOCKS_PER_SM);
            let grid = u32::try_from(blocks).unwrap_or(most).min(most);
            let arguments = [
                area.pointer(),
                Argument::U64(blocks),
                x,
                self.checksums.pointer_at(first * 8)?,
            ];
            let shape = Dimensions::line(grid, CHECKSUM_THREADS);
            card.launch(KernelFile::Vram, kernel::VRAM_CHECKSUM, shape, &arguments)?;
            first += blocks;
        }
        let arguments = [
            self.checksums.pointer(),
            Argument::U64(self.blocks),
            self.tree.leaves.pointer(),
            Argument::U64(self.tree.padded()),
        ];
        card.launch_wide(KernelFile::Vram, kernel::VRAM_LEAVES, &arguments)
    }

    /// Makes the picked passes again and opens their blocks, in the order of the picks. Passes and
    /// blocks that there are not are left out, which a verifier refuses.
    ///
    /// # Errors
    ///
    /// A failed call or a deadline.
    pub fn open(&mut self, picks: &[BlockPick]) -> Result<Vec<BlockOpening>, CudaError> {
        let mut opened = Vec::new();
        let mut at: Option<(u32, crate::proof::merkle::Tree, Vec<u8>)> = None;
        for pick in picks.iter().filter(|pick| pick.block < self.blocks) {
            let Some(key) = self.keys.get(pick.pass as usize) else {
                continue;
            };
            if at.as_ref().is_none_or(|(pass, ..)| *pass != pick.pass) {
                self.pass(key)?;
                let tree = self.tree.to_host(self.card)?;
                let bytes = (self.blocks * 8) as usize;
                let sums = download(&self.card.stream, &self.checksums, 0, bytes)?;
                at = Some((pick.pass, tree, sums));
            }
            let Some((_, tree, sums)) = &at else {
                continue;
            };
            let index = usize::try_from(pick.block).unwrap_or(usize::MAX);
            let checksum = sums.as_chunks::<8>().0.get(index).copied();
            opened.push(BlockOpening {
                pass: pick.pass,
                block: pick.block,
                checksum: HexBytes(checksum.unwrap_or_default()),
                path: tree
                    .path(index)
                    .unwrap_or_default()
                    .into_iter()
                    .map(HexBytes)
                    .collect(),
            });
        }
        Ok(opened)
    }
}
