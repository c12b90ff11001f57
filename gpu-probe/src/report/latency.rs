//! What a report shows of a card's latencies, short enough to be kept for years and compared.
//!
//! The machine's own word, as all of a report: that latencies stayed proves little, that they
//! changed is worth a question.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::outcome::percentile;
use super::{DeviceReport, Digest, LatencyMap, knee_bytes};
use crate::hex::HexBytes;

/// Most SMs whose latencies are kept; of a map with more, only its digest.
pub const SM_CYCLES_MAX: usize = 256;
/// By how much latencies may differ between two probes of the same card, in thousandths. Chosen, not
/// measured on a GPU.
pub const LATENCY_TOLERANCE_PERMILLE: u64 = 100;

/// Latencies of one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencySummary {
    /// Of a hop over the largest working set, in picoseconds.
    pub memory_ps: Option<u64>,
    /// Where the curve rises, in bytes: about the size of the L2 cache.
    pub l2_knee_bytes: Option<u64>,
    /// From SMs to regions of the memory; full and soak probes alone have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<LatencyMapSummary>,
}

/// A latency map in its coarse form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyMapSummary {
    /// SHA-256 of the map as compact JSON.
    pub sha256: Digest,
    /// Regions of the memory.
    pub regions: u32,
    /// Cycles of a hop, the median over all regions, by ascending `%smid`; empty where there are
    /// more than [`SM_CYCLES_MAX`].
    pub sm_cycles: Vec<u32>,
}

/// Whether a device's latencies are still what they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Continuity {
    /// Within [`LATENCY_TOLERANCE_PERMILLE`], and the knee within a factor of 2.
    Stayed,
    /// Not.
    Changed,
}

impl LatencySummary {
    /// What a device's report shows; none where it shows nothing.
    pub fn of(device: &DeviceReport) -> Option<Self> {
        let hops = device.latency.measured().map(|curve| curve.hops());
        let hops = hops.unwrap_or_default();
        let health = device.health.as_ref();
        let map = health.and_then(|health| health.latency_map.measured());
        let summary = Self {
            memory_ps: hops.last().map(|(_, ps)| *ps),
            l2_knee_bytes: knee_bytes(&hops),
            map: map.map(LatencyMapSummary::of),
        };
        let is_empty = summary.memory_ps.is_none() && summary.map.is_none();
        (!is_empty).then_some(summary)
    }

    /// Compares with an earlier summary; none where both show nothing in common.
    pub fn since(&self, before: &Self) -> Option<Continuity> {
        let memory = both(self.memory_ps, before.memory_ps).map(|(a, b)| are_close(a, b));
        let knee = both(self.l2_knee_bytes, before.l2_knee_bytes);
        let knee = knee.map(|(a, b)| a.max(b) <= a.min(b).saturating_mul(2));
        let map = self.map.as_ref().zip(before.map.as_ref());
        let map = map.map(|(a, b)| a.is_close_to(b));
        let compared: Vec<bool> = [memory, knee, map].into_iter().flatten().collect();
        match (compared.is_empty(), compared.contains(&false)) {
            (true, _) => None,
            (false, true) => Some(Continuity::Changed),
            (false, false) => Some(Continuity::Stayed),
        }
    }
}

fn both(now: Option<u64>, before: Option<u64>) -> Option<(u64, u64)> {
    now.zip(before)
}

/// Whether two latencies differ by no more than the tolerance of the larger one.
fn are_close(a: u64, b: u64) -> bool {
    let allowed = u128::from(a.max(b)) * u128::from(LATENCY_TOLERANCE_PERMILLE);
    u128::from(a.abs_diff(b)) * 1_000 <= allowed
}

