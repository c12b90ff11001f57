//! Modules and kernels. A kernel's parameters are declared once and held against every launch,
//! because the driver reads as many bytes as the kernel says, whatever the caller gave.

use std::ffi::{CString, c_int, c_void};

use super::api::Handle;
use super::context::Context;
use super::error::CudaError;
use super::stream::Stream;

/// `CU_JIT_ERROR_LOG_BUFFER` and `CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES`.
const ERROR_LOG: [u32; 2] = [5, 6];
/// Room for the assembler's words.
const LOG_BYTES: usize = 8 * 1024;
/// `CU_FUNC_ATTRIBUTE_…`: shared memory, registers, and the dynamic shared memory allowed.
const SHARED_BYTES: c_int = 1;
const REGISTERS: c_int = 4;
const MAX_THREADS: c_int = 0;
const MAX_DYNAMIC_SHARED: c_int = 8;
/// Most parameters of a kernel.
const PARAMETERS_MAX: usize = 12;

/// A parameter's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    /// An address in device memory.
    Pointer,
    /// 32 bits.
    U32,
    /// 64 bits.
    U64,
    /// A 32-bit float.
    F32,
}

/// A kernel's name and parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// The symbol.
    pub name: &'static str,
    /// In order.
    pub parameters: &'static [Parameter],
}

/// A value for a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Argument {
    /// An address; made by [`super::DeviceMemory::pointer`].
    Pointer(u64),
    /// 32 bits.
    U32(u32),
    /// 64 bits.
    U64(u64),
    /// A 32-bit float.
    F32(f32),
}

impl Argument {
    fn kind(self) -> Parameter {
        match self {
            Self::Pointer(_) => Parameter::Pointer,
            Self::U32(_) => Parameter::U32,
            Self::U64(_) => Parameter::U64,
            Self::F32(_) => Parameter::F32,
        }
    }

    /// Its bits, the low ones first in memory on the little-endian hosts that CUDA has.
    fn bits(self) -> u64 {
        match self {
            Self::Pointer(value) | Self::U64(value) => value,
            Self::U32(value) => u64::from(value),
            Self::F32(value) => u64::from(value.to_bits()),
        }
    }
}

/// Blocks in the grid, threads in a block (x direction), dynamic shared memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dimensions {
    /// Blocks in x and y.
    pub grid: [u32; 2],
    /// Threads of a block.
    pub block: u32,
    /// Dynamic shared memory of a block in bytes.
    pub shared_bytes: u32,
}

impl Dimensions {
    /// `blocks` blocks of `threads` threads in a line.
    pub fn line(blocks: u32, threads: u32) -> Self {
        Self {
            grid: [blocks, 1],
            block: threads,
            shared_bytes: 0,
        }
    }
}

/// What the driver says of a loaded kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionFacts {
    /// Registers of a thread.
    pub registers: u32,
    /// Static shared memory of a block in bytes.
    pub shared_bytes: u32,
    /// Largest block it can be launched with.
    pub threads_max: u32,
}

/// A loaded image.
#[derive(Debug)]
pub struct Module {
    context: Context,
    raw: Handle,
}

impl Module {
    /// Loads a cubin, or PTX text that the driver assembles. PTX may end in a zero byte or not.
    ///
    /// # Errors
    ///
    /// A refused image; for PTX the assembler's words are in the error's meaning.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn load(context: &Context, image: &[u8]) -> Result<Self, CudaError> {
        context.enter()?;
        let mut whole = image.to_vec();
        whole.push(0);
        let mut log = vec![0_u8; LOG_BYTES];
        let mut options = ERROR_LOG;
        // The second option's value travels in place of the pointer.
        let mut values: [*mut c_void; 2] = [
            log.as_mut_ptr().cast(),
            std::ptr::without_provenance_mut(LOG_BYTES - 1),
        ];
        let mut raw: Handle = 0;
        // SAFETY: the image is whole and zero-terminated, the options and their values are two
        // each, the log has one byte more than the driver may write.
        let code = unsafe {
            (context.driver().api().module_load_data_ex)(
                &raw mut raw,
                whole.as_ptr().cast(),
                2,
                options.as_mut_ptr(),
                values.as_mut_ptr(),
            )
        };
        if let Err(mut error) = context.driver().check("cuModuleLoadDataEx", code) {
            let end = log.iter().position(|byte| *byte == 0).unwrap_or(0);
            let words = String::from_utf8_lossy(log.get(..end).unwrap_or_default());
            if let (CudaError::Call { meaning, .. }, false) = (&mut error, words.trim().is_empty())
            {
                *meaning = format!("{meaning}: {}", words.trim());
            }
            return Err(error);
        }
        Ok(Self {
            context: context.clone(),
            raw,
        })
    }

    /// The kernel of that signature. `shared_bytes` of dynamic shared memory are allowed for its
    /// launches, which above 48 KiB must be asked for.
    ///
    /// # Errors
    ///
    /// No such kernel, or more shared memory than the card has.
    #[expect(unsafe_code, reason = "calls of the driver")]
    pub fn function(
        &self,
        signature: Signature,
        shared_bytes: u32,
    ) -> Result<Function<'_>, CudaError> {
        self.context.enter()?;
        let driver = self.context.driver();
        let name = CString::new(signature.name).unwrap_or_default();
        let mut raw: Handle = 0;
        // SAFETY: the name is zero-terminated, the pointer is to a live handle, the module lives.
        let code =
            unsafe { (driver.api().module_get_function)(&raw mut raw, self.raw, name.as_ptr()) };
        driver.check("cuModuleGetFunction", code)?;
        if shared_bytes > 0 {
            let bytes = c_int::try_from(shared_bytes).unwrap_or(c_int::MAX);
            // SAFETY: the function is of a live module.
            let code = unsafe { (driver.api().func_set_attribute)(raw, MAX_DYNAMIC_SHARED, bytes) };
            driver.check("cuFuncSetAttribute", code)?;
        }
        Ok(Function {
            module: self,
            raw,
            signature,
        })
    }
}

