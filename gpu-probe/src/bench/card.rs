//! What the benchmarks of one card share: its stream, kernels, scale and telemetry.

use std::time::Duration;

use crate::cuda::{
    Argument, Attribute, Context, CudaError, Device, DeviceMemory, Dimensions, Nvml, Signature,
    Stream, download,
};
use crate::report;

use super::loaded::Loaded;
use super::scale::Scale;
use crate::kernels::Module as KernelFile;

/// Threads of a block where the kernel leaves the choice.
pub(super) const BLOCK_THREADS: u32 = 256;

/// A card under test.
#[derive(Debug)]
pub struct Card<'a> {
    /// Where everything runs.
    pub stream: Stream,
    /// The kernels for its architecture.
    pub kernels: &'a Loaded,
    /// How large the work is.
    pub scale: &'a Scale,
    /// NVML, where there is one.
    pub nvml: Option<&'a Nvml>,
    /// Its multiprocessors, as the driver says.
    pub sm_count: u32,
    /// Longest wait for one piece of work.
    pub deadline: Duration,
}

impl<'a> Card<'a> {
    /// A stream on the card of `context`, whose architecture `kernels` were loaded for.
    ///
    /// # Errors
    ///
    /// A failed call.
    pub fn new(
        context: &Context,
        kernels: &'a Loaded,
        scale: &'a Scale,
        nvml: Option<&'a Nvml>,
    ) -> Result<Self, CudaError> {
        let attribute = Attribute::MultiprocessorCount;
        Ok(Self {
            stream: context.stream()?,
            kernels,
            scale,
            nvml,
            sm_count: context.device().attribute(attribute)?.max(1),
            deadline: Duration::from_millis(scale.deadline_ms),
        })
    }

    /// Its context.
    pub fn context(&self) -> &Context {
        self.stream.context()
    }

    /// Its device.
    pub fn device(&self) -> &Device {
        self.context().device()
    }

    /// Its UUID as reports have it.
    ///
    /// # Errors
    ///
    /// A failed call.
    pub fn uuid(&self) -> Result<report::DeviceUuid, CudaError> {
        self.device()
            .uuid()
            .map(|uuid| crate::hex::HexBytes(uuid.0))
    }

    /// Energy that it took so far, in mJ, where NVML counts it.
    pub fn energy_mj(&self) -> Option<u64> {
        self.nvml?.energy_mj(self.device().uuid().ok()?)
    }

    /// Memory of the card.
    ///
    /// # Errors
    ///
    /// [`CudaError::OutOfMemory`] or a failed call.
    pub fn memory(&self, bytes: u64, purpose: &'static str) -> Result<DeviceMemory, CudaError> {
        DeviceMemory::new(self.context(), bytes, purpose)
    }

    /// Queues a kernel over as many threads as the card holds, or fewer where the scale says so:
    /// for kernels whose threads stride over any amount of work.
    ///
    /// # Errors
    ///
    /// No such kernel, wrong arguments, or a failed call.
    pub fn launch_wide(
        &self,
        file: KernelFile,
        signature: Signature,
        arguments: &[Argument],
    ) -> Result<(), CudaError> {
        self.launch(file, signature, self.wide(8), arguments)
    }

    /// `blocks_per_sm` blocks of 256 threads for each SM, bounded by the scale.
    pub(super) fn wide(&self, blocks_per_sm: u32) -> Dimensions {
        let blocks = self.sm_count.saturating_mul(blocks_per_sm);
        match self.scale.threads_max {
            0 => Dimensions::line(blocks, BLOCK_THREADS),
            max => Dimensions::line(blocks.min((max / BLOCK_THREADS).max(1)), BLOCK_THREADS),
        }
    }

    /// Queues a kernel.
    ///
    /// # Errors
    ///
    /// No such kernel, wrong arguments, or a failed call.
    pub fn launch(
        &self,
        file: KernelFile,
        signature: Signature,
        dimensions: Dimensions,
        arguments: &[Argument],
    ) -> Result<(), CudaError> {
        let module = self.kernels.module(file)?;
        let function = module.function(signature, dimensions.shared_bytes)?;
        function.launch(&self.stream, dimensions, arguments)
    }

    /// Waits for everything queued.
    ///
    /// # Errors
    ///
    /// What the work failed with, or a deadline that names `what`.
    pub fn wait(&self, what: &str) -> Result<(), CudaError> {
        self.stream.wait(what, self.deadline)
    }

    /// Reads `count` 64-bit words after everything queued.
    pub(super) fn read_u64(
        &self,
        from: &DeviceMemory,
        count: usize,
    ) -> Result<Vec<u64>, CudaError> {
        let bytes = download(&self.stream, from, 0, count * 8)?;
        let words = bytes.as_chunks::<8>().0.iter();
        Ok(words.map(|word| u64::from_le_bytes(*word)).collect())
    }

    /// Reads `count` 32-bit words after everything queued.
    pub(super) fn read_u32(
        &self,
        from: &DeviceMemory,
        count: usize,
    ) -> Result<Vec<u32>, CudaError> {
        let bytes = download(&self.stream, from, 0, count * 4)?;
        let words = bytes.as_chunks::<4>().0.iter();
        Ok(words.map(|word| u32::from_le_bytes(*word)).collect())
    }

    /// Fills memory with random data.
    pub(super) fn fill_random(&self, memory: &DeviceMemory, seed: u64) -> Result<(), CudaError> {
        let arguments = [
            memory.pointer(),
            Argument::U64(memory.bytes() / 16),
            Argument::U64(seed),
        ];
        let kernel = super::signatures::kernel::STREAM_FILL;
        self.launch_wide(KernelFile::Stream, kernel, &arguments)
    }
}
