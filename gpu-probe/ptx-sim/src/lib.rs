//! An interpreter of PTX: it runs the very kernels that the GPU probe ships, at small sizes, without a
//! GPU, so that tests compare their results with a plain reference bit for bit.
//!
//! [`Module::parse`] reads a text, [`Machine`] runs its kernels over checked memory and a virtual
//! clock. Semantics follow the PTX ISA (<https://docs.nvidia.com/cuda/parallel-thread-execution/>).
//! What it is not: a model of speed, of caches, or of races. Blocks run one after the other, warps of a
//! block take turns at barriers, the lanes of a warp run in lock step. Matrix products of floats are
//! summed in FP64 and rounded once, which a tensor core does not promise; for the integers of the
//! probe both are exact. Functions with `.approx` are closer than a GPU's.
//!
//! For tests alone: nothing that is shipped depends on it.

mod decode;
mod exec;
mod fault;
mod inst;
mod machine;
mod memory;
mod module;
mod number;
mod parse;

pub use fault::{Fault, FaultKind, Site};
pub use machine::{Arg, BLOCK_THREADS_MAX, GRID_X_MAX, GRID_YZ_MAX, Machine, MachineConfig};
pub use module::{Kernel, Module, Param, Variable};
pub use parse::{
    INSTRUCTIONS_MAX, PARAM_BYTES_MAX, ParseError, REGISTERS_MAX, TEXT_BYTES_MAX,
    VARIABLE_BYTES_MAX,
};
