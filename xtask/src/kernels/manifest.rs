//! `manifest.json` beside the compiled kernels, and the Rust table that embeds them: both follow from
//! the sources and the files alone.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::sources::{Architecture, Source};
use super::toolchain::Assembled;
use crate::setup::{NVCC_VERSION, NVRTC_VERSION};

/// A source compiled for one architecture.
pub(super) struct Module {
    pub(super) source: &'static Source,
    pub(super) architecture: &'static Architecture,
    pub(super) kernels: Vec<Assembled>,
}

impl Module {
    fn name(&self) -> String {
        format!("{}.{}", self.source.module, self.architecture.name)
    }

    /// Files of it that are committed.
    pub(super) fn files(&self) -> Vec<String> {
        let mut files = vec![format!("{}.cubin", self.name())];
        if self.source.ptx.contains(&self.architecture.name) {
            files.push(format!("{}.ptx", self.name()));
        }
        files
    }
}

/// How a kernel must be launched: threads a block, where it asks for a number, and dynamic shared
/// memory in bytes.
struct Launch {
    block_threads: Option<u32>,
    dynamic_shared_bytes: u32,
}

/// Reads a kernel's launch from the module's PTX: `.maxntid` behind the entry, and the constant
/// `<kernel>_shared_bytes`.
fn launch(ptx: &str, kernel: &str) -> anyhow::Result<Launch> {
    let (_, entry) = ptx
        .split_once(&format!(".entry {kernel}("))
        .with_context(|| format!("no entry {kernel} in the PTX"))?;
    let head = entry.split('{').next().unwrap_or(entry);
    let number = |text: &str| -> Option<u32> {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    let after = |text: &str, mark: &str| text.split_once(mark).and_then(|(_, rest)| number(rest));
    Ok(Launch {
        block_threads: after(head, ".maxntid "),
        dynamic_shared_bytes: after(ptx, &format!("{kernel}_shared_bytes = ")).unwrap_or(0),
    })
}

fn sha256_of(path: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(&bytes) {
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(hex)
}

/// The manifest's text. `sources` is the folder of the sources, `out` that of the compiled files.
pub(super) fn manifest(modules: &[Module], sources: &Path, out: &Path) -> anyhow::Result<String> {
    let mut hashes = serde_json::Map::new();
    for name in super::source_files(sources)? {
        hashes.insert(name.clone(), sha256_of(&sources.join(&name))?.into());
    }
    let mut listed = Vec::new();
    for module in modules {
        listed.push(describe(module, out)?);
    }
    let whole = json!({
        "modules": listed,
        "sources_sha256": hashes,
        "toolchain": { "nvrtc": NVRTC_VERSION, "ptxas": NVCC_VERSION },
    });
    Ok(format!("{}\n", serde_json::to_string_pretty(&whole)?))
}

fn describe(module: &Module, out: &Path) -> anyhow::Result<Value> {
    let mut files = serde_json::Map::new();
    for file in module.files() {
        files.insert(file.clone(), sha256_of(&out.join(&file))?.into());
    }
    let ptx = std::fs::read_to_string(out.join(format!("{}.ptx", module.name())))?;
    let mut kernels = serde_json::Map::new();
    for kernel in &module.kernels {
        let launch = launch(&ptx, &kernel.name)?;
        let facts = json!({
            "block_threads": launch.block_threads,
            "dynamic_shared_bytes": launch.dynamic_shared_bytes,
            "registers": kernel.registers,
            "spill_bytes": 0,
            "static_shared_bytes": kernel.shared_bytes,
        });
        kernels.insert(kernel.name.clone(), facts);
    }
    Ok(json!({
        "architecture": module.architecture.name,
        "files_sha256": files,
        "kernels": kernels,
        "module": module.source.module,
        "ptx_version": module.architecture.ptx_version,
        "source": format!("{}.cu", module.source.module),
    }))
}

/// The Rust file that embeds the compiled files and says how their kernels are launched.
pub(super) fn table(modules: &[Module], out: &Path) -> anyhow::Result<String> {
    let mut images = String::new();
    let mut launches = String::new();
    for module in modules {
        let (name, architecture) = (module.source.module, module.architecture.name);
        for file in module.files() {
            writeln!(
                images,
                "    (\"{name}\", \"{architecture}\", include_bytes!(\"../../kernels/built/{file}\")),"
            )?;
        }
        let ptx = std::fs::read_to_string(out.join(format!("{}.ptx", module.name())))?;
        for kernel in &module.kernels {
            let launch = launch(&ptx, &kernel.name)?;
            if let Some(threads) = launch.block_threads {
                let (kernel, bytes) = (&kernel.name, launch.dynamic_shared_bytes);
                writeln!(
                    launches,
                    "    (\"{kernel}\", \"{architecture}\", {threads}, {bytes}),"
                )?;
            }
        }
    }
    Ok(format!(
        "//! The compiled kernels, embedded, and how the ones with a block size of their own are \
         launched.\n//! Written by `cargo xtask kernels`.\n\n\
         /// Module, architecture and file; a file that does not begin as ELF does is PTX.\n\
         #[rustfmt::skip]\n\
         pub(super) const IMAGES: &[(&str, &str, &[u8])] = &[\n{images}];\n\n\
         /// Kernel, architecture, threads a block, bytes of dynamic shared memory.\n\
         #[rustfmt::skip]\n\
         pub(super) const LAUNCHES: &[(&str, &str, u32, u32)] = &[\n{launches}];\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PTX: &str = ".global .align 4 .u32 gemm_shared_bytes = 98304;\n\
        .visible .entry gemm(\n.param .u64 p\n)\n.maxntid 256, 1, 1\n.minnctapersm 1\n{\nret;\n}\n\
        .visible .entry fill(\n.param .u64 p\n)\n{\nret;\n}\n";

    #[test]
    fn a_launch_is_read_from_the_kernel_that_it_belongs_to() {
        let gemm = launch(PTX, "gemm").expect("it is there");
        assert_eq!(
            (gemm.block_threads, gemm.dynamic_shared_bytes),
            (Some(256), 98304)
        );
        let fill = launch(PTX, "fill").expect("it is there");
        assert_eq!((fill.block_threads, fill.dynamic_shared_bytes), (None, 0));
        assert!(launch(PTX, "gem").is_err());
    }
}
