//! The machine that kernels run on: its memory, its clock, and launches.

use std::collections::HashMap;

use crate::exec::{self, Launch};
use crate::fault::{Fault, FaultKind};
use crate::memory::Memory;
use crate::module::{Kernel, Module};

/// Threads of a block, as on every GPU.
pub const BLOCK_THREADS_MAX: u32 = 1024;
/// The widest grid along y and z.
pub const GRID_YZ_MAX: u32 = 65_535;
/// The widest grid along x.
pub const GRID_X_MAX: u32 = i32::MAX as u32;

/// What the machine is like. Times are virtual: they follow the instructions run, not the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineConfig {
    /// Streaming multiprocessors; block `i` runs on number `i mod sm_count`. At least 1.
    pub sm_count: u32,
    /// Device memory in bytes.
    pub memory_bytes: u64,
    /// Shared memory that a block may have, in bytes.
    pub shared_bytes_max: u64,
    /// Cycles of an SM in a microsecond. At least 1.
    pub clock_mhz: u64,
    /// Cycles that an instruction of a warp takes.
    pub cycles_per_instruction: u64,
    /// Cycles that a load from global memory takes on top.
    pub cycles_per_load: u64,
    /// What `%globaltimer` says at the start, in nanoseconds.
    pub start_ns: u64,
    /// Instructions of warps after which a launch ends with [`FaultKind::StepLimit`].
    pub steps_max: u64,
    /// Threads that have ended count as arrived at a barrier, as since `sm_70`. Without it a thread
    /// that ends while others wait for it is a fault.
    pub ended_threads_pass_barriers: bool,
}

impl Default for MachineConfig {
    fn default() -> Self {
        Self {
            sm_count: 8,
            memory_bytes: 1 << 30,
            shared_bytes_max: 227 << 10,
            clock_mhz: 1000,
            cycles_per_instruction: 4,
            cycles_per_load: 400,
            start_ns: 1_700_000_000_000_000_000,
            steps_max: 1 << 32,
            ended_threads_pass_barriers: false,
        }
    }
}

/// An argument of a kernel, by its size and kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Arg {
    /// 4 bytes.
    U32(u32),
    /// 4 bytes.
    I32(i32),
    /// 4 bytes.
    F32(f32),
    /// 8 bytes; device addresses too.
    U64(u64),
    /// 8 bytes.
    F64(f64),
}

impl Arg {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::U32(value) => value.to_le_bytes().to_vec(),
            Self::I32(value) => value.to_le_bytes().to_vec(),
            Self::F32(value) => value.to_le_bytes().to_vec(),
            Self::U64(value) => value.to_le_bytes().to_vec(),
            Self::F64(value) => value.to_le_bytes().to_vec(),
        }
    }
}

/// A GPU without a GPU: one device, one stream, everything in order.
#[derive(Debug)]
pub struct Machine {
    config: MachineConfig,
    memory: Memory,
    /// Address of each module's variables.
    modules: HashMap<u64, u64>,
    /// Cycles that each SM has behind it.
    sm_cycles: Vec<u64>,
    instructions: u64,
    launches: u64,
}

impl Machine {
    /// A machine with nothing allocated. `sm_count` and `clock_mhz` of 0 are taken for 1.
    #[must_use]
    pub fn new(mut config: MachineConfig) -> Self {
        config.sm_count = config.sm_count.max(1);
        config.clock_mhz = config.clock_mhz.max(1);
        Self {
            memory: Memory::new(config.memory_bytes),
            modules: HashMap::new(),
            sm_cycles: vec![0; config.sm_count as usize],
            instructions: 0,
            launches: 0,
            config,
        }
    }

    /// What it was made with.
    #[must_use]
    pub fn config(&self) -> &MachineConfig {
        &self.config
    }

    /// The address of `bytes` new bytes, all zero, at a multiple of 512. Fails for no bytes, or more
    /// than are free.
    pub fn alloc(&mut self, bytes: u64) -> Result<u64, Fault> {
        self.memory.allocate(bytes).map_err(Fault::of_host)
    }

    /// Gives back what [`Machine::alloc`] gave. Fails for any other address.
    pub fn free(&mut self, address: u64) -> Result<(), Fault> {
        self.memory.release(address).map_err(Fault::of_host)
    }

