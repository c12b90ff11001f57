//! Q7 on one card: chained integer products, each seeded by the root of the one before.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::bench::{Card, kernel};
use crate::cuda::{Argument, CudaError, DeviceMemory, Dimensions, download};
use crate::exchange::{JobPick, RowOpening};
use crate::hex::HexBytes;
use crate::kernels::Module as KernelFile;
use crate::proof::{Hash, first_seed, matrix::Entries, next_seed};

use super::tree::DeviceTree;

/// Threads of a block of the product, as the kernel wants.
const MULTIPLY_THREADS: u32 = 256;
/// Numbers in a chunk that is hashed.
const CHUNK: u32 = 256;

/// The memory of the proof, and the seeds of the jobs that were done.
#[derive(Debug)]
pub struct MatrixChain<'a> {
    card: &'a Card<'a>,
    n: u32,
    a: DeviceMemory,
    b: DeviceMemory,
    c: DeviceMemory,
    chunks: DeviceMemory,
    tree: DeviceTree,
    multiply: Dimensions,
    seeds: Vec<Hash>,
}

impl<'a> MatrixChain<'a> {
    /// Takes the memory for products of side `n`.
    ///
    /// # Errors
    ///
    /// Too little memory, no kernel for the architecture, a failed call.
    pub fn new(card: &'a Card<'a>, n: u32) -> Result<Self, CudaError> {
        let entries = u64::from(n) * u64::from(n);
        let purpose = "the matrix proof";
        let file = KernelFile::Matrix;
        let shared_bytes = card.kernels.shared_bytes(file, kernel::MATRIX_MULTIPLY)?;
        Ok(Self {
            card,
            n,
            a: card.memory(entries, purpose)?,
            b: card.memory(entries, purpose)?,
            c: card.memory(entries * 4, purpose)?,
            chunks: card.memory(entries / u64::from(CHUNK) * 32, purpose)?,
            tree: DeviceTree::new(card, u64::from(n))?,
            multiply: Dimensions {
                shared_bytes,
                ..Dimensions::line(card.sm_count, MULTIPLY_THREADS)
            },
            seeds: Vec::new(),
        })
    }

    /// Runs the whole chain from the challenge's key and returns its roots.
    ///
    /// # Errors
    ///
    /// A failed call or a deadline.
    pub fn run(&mut self, base: &Hash, key: &Hash, jobs: u32) -> Result<Vec<Hash>, CudaError> {
        let mut seed = first_seed(base, key);
        let mut roots = Vec::new();
        self.seeds.clear();
        for _ in 0..jobs {
            self.product(&seed)?;
            let root = self.tree.root(self.card)?;
            self.seeds.push(seed);
            roots.push(root);
            seed = next_seed(&seed, &root);
        }
        Ok(roots)
    }

    /// Queues one job up to the leaves of its rows.
    fn product(&self, seed: &Hash) -> Result<(), CudaError> {
        let (card, n, file) = (self.card, Argument::U32(self.n), KernelFile::Matrix);
        let ((a0, a1), (b0, b1)) = (Entries::a(seed).keys(), Entries::b(seed).keys());
        let [a, b, c] = [&self.a, &self.b, &self.c].map(DeviceMemory::pointer);
        let keys = [a0, a1, b0, b1].map(Argument::U64);
        let fill = [a, b, keys[0], keys[1], keys[2], keys[3], n];
        card.launch_wide(file, kernel::MATRIX_FILL, &fill)?;
        card.launch(file, kernel::MATRIX_MULTIPLY, self.multiply, &[a, b, c, n])?;
        let per_row = self.n / CHUNK;
        let count = u64::from(per_row) * u64::from(self.n);
        let chunks = self.chunks.pointer();
        let hash = [c, chunks, Argument::U64(count)];
        card.launch_wide(file, kernel::MATRIX_CHUNKS, &hash)?;
        let leaves = self.tree.leaves.pointer();
        let rows = [chunks, leaves, n, Argument::U32(per_row)];
        card.launch_wide(file, kernel::MATRIX_LEAVES, &rows)
    }

    /// Computes the picked jobs again and opens their rows. Jobs and rows that there are not are
    /// left out, which a verifier refuses.
    ///
    /// # Errors
    ///
    /// A failed call or a deadline.
    pub fn open(&mut self, picks: &[JobPick]) -> Result<Vec<RowOpening>, CudaError> {
        let mut opened = Vec::new();
        for pick in picks {
            let Some(seed) = self.seeds.get(pick.job as usize) else {
                continue;
            };
            self.product(seed)?;
            let tree = self.tree.to_host(self.card)?;
            for row in pick.rows.iter().copied().filter(|row| *row < self.n) {
                let bytes = self.n as usize * 4;
                let offset = u64::from(row) * bytes as u64;
                let values = download(&self.card.stream, &self.c, offset, bytes)?;
                let path = tree.path(row as usize).unwrap_or_default();
                opened.push(RowOpening {
                    job: pick.job,
                    row,
                    values: STANDARD.encode(values),
                    path: path.into_iter().map(HexBytes).collect(),
                });
            }
        }
        Ok(opened)
    }
}