impl LatencyMapSummary {
    fn of(map: &LatencyMap) -> Self {
        let text = serde_json::to_vec(map).expect("plain structs always serialise into memory");
        let regions = map.regions.max(1) as usize;
        let hop = |row: &[u32]| {
            let cycles: Vec<u64> = row.iter().map(|c| u64::from(*c)).collect();
            let all = percentile(&cycles, 50).unwrap_or(0);
            u32::try_from(all / u64::from(map.hops.max(1))).unwrap_or(u32::MAX)
        };
        let rows = map.cycles.chunks(regions).map(hop);
        let mut by_sm: Vec<(u32, u32)> = map.smids.iter().copied().zip(rows).collect();
        by_sm.sort_unstable();
        let is_kept = by_sm.len() <= SM_CYCLES_MAX;
        Self {
            sha256: HexBytes(Sha256::digest(text).into()),
            regions: map.regions,
            sm_cycles: match is_kept {
                true => by_sm.into_iter().map(|(_, cycles)| cycles).collect(),
                false => Vec::new(),
            },
        }
    }

    fn is_close_to(&self, before: &Self) -> bool {
        let mut pairs = self.sm_cycles.iter().zip(&before.sm_cycles);
        self.sha256 == before.sha256
            || (self.sm_cycles.len() == before.sm_cycles.len()
                && !self.sm_cycles.is_empty()
                && pairs.all(|(a, b)| are_close((*a).into(), (*b).into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(smids: &[u32], cycles: &[u32]) -> LatencyMap {
        LatencyMap {
            smids: smids.to_vec(),
            regions: 2,
            hops: 10,
            cycles: cycles.to_vec(),
        }
    }

    fn summary(memory_ps: u64, knee: u64, map: Option<&LatencyMap>) -> LatencySummary {
        LatencySummary {
            memory_ps: Some(memory_ps),
            l2_knee_bytes: Some(knee),
            map: map.map(LatencyMapSummary::of),
        }
    }

    #[test]
    fn a_tenth_more_latency_or_twice_the_cache_is_the_same_card_and_more_is_not() {
        let before = summary(500_000, 40 << 20, None);
        for (memory_ps, knee, wanted) in [
            (500_000, 40 << 20, Continuity::Stayed),
            (555_555, 80 << 20, Continuity::Stayed),
            (450_000, 20 << 20, Continuity::Stayed),
            (555_560, 40 << 20, Continuity::Changed),
            (449_999, 40 << 20, Continuity::Changed),
            (500_000, (80 << 20) + 1, Continuity::Changed),
            (u64::MAX, u64::MAX, Continuity::Changed),
        ] {
            let now = summary(memory_ps, knee, None);
            assert_eq!(now.since(&before), Some(wanted), "{memory_ps} {knee}");
        }
        let nothing = LatencySummary {
            memory_ps: None,
            l2_knee_bytes: None,
            map: None,
        };
        assert_eq!(nothing.since(&before), None);
    }

    #[test]
    fn a_map_is_compared_sm_by_sm_in_the_order_of_their_numbers() {
        let first = map(&[1, 0], &[7_000, 7_200, 5_000, 5_200]);
        let sorted = map(&[0, 1], &[5_000, 5_200, 7_000, 7_200]);
        let other = map(&[0, 1], &[7_000, 7_200, 5_000, 5_200]);
        let fewer = map(&[0], &[5_000, 5_200]);
        assert_eq!(LatencyMapSummary::of(&first).sm_cycles, [500, 700]);
        let before = summary(1, 1, Some(&first));
        for (now, wanted) in [
            (sorted, Continuity::Stayed),
            (other, Continuity::Changed),
            (fewer, Continuity::Changed),
        ] {
            assert_eq!(summary(1, 1, Some(&now)).since(&before), Some(wanted));
        }
    }

    #[test]
    fn of_a_map_with_too_many_rows_only_the_digest_is_kept() {
        let smids: Vec<u32> = (0..=SM_CYCLES_MAX as u32).collect();
        let cycles = vec![9_000; 2 * smids.len()];
        let large = LatencyMapSummary::of(&map(&smids, &cycles));
        assert!(large.sm_cycles.is_empty());
        assert!(large.is_close_to(&large));
        let other = LatencyMapSummary::of(&map(&smids, &vec![9_001; 2 * smids.len()]));
        assert!(!large.is_close_to(&other));
    }
}
