//! `cargo xtask kernels`: compiles the GPU probe's CUDA kernels for every architecture, and checks
//! that what is committed is what the sources give.
//!
//! Needs no GPU, driver or CUDA toolkit. The same sources and versions give the same bytes, so
//! `--check` compares files, and reads the machine code for the instructions that are meant.

mod manifest;
mod sass;
mod sources;
mod toolchain;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, bail, ensure};

use self::manifest::Module;
use self::sources::{SOURCES, Source};
use self::toolchain::Toolchain;
use crate::process::{root, tools};

/// Compilers at work at the same time, at most.
const WORKERS_MAX: usize = 8;

fn kernels_folder() -> PathBuf {
    root().join("gpu-probe/kernels")
}

fn table_file() -> PathBuf {
    root().join("gpu-probe/src/kernels/table.rs")
}

/// Compiles everything and writes it to its place; with `check`, compares it with what is there.
pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    let toolchain = Toolchain::install()?;
    let folder = kernels_folder();
    every_source_is_listed(&folder)?;
    let scratch = tools().join("kernels");
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch)?;
    }
    std::fs::create_dir_all(&scratch)?;
    let modules = build(&toolchain, &scratch)?;
    sass::check(&toolchain, &scratch)?;
    let manifest = manifest::manifest(&modules, &folder, &scratch)?;
    std::fs::write(scratch.join("manifest.json"), manifest)?;
    let table = manifest::table(&modules, &scratch)?;
    let mut files: BTreeSet<String> = modules.iter().flat_map(Module::files).collect();
    files.insert("manifest.json".to_owned());
    let built = folder.join("built");
    if check {
        compare(&files, &scratch, &built)?;
        let committed = std::fs::read_to_string(table_file()).unwrap_or_default();
        ensure!(
            committed == table,
            "{} differs from what the kernels give: run `cargo xtask kernels`",
            table_file().display()
        );
    } else {
        replace(&files, &scratch, &built)?;
        std::fs::write(table_file(), table)?;
    }
    summary(&files, &scratch, check)
}

/// Files that hold source: kernels and what they include, by name.
fn source_files(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).context("listing the kernels")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".cu") || name.ends_with(".cuh") {
            names.insert(name);
        }
    }
    Ok(names)
}

fn every_source_is_listed(folder: &Path) -> anyhow::Result<()> {
    let listed: BTreeSet<String> = SOURCES
        .iter()
        .map(|source| format!("{}.cu", source.module))
        .collect();
    let there: BTreeSet<String> = source_files(folder)?
        .into_iter()
        .filter(|name| name.ends_with(".cu"))
        .collect();
    ensure!(
        listed == there,
        "xtask/src/kernels/sources.rs lists {listed:?}, the folder holds {there:?}"
    );
    Ok(())
}

/// Compiles all sources, a few at a time.
fn build(toolchain: &Toolchain, out: &Path) -> anyhow::Result<Vec<Module>> {
    let queue = Mutex::new(SOURCES.iter());
    let next = || queue.lock().ok().and_then(|mut sources| sources.next());
    let work = || -> anyhow::Result<Vec<Module>> {
        let mut modules = Vec::new();
        while let Some(source) = next() {
            modules.extend(build_source(toolchain, source, out)?);
        }
        Ok(modules)
    };
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get().min(WORKERS_MAX));
    let mut modules = std::thread::scope(|scope| -> anyhow::Result<Vec<Module>> {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let mut modules = Vec::new();
        for thread in threads {
            let Ok(built) = thread.join() else {
                bail!("a thread that compiles kernels has panicked");
            };
            modules.extend(built?);
        }
        Ok(modules)
    })?;
    modules.sort_by_key(|module| {
        let place = sources::ARCHITECTURES
            .iter()
            .position(|architecture| architecture.name == module.architecture.name);
        (module.source.module, place)
    });
    Ok(modules)
}

fn build_source(
    toolchain: &Toolchain,
    source: &'static Source,
    out: &Path,
) -> anyhow::Result<Vec<Module>> {
    let kernels = toolchain.build(source, out)?;
    Ok(source
        .architectures()
        .zip(kernels)
        .map(|(architecture, kernels)| Module {
            source,
            architecture,
            kernels,
        })
        .collect())
}

/// Fails when a committed file differs, is missing, or should not be there.
fn compare(files: &BTreeSet<String>, fresh: &Path, committed: &Path) -> anyhow::Result<()> {
    let mut wrong = Vec::new();
    for file in files {
        if std::fs::read(fresh.join(file))?
            != std::fs::read(committed.join(file)).unwrap_or_default()
        {
            wrong.push(file.clone());
        }
    }
    for entry in std::fs::read_dir(committed).context("listing the compiled kernels")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !files.contains(&name) {
            wrong.push(name);
        }
    }
    ensure!(
        wrong.is_empty(),
        "{} of the compiled kernels are not what the sources give ({}): run `cargo xtask kernels`",
        wrong.len(),
        wrong.join(", ")
    );
    Ok(())
}

fn replace(files: &BTreeSet<String>, fresh: &Path, committed: &Path) -> anyhow::Result<()> {
    if committed.exists() {
        std::fs::remove_dir_all(committed)?;
    }
    std::fs::create_dir_all(committed)?;
    for file in files {
        std::fs::copy(fresh.join(file), committed.join(file))
            .with_context(|| format!("writing {file}"))?;
    }
    Ok(())
}

fn summary(files: &BTreeSet<String>, folder: &Path, check: bool) -> anyhow::Result<()> {
    let mut bytes = 0;
    for file in files {
        bytes += std::fs::metadata(folder.join(file))?.len();
    }
    println!(
        "kernels: {} files, {} KiB, {}",
        files.len(),
        bytes / 1024,
        if check { "as committed" } else { "written" }
    );
    Ok(())
}
