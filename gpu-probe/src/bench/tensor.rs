//! Q6: matrix products on the tensor units, with FP16, BF16 or FP8 operands and FP32 sums.

use std::time::{Duration, Instant};

use crate::cuda::{Argument, CudaError, DeviceMemory, Dimensions, Signature};
use crate::report::Rate;

use super::card::{BLOCK_THREADS, Card};
use super::signatures::kernel;
use super::telemetry::watched;
use super::timing::stamped;
use crate::kernels::Module as KernelFile;

/// Most products of a warm-up, whatever the clocks say.
const WARM_UP_MAX: u32 = 10_000;

/// A kind of operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operands {
    F16,
    Bf16,
    Fp8,
}

impl Operands {
    fn kernels(self) -> (KernelFile, Signature, Signature, u64) {
        match self {
            Self::F16 => (KernelFile::GemmF16, kernel::GEMM_F16, kernel::FILL_F16, 2),
            Self::Bf16 => (
                KernelFile::GemmBf16,
                kernel::GEMM_BF16,
                kernel::FILL_BF16,
                2,
            ),
            Self::Fp8 => (KernelFile::GemmFp8, kernel::GEMM_FP8, kernel::FILL_FP8, 1),
        }
    }
}

/// Two random matrices on the card and room for their product.
#[derive(Debug)]
pub(super) struct Product<'a> {
    card: &'a Card<'a>,
    a: DeviceMemory,
    b: DeviceMemory,
    pub(super) c: DeviceMemory,
    file: KernelFile,
    multiply: Signature,
    shape: Dimensions,
}

impl<'a> Product<'a> {
    pub(super) fn new(card: &'a Card<'a>, operands: Operands) -> Result<Self, CudaError> {
        let (file, multiply, fill, bytes) = operands.kernels();
        let entries = u64::from(card.scale.gemm_n) * u64::from(card.scale.gemm_n);
        let shared = card.kernels.shared_bytes(file, multiply)?;
        let product = Self {
            card,
            a: card.memory(entries * bytes, "the tensor test")?,
            b: card.memory(entries * bytes, "the tensor test")?,
            c: card.memory(entries * 4, "the tensor test")?,
            file,
            multiply,
            shape: product_shape(card, shared),
        };
        let seed = rand::random::<u64>();
        for (memory, seed) in [(&product.a, seed), (&product.b, !seed)] {
            let arguments = [
                memory.pointer(),
                Argument::U64(entries),
                Argument::U64(seed),
            ];
            card.launch_wide(file, fill, &arguments)?;
        }
        card.wait("the fill of the tensor test")?;
        Ok(product)
    }

    /// Queues the product.
    pub(super) fn queue(&self) -> Result<(), CudaError> {
        let arguments = [
            self.a.pointer(),
            self.b.pointer(),
            self.c.pointer(),
            Argument::U32(self.card.scale.gemm_n),
        ];
        self.card
            .launch(self.file, self.multiply, self.shape, &arguments)
    }

    /// Floating-point operations of it.
    pub(super) fn operations(&self) -> u64 {
        2 * u64::from(self.card.scale.gemm_n).pow(3)
    }
}

/// One block of 256 threads for each SM, which the kernels of matrix products are made for.
pub(super) fn product_shape(card: &Card<'_>, shared_bytes: u32) -> Dimensions {
    Dimensions {
        shared_bytes,
        ..Dimensions::line(card.sm_count, BLOCK_THREADS)
    }
}

/// Brings the card to its clocks with products for as long as the scale says.
///
/// # Errors
///
/// Too little memory, a failed call or a deadline.
pub fn warm_up(card: &Card<'_>) -> Result<(), CudaError> {
    let limit = Duration::from_millis(card.scale.warm_up_ms);
    if limit.is_zero() {
        return Ok(());
    }
    let product = Product::new(card, Operands::F16)?;
    let begun = Instant::now();
    for _ in 0..WARM_UP_MAX {
        product.queue()?;
        card.wait("the warm-up")?;
        if begun.elapsed() > limit {
            break;
        }
    }
    Ok(())
}

/// Runs it.
///
/// # Errors
///
/// Operands that the architecture has no units for, too little memory, a failed call, a deadline.
pub(super) fn run(card: &Card<'_>, operands: Operands) -> Result<Rate, CudaError> {
    let product = Product::new(card, operands)?;
    product.queue()?;
    card.wait("the tensor test")?;
    let (timing, seen) = watched(card, || {
        stamped(card, "the tensor test", card.scale.samples, |_| {
            product.queue()
        })
    });
    Ok(Rate {
        operations: product.operations(),
        timing: timing?,
        sm_clock_khz: seen.sm_clock_khz,
        power_mw: seen.power_mw,
    })
}
