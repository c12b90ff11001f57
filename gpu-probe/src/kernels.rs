//! The CUDA kernels as the probe ships them: compiled, embedded, and chosen by compute capability.
//!
//! The sources are in `gpu-probe/kernels`, the compiled files in its folder `built`, both made by
//! `cargo xtask kernels`. What each kernel takes and does is in `docs/gpu-probe.md`.

mod names;
mod reference;
mod table;

#[cfg(test)]
mod tests;

use std::fmt;

use sha2::{Digest, Sha256};

pub use names::*;
pub use reference::{
    FloatFormat, IsaGateShape, fill_bits, fill_value, isa_gate_answer, pattern_word, random_word,
    stream_write_piece,
};

/// What was compiled from what, with which versions, and every file's SHA-256: JSON.
pub const MANIFEST: &str = include_str!("../kernels/built/manifest.json");

/// SHA-256 of [`MANIFEST`]. It lists the SHA-256 of every source and of every compiled file, so this
/// one digest names all code that the probe runs on a GPU.
#[must_use]
pub fn kernels_sha256() -> [u8; 32] {
    Sha256::digest(MANIFEST.as_bytes()).into()
}

/// Oldest major compute capability with kernels: Volta.
const MAJOR_MIN: u32 = 7;

/// No kernels fit a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoKernels {
    /// The GPU is older than Volta.
    #[error(
        "compute capability {major}.{minor} is older than 7.0 (Volta), the oldest that the probe \
         has kernels for: this GPU cannot be probed"
    )]
    TooOld {
        /// Major compute capability.
        major: u32,
        /// Minor compute capability.
        minor: u32,
    },
}

/// Form of a compiled file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ImageForm {
    /// Machine code of one chip, an ELF file.
    Cubin,
    /// Text that the driver compiles, without a terminating zero byte.
    Ptx,
}

/// How a kernel must be launched. The grid is free: all kernels share out their work over any grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Launch {
    /// Threads a block, where the kernel asks for a number.
    pub block_threads: Option<u32>,
    /// Dynamic shared memory, bytes. Above 48 KiB the driver must be told first, by
    /// `CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES`.
    pub dynamic_shared_bytes: u32,
}

/// A compiled module.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Image {
    /// Whose kernels these are.
    pub module: Module,
    /// What it was compiled for: the part after `sm_`, such as `90a`.
    pub architecture: &'static str,
    /// Machine code or text.
    pub form: ImageForm,
    /// The file.
    pub bytes: &'static [u8],
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (module, form) = (self.module.name(), self.form);
        write!(f, "{module}.{} ({form:?})", self.architecture)
    }
}

impl Image {
    /// Every compiled file.
    pub fn all() -> impl Iterator<Item = Self> {
        table::IMAGES
            .iter()
            .filter_map(|(name, architecture, bytes)| {
                Some(Self {
                    module: Module::ALL
                        .into_iter()
                        .find(|module| module.name() == *name)?,
                    architecture,
                    form: if bytes.starts_with(b"\x7fELF") {
                        ImageForm::Cubin
                    } else {
                        ImageForm::Ptx
                    },
                    bytes,
                })
            })
    }

    /// How a kernel of this image must be launched; it differs between architectures.
    #[must_use]
    pub fn launch(&self, kernel: &Kernel) -> Launch {
        let found = table::LAUNCHES.iter().find(|(name, architecture, ..)| {
            *name == kernel.name && *architecture == self.architecture
        });
        Launch {
            block_threads: found.map(|(_, _, threads, _)| *threads),
            dynamic_shared_bytes: found.map_or(0, |(.., bytes)| *bytes),
        }
    }

    /// Shape of the product that `isa_gate` computes in this image.
    #[must_use]
    pub fn isa_gate_shape(&self) -> IsaGateShape {
        IsaGateShape::of_architecture(self.architecture)
    }

    /// Major and minor compute capability in the architecture's name, and whether it is for exactly
    /// that one (`90a`).
    fn capability(&self) -> (u32, u32, bool) {
        let digits = self.architecture.trim_end_matches('a');
        let number: u32 = digits.parse().unwrap_or(u32::MAX);
        (number / 10, number % 10, digits != self.architecture)
    }

    /// Whether a GPU of this capability can run the image at the speed that it is there to show.
    fn fits(&self, gpu: (u32, u32)) -> bool {
        let (major, minor, exact) = self.capability();
        if exact {
            return (major, minor) == gpu;
        }
        match self.form {
            ImageForm::Cubin => major == gpu.0 && minor <= gpu.1,
            // 8.9 multiplies FP8 by an instruction that 9.0 and 10.x only emulate.
            ImageForm::Ptx if self.architecture == "89" => gpu == (8, 9),
            ImageForm::Ptx => (major, minor) <= gpu,
        }
    }
}

/// The kernels for one GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelSet {
    capability: (u32, u32),
}

impl KernelSet {
    /// The kernels for a GPU of compute capability `major`.`minor`.
    ///
    /// # Errors
    /// [`NoKernels::TooOld`] below 7.0. A GPU newer than all we know gets PTX.
    pub fn for_compute_capability(major: u32, minor: u32) -> Result<Self, NoKernels> {
        if major < MAJOR_MIN {
            return Err(NoKernels::TooOld { major, minor });
        }
        Ok(Self {
            capability: (major, minor),
        })
    }

    /// The images of a module in the order in which to try them, best first: a cubin of this chip or
    /// of an earlier one of the same major capability, then PTX of the newest architecture that is
    /// not newer than the GPU. The next one is for a driver that refuses the one before (no binary
    /// for this GPU, or a driver too old for it).
    ///
    /// Empty where the GPU has no unit that these kernels reach: BF16 before 8.0, FP8 before 8.9 and
    /// on 10.x and 11.x.
    #[must_use]
    pub fn images(&self, module: Module) -> Vec<Image> {
        let mut fitting: Vec<Image> = Image::all()
            .filter(|image| image.module == module && image.fits(self.capability))
            .collect();
        fitting.sort_by_key(|image| {
            let (major, minor, _) = image.capability();
            (image.form, std::cmp::Reverse((major, minor)))
        });
        fitting.dedup_by_key(|image| image.form);
        fitting
    }
}
