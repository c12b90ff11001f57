//! Q2: a tensor instruction that this architecture has, with the answer computed here as well.

use sha2::{Digest, Sha256};

use crate::cuda::{Argument, Attribute, CudaError, Dimensions, download};
use crate::hex::HexBytes;
use crate::report::IsaGate;

use super::card::Card;
use super::random::{fresh_seed, random_word};
use super::signatures::{KernelFile, kernel};
use super::timing::stamped;

/// Index in the random sequence at which B's entries begin.
const B_FIRST: u64 = 4_096;
/// Threads that the kernel wants.
const THREADS: u32 = 128;

/// Rows, columns and depth of the instruction of an architecture, and its name in images.
fn shape(capability: (u32, u32)) -> ([u32; 3], &'static str) {
    match capability {
        (7, 0..=4) => ([8, 8, 4], "70"),
        (7, _) => ([16, 8, 8], "75"),
        (8, 0..=5) => ([16, 8, 16], "80"),
        (8, 9) => ([16, 8, 32], "89"),
        (8, _) => ([16, 8, 16], "86"),
        (9, _) => ([64, 8, 16], "90a"),
        (12, _) => ([16, 8, 32], "120"),
        _ => ([16, 8, 16], "100"),
    }
}

/// Entry `index`: the low two bits of the random word, less 2.
fn entry(seed: u32, index: u64) -> i32 {
    let bits = (random_word(u64::from(seed), index) & 3) as i32;
    bits - 2
}

/// What the kernel must write: `iterations` times the product of two small matrices.
fn expected(seed: u32, iterations: u32, [rows, columns, depth]: [u32; 3]) -> Vec<u8> {
    let mut out = Vec::new();
    for row in 0..rows {
        for column in 0..columns {
            let product = |k: u32| {
                let a = entry(seed, u64::from(row * depth + k));
                let b = entry(seed, B_FIRST + u64::from(column * depth + k));
                a * b
            };
            let sum: i32 = (0..depth).map(product).sum();
            let value = sum.wrapping_mul(iterations.cast_signed());
            out.extend_from_slice(&value.to_le_bytes());
        }
    }
    out
}

/// Runs it.
///
/// # Errors
///
/// No kernel for this architecture, a failed call or a deadline.
pub(super) fn run(card: &Card<'_>) -> Result<IsaGate, CudaError> {
    let device = card.device();
    let major = device.attribute(Attribute::ComputeCapabilityMajor)?;
    let minor = device.attribute(Attribute::ComputeCapabilityMinor)?;
    let (sides, name) = shape((major, minor));
    let iterations = card.scale.isa_iterations;
    let seed = (fresh_seed() & u64::from(u32::MAX)) as u32;
    let bytes = u64::from(sides[0] * sides[1]) * 4;
    let out = card.memory(bytes, "the instruction test")?;
    let arguments = [
        Argument::U32(seed),
        Argument::U32(iterations),
        out.pointer(),
    ];
    let one = Dimensions::line(1, THREADS);
    let timing = stamped(card, "the instruction test", card.scale.samples, |_| {
        card.launch(KernelFile::IsaGate, kernel::ISA_GATE, one, &arguments)
    })?;
    let answer = download(&card.stream, &out, 0, bytes as usize)?;
    Ok(IsaGate {
        kernel: format!("isa_gate_sm_{name}"),
        seed,
        iterations,
        output_sha256: HexBytes(Sha256::digest(&answer).into()),
        is_right: answer == expected(seed, iterations, sides),
        timing,
    })
}
