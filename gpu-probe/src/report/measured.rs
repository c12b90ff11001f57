//! What a quick probe measures of a device, as raw samples.

use serde::{Deserialize, Serialize};

use super::{Digest, Timing};

/// Q1: where blocks ran, and how fast the SMs' clocks went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Census {
    /// Blocks seen on each SM, by ascending `%smid`.
    pub sms: Vec<SmBlocks>,
    /// Some blocks' spans on both clocks.
    pub spans: Vec<ClockSpan>,
}

/// Blocks seen on an SM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmBlocks {
    /// `%smid`.
    pub smid: u32,
    /// How many blocks.
    pub blocks: u32,
}

/// One span on the SM's cycle counter and on the timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockSpan {
    /// `clock64` cycles.
    pub cycles: u64,
    /// `%globaltimer` nanoseconds.
    pub timer_ns: u64,
}

impl Census {
    /// The SM clock in kHz, median over spans; none without spans.
    pub fn clock_khz(&self) -> Option<u64> {
        let khz = |s: &ClockSpan| s.cycles.checked_mul(1_000_000)?.checked_div(s.timer_ns);
        let all: Vec<u64> = self.spans.iter().filter_map(khz).collect();
        super::outcome::percentile(&all, 50)
    }
}

/// Q2: the result of an instruction that only this architecture has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IsaGate {
    /// Name of the kernel, as `isa_gate_sm_90a`.
    pub kernel: String,
    /// Its seed.
    pub seed: u32,
    /// Its iterations.
    pub iterations: u32,
    /// Digest of the output, little-endian.
    pub output_sha256: Digest,
    /// Whether the output is what the probe's own CPU reference gives.
    pub is_right: bool,
    /// How long it took.
    pub timing: Timing,
}

/// Bytes moved a sample, and the samples.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// Bytes moved in each sample; a copy counts what it reads and what it writes.
    pub bytes: u64,
    /// The samples.
    pub timing: Timing,
}

impl Transfer {
    /// Rate in MB/s (10^6 bytes) of the median sample; none without samples.
    pub fn mb_per_s(&self) -> Option<u64> {
        per_ns(self.bytes, 1_000, self.timing.median_ns()?)
    }

    /// Rate in MB/s of the fastest sample; none without samples.
    pub fn best_mb_per_s(&self) -> Option<u64> {
        per_ns(self.bytes, 1_000, self.timing.min_ns()?)
    }
}

/// `count * scale / ns`, none when the time is zero or the result does not fit.
fn per_ns(count: u64, scale: u64, ns: u64) -> Option<u64> {
    let scaled = u128::from(count) * u128::from(scale);
    u64::try_from(scaled.checked_div(u128::from(ns))?).ok()
}

/// Q3: device memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bandwidth {
    /// Device to device, 16 bytes a thread.
    pub copy: Transfer,
    /// Reading alone.
    pub read: Transfer,
    /// Writing alone.
    pub write: Transfer,
}

/// Q4: pointer chases over growing working sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatencyCurve {
    /// By ascending working set.
    pub points: Vec<LatencyPoint>,
}

impl LatencyCurve {
    /// Working set in bytes and latency of a hop in picoseconds, of every point that has one.
    pub fn hops(&self) -> Vec<(u64, u64)> {
        let hop = |p: &LatencyPoint| Some((p.working_set_bytes, p.hop_ps()?));
        self.points.iter().filter_map(hop).collect()
    }
}

/// The last working set, in bytes, before the curve `hops` crosses the middle between its ends; 0
/// where it begins beyond it, none without points or where the curve does not rise.
pub fn knee_bytes(hops: &[(u64, u64)]) -> Option<u64> {
    let ((_, first), (_, last)) = (hops.first()?, hops.last()?);
    let middle = first.midpoint(*last);
    let inside = hops.iter().take_while(|(_, ps)| *ps < middle).last();
    (last > first).then(|| inside.map_or(0, |(bytes, _)| *bytes))
}

/// One working set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatencyPoint {
    /// Size of the chased area, in bytes.
    pub working_set_bytes: u64,
    /// Hops of each sample.
    pub hops: u32,
    /// Cycles of each sample, all hops together.
    pub cycles: Vec<u64>,
    /// `%globaltimer` nanoseconds of each sample, all hops together.
    pub timer_ns: Vec<u64>,
}

impl LatencyPoint {
    /// Latency of a hop in picoseconds, median over samples; none without samples or hops.
    pub fn hop_ps(&self) -> Option<u64> {
        let median = super::outcome::percentile(&self.timer_ns, 50)?;
        median.checked_mul(1_000)?.checked_div(u64::from(self.hops))
    }
}

/// Q5 and Q6: operations a sample, and the samples.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Floating-point operations of each sample; a multiply-add counts as two.
    pub operations: u64,
    /// The samples.
    pub timing: Timing,
    /// SM clock while it ran, in kHz, where it was read.
    pub sm_clock_khz: Option<u64>,
    /// Power while it ran, in mW, where it was read.
    pub power_mw: Option<u64>,
}

impl Rate {
    /// Rate in GFLOP/s of the median sample; none without samples.
    pub fn gflops(&self) -> Option<u64> {
        per_ns(self.operations, 1, self.timing.median_ns()?)
    }
}

/// Q7: the prover's own view of the matrix proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatrixSummary {
    /// Rows and columns of a matrix.
    pub n: u32,
    /// Products.
    pub jobs: u32,
    /// The chain from first fill to last root, by the host's clock, in ns.
    pub loop_ns: u64,
    /// Root of the last job.
    pub last_root: Digest,
    /// Energy over the chain, in mJ, where it was read.
    pub energy_mj: Option<u64>,
}

/// Q8: the prover's own view of the VRAM proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VramSummary {
    /// Blocks of 1 MiB that were filled.
    pub blocks: u64,
    /// Passes over all of them.
    pub passes: u32,
    /// Time of the fill, in ns.
    pub fill_ns: u64,
    /// All passes, by the host's clock, in ns.
    pub passes_ns: u64,
    /// Root of the last pass.
    pub last_root: Digest,
}

/// Q9: the bus, with pinned host memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pcie {
    /// Host to device.
    pub host_to_device: Transfer,
    /// Device to host.
    pub device_to_host: Transfer,
    /// Both at once; bytes of both directions together.
    pub both: Transfer,
    /// Negotiated generation.
    pub generation: Option<u8>,
    /// Negotiated lanes.
    pub lanes: Option<u8>,
    /// Highest generation of card and slot.
    pub generation_max: Option<u8>,
    /// Most lanes of card and slot.
    pub lanes_max: Option<u8>,
}

/// Q10: empty kernels, launched and waited for one by one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// Host time of each launch with its wait, in ns.
    pub host_ns: Vec<u64>,
    /// The same kernel many times in one graph.
    pub graph: Option<GraphReplays>,
}

/// Replays of a graph of empty kernels, each waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphReplays {
    /// Kernels in the graph.
    pub kernels: u32,
    /// Host time of each replay with its wait, in ns.
    pub host_ns: Vec<u64>,
}
