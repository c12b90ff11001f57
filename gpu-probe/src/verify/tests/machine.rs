//! Honest machines of other days, and without noise.

use tandem_model::gpu::GpuModel;

use crate::emulate::machine;
pub(super) use crate::emulate::machine::Noise;
use crate::hex::HexBytes;
use crate::report::*;

pub(super) fn uuid(number: u8) -> DeviceUuid {
    HexBytes([number; 16])
}

/// What an honest card reports; the summaries of the proofs come from the exchange.
pub(super) fn device(model: GpuModel, number: u8, noise: &mut Noise) -> DeviceReport {
    machine::device(model, uuid(number), noise)
}

/// An unsigned report of some devices, as of real ones, that answers no challenge yet.
pub(super) fn report(devices: Vec<DeviceReport>) -> Report {
    Report {
        emulated: false,
        ..machine::report(devices)
    }
}

/// The same card on another day: every rate of `base` with new noise of 5 %, written to `device`.
/// Cheaper than a new report.
pub(super) fn next_day(device: &mut DeviceReport, base: &DeviceReport, noise: &mut Noise) {
    let rates = [
        (&mut device.fp32, &base.fp32),
        (&mut device.tensor_f16, &base.tensor_f16),
        (&mut device.tensor_bf16, &base.tensor_bf16),
    ];
    for (now, then) in rates {
        if let (Outcome::Measured(now), Outcome::Measured(then)) = (now, then) {
            now.operations = noise.of(then.operations);
            now.power_mw = then.power_mw.map(|mw| noise.of(mw));
        }
    }
    if let (Outcome::Measured(now), Outcome::Measured(then)) =
        (&mut device.bandwidth, &base.bandwidth)
    {
        now.copy.bytes = noise.of(then.copy.bytes);
        now.read.bytes = noise.of(then.read.bytes);
        now.write.bytes = noise.of(then.write.bytes);
    }
    if let (Outcome::Measured(now), Outcome::Measured(then)) = (&mut device.pcie, &base.pcie) {
        now.host_to_device.bytes = noise.of(then.host_to_device.bytes);
        now.device_to_host.bytes = noise.of(then.device_to_host.bytes);
    }
    if let (Outcome::Measured(now), Outcome::Measured(then)) = (&mut device.latency, &base.latency)
    {
        for (now, then) in now.points.iter_mut().zip(&then.points) {
            now.timer_ns[0] = noise.of(then.timer_ns[0]);
        }
    }
}

/// `device` without noise: every rate is the typical one.
pub(super) fn typical(model: GpuModel) -> DeviceReport {
    let mut device = device(model, 1, &mut Noise::none());
    if let Outcome::Measured(curve) = &mut device.latency {
        for point in &mut curve.points {
            point.timer_ns.truncate(1);
        }
    }
    device
}
