//! `cargo xtask bench`: builds the benchmarks for release and runs one.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::process::{self, cargo, command, root, succeeds};

/// What is measured.
#[derive(Subcommand)]
pub(crate) enum Benchmark {
    /// The engine beside the ceiling of its own store.
    Engine,
    /// Quotes beside a plain scan, a constant decision and SkyPilot's optimiser.
    Quote(Quote),
    /// The check of a GPU probe's report beside plain multiplication.
    Probe {
        /// One JSON document on stdout instead of the report.
        #[arg(long)]
        json: bool,
    },
}

/// What is measured of quotes.
#[derive(Args)]
pub(crate) struct Quote {
    /// One JSON document on stdout instead of the report.
    #[arg(long)]
    json: bool,
    /// Only one part: `process`, `http`, `files` or `lab`.
    #[arg(long)]
    only: Option<String>,
    /// Seed of the synthetic offers.
    #[arg(long)]
    seed: Option<u64>,
}

/// The part that is held against SkyPilot.
const FILES: &str = "files";
/// The version that `bench/skypilot.py` is written for.
const SKYPILOT: &str = "skypilot==0.14.1";

/// Runs one.
pub(crate) fn run(what: &Benchmark) -> anyhow::Result<()> {
    match what {
        Benchmark::Engine => bench(&["engine"]),
        Benchmark::Probe { json: false } => bench(&["probe"]),
        Benchmark::Probe { json: true } => bench(&["probe", "--json"]),
        Benchmark::Quote(quote) => {
            let mut arguments = vec!["quote".to_owned()];
            arguments.extend(quote.json.then(|| "--json".to_owned()));
            if let Some(part) = &quote.only {
                arguments.extend(["--only".to_owned(), part.clone()]);
            }
            if let Some(seed) = quote.seed {
                arguments.extend(["--seed".to_owned(), seed.to_string()]);
            }
            let is_compared = quote.only.as_ref().is_none_or(|part| part == FILES);
            if let Some(python) = skypilot().filter(|_| is_compared) {
                arguments.extend(["--skypilot".to_owned(), python.display().to_string()]);
            }
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            bench(&arguments)
        }
    }
}

fn bench(arguments: &[&str]) -> anyhow::Result<()> {
    let mut all = vec!["run", "--release", "--package", "tandem-bench", "--"];
    all.extend(arguments);
    process::run(cargo(&all))
}

/// A Python with SkyPilot, installed under `target/` when it is not there; none where there are no
/// price files to decide on, or where it cannot be installed.
fn skypilot() -> Option<PathBuf> {
    let root = root();
    let mut folders = root.ancestors().map(|at| at.join("shared/data/prices"));
    if !folders.any(|folder| folder.is_dir()) {
        return None;
    }
    let folder = root.join("target/skypilot");
    let python = folder.join("bin/python");
    let has = |python: &PathBuf| {
        let look = "import importlib.util as u, sys; sys.exit(u.find_spec('sky') is None)";
        succeeds(command(python, &["-c", look]))
    };
    if has(&python) {
        return Some(python);
    }
    eprintln!(
        "bench: python3 -m venv target/skypilot && target/skypilot/bin/pip install {SKYPILOT}"
    );
    let mut venv = command("python3", &["-m", "venv"]);
    venv.arg(&folder);
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--retries",
        "1",
        SKYPILOT,
    ];
    let installed = process::run(venv).and_then(|()| process::run(command(&python, &pip)));
    if let Err(error) = installed {
        eprintln!("bench: SkyPilot is not installed, our figures stand alone: {error:#}");
    }
    has(&python).then_some(python)
}
