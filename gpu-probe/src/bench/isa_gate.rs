//! Q2: a tensor instruction that this architecture has, with the answer computed here as well.

use sha2::{Digest, Sha256};

use crate::cuda::{Argument, CudaError, Dimensions, download};
use crate::hex::HexBytes;
use crate::kernels::{Module as KernelFile, isa_gate_answer};
use crate::report::IsaGate;

use super::card::Card;
use super::signatures::kernel;
use super::timing::stamped;

/// Threads that the kernel wants.
const THREADS: u32 = 128;

/// Runs it.
///
/// # Errors
///
/// No kernel for this architecture, a failed call or a deadline.
pub(super) fn run(card: &Card<'_>) -> Result<IsaGate, CudaError> {
    let image = card.kernels.image(KernelFile::IsaGate)?;
    let shape = image.isa_gate_shape();
    let (seed, iterations) = (rand::random::<u32>(), card.scale.isa_iterations);
    let bytes = shape.rows as usize * shape.columns as usize * 4;
    let out = card.memory(bytes as u64, "the instruction test")?;
    let arguments = [
        Argument::U32(seed),
        Argument::U32(iterations),
        out.pointer(),
    ];
    let one = Dimensions::line(1, THREADS);
    let timing = stamped(card, "the instruction test", card.scale.samples, |_| {
        card.launch(KernelFile::IsaGate, kernel::ISA_GATE, one, &arguments)
    })?;
    let answer = download(&card.stream, &out, 0, bytes)?;
    let right = isa_gate_answer(seed, iterations, shape);
    let right: Vec<u8> = right.iter().flat_map(|n| n.to_le_bytes()).collect();
    Ok(IsaGate {
        kernel: format!("isa_gate_sm_{}", image.architecture),
        seed,
        iterations,
        output_sha256: HexBytes(Sha256::digest(&answer).into()),
        is_right: answer == right,
        timing,
    })
}
