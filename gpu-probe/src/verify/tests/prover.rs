//! A prover on the CPU, honest or a forger, and a whole exchange with simulated time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use tandem_model::gpu::GpuModel;

use super::machine::{Noise, device, report};
use super::talk::{Sent, Talk};
use crate::emulate;
use crate::exchange::*;
use crate::proof::{self, Hash, matrix, vram};
use crate::report::{DeviceReport, Kind, Report, SignedReport};
use crate::verdict::{Verdict, VerdictOutcome};
use crate::verify::reference::claim_of;
use crate::verify::{Facts, MeasuredReference, Policy};

/// What a forger does; everything else is honest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forge {
    Nothing,
    /// One integer of every opened row is off by one.
    OpenedRow,
    /// Every product is of matrices of zeros, committed and opened alike.
    CommittedRows,
    /// The last sibling of every path is another.
    Path,
    /// The last job is left out.
    SkippedJob,
    /// Every job is that of the first seed.
    OneSeed,
    /// Jobs are seeded without the roots before them.
    UnchainedSeeds,
    /// The upper half of the blocks is not stored; other words are read there.
    HalfTheMemory,
    /// The chain was computed from the plan alone, before the challenge.
    StartedEarly,
    /// The last sibling of every block's path is another.
    BlockPath,
}

/// A card of the emulation, whose work and answers are forged.
pub(super) struct Card(emulate::Card);

impl Card {
    pub(super) fn new(claim: Claim, plan: &Plan, key: &SigningKey) -> Self {
        Self(emulate::Card::new(claim, plan, key))
    }

    pub(super) fn multiply(&mut self, plan: &DevicePlan, key: &Hash, forge: Forge) -> Roots {
        let key = match forge {
            Forge::StartedEarly => &[0; 32],
            _ => key,
        };
        let n = plan.matrix_n as usize;
        let jobs = plan.matrix_jobs - u32::from(forge == Forge::SkippedJob);
        let product = |seed: &Hash| match forge {
            // Different from job to job, so that the roots differ.
            Forge::CommittedRows => vec![vec![i32::from(seed[0]); n]; n],
            _ => matrix::product(seed, n),
        };
        let next = |seed: &Hash, root: &Hash| match forge {
            Forge::OneSeed => *seed,
            Forge::UnchainedSeeds => proof::next_seed(seed, &[0; 32]),
            _ => proof::next_seed(seed, root),
        };
        self.0.multiply_as(jobs, key, product, next)
    }

    pub(super) fn open_rows(&self, picks: &MatrixPicks, forge: Forge) -> MatrixOpenings {
        let mut openings = self.0.open_rows(picks);
        for row in &mut openings.rows {
            if forge == Forge::OpenedRow {
                let mut bytes = STANDARD.decode(&row.values).unwrap();
                let (words, _) = bytes.as_chunks_mut::<4>();
                words[3] = (i32::from_le_bytes(words[3]) + 1).to_le_bytes();
                row.values = STANDARD.encode(bytes);
            }
            if forge == Forge::Path {
                row.path.last_mut().unwrap().0[31] ^= 1;
            }
        }
        openings
    }

    pub(super) fn read(&mut self, plan: &DevicePlan, first_key: Hash, forge: Forge) -> Roots {
        if forge != Forge::HalfTheMemory {
            return self.0.read(plan, first_key);
        }
        let half = plan.vram_blocks / 2;
        let stored: Vec<Vec<u64>> = (0..plan.vram_blocks)
            .map(|block| match block < half {
                true => self.0.words(block),
                false => vec![block; vram::BLOCK_WORDS as usize],
            })
            .collect();
        self.0
            .read_as(plan, first_key, |block| stored[block as usize].clone())
    }

    /// What an honest prover of a spot probe says of its products.
    pub(super) fn summarise(&self, device: &mut DeviceReport, plan: &DevicePlan, loop_ns: u64) {
        self.0.summarise(device, plan, loop_ns, 0);
    }

    pub(super) fn open_blocks(&self, picks: &[BlockPick], forge: Forge) -> VramOpenings {
        let mut openings = self.0.open_blocks(picks);
        if forge == Forge::BlockPath {
            for block in &mut openings.blocks {
                block.path.last_mut().unwrap().0[31] ^= 1;
            }
        }
        openings
    }
}

/// A whole exchange to be run.
pub(super) struct Exchange {
    pub(super) policy: Policy,
    pub(super) facts: Facts,
    pub(super) devices: Vec<DeviceReport>,
    pub(super) forge: Forge,
    pub(super) secret: u8,
    pub(super) rtt_ms: u64,
    /// Time of the two proofs, in thousandths of the reference.
    pub(super) time_permille: (u64, u64),
    /// Everything the prover sent, and when.
    pub(super) sent: Sent,
}

