//! Why a launch ended before its end, and where.

use std::fmt;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultKind {
    /// No kernel of that name in the module.
    #[error("the module has no such kernel")]
    UnknownKernel,
    /// The number or size of the parameters is not the kernel's.
    #[error("parameters of {given:?} bytes, the kernel takes {wanted:?}")]
    Parameters {
        /// Bytes of each parameter given.
        given: Vec<usize>,
        /// Bytes of each parameter of the kernel.
        wanted: Vec<usize>,
    },
    /// A grid or block with no threads, or more than the machine or the kernel allows.
    #[error("a grid of {grid:?} blocks of {block:?} threads")]
    Shape {
        /// Blocks along x, y, z.
        grid: [u32; 3],
        /// Threads along x, y, z.
        block: [u32; 3],
    },
    /// More shared memory than a block may have.
    #[error("{bytes} bytes of shared memory (limit {limit})")]
    SharedMemory {
        /// Bytes asked for.
        bytes: u64,
        /// Bytes a block may have.
        limit: u64,
    },
    /// Not enough memory left on the machine.
    #[error("{bytes} bytes do not fit the {free} that are free")]
    OutOfMemory {
        /// Bytes asked for.
        bytes: u64,
        /// Bytes left.
        free: u64,
    },
    /// An access outside everything that is allocated.
    #[error("access of {bytes} bytes at {address:#x} of {space} memory, out of bounds")]
    OutOfBounds {
        /// Name of the state space.
        space: &'static str,
        /// Address in that space.
        address: u64,
        /// Bytes of the access.
        bytes: u64,
    },
    /// An access at an address that is no multiple of its size.
    #[error("access of {bytes} bytes at {address:#x}, misaligned")]
    Misaligned {
        /// Address in the space of the access.
        address: u64,
        /// Bytes of the access.
        bytes: u64,
    },
    /// A write to a kernel's parameters.
    #[error("write to the parameters")]
    ReadOnly,
    /// An instruction of a family that the interpreter refuses.
    #[error("instruction `{0}` is not interpreted")]
    Unsupported(String),
    /// `trap`, or an indirect branch outside its table.
    #[error("the kernel trapped")]
    Trap,
    /// Threads wait at a barrier that others never reach.
    #[error("{waiting} threads wait at barrier {barrier}, which not all {expected} reach")]
    Barrier {
        /// Its number, 0 to 15.
        barrier: u32,
        /// Threads that wait there.
        waiting: u32,
        /// Threads it needs.
        expected: u32,
    },
    /// Lanes wait in a warp-wide instruction that others never reach.
    #[error(
        "lanes {waiting:#010x} wait for lanes {members:#010x} of their warp, not all of which come"
    )]
    WarpSync {
        /// The lanes that wait.
        waiting: u32,
        /// The lanes that the instruction names.
        members: u32,
    },
    /// A warp-wide instruction run by a lane that its member mask leaves out.
    #[error("member mask {members:#010x} leaves out a lane that runs the instruction")]
    MemberMask {
        /// The mask.
        members: u32,
    },
    /// A barrier number above 15, or a number of threads that is no multiple of 32.
    #[error("barrier {barrier} with {threads} threads")]
    BarrierOperand {
        /// Its number.
        barrier: u64,
        /// The threads named.
        threads: u64,
    },
    /// The launch took more instructions than the machine allows.
    #[error("more than {0} instructions of warps")]
    StepLimit(u64),
    /// No place left for addresses.
    #[error("no addresses left")]
    Addresses,
    /// Copy from or to memory that is not allocated, by the host.
    #[error("no allocation at {0:#x}")]
    NotAllocated(u64),
}

/// A [`FaultKind`] with the kernel, line, block and thread it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Fault {
    /// The kernel's name; empty for a request of the host.
    pub kernel: String,
    /// Where in the kernel; none if it did not begin.
    pub site: Option<Site>,
    /// What went wrong.
    #[source]
    pub kind: FaultKind,
}

/// A place in a running kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site {
    /// The line of the PTX text.
    pub line: u32,
    /// Block index along x, y, z.
    pub block: [u32; 3],
    /// Thread index along x, y, z; that of the first thread where several are meant.
    pub thread: [u32; 3],
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.site {
            None if self.kernel.is_empty() => write!(f, "{}", self.kind),
            None => write!(f, "kernel {}: {}", self.kernel, self.kind),
            Some(site) => write!(
                f,
                "kernel {}, PTX line {}, block {:?}, thread {:?}: {}",
                self.kernel, site.line, site.block, site.thread, self.kind
            ),
        }
    }
}

impl Fault {
    pub(crate) fn of_host(kind: FaultKind) -> Self {
        Self {
            kernel: String::new(),
            site: None,
            kind,
        }
    }
}
