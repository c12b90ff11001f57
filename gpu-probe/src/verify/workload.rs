//! The verifier's heaviest check, made without a prover that multiplies whole matrices: what a
//! benchmark times, and what tests hold against the formulas at full size.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::check::{BlockCheck, Check, RowCheck};
use crate::exchange::{BlockOpening, BlockPick, JobPick, RowOpening};
use crate::exchange::{MATRIX_N_MAX, PICKED_BLOCKS, PICKED_JOBS, PICKED_ROWS};
use crate::hex::HexBytes;
use crate::proof::merkle::Tree;
use crate::proof::{Hash, hash, matrix, vram};

/// The checks of one device, with openings that are right: `jobs` products of `n` by `n` of which
/// `rows` are opened each, and `blocks` blocks of 1 MiB, each opened in a pass of its own. Only
/// opened rows are multiplied, which takes far longer than checking them; other leaves are filler.
pub fn audit(n: u32, jobs: usize, rows: usize, blocks: usize) -> Vec<Check> {
    let base = hash(&[b"audit"]);
    vec![row_check(n, jobs, rows, &base), block_check(blocks, &base)]
}

/// [`audit`] of a quick report: 8 jobs of 8 rows at `n = 8192`, and 16 blocks.
pub fn full_audit() -> Vec<Check> {
    audit(MATRIX_N_MAX, PICKED_JOBS, PICKED_ROWS, PICKED_BLOCKS)
}

fn row_check(n: u32, jobs: usize, rows: usize, base: &Hash) -> Check {
    let mut seed = crate::proof::first_seed(base, base);
    let (mut picked, mut openings) = (Vec::new(), Vec::new());
    for job in 0..u32::try_from(jobs).unwrap_or(u32::MAX) {
        let of_job: Vec<u32> = (0..n)
            .step_by((n as usize / rows.max(1)).max(1))
            .take(rows)
            .collect();
        let mut leaves = vec![[job as u8; 32]; n as usize];
        let mut values = Vec::new();
        for row in &of_job {
            let products = matrix::product_row(&seed, n as usize, *row as usize);
            leaves[*row as usize] = matrix::row_leaf(&products);
            let bytes: Vec<u8> = products.iter().flat_map(|v| v.to_le_bytes()).collect();
            values.push(STANDARD.encode(bytes));
        }
        let tree = Tree::new(leaves);
        for (row, values) in of_job.iter().zip(values) {
            let path = tree.path(*row as usize).unwrap_or_default();
            openings.push(RowOpening {
                job,
                row: *row,
                values,
                path: path.into_iter().map(HexBytes).collect(),
            });
        }
        let root = tree.root();
        picked.push((JobPick { job, rows: of_job }, seed, root));
        seed = crate::proof::next_seed(&seed, &root);
    }
    Check::Rows(Box::new(RowCheck {
        uuid: HexBytes([0; 16]),
        n,
        jobs: picked,
        openings,
        secret: hash(&[b"audit vectors"]),
    }))
}

fn block_check(blocks: usize, base: &Hash) -> Check {
    let fill_key = crate::proof::fill_key(base);
    let (mut picks, mut openings) = (Vec::new(), Vec::new());
    for (pass, block) in (0..u32::try_from(blocks).unwrap_or(u32::MAX)).zip(0_u64..) {
        let key = hash(&[b"audit key", &pass.to_le_bytes()]);
        let checksum = vram::checksum(vram::block(&fill_key, block), vram::point(&key));
        let mut leaves = vec![[1; 32]; blocks];
        leaves[block as usize] = vram::leaf(checksum);
        let tree = Tree::new(leaves);
        let path = tree.path(block as usize).unwrap_or_default();
        picks.push((BlockPick { pass, block }, key, tree.root()));
        openings.push(BlockOpening {
            pass,
            block,
            checksum: HexBytes(checksum.to_le_bytes()),
            path: path.into_iter().map(HexBytes).collect(),
        });
    }
    Check::Blocks(Box::new(BlockCheck {
        uuid: HexBytes([0; 16]),
        blocks: blocks as u64,
        fill_key,
        picks,
        openings,
    }))
}
