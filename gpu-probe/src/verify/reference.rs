//! Which card a device is claimed to be, and what such a card's proofs should take.

use tandem_model::gpu::{Figure, GpuModel};

use super::Policy;
use crate::exchange::{Claim, DevicePlan};
use crate::exchange::{MATRIX_JOBS_MAX, MATRIX_JOBS_MIN, VRAM_PASSES_MAX, VRAM_PASSES_MIN};
use crate::report::{DeviceReport, Identity, Kind};
use crate::verdict::Basis;

/// Bytes of a block of the VRAM proof.
pub(super) const BLOCK_BYTES: u64 = 1 << 20;

/// The card that a device is claimed to be: by what was sold, else by its name, else by its PCI
/// device id; among cards of one name the one whose id, SMs and memory fit best.
pub fn identify(claim: &Claim, sold_as: Option<&str>) -> Option<GpuModel> {
    if let Some(sold) = sold_as.and_then(GpuModel::by_id) {
        return Some(sold);
    }
    let mut candidates = GpuModel::matching(&claim.name);
    if candidates.is_empty() {
        candidates = GpuModel::all().filter(|m| has_id(*m, claim)).collect();
    }
    let misfit = |model: &GpuModel| {
        let facts = model.facts();
        let nominal = u64::from(facts.vram_gb) << 30;
        let sms = u32::from(facts.sm_count) != claim.sm_count;
        let distance = nominal.abs_diff(claim.total_memory_bytes);
        (!has_id(*model, claim), sms, distance)
    };
    candidates.into_iter().min_by_key(misfit)
}

fn has_id(model: GpuModel, claim: &Claim) -> bool {
    let ids = model.facts().pci_device_ids;
    claim.pci_device_id.is_some_and(|id| ids.contains(&id))
}

/// The claim that a report's identity makes.
pub(crate) fn claim_of(device: &DeviceReport) -> Claim {
    let identity: &Identity = &device.identity;
    let cuda = &identity.cuda;
    Claim {
        uuid: cuda.uuid,
        name: cuda.name.clone(),
        pci_device_id: identity.pci_device_id(),
        compute_capability: cuda.compute_capability,
        sm_count: cuda.sm_count,
        total_memory_bytes: cuda.total_memory_bytes,
        free_memory_bytes: cuda.free_memory_bytes,
    }
}

/// What a link of PCI Express moves in one direction at most, in MB/s: transfers a second, one
/// encoded bit each, over all lanes. Generations 3 to 5 lose 2 of 130 bits to encoding, 1 and 2 a
/// fifth (PCI Express Base Specification). None for a generation that does not exist.
pub fn link_mb_per_s(generation: u8, lanes: u8) -> Option<u64> {
    let lane = match generation {
        1 => 250,
        2 => 500,
        3 => 985,
        4 => 1_969,
        5 => 3_938,
        6 => 7_563,
        _ => return None,
    };
    Some(lane * u64::from(lanes))
}

/// Rates by which a device's proofs are timed.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProofRates {
    /// Of the matrix loop, in 10^6 operations a second.
    matrix_mops: u64,
    /// Of the VRAM passes, in MB/s.
    vram_mb_per_s: u64,
    /// Where they come from.
    pub(super) basis: Basis,
}

impl ProofRates {
    /// The rates that a card must show: measured, or a share of what is published or quoted.
    pub(super) fn of(model: GpuModel, policy: &Policy) -> Self {
        if let Some(measured) = policy.measured.get(model.id()) {
            return Self {
                matrix_mops: measured.matrix_mops.max(1),
                vram_mb_per_s: measured.vram_mb_per_s.max(1),
                basis: Basis::Measured,
            };
        }
        let tensor = model.tensor_fp16_reference_gflops();
        let memory = model.bandwidth_reference_mb_per_s();
        let share = |figure: Figure, permille: u64| u64::from(figure.value()) * permille / 1_000;
        let published = matches!(
            (tensor, memory),
            (Figure::Published(_), Figure::Published(_))
        );
        Self {
            matrix_mops: (share(tensor, policy.sizing.matrix_uncalibrated_permille) * 1_000).max(1),
            vram_mb_per_s: share(memory, policy.sizing.vram_uncalibrated_permille).max(1),
            basis: if published {
                Basis::Published
            } else {
                Basis::Quoted
            },
        }
    }

    /// Time of the matrix loop of a plan in ms, rounded up: `2 n^3` operations a job.
    pub(super) fn matrix_ms(self, plan: &DevicePlan) -> u64 {
        let operations = 2 * u128::from(plan.matrix_n).pow(3) * u128::from(plan.matrix_jobs);
        let ms = operations.div_ceil(u128::from(self.matrix_mops) * 1_000);
        u64::try_from(ms).unwrap_or(u64::MAX)
    }

    /// Time of the passes over so many blocks in ms, rounded up.
    pub(super) fn vram_ms(self, blocks: u64, passes: u32) -> u64 {
        let bytes = u128::from(blocks) * u128::from(BLOCK_BYTES) * u128::from(passes);
        let ms = bytes.div_ceil(u128::from(self.vram_mb_per_s) * 1_000);
        u64::try_from(ms).unwrap_or(u64::MAX)
    }
}

/// The work of a device: so much that a card at its quoted rate takes the times that are aimed at. A
/// spot probe has no blocks and no passes.
pub(super) fn plan_of(
    kind: Kind,
    claim: &Claim,
    model: Option<GpuModel>,
    policy: &Policy,
) -> DevicePlan {
    let sizing = &policy.sizing;
    let aim_ms = match kind.is_thorough() {
        true => sizing.matrix_aim_ms,
        false => sizing.spot_aim_ms,
    };
    let free_mib = claim.free_memory_bytes >> 20;
    let spare = sizing.vram_reserve_mib.max(free_mib / 20);
    let blocks = free_mib.saturating_sub(spare).min(sizing.vram_blocks_max);
    let (gflops, mb_per_s) = model.map_or((0, 0), |model| {
        let facts = model.facts();
        (
            u64::from(facts.tensor_fp16_gflops),
            u64::from(facts.memory_bandwidth_mb_per_s),
        )
    });
    let job = 2 * u64::from(sizing.matrix_n).pow(3);
    let jobs = (gflops * aim_ms * 1_000_000) / job.max(1);
    let pass = blocks.max(1) * BLOCK_BYTES;
    let passes = (mb_per_s * sizing.vram_aim_ms * 1_000) / pass;
    let clamp = |value: u64, min: u32, max: u32| {
        u32::try_from(value.clamp(u64::from(min), u64::from(max))).unwrap_or(max)
    };
    let (vram_blocks, vram_passes) = match kind.is_thorough() {
        true => (blocks, clamp(passes, VRAM_PASSES_MIN, VRAM_PASSES_MAX)),
        false => (0, 0),
    };
    DevicePlan {
        uuid: claim.uuid,
        matrix_n: sizing.matrix_n,
        matrix_jobs: clamp(jobs, MATRIX_JOBS_MIN, MATRIX_JOBS_MAX),
        vram_blocks,
        vram_passes,
    }
}

/// The blocks below which too little of a model's memory was proven: the least memory that such a
/// card shows, less what is left free and a gigabyte for who uses it beside.
pub(super) fn blocks_needed(model: GpuModel, policy: &Policy) -> u64 {
    let nominal = u64::from(model.facts().vram_gb) << 10;
    let least = nominal * policy.thresholds.vram_permille.0 / 1_000;
    let spare = policy.sizing.vram_reserve_mib.max(least / 20) + 1_024;
    least
        .saturating_sub(spare)
        .min(policy.sizing.vram_blocks_max)
}