impl Drop for Module {
    #[expect(unsafe_code, reason = "a call of the driver")]
    fn drop(&mut self) {
        let driver = self.context.driver();
        if !driver.is_abandoned() && self.context.enter().is_ok() {
            // SAFETY: loaded in `load`, unloaded once; functions borrow the module.
            let _ = unsafe { (driver.api().module_unload)(self.raw) };
        }
    }
}

/// A kernel of a module.
#[derive(Debug, Clone, Copy)]
pub struct Function<'a> {
    module: &'a Module,
    raw: Handle,
    signature: Signature,
}

impl Function<'_> {
    /// Its name.
    pub fn name(&self) -> &'static str {
        self.signature.name
    }

    /// What the driver says of it.
    ///
    /// # Errors
    ///
    /// A failed call.
    pub fn facts(&self) -> Result<FunctionFacts, CudaError> {
        Ok(FunctionFacts {
            registers: self.attribute(REGISTERS)?,
            shared_bytes: self.attribute(SHARED_BYTES)?,
            threads_max: self.attribute(MAX_THREADS)?,
        })
    }

    #[expect(unsafe_code, reason = "a call of the driver")]
    fn attribute(&self, attribute: c_int) -> Result<u32, CudaError> {
        let context = &self.module.context;
        context.enter()?;
        let mut value: c_int = 0;
        // SAFETY: the pointer is to a live integer, the function is of a live module.
        let code = unsafe {
            (context.driver().api().func_get_attribute)(&raw mut value, attribute, self.raw)
        };
        context.driver().check("cuFuncGetAttribute", code)?;
        Ok(u32::try_from(value).unwrap_or(0))
    }

    /// Blocks of `threads` threads that one multiprocessor holds at a time.
    ///
    /// # Errors
    ///
    /// A failed call.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn blocks_per_multiprocessor(&self, threads: u32) -> Result<u32, CudaError> {
        let context = &self.module.context;
        context.enter()?;
        let mut blocks: c_int = 0;
        let threads = c_int::try_from(threads).unwrap_or(c_int::MAX);
        let occupancy = context.driver().api().occupancy_max_blocks;
        // SAFETY: the pointer is to a live integer, the function is of a live module.
        let code = unsafe { occupancy(&raw mut blocks, self.raw, threads, 0) };
        let call = "cuOccupancyMaxActiveBlocksPerMultiprocessor";
        context.driver().check(call, code)?;
        Ok(u32::try_from(blocks).unwrap_or(0))
    }

    /// Queues a launch.
    ///
    /// # Errors
    ///
    /// [`CudaError::Misuse`] when the arguments are not those declared, or a failed call.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn launch(
        &self,
        stream: &Stream,
        dimensions: Dimensions,
        arguments: &[Argument],
    ) -> Result<(), CudaError> {
        let kinds = arguments.iter().map(|argument| argument.kind());
        if !kinds.eq(self.signature.parameters.iter().copied()) || arguments.len() > PARAMETERS_MAX
        {
            return Err(CudaError::Misuse {
                subject: self.signature.name.to_owned(),
                detail: format!("{arguments:?} for {:?}", self.signature.parameters),
            });
        }
        let mut values = [0_u64; PARAMETERS_MAX];
        for (value, argument) in values.iter_mut().zip(arguments) {
            *value = argument.bits();
        }
        let mut pointers: [*mut c_void; PARAMETERS_MAX] =
            std::array::from_fn(|i| (&raw mut values[i]).cast());
        let driver = self.module.context.driver();
        self.module.context.enter()?;
        let Dimensions {
            grid: [x, y],
            block,
            shared_bytes,
        } = dimensions;
        // SAFETY: the function is of a live module; each pointer is to eight live bytes, at least
        // as many as any declared parameter has, and there are as many as are declared. What the
        // kernel does to device memory cannot harm this process.
        let code = unsafe {
            (driver.api().launch_kernel)(
                self.raw,
                x,
                y,
                1,
                block,
                1,
                1,
                shared_bytes,
                stream.raw(),
                pointers.as_mut_ptr(),
                std::ptr::null_mut(),
            )
        };
        driver.check("cuLaunchKernel", code)
    }
}
