//! The library, built once, and specifications of machines.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};
use tandem_model::gpu::GpuModel;

/// The library as `cargo` builds it, beside the test's own executable.
pub(crate) fn library() -> &'static PathBuf {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let test = std::env::current_exe().expect("a test has an executable");
        // target/<profile>/deps/<test>
        let folder = test
            .ancestors()
            .nth(2)
            .expect("cargo's folders")
            .to_path_buf();
        let profile = folder
            .file_name()
            .expect("cargo's folders")
            .to_string_lossy();
        let profile = if profile == "debug" {
            "dev".to_owned()
        } else {
            profile.into_owned()
        };
        let target = folder.parent().expect("cargo's folders");
        let arguments = [
            "build",
            "--package",
            "tandem-fake-driver",
            "--profile",
            &profile,
        ];
        let built = Command::new(env!("CARGO"))
            .args(arguments)
            .env("CARGO_TARGET_DIR", target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("cargo starts");
        let words = String::from_utf8_lossy(&built.stderr);
        let command = arguments.join(" ");
        assert!(built.status.success(), "`cargo {command}` failed: {words}");
        let library = folder.join("libtandem_fake_driver.so");
        assert!(
            library.exists(),
            "{} is not there after `cargo {command}`",
            library.display()
        );
        library
    })
}

/// An honest card of the catalogue: rates as published, where they are, else 0.9 of the datasheet.
pub(crate) fn card(id: &str, number: u8) -> Value {
    let model = GpuModel::by_id(id).expect("a card of the catalogue");
    let f = model.facts();
    let mut uuid = [number; 16];
    uuid[0] = 0xA0;
    let bytes = u64::from(f.vram_gb) << 30;
    let measured = f.memory_bandwidth_measured_mb_per_s;
    let bandwidth = measured.unwrap_or(f.memory_bandwidth_mb_per_s / 10 * 9);
    let tensor = f
        .tensor_fp16_measured_gflops
        .unwrap_or(f.tensor_fp16_gflops / 10 * 9);
    json!({
        "name": f.nvml_name.unwrap_or(f.name),
        "uuid": uuid,
        "pci_bus_id": format!("0000:{number:02x}:00.0"),
        "compute_capability": [f.compute_capability.0, f.compute_capability.1],
        "sm_count": f.sm_count,
        "total_bytes": bytes,
        "free_bytes": bytes - (600 << 20),
        "sm_clock_khz": u32::from(f.boost_clock_mhz) * 1_000,
        "memory_clock_khz": 9_751_000,
        "memory_bus_bits": 384,
        "l2_bytes": u64::from(f.l2_mib.unwrap_or(6)) << 20,
        "bandwidth_mb_per_s": bandwidth,
        "fp32_gflops": f64::from(f.fp32_gflops) * 0.95,
        "tensor_gflops": tensor,
        "tensor_fp8_gflops": f.tensor_fp8_gflops.unwrap_or(1),
        "int8_gops": f64::from(tensor) * 1.8,
        "l2_ns": 150.0,
        "dram_ns": 320.0,
        "pcie_mb_per_s": 25_000.0,
        "chip": number - 1,
    })
}

/// The card that most tests use: its kernels are those that an interpreter can run.
pub(crate) const CARD: &str = "rtx3090";

/// A machine with one honest card.
pub(crate) fn honest() -> Value {
    json!({ "cards": [card(CARD, 1)] })
}
