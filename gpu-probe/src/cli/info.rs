//! `gpu-probe info`: the driver and its cards, as they describe themselves.

use std::io::Write;

use clap::Args;
use serde::Serialize;

use crate::bench::identify;
use crate::cuda::{CudaError, Driver, Nvml};
use crate::report::Identity;

/// Arguments of `gpu-probe info`.
#[derive(Debug, Args)]
pub(super) struct Info {
    /// One JSON document on stdout
    #[arg(long)]
    json: bool,
}

/// What is printed with `--json`.
#[derive(Debug, Serialize)]
struct Document {
    library: String,
    cuda_version: String,
    driver_version: Option<String>,
    nvml_missing: Option<String>,
    devices: Vec<Identity>,
}

/// Lists the cards.
///
/// # Errors
///
/// No usable driver; a driver without cards is no error here.
pub(super) fn run(info: &Info) -> Result<(), CudaError> {
    let driver = Driver::load()?;
    let nvml = Nvml::load();
    let mut devices = Vec::new();
    for number in 0..driver.device_count()? {
        let device = driver.device(number)?;
        let (free, _) = device.context()?.memory_bytes()?;
        devices.push(identify(&device, free, nvml.as_ref().ok())?);
    }
    let document = Document {
        library: driver.library().to_owned(),
        cuda_version: driver.version().to_string(),
        driver_version: nvml.as_ref().ok().and_then(Nvml::driver_version),
        nvml_missing: nvml.err(),
        devices,
    };
    let text = if info.json {
        serde_json::to_string_pretty(&document).unwrap_or_default()
    } else {
        text(&document)
    };
    // A closed pipe is the reader's choice.
    let _ = writeln!(std::io::stdout(), "{text}");
    Ok(())
}

fn text(document: &Document) -> String {
    let driver = document.driver_version.as_deref().unwrap_or("unknown");
    let mut lines = vec![format!(
        "driver {driver}, CUDA {} ({})",
        document.cuda_version, document.library
    )];
    if let Some(reason) = &document.nvml_missing {
        lines.push(format!("no NVML: {reason}"));
    }
    for (number, device) in document.devices.iter().enumerate() {
        let cuda = &device.cuda;
        let capability = cuda.compute_capability;
        lines.push(format!(
            "{number}: {}, compute capability {}.{}, {} SMs, {} of {} MiB free, {}",
            cuda.name,
            capability.major,
            capability.minor,
            cuda.sm_count,
            cuda.free_memory_bytes >> 20,
            cuda.total_memory_bytes >> 20,
            cuda.pci_bus_id,
        ));
    }
    if document.devices.is_empty() {
        lines.push("the driver sees no card".to_owned());
    }
    lines.join("\n")
}
