//! The kernel files as the driver took them: a binary where it has one for the card, PTX otherwise.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::cuda::{Context, CudaError, Module, Signature, Stream};

use super::signatures::KernelFile;

/// Set to `ptx`, binaries are not even offered, and the driver assembles the text.
pub const LOAD_VARIABLE: &str = "TANDEM_CUDA_LOAD";

/// Every kernel file.
const FILES: [KernelFile; 15] = [
    KernelFile::Census,
    KernelFile::IsaGate,
    KernelFile::Stream,
    KernelFile::Chase,
    KernelFile::Fp32,
    KernelFile::GemmF16,
    KernelFile::GemmBf16,
    KernelFile::GemmFp8,
    KernelFile::Matrix,
    KernelFile::Merkle,
    KernelFile::Vram,
    KernelFile::Pattern,
    KernelFile::Launch,
    KernelFile::Gaps,
    KernelFile::LatencyMap,
];

/// An image that may be offered to the driver.
#[derive(Debug, Clone, Copy)]
pub struct Image {
    /// Such as `chase.86.cubin`.
    pub name: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
    /// Whether it is PTX text.
    pub is_ptx: bool,
}

/// A file that was taken, or why it was not.
#[derive(Debug)]
pub struct LoadedFile {
    /// The image's name.
    pub image: &'static str,
    module: Module,
}

/// The kernel files of one context.
#[derive(Debug)]
pub struct Loaded {
    files: BTreeMap<KernelFile, Result<LoadedFile, String>>,
}

impl Loaded {
    /// Offers each file's images, best first as `images` gives them, until one is taken. A file
    /// that has none is an error only for the benchmark that needs it.
    pub fn load(context: &Context, images: impl Fn(KernelFile) -> Vec<Image>) -> Self {
        let ptx_alone = std::env::var(LOAD_VARIABLE).is_ok_and(|way| way == "ptx");
        let load = |file| {
            let mut offered = images(file);
            offered.retain(|image| image.is_ptx || !ptx_alone);
            (file, load_one(context, &offered))
        };
        Self {
            files: FILES.into_iter().map(load).collect(),
        }
    }

    /// The module of a file.
    ///
    /// # Errors
    ///
    /// [`CudaError::KernelsRefused`] with the driver's answer to each image.
    pub fn module(&self, file: KernelFile) -> Result<&Module, CudaError> {
        let reasons = match self.files.get(&file) {
            Some(Ok(loaded)) => return Ok(&loaded.module),
            Some(Err(reasons)) => reasons.clone(),
            None => "no such file".to_owned(),
        };
        Err(CudaError::KernelsRefused {
            file: file.name().to_owned(),
            reasons,
        })
    }

    /// The image that was taken for a file.
    pub fn image(&self, file: KernelFile) -> Option<&'static str> {
        self.files
            .get(&file)?
            .as_ref()
            .ok()
            .map(|taken| taken.image)
    }

    /// Dynamic shared memory that a kernel wants: its file says so in `<kernel>_shared_bytes`.
    ///
    /// # Errors
    ///
    /// The file was not taken, or a failed call.
    pub fn shared_bytes(
        &self,
        stream: &Stream,
        file: KernelFile,
        kernel: Signature,
    ) -> Result<u32, CudaError> {
        let name = format!("{}_shared_bytes", kernel.name);
        let bytes = self.module(file)?.variable_u32(stream, &name)?;
        Ok(bytes.unwrap_or(0))
    }
}

fn load_one(context: &Context, images: &[Image]) -> Result<LoadedFile, String> {
    let mut reasons = Vec::new();
    for image in images {
        match Module::load(context, image.bytes) {
            Ok(module) => {
                let image = image.name;
                return Ok(LoadedFile { image, module });
            }
            Err(error) => reasons.push(format!("{}: {error}", image.name)),
        }
    }
    if reasons.is_empty() {
        reasons.push("there is none for this architecture".to_owned());
    }
    Err(reasons.join("; "))
}

/// Digest over names and bytes of all images, by which a verifier knows the release.
pub fn digest(images: impl Iterator<Item = Image>) -> [u8; 32] {
    let mut all = Sha256::new();
    for image in images {
        all.update(Sha256::digest(image.name));
        all.update(Sha256::digest(image.bytes));
    }
    all.finalize().into()
}
