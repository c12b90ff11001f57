//! The heavy part of a verdict: opened rows and blocks against what the verifier computes itself.
//!
//! A check owns all that it needs, so that a broker can run it away from its request path. Cost of
//! one device at `n = 8192`: `n^2` additions a job, and 131,072 words of two SHA-256 a block.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::draw::Draw;
use crate::exchange::{BlockOpening, BlockPick, JobPick, RowOpening};
use crate::proof::{Hash, matrix, merkle, vram};
use crate::report::DeviceUuid;
use crate::verdict::ReasonCode;

/// The opened rows of one device.
#[derive(Debug, Clone)]
pub struct RowCheck {
    /// Which device.
    pub uuid: DeviceUuid,
    /// Rows and columns.
    pub n: u32,
    /// Each picked job with its seed and its committed root.
    pub jobs: Vec<(JobPick, Hash, Hash)>,
    /// What the prover opened.
    pub openings: Vec<RowOpening>,
    /// For the random vectors; the prover never learns it.
    pub secret: Hash,
}

/// The opened blocks of one device.
#[derive(Debug, Clone)]
pub struct BlockCheck {
    /// Which device.
    pub uuid: DeviceUuid,
    /// Blocks in all.
    pub blocks: u64,
    /// The key of the words.
    pub fill_key: Hash,
    /// Each pick with its pass's key and committed root.
    pub picks: Vec<(BlockPick, Hash, Hash)>,
    /// What the prover opened.
    pub openings: Vec<BlockOpening>,
}

/// A check to be run.
#[derive(Debug, Clone)]
pub enum Check {
    /// Rows of the matrix proof.
    Rows(Box<RowCheck>),
    /// Blocks of the VRAM proof.
    Blocks(Box<BlockCheck>),
}

/// What a check found: nothing when all is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckFindings {
    /// Which device.
    pub uuid: DeviceUuid,
    /// Each code once, with the first thing that it was found at.
    pub findings: Vec<(ReasonCode, String)>,
}

impl CheckFindings {
    fn add(&mut self, code: ReasonCode, detail: String) {
        if !self.findings.iter().any(|(known, _)| *known == code) {
            self.findings.push((code, detail));
        }
    }
}

impl Check {
    /// Runs it: seconds of one core at full size, bounded memory.
    pub fn run(&self) -> CheckFindings {
        let uuid = match self {
            Self::Rows(check) => check.uuid,
            Self::Blocks(check) => check.uuid,
        };
        let mut found = CheckFindings {
            uuid,
            findings: Vec::new(),
        };
        match self {
            Self::Rows(check) => check.run(&mut found),
            Self::Blocks(check) => check.run(&mut found),
        }
        found
    }
}

impl RowCheck {
    fn run(&self, found: &mut CheckFindings) {
        let asked: usize = self.jobs.iter().map(|(pick, ..)| pick.rows.len()).sum();
        if self.openings.len() != asked {
            let detail = format!("{} rows opened, {asked} asked", self.openings.len());
            found.add(ReasonCode::OpeningsMissing, detail);
            return;
        }
        let mut openings = self.openings.iter();
        for (pick, seed, root) in &self.jobs {
            let of_job = openings.by_ref().take(pick.rows.len());
            self.job(pick, seed, root, of_job, found);
        }
    }

    fn job<'a>(
        &self,
        pick: &JobPick,
        seed: &Hash,
        root: &Hash,
        openings: impl Iterator<Item = &'a RowOpening>,
        found: &mut CheckFindings,
    ) {
        let n = self.n as usize;
        let r = Draw::new(&self.secret, "vector", u64::from(pick.job)).vector(n);
        let b_r = matrix::Entries::b(seed).b_times(&r);
        let a = matrix::Entries::a(seed);
        for (row, opening) in pick.rows.iter().zip(openings) {
            let at = format!("row {row} of job {}", pick.job);
            if (opening.job, opening.row) != (pick.job, *row) {
                let detail = format!("row {} of job {} instead of {at}", opening.row, opening.job);
                found.add(ReasonCode::OpeningsMissing, detail);
                continue;
            }
            let Some(values) = self.values(&opening.values) else {
                found.add(
                    ReasonCode::RowWrong,
                    format!("{at} is not {n} small integers"),
                );
                continue;
            };
            let path = opening.path.iter().map(|digest| &digest.0);
            let is_whole = opening.path.len() == merkle::path_len(u64::from(self.n));
            let reached = merkle::root_by_path(matrix::row_leaf(&values), u64::from(*row), path);
            if !is_whole || reached != *root {
                let detail = format!("{at} does not lead to the job's root");
                found.add(ReasonCode::RowPathWrong, detail);
            }
            let line = a.line(n, *row as usize);
            if matrix::dot(&values, &r) != matrix::dot(&line, &b_r) {
                found.add(
                    ReasonCode::RowWrong,
                    format!("{at} is not that of the product"),
                );
            }
        }
    }

    /// The `n` integers of a row; none when they are not `n`, or one is larger than `64 n`.
    fn values(&self, text: &str) -> Option<Vec<i32>> {
        let bytes = STANDARD.decode(text).ok()?;
        let (words, rest) = bytes.as_chunks::<4>();
        let values: Vec<i32> = words.iter().map(|w| i32::from_le_bytes(*w)).collect();
        let fits = values.iter().all(|v| v.unsigned_abs() <= 64 * self.n);
        (rest.is_empty() && values.len() == self.n as usize && fits).then_some(values)
    }
}

impl BlockCheck {
    fn run(&self, found: &mut CheckFindings) {
        if self.openings.len() != self.picks.len() {
            let (opened, asked) = (self.openings.len(), self.picks.len());
            let detail = format!("{opened} blocks opened, {asked} asked");
            found.add(ReasonCode::OpeningsMissing, detail);
            return;
        }
        let mut known: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for ((pick, key, root), opening) in self.picks.iter().zip(&self.openings) {
            let at = format!("block {} of pass {}", pick.block, pick.pass);
            if (opening.pass, opening.block) != (pick.pass, pick.block) {
                let (block, pass) = (opening.block, opening.pass);
                let detail = format!("block {block} of pass {pass} instead of {at}");
                found.add(ReasonCode::OpeningsMissing, detail);
                continue;
            }
            let checksum = u64::from_le_bytes(opening.checksum.0);
            let path = opening.path.iter().map(|digest| &digest.0);
            let is_whole = opening.path.len() == merkle::path_len(self.blocks);
            if !is_whole || merkle::root_by_path(vram::leaf(checksum), pick.block, path) != *root {
                let detail = format!("{at} does not lead to the pass's root");
                found.add(ReasonCode::BlockPathWrong, detail);
            }
            let words = known
                .entry(pick.block)
                .or_insert_with(|| vram::block(&self.fill_key, pick.block).collect());
            if checksum != vram::checksum(words.iter().copied(), vram::point(key)) {
                found.add(
                    ReasonCode::BlockWrong,
                    format!("{at} is not that of its words"),
                );
            }
        }
    }
}
