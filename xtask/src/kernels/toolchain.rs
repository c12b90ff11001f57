//! The CUDA compiler, assembler and disassembler out of the Python packages that set-up installs: no
//! CUDA toolkit, no driver and no GPU is needed.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

use super::sources::{Architecture, Source};
use crate::process::{command, root, tools};
use crate::setup;

/// Where the programs are.
pub(super) struct Toolchain {
    python: PathBuf,
    nvrtc: PathBuf,
    ptxas: PathBuf,
    pub(super) nvdisasm: PathBuf,
}

/// A kernel as the assembler reports it.
pub(super) struct Assembled {
    pub(super) name: String,
    pub(super) registers: u32,
    /// Static shared memory, bytes.
    pub(super) shared_bytes: u32,
}

impl Toolchain {
    /// Installs what is missing.
    pub(super) fn install() -> anyhow::Result<Self> {
        setup::python_packages()?;
        let venv = tools().join("venv");
        let packages = site_packages(&venv)?.join("nvidia");
        let found = Self {
            python: venv.join("bin/python"),
            nvrtc: packages.join("cuda_nvrtc/lib/libnvrtc.so.12"),
            ptxas: packages.join("cuda_nvcc/bin/ptxas"),
            nvdisasm: packages.join("cu13/bin/nvdisasm"),
        };
        for file in [&found.python, &found.nvrtc, &found.ptxas, &found.nvdisasm] {
            ensure!(
                file.exists(),
                "{} is missing: delete {} and run `cargo xtask setup`",
                file.display(),
                venv.display()
            );
        }
        Ok(found)
    }

    /// Compiles a source for all its architectures; leaves `<module>.<architecture>.ptx` and
    /// `.cubin` in `out`. Returns the kernels of each, in the order of the architectures.
    pub(super) fn build(&self, source: &Source, out: &Path) -> anyhow::Result<Vec<Vec<Assembled>>> {
        let mut compile = command(&self.python, &[]);
        compile
            .arg(root().join("xtask/src/kernels/nvrtc.py"))
            .args([&self.nvrtc, &super::kernels_folder()])
            .arg(format!("{}.cu", source.module))
            .arg(out)
            .args(source.architectures().map(|architecture| architecture.name));
        let output = compile.output().context("could not start python")?;
        if !output.status.success() {
            bail!("NVRTC: {}", String::from_utf8_lossy(&output.stderr));
        }
        source
            .architectures()
            .map(|architecture| self.assemble(source, architecture, out))
            .collect()
    }

    fn assemble(
        &self,
        source: &Source,
        architecture: &Architecture,
        out: &Path,
    ) -> anyhow::Result<Vec<Assembled>> {
        let name = format!("{}.{}", source.module, architecture.name);
        let ptx = out.join(format!("{name}.ptx"));
        let text = std::fs::read_to_string(&ptx)
            .with_context(|| format!("NVRTC left no {}", ptx.display()))?;
        std::fs::write(&ptx, lowered(&text, architecture.ptx_version)?)?;
        let output = command(&self.ptxas, &["--verbose"])
            .arg(format!("--gpu-name=sm_{}", architecture.name))
            .arg(&ptx)
            .arg("--output-file")
            .arg(out.join(format!("{name}.cubin")))
            .output()
            .context("could not start ptxas")?;
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        ensure!(output.status.success(), "ptxas refused {name}: {said}");
        read_report(&said).with_context(|| format!("ptxas on {name}"))
    }
}

fn site_packages(venv: &Path) -> anyhow::Result<PathBuf> {
    let folder = venv.join("lib");
    let entries =
        std::fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))?;
    for entry in entries {
        let packages = entry?.path().join("site-packages");
        if packages.is_dir() {
            return Ok(packages);
        }
    }
    bail!("no site-packages in {}", folder.display())
}

