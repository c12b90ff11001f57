//! Q6: matrix products on the tensor units, with FP16, BF16 or FP8 operands and FP32 sums.

use std::time::{Duration, Instant};

use crate::cuda::{Argument, CudaError, DeviceMemory, Dimensions, Signature, download};
use crate::report::Rate;

use super::card::{BLOCK_THREADS, Card};
use super::signatures::kernel;
use super::telemetry::watched;
use super::timing::stamped;
use crate::kernels::{FloatFormat, Module as KernelFile, fill_value};

/// Elements of a product that the host computes, too.
const CHECKED: u64 = 8;
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

    fn format(self) -> FloatFormat {
        match self {
            Self::F16 => FloatFormat::F16,
            Self::Bf16 => FloatFormat::Bf16,
            Self::Fp8 => FloatFormat::E4m3,
        }
    }

    /// How far an element may be from the host's, of the root of the sum of its terms' squares. Units
    /// of 9.0 add FP8 products with some 14 bits.
    fn tolerance(self) -> f64 {
        match self {
            Self::F16 | Self::Bf16 => 1e-3,
            Self::Fp8 => 0.1,
        }
    }
}

/// Two random matrices on the card and room for their product.
#[derive(Debug)]
pub(super) struct Product<'a> {
    card: &'a Card<'a>,
    operands: Operands,
    /// Of A; that of B is its inverse.
    seed: u64,
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
        let seed = rand::random::<u64>();
        let product = Self {
            card,
            operands,
            seed,
            a: card.memory(entries * bytes, "the tensor test")?,
            b: card.memory(entries * bytes, "the tensor test")?,
            c: card.memory(entries * 4, "the tensor test")?,
            file,
            multiply,
            shape: product_shape(card, shared),
        };
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

    /// Compares some elements, drawn anew each time, with what the host computes of the same operands.
    fn check(&self) -> Result<(), CudaError> {
        let n = u64::from(self.card.scale.gemm_n);
        let format = self.operands.format();
        for _ in 0..CHECKED {
            let (row, column) = (rand::random::<u64>() % n, rand::random::<u64>() % n);
            let bytes = download(&self.card.stream, &self.c, (row * n + column) * 4, 4)?;
            let said = bytes.as_chunks::<4>().0.first().copied();
            let said = f64::from(f32::from_le_bytes(said.unwrap_or_default()));
            let (mut sum, mut squares) = (0.0, 0.0);
            for k in 0..n {
                let a = f64::from(fill_value(format, self.seed, row * n + k));
                let b = f64::from(fill_value(format, !self.seed, column * n + k));
                sum += a * b;
                squares += (a * b).powi(2);
            }
            let off = (said - sum).abs();
            // Something that is not a number is wrong, too.
            let is_close = off <= self.operands.tolerance() * squares.sqrt();
            if !is_close {
                return Err(CudaError::WrongNumbers {
                    what: format!("the {:?} product", self.operands),
                    detail: format!("element {row}, {column} is {said} instead of {sum}"),
                });
            }
        }
        Ok(())
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
/// Operands that the architecture has no units for, too little memory, a failed call, a deadline, or
/// numbers that are not the product's.
pub(super) fn run(card: &Card<'_>, operands: Operands) -> Result<Rate, CudaError> {
    let product = Product::new(card, operands)?;
    product.queue()?;
    card.wait("the tensor test")?;
    let (timing, seen) = watched(card, || {
        stamped(card, "the tensor test", card.scale.samples, |_| {
            product.queue()
        })
    });
    product.check()?;
    Ok(Rate {
        operations: product.operations(),
        timing: timing?,
        sm_clock_khz: seen.sm_clock_khz,
        power_mw: seen.power_mw,
    })
}
