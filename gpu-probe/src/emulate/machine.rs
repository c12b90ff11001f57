//! What an honest machine would report of each card of the catalogue, with noise by a seed.
//!
//! Rates are the catalogue's, none of them was measured. Tests of the verifier take their honest
//! machines from here, too.

use tandem_model::gpu::{Figure, GpuModel};

use crate::hex::HexBytes;
use crate::report::*;

/// SplitMix64, for reproducible noise.
pub(crate) struct Noise(Option<u64>);

impl Noise {
    pub(crate) const fn seeded(seed: u64) -> Self {
        Self(Some(seed))
    }

    /// No noise at all.
    #[cfg(test)]
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    fn next(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// `value` times 0.95 to 1.05.
    pub(crate) fn of(&mut self, value: u64) -> u64 {
        let permille = self.0.as_mut().map_or(50, |state| Self::next(state) % 101);
        value * (950 + permille) / 1_000
    }
}

/// Samples around a time, on two clocks that agree within a thousandth.
fn timing(ns: u64, noise: &mut Noise) -> Timing {
    let run = noise.of(ns);
    let event_ns: Vec<u64> = (0..5).map(|i| run + run * i / 500).collect();
    let timer_ns = event_ns.iter().map(|ns| ns + ns / 1_000).collect();
    Timing { event_ns, timer_ns }
}

fn transfer(mb_per_s: u64, noise: &mut Noise) -> Transfer {
    let bytes = 2 << 30;
    Transfer {
        bytes,
        timing: timing(bytes * 1_000 / mb_per_s, noise),
    }
}

fn rate(gflops: u64, mw: u64, noise: &mut Noise) -> Rate {
    let operations = 1 << 40;
    Rate {
        operations,
        timing: timing(operations / gflops, noise),
        sm_clock_khz: None,
        power_mw: Some(noise.of(mw)),
    }
}

pub(crate) fn identity(model: GpuModel, uuid: DeviceUuid) -> Identity {
    let facts = model.facts();
    let name = facts.nvml_name.unwrap_or(facts.name).to_owned();
    let nominal_mib = u64::from(facts.vram_gb) * 1_024;
    let mib = facts
        .vram_reported_mib
        .map_or(nominal_mib * 98 / 100, u64::from);
    let id = facts.pci_device_ids.first().copied();
    let (major, minor) = facts.compute_capability;
    Identity {
        cuda: CudaIdentity {
            name: name.clone(),
            uuid,
            compute_capability: ComputeCapability { major, minor },
            sm_count: u32::from(facts.sm_count),
            total_memory_bytes: mib << 20,
            free_memory_bytes: (mib - 600) << 20,
            pci_bus_id: "0000:65:00.0".to_owned(),
            sm_clock_khz: u32::from(facts.boost_clock_mhz) * 1_000,
            memory_clock_khz: 9_501_000,
            l2_bytes: facts.l2_mib.map_or(0, |mib| u64::from(mib) << 20),
            memory_bus_bits: model.memory_bus().map_or(384, |bus| u32::from(bus.bits)),
        },
        nvml: Some(NvmlIdentity {
            name: Some(name),
            uuid: Some(format!("GPU-{uuid}")),
            pci_device_id: id,
            total_memory_bytes: Some((mib + 300) << 20),
            power_limit_mw: Some(u64::from(facts.board_power_w) * 1_000),
            mig_enabled: Some(false),
            ..NvmlIdentity::default()
        }),
        proc: None,
        sysfs: Some(SysfsIdentity {
            vendor_id: Some(0x10de),
            device_id: id,
            ..SysfsIdentity::default()
        }),
    }
}

fn curve(l2_bytes: u64, memory_ns: u64, noise: &mut Noise) -> LatencyCurve {
    let point = |bytes: u64, noise: &mut Noise| {
        let ns = if bytes <= l2_bytes {
            memory_ns / 2
        } else {
            memory_ns
        };
        LatencyPoint {
            working_set_bytes: bytes,
            hops: 65_536,
            cycles: vec![],
            timer_ns: vec![noise.of(ns * 65_536); 3],
        }
    };
    LatencyCurve {
        points: (18..30).map(|log| point(1 << log, noise)).collect(),
    }
}

/// What the exchange fills in.
fn matrix_to_come() -> MatrixSummary {
    MatrixSummary {
        n: 0,
        jobs: 0,
        loop_ns: 0,
        last_root: HexBytes([0; 32]),
        energy_mj: None,
    }
}

/// What the exchange fills in.
fn vram_to_come() -> VramSummary {
    VramSummary {
        blocks: 0,
        passes: 0,
        fill_ns: 0,
        passes_ns: 0,
        last_root: HexBytes([0; 32]),
    }
}

fn bus(model: GpuModel, noise: &mut Noise) -> Pcie {
    let (generation, lanes) = model.facts().pcie_gen_and_lanes.unwrap_or((5, 16));
    let link = crate::verify::link_mb_per_s(generation, lanes).unwrap_or(1);
    Pcie {
        host_to_device: transfer(link * 840 / 1_000, noise),
        device_to_host: transfer(link * 840 / 1_000, noise),
        both: transfer(link * 1_400 / 1_000, noise),
        generation: Some(generation),
        lanes: Some(lanes),
        generation_max: Some(generation),
        lanes_max: Some(lanes),
    }
}

/// What an honest card reports; the summaries of the proofs come from the exchange.
pub(crate) fn device(model: GpuModel, uuid: DeviceUuid, noise: &mut Noise) -> DeviceReport {
    let facts = model.facts();
    let identity = identity(model, uuid);
    let typical = |figure: Figure, quoted_permille: u64| match figure {
        Figure::Published(value) => u64::from(value),
        Figure::Quoted(value) => u64::from(value) * quoted_permille / 1_000,
    };
    let bandwidth = typical(model.bandwidth_reference_mb_per_s(), 900);
    let tensor = typical(model.tensor_fp16_reference_gflops(), 800);
    let board_mw = u64::from(facts.board_power_w) * 1_000;
    let clock_khz = noise.of(u64::from(facts.boost_clock_mhz) * 1_000);
    let lanes = u64::from(model.fp32_lanes_per_sm());
    let fp32 = u64::from(facts.sm_count) * lanes * 2 * clock_khz / 1_000_000;
    let memory_ns = model
        .memory_latency_ns()
        .map_or(350, |f| u64::from(f.value()));
    let l2_bytes = facts.l2_mib.map_or(48 << 20, |mib| u64::from(mib) << 20);
    let sms = (0..u32::from(facts.sm_count)).map(|smid| SmBlocks { smid, blocks: 64 });
    let span = ClockSpan {
        cycles: clock_khz,
        timer_ns: 1_000_000,
    };
    DeviceReport {
        identity,
        census: Outcome::Measured(Census {
            sms: sms.collect(),
            spans: vec![span; 3],
        }),
        isa_gate: Outcome::Measured(IsaGate {
            kernel: "isa_gate".to_owned(),
            seed: 7,
            iterations: 100,
            output_sha256: HexBytes([3; 32]),
            is_right: true,
            timing: timing(1_000_000, noise),
        }),
        bandwidth: Outcome::Measured(Bandwidth {
            copy: transfer(bandwidth, noise),
            read: transfer(bandwidth, noise),
            write: transfer(bandwidth, noise),
        }),
        latency: Outcome::Measured(curve(l2_bytes, memory_ns, noise)),
        fp32: Outcome::Measured(rate(fp32 * 930 / 1_000, board_mw * 7 / 10, noise)),
        tensor_f16: Outcome::Measured(rate(tensor, board_mw * 9 / 10, noise)),
        tensor_bf16: Outcome::Measured(rate(tensor, board_mw * 9 / 10, noise)),
        tensor_fp8: Outcome::CouldNotRun {
            reason: "no kernel".to_owned(),
        },
        matrix: Outcome::Measured(matrix_to_come()),
        vram: Outcome::Measured(vram_to_come()),
        pcie: Outcome::Measured(bus(model, noise)),
        launch: Outcome::Measured(Launch {
            host_ns: (0..5).map(|_| noise.of(6_000)).collect(),
            graph: Some(GraphReplays {
                kernels: 100,
                host_ns: (0..5).map(|_| noise.of(150_000)).collect(),
            }),
        }),
        health: None,
    }
}

/// An unsigned report of some devices that answers no challenge yet.
pub(crate) fn report(devices: Vec<DeviceReport>) -> Report {
    Report {
        format_version: FORMAT_VERSION,
        kind: Kind::Quick,
        challenge_id: HexBytes([0; 16]),
        nonce: HexBytes([0; 32]),
        started_at_unix_ms: 1_700_000_000_000,
        agent_version: "0.1.0".to_owned(),
        emulated: true,
        kernels_sha256: HexBytes([9; 32]),
        driver: Driver {
            cuda_version: 12_040,
            version: Some("550.54.15".to_owned()),
            is_virtual: None,
        },
        devices,
        public_key: HexBytes([0; 32]),
    }
}