/// Rates at which the small proofs of these tests take about a second.
const MEASURED: MeasuredReference = MeasuredReference::of_proofs(1, 50);

/// How long the products of a plan take at that rate, in ms.
pub(super) fn matrix_ms(plan: &DevicePlan) -> u64 {
    let operations = 2 * u64::from(plan.matrix_n).pow(3) * u64::from(plan.matrix_jobs);
    operations / (MEASURED.matrix_mops * 1_000)
}

/// A policy with measured references of every card, for small proofs.
pub(super) fn policy(n: u32, blocks: u64) -> Policy {
    let mut policy = Policy::default();
    policy.sizing.matrix_n = n;
    (policy.sizing.matrix_aim_ms, policy.sizing.spot_aim_ms) = (0, 0);
    policy.sizing.vram_aim_ms = 0;
    policy.sizing.vram_blocks_max = blocks;
    policy.sizing.session_ms_max = 10_000_000;
    let ids = GpuModel::all().map(|m| (m.id().to_owned(), MEASURED));
    policy.measured = ids.collect();
    policy
}

impl Exchange {
    /// One honest card.
    pub(super) fn of(id: &str) -> Self {
        let model = GpuModel::by_id(id).unwrap();
        Self {
            policy: policy(32, 0),
            facts: Facts::default(),
            devices: vec![device(model, 1, &mut Noise::seeded(1))],
            forge: Forge::Nothing,
            secret: 5,
            rtt_ms: 40,
            time_permille: (1_000, 1_000),
            sent: Sent::default(),
        }
    }

    /// With so many blocks of memory to prove: they are dear on a CPU.
    pub(super) fn proving(mut self, blocks: u64) -> Self {
        self.policy.sizing.vram_blocks_max = blocks;
        self
    }

    pub(super) fn key() -> SigningKey {
        SigningKey::from_bytes(&[11; 32])
    }

    /// Runs it; `edit` changes the report before it is signed.
    pub(super) fn run(self, edit: impl FnOnce(&mut Report)) -> Verdict {
        self.run_signed(|mut report| {
            edit(&mut report);
            report.sign(&Self::key())
        })
    }

    /// Runs it; `sign` makes the signed report of the honest one.
    pub(super) fn run_signed(self, sign: impl FnOnce(Report) -> SignedReport) -> Verdict {
        let (policy, key) = (self.policy.clone(), Self::key());
        let claims: Vec<Claim> = self.devices.iter().map(claim_of).collect();
        let (kind, sent) = (Kind::Quick, self.sent);
        let mut talk = Talk::open(
            kind,
            self.policy,
            self.facts,
            self.secret,
            self.rtt_ms,
            sent,
        );
        let plan = talk.plan(claims.clone(), &key);
        let mut cards: Vec<Card> = claims
            .into_iter()
            .map(|c| Card::new(c, &plan, &key))
            .collect();
        let first = plan.devices[0];
        let matrix_ms = matrix_ms(&first) * self.time_permille.0 / 1_000;
        let bytes = (first.vram_blocks << 20) * u64::from(first.vram_passes);
        let vram_ms = bytes / (MEASURED.vram_mb_per_s * 1_000) * self.time_permille.1 / 1_000;
        talk.matrix(&plan, &mut cards, self.forge, matrix_ms);
        talk.vram(&plan, &mut cards, self.forge, vram_ms);
        let mut honest = report(self.devices);
        (honest.challenge_id, honest.nonce) = (plan.challenge_id, plan.nonce);
        for ((device, card), plan) in honest.devices.iter_mut().zip(&cards).zip(&plan.devices) {
            let (loop_ns, passes_ns) = (matrix_ms * 1_000_000, vram_ms * 1_000_000);
            card.0.summarise(device, plan, loop_ns, passes_ns);
        }
        let signed = ProverMessage::Report(Box::new(sign(honest)));
        let VerifierMessage::Verdict(verdict) = talk.step(signed, 9_000) else {
            panic!("a verdict was due");
        };
        assert_eq!(talk.session.verdict(), Some(&*verdict));
        assert!(policy.thresholds.pass_permille > 0);
        *verdict
    }
}

/// The codes that fail a verdict, each once.
pub(super) fn failing(verdict: &Verdict) -> Vec<crate::verdict::ReasonCode> {
    let fails = verdict.reasons.iter();
    let mut codes: Vec<_> = fails
        .filter(|r| r.effect == crate::verdict::Effect::Fail)
        .map(|r| r.code)
        .collect();
    codes.sort();
    codes.dedup();
    assert_eq!(codes.is_empty(), verdict.outcome != VerdictOutcome::Fail);
    codes
}
