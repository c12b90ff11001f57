//! The proofs of one device, made by the CPU as `docs/gpu-probe.md` defines them.
//!
//! What is multiplied, how seeds follow and what lies in memory are arguments, so that tests of the
//! verifier forge each of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;

use crate::exchange::{
    BlockOpening, BlockPick, Claim, DevicePlan, MatrixOpenings, MatrixPicks, Plan, Roots,
    RowOpening, VramOpenings,
};
use crate::hex::HexBytes;
use crate::proof::merkle::Tree;
use crate::proof::{self, Binding, Hash, matrix, vram};
use crate::report::{DeviceReport, Digest, Outcome};

/// A device and what it keeps for openings.
#[derive(Debug)]
pub(crate) struct Card {
    pub(crate) claim: Claim,
    base: Hash,
    rows: Vec<Vec<Vec<i32>>>,
    job_trees: Vec<Tree>,
    pass_trees: Vec<Tree>,
    checksums: Vec<Vec<u64>>,
}

impl Card {
    pub(crate) fn new(claim: Claim, plan: &Plan, key: &SigningKey) -> Self {
        let base = proof::base(&Binding {
            challenge_id: plan.challenge_id,
            nonce: plan.nonce,
            device: claim.uuid,
            public_key: HexBytes(key.verifying_key().to_bytes()),
        });
        Self {
            claim,
            base,
            rows: vec![],
            job_trees: vec![],
            pass_trees: vec![],
            checksums: vec![],
        }
    }

    fn roots(&self, trees: &[Tree]) -> Roots {
        Roots {
            uuid: self.claim.uuid,
            roots: trees.iter().map(|t| HexBytes(t.root())).collect(),
        }
    }

    /// The chain of products of a plan, from the key of its challenge.
    pub(crate) fn multiply(&mut self, plan: &DevicePlan, key: &Hash) -> Roots {
        let honest = |seed: &Hash| matrix::product(seed, plan.matrix_n as usize);
        self.multiply_as(plan.matrix_jobs, key, honest, proof::next_seed)
    }

    /// A chain of `jobs` products, of `product` of each seed, with `next` after a seed and root.
    pub(crate) fn multiply_as(
        &mut self,
        jobs: u32,
        key: &Hash,
        product: impl Fn(&Hash) -> Vec<Vec<i32>>,
        next: impl Fn(&Hash, &Hash) -> Hash,
    ) -> Roots {
        let mut seed = proof::first_seed(&self.base, key);
        for _ in 0..jobs {
            let rows = product(&seed);
            let leaves = rows.iter().map(|row| matrix::row_leaf(row)).collect();
            let tree = Tree::new(leaves);
            seed = next(&seed, &tree.root());
            self.rows.push(rows);
            self.job_trees.push(tree);
        }
        self.roots(&self.job_trees)
    }

    /// Opens the picked rows; rows that there are not are left out.
    pub(crate) fn open_rows(&self, picks: &MatrixPicks) -> MatrixOpenings {
        let picked = picks
            .jobs
            .iter()
            .flat_map(|pick| pick.rows.iter().map(|row| (pick.job, *row)));
        MatrixOpenings {
            uuid: self.claim.uuid,
            rows: picked
                .filter_map(|(job, row)| self.open_row(job, row))
                .collect(),
        }
    }

    fn open_row(&self, job: u32, row: u32) -> Option<RowOpening> {
        let values = self.rows.get(job as usize)?.get(row as usize)?;
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let path = self.job_trees.get(job as usize)?.path(row as usize)?;
        Some(RowOpening {
            job,
            row,
            values: STANDARD.encode(bytes),
            path: path.into_iter().map(HexBytes).collect(),
        })
    }

    /// The passes of a plan over memory that holds what it must.
    pub(crate) fn read(&mut self, plan: &DevicePlan, first_key: Hash) -> Roots {
        let fill_key = proof::fill_key(&self.base);
        self.read_as(plan, first_key, |block| {
            vram::block(&fill_key, block).collect()
        })
    }

    /// The passes of a plan over memory that holds `stored`.
    pub(crate) fn read_as(
        &mut self,
        plan: &DevicePlan,
        first_key: Hash,
        stored: impl Fn(u64) -> Vec<u64>,
    ) -> Roots {
        let blocks: Vec<Vec<u64>> = (0..plan.vram_blocks).map(stored).collect();
        let mut key = first_key;
        for _ in 0..plan.vram_passes {
            let x = vram::point(&key);
            let sums: Vec<u64> = blocks
                .iter()
                .map(|words| vram::checksum(words.iter().copied(), x))
                .collect();
            // Without memory there is still a root that differs from pass to pass.
            let leaves = match sums.is_empty() {
                true => vec![proof::hash(&[&key])],
                false => sums.iter().map(|sum| vram::leaf(*sum)).collect(),
            };
            let tree = Tree::new(leaves);
            key = proof::next_key(&key, &tree.root());
            self.checksums.push(sums);
            self.pass_trees.push(tree);
        }
        self.roots(&self.pass_trees)
    }

    /// The words of a block as they must be.
    #[cfg(test)]
    pub(crate) fn words(&self, block: u64) -> Vec<u64> {
        vram::block(&proof::fill_key(&self.base), block).collect()
    }

    /// Opens the picked blocks; blocks that there are not are left out.
    pub(crate) fn open_blocks(&self, picks: &[BlockPick]) -> VramOpenings {
        let open = |pick: &BlockPick| {
            let (pass, block) = (pick.pass as usize, usize::try_from(pick.block).ok()?);
            let checksum = self.checksums.get(pass)?.get(block)?;
            let path = self.pass_trees.get(pass)?.path(block)?;
            Some(BlockOpening {
                pass: pick.pass,
                block: pick.block,
                checksum: HexBytes(checksum.to_le_bytes()),
                path: path.into_iter().map(HexBytes).collect(),
            })
        };
        VramOpenings {
            uuid: self.claim.uuid,
            blocks: picks.iter().filter_map(open).collect(),
        }
    }

    /// Fills in what an honest prover says of its proofs, which took so long.
    pub(crate) fn summarise(
        &self,
        device: &mut DeviceReport,
        plan: &DevicePlan,
        loop_ns: u64,
        passes_ns: u64,
    ) {
        if let Outcome::Measured(matrix) = &mut device.matrix {
            (matrix.n, matrix.jobs) = (plan.matrix_n, plan.matrix_jobs);
            matrix.loop_ns = loop_ns;
            matrix.last_root = last(&self.job_trees);
        }
        if let Outcome::Measured(vram) = &mut device.vram {
            (vram.blocks, vram.passes) = (plan.vram_blocks, plan.vram_passes);
            vram.passes_ns = passes_ns;
            vram.last_root = last(&self.pass_trees);
        }
    }
}

fn last(trees: &[Tree]) -> Digest {
    HexBytes(trees.last().map_or([0; 32], Tree::root))
}