    /// Device memory that is not allocated, in bytes.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        self.memory.free_bytes()
    }

    /// Copies from the host. Fails if the bytes do not lie in one allocation.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        let to = self.memory.slice(address, bytes.len() as u64);
        to.map_err(Fault::of_host)?.copy_from_slice(bytes);
        Ok(())
    }

    /// Copies to the host. Fails if the bytes do not lie in one allocation.
    pub fn read(&mut self, address: u64, bytes: u64) -> Result<Vec<u8>, Fault> {
        let from = self.memory.slice(address, bytes);
        Ok(from.map_err(Fault::of_host)?.to_vec())
    }

    /// What `%globaltimer` says now, in nanoseconds.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        let cycles = self.sm_cycles.iter().copied().max().unwrap_or(0);
        exec::timer_ns(&self.config, cycles)
    }

    /// Instructions of threads that all launches have run.
    #[must_use]
    pub fn instructions(&self) -> u64 {
        self.instructions
    }

    /// The address of a module's variable. Places the module's variables if that was not done.
    pub fn variable(&mut self, module: &Module, name: &str) -> Result<Option<u64>, Fault> {
        let base = self.module_base(module).map_err(Fault::of_host)?;
        let found = module.variables.iter().find(|v| v.name == name);
        Ok(found.map(|v| base + v.offset))
    }

    /// Runs a kernel to its end. `grid` in blocks, `block` in threads, along x, y, z;
    /// `shared_bytes` of dynamic shared memory.
    pub fn launch(
        &mut self,
        module: &Module,
        kernel: &str,
        grid: [u32; 3],
        block: [u32; 3],
        shared_bytes: u32,
        args: &[Arg],
    ) -> Result<(), Fault> {
        let params: Vec<_> = args.iter().map(|arg| arg.bytes()).collect();
        self.launch_raw(module, kernel, grid, block, shared_bytes, &params)
    }

    /// [`Machine::launch`] with the bytes of each parameter.
    pub fn launch_raw(
        &mut self,
        module: &Module,
        kernel: &str,
        grid: [u32; 3],
        block: [u32; 3],
        shared_bytes: u32,
        params: &[Vec<u8>],
    ) -> Result<(), Fault> {
        let prepared = self.prepare(module, kernel, grid, block, shared_bytes, params);
        let launch = prepared.map_err(|kind| Fault {
            kernel: kernel.to_owned(),
            site: None,
            kind,
        })?;
        // One launch begins when the one before it has ended on every SM.
        let start = self.sm_cycles.iter().copied().max().unwrap_or(0);
        self.sm_cycles.fill(start);
        exec::run(
            &launch,
            &mut self.memory,
            &mut self.sm_cycles,
            &mut self.instructions,
        )
    }

    fn prepare<'m>(
        &mut self,
        module: &'m Module,
        kernel: &str,
        grid: [u32; 3],
        block: [u32; 3],
        shared_bytes: u32,
        params: &[Vec<u8>],
    ) -> Result<Launch<'m>, FaultKind> {
        let kernel = module.kernel(kernel).ok_or(FaultKind::UnknownKernel)?;
        check_shape(kernel, grid, block)?;
        let params = param_image(kernel, params)?;
        let bytes = kernel.shared_bytes + u64::from(shared_bytes);
        let limit = self.config.shared_bytes_max;
        if bytes > limit {
            return Err(FaultKind::SharedMemory { bytes, limit });
        }
        self.launches += 1;
        Ok(Launch {
            kernel,
            config: self.config.clone(),
            grid,
            block,
            dynamic_shared: u64::from(shared_bytes),
            params,
            module_base: self.module_base(module)?,
            number: self.launches,
        })
    }

    fn module_base(&mut self, module: &Module) -> Result<u64, FaultKind> {
        if let Some(base) = self.modules.get(&module.id) {
            return Ok(*base);
        }
        let bytes = module.image.len() as u64;
        let base = if bytes == 0 {
            0
        } else {
            let base = self.memory.allocate(bytes)?;
            self.memory
                .slice(base, bytes)?
                .copy_from_slice(&module.image);
            base
        };
        self.modules.insert(module.id, base);
        Ok(base)
    }
}

fn check_shape(kernel: &Kernel, grid: [u32; 3], block: [u32; 3]) -> Result<(), FaultKind> {
    let threads: u64 = block.iter().map(|n| u64::from(*n)).product();
    let limit = kernel
        .threads_max
        .unwrap_or(u32::MAX)
        .min(BLOCK_THREADS_MAX);
    let grid_fits = grid[0] <= GRID_X_MAX && grid[1] <= GRID_YZ_MAX && grid[2] <= GRID_YZ_MAX;
    let right = kernel.threads_required.is_none_or(|wanted| wanted == block);
    if grid.contains(&0) || threads == 0 || threads > u64::from(limit) || !grid_fits || !right {
        return Err(FaultKind::Shape { grid, block });
    }
    Ok(())
}

/// The bytes of parameter memory.
fn param_image(kernel: &Kernel, params: &[Vec<u8>]) -> Result<Vec<u8>, FaultKind> {
    let given: Vec<_> = params.iter().map(Vec::len).collect();
    let wanted: Vec<_> = kernel.params.iter().map(|p| p.bytes as usize).collect();
    if given != wanted {
        return Err(FaultKind::Parameters { given, wanted });
    }
    let mut image = vec![0; kernel.param_bytes() as usize];
    for (param, bytes) in kernel.params.iter().zip(params) {
        image[param.offset as usize..][..bytes.len()].copy_from_slice(bytes);
    }
    Ok(image)
}
