//! A module: what a PTX text holds, ready to run.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::inst::Inst;
use crate::parse::{self, ParseError};

/// A parsed PTX text. It knows no machine; the first launch on a machine places its variables there.
#[derive(Debug)]
pub struct Module {
    pub(crate) id: u64,
    pub(crate) target: String,
    pub(crate) version: String,
    pub(crate) kernels: Vec<Kernel>,
    pub(crate) variables: Vec<Variable>,
    /// The first bytes of the module's variables, constants with them.
    pub(crate) image: Vec<u8>,
}

/// A variable in global or constant memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Bytes from the module's first variable.
    pub offset: u64,
    /// Its size in bytes.
    pub bytes: u64,
}

/// A parameter of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param {
    /// Bytes from the first parameter.
    pub offset: u32,
    /// Its size in bytes.
    pub bytes: u32,
}

/// A kernel: an `.entry` of the text.
#[derive(Debug)]
pub struct Kernel {
    pub(crate) name: String,
    pub(crate) params: Vec<Param>,
    pub(crate) code: Vec<Inst>,
    /// All ones in the width of each register.
    pub(crate) register_masks: Vec<u64>,
    pub(crate) predicates: usize,
    pub(crate) shared_bytes: u64,
    pub(crate) local_bytes: u64,
    pub(crate) threads_max: Option<u32>,
    pub(crate) threads_required: Option<[u32; 3]>,
}

impl Module {
    /// Reads a PTX text. An error names the line and what is not known there; families such as
    /// `tcgen05`, bulk copies and clusters are read, and refused when they are run.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut module = parse::module(text)?;
        module.id = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(module)
    }

    /// The `.target`, such as `sm_80`.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The `.version` of the language, such as `8.8`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The kernels in the order of the text.
    #[must_use]
    pub fn kernels(&self) -> &[Kernel] {
        &self.kernels
    }

    /// The kernel of that name.
    #[must_use]
    pub fn kernel(&self, name: &str) -> Option<&Kernel> {
        self.kernels.iter().find(|kernel| kernel.name == name)
    }

    /// The variables in global and constant memory.
    #[must_use]
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }
}

impl Kernel {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its parameters, in order.
    #[must_use]
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// Bytes of shared memory that it declares, without what a launch adds.
    #[must_use]
    pub fn shared_bytes(&self) -> u64 {
        self.shared_bytes
    }

    /// The number of instructions in its text.
    #[must_use]
    pub fn instructions(&self) -> usize {
        self.code.len()
    }

    /// Bytes of all parameters together.
    pub(crate) fn param_bytes(&self) -> u32 {
        self.params.last().map_or(0, |p| p.offset + p.bytes)
    }
}
