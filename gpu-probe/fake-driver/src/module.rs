//! Modules, kernels and launches. What a kernel writes of clocks is replaced by the virtual time.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::io::Write;

use tandem_ptx_sim::Module;

use crate::code::{
    ILLEGAL_ADDRESS, INVALID_PTX, INVALID_VALUE, LAUNCH_FAILED, NO_BINARY, NOT_FOUND, SUCCESS,
};
use crate::cost::{Work, hop_ns};
use crate::native;
use crate::state::{Captured, State, with_card};

/// Most bytes of a PTX text.
const TEXT_BYTES_MAX: usize = 4 << 20;
/// `CU_JIT_ERROR_LOG_BUFFER` and its size.
const ERROR_LOG: c_uint = 5;
const ERROR_LOG_BYTES: c_uint = 6;

#[unsafe(no_mangle)]
unsafe extern "C" fn cuModuleLoadDataEx(
    module: *mut usize,
    image: *const c_void,
    count: c_uint,
    options: *const c_uint,
    values: *const *mut c_void,
) -> c_int {
    with_card(|state, card| {
        let start = image.cast::<u8>();
        // SAFETY: an image is a binary of more than four bytes or a zero-terminated text.
        if (0..4).all(|i| unsafe { *start.add(i) } == b"\x7fELF"[i]) {
            return Err(NO_BINARY);
        }
        // SAFETY: as above.
        let text = unsafe { CStr::from_ptr(start.cast()) };
        if text.count_bytes() > TEXT_BYTES_MAX {
            return Err(INVALID_PTX);
        }
        let text = text.to_str().map_err(|_| INVALID_PTX)?;
        let parsed = Module::parse(text).map_err(|error| {
            // SAFETY: the caller passes `count` options and as many values.
            unsafe { log(&error.to_string(), count, options, values) };
            INVALID_PTX
        })?;
        let target = parsed
            .target()
            .trim_start_matches("sm_")
            .trim_end_matches('a');
        let [major, minor] = state.cards[card].spec.compute_capability;
        if target
            .parse::<i32>()
            .is_ok_and(|wanted| wanted > major * 10 + minor)
        {
            return Err(NO_BINARY);
        }
        state.modules.push(Some((card, parsed)));
        // SAFETY: the caller passes a pointer to a live handle.
        unsafe { module.write(state.modules.len()) };
        Ok(())
    })
}

/// Writes the error log where the caller gave a buffer for it.
unsafe fn log(words: &str, count: c_uint, options: *const c_uint, values: *const *mut c_void) {
    let (mut buffer, mut room) = (std::ptr::null_mut::<u8>(), 0);
    for index in 0..count as usize {
        // SAFETY: both arrays have `count` entries.
        let (option, value) = unsafe { (*options.add(index), *values.add(index)) };
        match option {
            ERROR_LOG => buffer = value.cast(),
            ERROR_LOG_BYTES => room = value as usize,
            _ => {}
        }
    }
    if buffer.is_null() || room == 0 {
        return;
    }
    for (index, byte) in words.bytes().take(room - 1).chain([0]).enumerate() {
        // SAFETY: the buffer has `room` bytes.
        unsafe { buffer.add(index).write(byte) };
    }
}

