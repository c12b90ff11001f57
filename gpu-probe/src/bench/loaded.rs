//! The kernel files as the driver took them: a binary where it has one for the card, PTX otherwise.

use std::collections::BTreeMap;

use crate::cuda::{Attribute, Context, CudaError, Module, Signature};
use crate::kernels::{Image, ImageForm, Kernel, KernelSet, Module as KernelFile};

/// Set to `ptx`, binaries are not even offered, and the driver assembles the text.
pub const LOAD_VARIABLE: &str = "TANDEM_CUDA_LOAD";

/// A file that was taken.
#[derive(Debug)]
struct Taken {
    image: Image,
    module: Module,
}

/// The kernel files of one context.
#[derive(Debug)]
pub struct Loaded {
    /// What was taken, or the driver's answer to each image.
    files: BTreeMap<KernelFile, Result<Taken, Vec<String>>>,
}

impl Loaded {
    /// Offers the images for the card of `context`, best first, until the driver takes one. A file
    /// of which none is taken is an error only for the benchmark that needs it.
    ///
    /// # Errors
    ///
    /// A card that is older than every kernel, or a failed call.
    pub fn load(context: &Context) -> Result<Self, CudaError> {
        let device = context.device();
        let major = device.attribute(Attribute::ComputeCapabilityMajor)?;
        let minor = device.attribute(Attribute::ComputeCapabilityMinor)?;
        let set = KernelSet::for_compute_capability(major, minor).map_err(|error| {
            CudaError::KernelsRefused {
                file: "any file".to_owned(),
                reasons: error.to_string(),
            }
        })?;
        let ptx_alone = std::env::var(LOAD_VARIABLE).is_ok_and(|way| way == "ptx");
        let load = |file| {
            let mut images = set.images(file);
            images.retain(|image| image.form == ImageForm::Ptx || !ptx_alone);
            (file, take_one(context, &images))
        };
        Ok(Self {
            files: KernelFile::ALL.into_iter().map(load).collect(),
        })
    }

    /// The module of a file.
    ///
    /// # Errors
    ///
    /// [`CudaError::KernelsRefused`] with the driver's answer to each image.
    pub fn module(&self, file: KernelFile) -> Result<&Module, CudaError> {
        self.taken(file).map(|taken| &taken.module)
    }

    /// The image that the driver took for a file.
    ///
    /// # Errors
    ///
    /// [`CudaError::KernelsRefused`] with the driver's answer to each image.
    pub fn image(&self, file: KernelFile) -> Result<Image, CudaError> {
        self.taken(file).map(|taken| taken.image)
    }

    /// Dynamic shared memory that a kernel wants.
    ///
    /// # Errors
    ///
    /// [`CudaError::KernelsRefused`] when its file was not taken.
    pub fn shared_bytes(&self, module: KernelFile, kernel: Signature) -> Result<u32, CudaError> {
        let name = kernel.name;
        let launch = self.image(module)?.launch(&Kernel { module, name });
        Ok(launch.dynamic_shared_bytes)
    }

    fn taken(&self, file: KernelFile) -> Result<&Taken, CudaError> {
        let name = file.name().to_owned();
        match self.files.get(&file) {
            Some(Ok(taken)) => Ok(taken),
            Some(Err(reasons)) if !reasons.is_empty() => Err(CudaError::KernelsRefused {
                file: name,
                reasons: reasons.join("; "),
            }),
            Some(Err(_)) | None => Err(CudaError::NoUnits { file: name }),
        }
    }
}

fn take_one(context: &Context, images: &[Image]) -> Result<Taken, Vec<String>> {
    let mut reasons = Vec::new();
    for image in images.iter().copied() {
        match Module::load(context, image.bytes) {
            Ok(module) => return Ok(Taken { image, module }),
            Err(error) => reasons.push(format!("{image:?}: {error}")),
        }
    }
    Err(reasons)
}
