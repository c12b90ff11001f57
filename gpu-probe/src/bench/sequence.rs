//! The order in which a card's benchmarks run, and the report that comes of them.

use std::time::Duration;

use crate::cuda::{CudaError, Device};
use crate::report::{DeviceReport, Health, Identity, Kind, MatrixSummary, Outcome, VramSummary};

use super::card::Card;
use super::error::outcome_of;
use super::tensor::Operands;
use super::{
    bandwidth, census, fp32, gaps, isa_gate, latency, latency_map, launch, load, patterns, pcie,
    peers, tensor,
};

/// Told before each benchmark: its number from 1, and its name.
pub type Progress<'a> = &'a dyn Fn(u32, &'static str);

/// How many benchmarks a kind of probe has.
pub const STEPS: fn(Kind) -> u32 = |kind| match kind {
    Kind::Spot => 1,
    Kind::Quick => 11,
    Kind::Full => 17,
    Kind::Soak => 18,
};

/// Runs one benchmark after another; after a deadline or a fault the rest cannot run.
struct Run<'a> {
    card: &'a Card<'a>,
    progress: Progress<'a>,
    step: std::cell::Cell<u32>,
}

impl Run<'_> {
    fn one<T>(
        &self,
        name: &'static str,
        benchmark: impl FnOnce() -> Result<T, CudaError>,
    ) -> Outcome<T> {
        self.step.set(self.step.get() + 1);
        (self.progress)(self.step.get(), name);
        if self.card.device().driver().is_abandoned() {
            return Outcome::CouldNotRun {
                reason: "an earlier benchmark hung or faulted".to_owned(),
            };
        }
        outcome_of(benchmark())
    }
}

/// Measures a card: Q1 to Q6, Q9, Q10, and what `kind` adds; a spot probe Q1 alone, on a card that
/// the paused work kept warm, and no more is a card that proved its work right before (`is_warm`).
/// `others` are the machine's devices.
/// The proofs Q7 and Q8 need a verifier; their summaries are the caller's.
pub fn measure(
    card: &Card<'_>,
    kind: Kind,
    others: &[Device],
    identity: Identity,
    proofs: (Outcome<MatrixSummary>, Outcome<VramSummary>),
    is_warm: bool,
    progress: Progress<'_>,
) -> DeviceReport {
    let run = Run {
        card,
        progress,
        step: std::cell::Cell::new(0),
    };
    if !kind.is_thorough() {
        let census = run.one("SM census", || census::run(card));
        return DeviceReport::spot(identity, census, proofs.0);
    }
    let warm = run.one("warm-up", || match is_warm {
        true => Ok(()),
        false => tensor::warm_up(card),
    });
    if let Some(reason) = warm.reason() {
        tracing::warn!("no warm-up: {reason}");
    }
    DeviceReport {
        identity,
        census: run.one("SM census", || census::run(card)),
        isa_gate: run.one("instruction set", || isa_gate::run(card)),
        bandwidth: run.one("memory bandwidth", || bandwidth::run(card)),
        latency: run.one("memory latency", || latency::run(card)),
        fp32: run.one("FP32", || fp32::run(card)),
        tensor_f16: run.one("tensor FP16", || tensor::run(card, Operands::F16)),
        tensor_bf16: run.one("tensor BF16", || tensor::run(card, Operands::Bf16)),
        tensor_fp8: run.one("tensor FP8", || tensor::run(card, Operands::Fp8)),
        matrix: proofs.0,
        vram: proofs.1,
        pcie: run.one("PCIe", || pcie::run(card)),
        launch: run.one("launches", || launch::run(card)),
        health: (kind != Kind::Quick).then(|| health(&run, kind, others)),
    }
}

fn health(run: &Run<'_>, kind: Kind, others: &[Device]) -> Health {
    let (card, scale) = (run.card, run.card.scale);
    let ms = Duration::from_millis;
    Health {
        patterns: run.one("memory patterns", || patterns::run(card)),
        peers: run.one("peer copies", || peers::run(card, others)),
        steady_load: run.one("steady load", || {
            load::run(card, ms(scale.steady_ms), Duration::ZERO, 1)
        }),
        pulsed_load: run.one("pulsed load", || {
            let (on, off) = (ms(scale.pulse_ms), ms(scale.pulse_ms / 2));
            load::run(card, on, off, scale.pulses)
        }),
        gaps: run.one("time gaps", || gaps::run(card)),
        latency_map: run.one("latency map", || latency_map::run(card)),
        soak: (kind == Kind::Soak).then(|| {
            run.one("soak", || {
                load::run(card, ms(scale.soak_ms), Duration::ZERO, 1)
            })
        }),
    }
}
