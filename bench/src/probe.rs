//! `cargo xtask bench probe`: what the check of a whole quick report of one GPU costs its verifier,
//! beside plain multiplication of the opened rows in the same run. Nothing here touches a GPU.

use std::time::Instant;

use gpu_probe::verify::{Check, audit, full_audit};

use crate::calibration;
use crate::sheet::{Aim, Section, Sheet};

/// Most seconds of one core that a check may take.
const CORE_SECONDS: Aim = Aim::AtMost(6.0);
/// What is checked of a quick report: size and number of products, opened rows of each.
const SIZE: (u32, usize, usize) = (8_192, 8, 8);

/// What is to be measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// One JSON document on stdout instead of the report.
    #[arg(long)]
    json: bool,
}

/// Measures on one thread.
pub(crate) fn run(arguments: &Arguments) {
    let mut sheet = Sheet::new(arguments.json);
    sheet.add(calibration::measure());
    sheet.add(measure());
    sheet.finish();
}

/// Runs a check; the seconds it took. It must find nothing.
fn checked(check: &Check) -> f64 {
    let start = Instant::now();
    let found = check.run();
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(found.findings, [], "an audit is right");
    seconds
}

fn measure() -> Section {
    let (n, jobs, rows) = SIZE;
    eprintln!("bench: multiplying {} rows of n = {n}", jobs * rows);
    let start = Instant::now();
    // Without blocks, making the audit is multiplying its rows.
    let openings = audit(n, jobs, rows, 0);
    let plain = start.elapsed().as_secs_f64();
    drop(openings);
    eprintln!("bench: checking a whole quick report of one GPU");
    let times: Vec<f64> = full_audit().iter().map(checked).collect();
    let all: f64 = times.iter().sum();
    let mut section = Section::new("Checking a quick report of one GPU, on one core");
    section.figure("64 opened rows", times[0], "s");
    section.figure("16 opened blocks of 1 MiB", times[1], "s");
    section.aimed("both", all, "s", CORE_SECONDS);
    section.figure("plain multiplication of the 64 rows", plain, "s");
    section.figure("plain multiplication over our check", plain / times[0], "x");
    section
}