/// PTX without its comment lines and with an older version line. What the version does not have,
/// the assembler refuses afterwards.
fn lowered(ptx: &str, version: &str) -> anyhow::Result<String> {
    let mut found = false;
    let mut out = String::with_capacity(ptx.len());
    for line in ptx.lines().filter(|line| !line.starts_with("//")) {
        if line.starts_with(".version ") {
            found = true;
            out.push_str(&format!(".version {version}\n"));
        } else if !(out.is_empty() && line.is_empty()) {
            out.push_str(line);
            out.push('\n');
        }
    }
    ensure!(found, "the PTX has no .version line");
    Ok(out)
}

/// The kernels in ptxas's report. Warnings (serialised wgmma among them) and registers that do not
/// suffice are errors: they cost speed without changing results.
fn read_report(said: &str) -> anyhow::Result<Vec<Assembled>> {
    let mut kernels: Vec<Assembled> = Vec::new();
    for line in said.lines() {
        let lower = line.to_ascii_lowercase();
        ensure!(!lower.contains("warning"), "{line}");
        ensure!(!lower.contains("serialized"), "{line}");
        if let Some((_, after)) = line.split_once("Function properties for ") {
            kernels.push(Assembled {
                name: after.trim().to_owned(),
                registers: 0,
                shared_bytes: 0,
            });
        } else if line.contains("stack frame") {
            let name = kernels.last().map_or("?", |kernel| kernel.name.as_str());
            ensure!(
                line.trim() == "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads",
                "{name} does not fit its registers: {}",
                line.trim()
            );
        } else if let Some((_, after)) = line.split_once("Used ") {
            let kernel = kernels.last_mut().context("registers of no kernel")?;
            kernel.registers = number_before(after, " registers").context(line.to_owned())?;
            kernel.shared_bytes = number_before(after, " bytes smem").unwrap_or(0);
        }
    }
    kernels.sort_by(|a, b| a.name.cmp(&b.name));
    ensure!(
        kernels.iter().all(|kernel| kernel.registers > 0),
        "the report lacks registers: {said}"
    );
    Ok(kernels)
}

/// The number that stands right before `unit`.
fn number_before(text: &str, unit: &str) -> Option<u32> {
    let (before, _) = text.split_once(unit)?;
    before.rsplit([' ', ',']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "\
ptxas info    : 4 bytes gmem
ptxas info    : Compiling entry function 'b' for 'sm_80'
ptxas info    : Function properties for b
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 62 registers, used 1 barriers, 4160 bytes smem, 384 bytes cmem[0]
ptxas info    : Function properties for a
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 32 registers, 376 bytes cmem[0]
";

    #[test]
    fn spills_and_serialised_wgmma_are_errors() {
        let spilling = REPORT.replacen("0 bytes spill stores", "4 bytes spill stores", 1);
        let refused = read_report(&spilling).err().expect("b spills");
        assert!(refused.to_string().contains("b does not fit"), "{refused}");
        let serialised = format!(
            "{REPORT}ptxas info : (C7510) Potential Performance Loss: wgmma.mma_async instructions \
             are serialized due to insufficient register resources"
        );
        assert!(read_report(&serialised).is_err());
        assert!(read_report(&format!("{REPORT}ptxas warning : C7519")).is_err());
    }

    #[test]
    fn registers_and_shared_memory_are_read_by_kernel() {
        let kernels = read_report(REPORT).expect("a good report");
        let read: Vec<_> = kernels
            .iter()
            .map(|kernel| (kernel.name.as_str(), kernel.registers, kernel.shared_bytes))
            .collect();
        assert_eq!(read, [("a", 32, 0), ("b", 62, 4160)]);
    }

    #[test]
    fn the_version_line_is_lowered_and_comments_go() {
        let ptx = "//\n// Compiler Build ID\n//\n\n.version 8.8\n.target sm_80\n// end\nret;\n";
        assert_eq!(
            lowered(ptx, "7.0").expect("it has a version"),
            ".version 7.0\n.target sm_80\nret;\n"
        );
        assert!(lowered(".target sm_80\n", "7.0").is_err());
    }
}