#[unsafe(no_mangle)]
extern "C" fn cuModuleUnload(module: usize) -> c_int {
    with_card(|state, _| {
        let place = state.modules.get_mut(module.wrapping_sub(1));
        *place.ok_or(INVALID_VALUE)? = None;
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuModuleGetFunction(
    function: *mut usize,
    module: usize,
    name: *const c_char,
) -> c_int {
    with_card(|state, _| {
        // SAFETY: the caller passes a zero-terminated name.
        let name = unsafe { CStr::from_ptr(name) }
            .to_string_lossy()
            .into_owned();
        let found = state.modules.get(module.wrapping_sub(1));
        let (_, parsed) = found.and_then(Option::as_ref).ok_or(INVALID_VALUE)?;
        parsed.kernel(&name).ok_or(NOT_FOUND)?;
        let known = state
            .functions
            .iter()
            .position(|f| *f == (module, name.clone()));
        let index = known.unwrap_or_else(|| {
            state.functions.push((module, name));
            state.functions.len() - 1
        });
        // SAFETY: the caller passes a pointer to a live handle.
        unsafe { function.write(index + 1) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuFuncGetAttribute(value: *mut c_int, name: c_int, _function: usize) -> c_int {
    let answer = if name == 0 { 1_024 } else { 32 };
    // SAFETY: the caller passes a pointer to a live integer.
    unsafe { value.write(answer) };
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cuFuncSetAttribute(_function: usize, _name: c_int, _value: c_int) -> c_int {
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuOccupancyMaxActiveBlocksPerMultiprocessor(
    blocks: *mut c_int,
    _function: usize,
    threads: c_int,
    _shared: usize,
) -> c_int {
    // SAFETY: the caller passes a pointer to a live integer.
    unsafe { blocks.write(1_536 / threads.max(1)) };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuLaunchKernel(
    function: usize,
    grid_x: c_uint,
    grid_y: c_uint,
    grid_z: c_uint,
    block_x: c_uint,
    block_y: c_uint,
    block_z: c_uint,
    shared_bytes: c_uint,
    _stream: usize,
    parameters: *const *const u8,
    _extra: *const c_void,
) -> c_int {
    let launch = Captured {
        function,
        grid: [grid_x, grid_y, grid_z],
        block: [block_x, block_y, block_z],
        shared_bytes,
    };
    with_card(|state, card| match &mut state.capture {
        Some(captured) => {
            captured.push(launch);
            Ok(())
        }
        // SAFETY: the caller passes as many parameters as the kernel has.
        None => unsafe { queue(state, card, &launch, parameters) },
    })
}

/// Does a launch.
pub(crate) unsafe fn queue(
    state: &mut State,
    card: usize,
    launch: &Captured,
    parameters: *const *const u8,
) -> Result<(), c_int> {
    let (module, kernel) = state
        .functions
        .get(launch.function.wrapping_sub(1))
        .cloned()
        .ok_or(INVALID_VALUE)?;
    let modules = std::mem::take(&mut state.modules);
    let launch = Launch {
        kernel: &kernel,
        grid: launch.grid,
        block: launch.block,
        shared_bytes: launch.shared_bytes,
    };
    let found = modules.get(module - 1).and_then(Option::as_ref);
    let result = match found {
        // SAFETY: the caller passes as many parameters as the kernel has.
        Some((_, parsed)) => unsafe { launch.run(state, card, parsed, parameters) },
        None => Err(INVALID_VALUE),
    };
    state.modules = modules;
    if let Err(code @ (ILLEGAL_ADDRESS | LAUNCH_FAILED)) = result {
        state.failed = Some(code);
        // The launch itself is taken; what it did is told by the calls after it.
        return Ok(());
    }
    result
}

struct Launch<'a> {
    kernel: &'a str,
    grid: [u32; 3],
    block: [u32; 3],
    shared_bytes: u32,
}

impl Launch<'_> {
    unsafe fn run(
        &self,
        state: &mut State,
        card: usize,
        module: &Module,
        parameters: *const *const u8,
    ) -> Result<(), c_int> {
        let kernel = module.kernel(self.kernel).ok_or(NOT_FOUND)?;
        if parameters.is_null() && !kernel.params().is_empty() {
            return Err(INVALID_VALUE);
        }
        let mut raw = Vec::new();
        for (index, parameter) in kernel.params().iter().enumerate() {
            // SAFETY: the caller passes as many pointers, each to as many bytes, as declared.
            let bytes = unsafe {
                std::slice::from_raw_parts(*parameters.add(index), parameter.bytes as usize)
            };
            raw.push(bytes.to_vec());
        }
        state.launches += 1;
        let spec = state.spec.as_ref().ok_or(INVALID_VALUE)?;
        let is_skipped = spec.skip.iter().any(|name| name == self.kernel);
        if spec.fail_launch == Some(state.launches) {
            return Err(LAUNCH_FAILED);
        }
        if spec.hang_launch == Some(state.launches) {
            state.hangs = true;
        }
        if state.hangs {
            return Ok(());
        }
        let arguments: Vec<u64> = raw.iter().map(|bytes| number(bytes)).collect();
        let begun = state.told_ps(card);
        let threads = self.grid.iter().chain(&self.block).map(|n| u64::from(*n));
        let here = &mut state.cards[card];
        if self.kernel == "chase_fill" {
            here.ring_bytes = arguments[1] * arguments[2] * 4;
        }
        let ps = Work {
            kernel: self.kernel,
            threads: threads.product(),
            arguments: &arguments,
            ring_bytes: here.ring_bytes,
        }
        .ps(&here.spec);
        state.pass_ps(card, ps);
        if is_skipped || self.native(state, card, &arguments)? {
            return Ok(());
        }
        let machine = &mut state.cards[card].machine;
        let done = machine.launch_raw(
            module,
            self.kernel,
            self.grid,
            self.block,
            self.shared_bytes,
            &raw,
        );
        if let Err(fault) = done {
            // The driver has no words for it; whoever writes a test wants them.
            let _ = writeln!(std::io::stderr(), "fake driver: {fault}");
            return Err(LAUNCH_FAILED);
        }
        self.tell_time(state, card, &arguments, begun)
    }

    /// Computes the VRAM proof's kernels; whether this was one of them.
    fn native(&self, state: &mut State, card: usize, a: &[u64]) -> Result<bool, c_int> {
        let machine = &mut state.cards[card].machine;
        let fault = |_| ILLEGAL_ADDRESS;
        match self.kernel {
            "vram_fill" => {
                let key = machine.read(a[3], 32).map_err(fault)?;
                let words = native::fill(a[1], a[2], &key);
                machine.write(a[0], &words).map_err(fault)?;
            }
            "vram_checksum" => {
                for block in 0..a[1] {
                    let at = a[0] + block * native::BLOCK_BYTES;
                    let words = machine.read(at, native::BLOCK_BYTES).map_err(fault)?;
                    let sum = native::checksum(&words, a[2]);
                    let to = a[3] + block * 8;
                    machine.write(to, &sum.to_le_bytes()).map_err(fault)?;
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Puts the card's own time where kernels write what they read of clocks.
    fn tell_time(
        &self,
        state: &mut State,
        card: usize,
        a: &[u64],
        begun_ps: u64,
    ) -> Result<(), c_int> {
        let told_ps = state.told_ps(card) - begun_ps;
        let here = &mut state.cards[card];
        let khz = u64::try_from(here.spec.sm_clock_khz).unwrap_or(1);
        let cycles = |ps: u64| (u128::from(ps) * u128::from(khz) / 1_000_000_000) as u64;
        let mut put = |address: u64, value: u64| {
            let done = here.machine.write(address, &value.to_le_bytes());
            done.map_err(|_| ILLEGAL_ADDRESS)
        };
        match self.kernel {
            "census" => {
                for block in 0..u64::from(self.grid[0]) {
                    put(a[1] + block * 8, cycles(begun_ps))?;
                    put(a[2] + block * 8, cycles(begun_ps) + a[5])?;
                    put(a[3] + block * 8, begun_ps / 1_000)?;
                    put(a[4] + block * 8, (begun_ps + told_ps) / 1_000)?;
                }
            }
            "chase" => {
                put(a[3], cycles(told_ps))?;
                put(a[4], told_ps / 1_000)?;
            }
            "latency_map" => {
                let cell = (a[3] as f64 * hop_ns(&here.spec, 0) * khz as f64 / 1e6) as u32;
                let count = u64::from(self.grid[0]) * a[2];
                let cells: Vec<u8> = (0..count).flat_map(|_| cell.to_le_bytes()).collect();
                here.machine
                    .write(a[5], &cells)
                    .map_err(|_| ILLEGAL_ADDRESS)?;
            }
            _ => {}
        }
        Ok(())
    }
}

fn number(bytes: &[u8]) -> u64 {
    let mut whole = [0; 8];
    for (to, from) in whole.iter_mut().zip(bytes) {
        *to = *from;
    }
    u64::from_le_bytes(whole)
}
