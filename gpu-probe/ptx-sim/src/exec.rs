//! Running kernels: blocks one after the other, each on its SM's clock.

mod access;
mod atomic;
mod block;
mod control;
mod convert;
mod copies;
mod exchange;
mod float;
mod group;
mod integer;
mod lanes;
mod logic;
mod matrix;
mod special;
mod step;
mod warp;

use crate::fault::Fault;
use crate::machine::MachineConfig;
use crate::memory::Memory;
use crate::module::Kernel;

/// A launch that was checked: what it needs to run.
#[derive(Debug)]
pub(crate) struct Launch<'m> {
    pub(crate) kernel: &'m Kernel,
    pub(crate) config: MachineConfig,
    pub(crate) grid: [u32; 3],
    pub(crate) block: [u32; 3],
    pub(crate) dynamic_shared: u64,
    pub(crate) params: Vec<u8>,
    /// Where the module's variables lie.
    pub(crate) module_base: u64,
    /// 1 for the machine's first launch.
    pub(crate) number: u64,
}

/// Nanoseconds that `%globaltimer` shows after so many cycles.
pub(crate) fn timer_ns(config: &MachineConfig, cycles: u64) -> u64 {
    let ns = u128::from(cycles) * 1000 / u128::from(config.clock_mhz);
    config.start_ns.wrapping_add(ns as u64)
}

/// Runs all blocks of a launch. `sm_cycles` is the clock of each SM, `instructions` counts those of
/// threads.
pub(crate) fn run(
    launch: &Launch<'_>,
    memory: &mut Memory,
    sm_cycles: &mut [u64],
    instructions: &mut u64,
) -> Result<(), Fault> {
    let mut steps = 0;
    let mut sm = 0;
    for z in 0..launch.grid[2] {
        for y in 0..launch.grid[1] {
            for x in 0..launch.grid[0] {
                let mut env = step::Env {
                    launch,
                    memory,
                    shared: vec![0; (launch.kernel.shared_bytes + launch.dynamic_shared) as usize],
                    params: launch.params.clone(),
                    block: [x, y, z],
                    sm: sm as u32,
                    cycles: sm_cycles[sm],
                    steps,
                    instructions: 0,
                    barriers: Default::default(),
                };
                let outcome = block::run(&mut env);
                steps = env.steps;
                *instructions += env.instructions;
                sm_cycles[sm] = env.cycles;
                outcome?;
                sm = (sm + 1) % sm_cycles.len();
            }
        }
    }
    Ok(())
}
