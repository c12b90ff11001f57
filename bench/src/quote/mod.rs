//! `cargo xtask bench quote`: how long a firm price takes, part by part.
//!
//! 1. In process: quotes on books of up to a million offers beside a plain scan of the same offers.
//! 2. Over HTTP: the route of quotes beside the same route whose decision is made beforehand, and
//!    the rungs below it.
//! 3. Real price files: our book beside SkyPilot's optimiser, where it is installed.
//! 4. The price lab: the replay of a real trace beside the reading of it.
//!
//! Aims are printed beside what was measured, and a missed one is said.

mod asks;
mod broker;
mod catalogue;
mod http;
mod in_process;
mod lab;
mod ladder;
mod market;
mod rival;
mod rungs;
mod scan;
mod split;
mod stand;
mod stream;

use std::path::{Path, PathBuf};

use crate::calibration;
use crate::sheet::Sheet;

/// A part of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Quotes in process.
    Process,
    /// The ladder over HTTP.
    Http,
    /// Real price files, beside SkyPilot.
    Files,
    /// The price lab.
    Lab,
}

/// What is to be measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// One JSON document on stdout instead of the report.
    #[arg(long)]
    json: bool,
    /// Only this part.
    #[arg(long)]
    only: Option<Part>,
    /// Seed of the synthetic offers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A Python interpreter that has SkyPilot.
    #[arg(long, value_name = "PATH")]
    skypilot: Option<PathBuf>,
}

/// Measures and prints, each section when it is done.
pub(crate) fn run(arguments: &Arguments) {
    let mut sheet = Sheet::new(arguments.json);
    sheet.add(calibration::measure());
    let is_wanted = |part| arguments.only.is_none_or(|only| only == part);
    if is_wanted(Part::Process) {
        in_process::measure(arguments.seed, &mut sheet);
    }
    if is_wanted(Part::Http) {
        sheet.add(ladder::measure());
    }
    if is_wanted(Part::Files) {
        sheet.add(rival::measure(arguments.skypilot.as_deref()));
    }
    if is_wanted(Part::Lab) {
        sheet.add(lab::measure());
    }
    sheet.finish();
}

/// A folder of real data beside the project, where it is there; nothing of it is part of the
/// project.
fn real_data(folder: &str) -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = here
        .ancestors()
        .map(|at| at.join("shared/data").join(folder));
    all.find(|path| path.is_dir())
}

/// Says on stderr what is being measured now.
fn progress(what: &str) {
    eprintln!("bench: {what}");
}
