//! The stages of `cargo xtask test`: each prints its minutes, the first failure ends the run.

use std::time::Instant;

use anyhow::{Context, bail};

use crate::process::{self, cargo};
use crate::{advisories, kernels, setup, simulation};

/// A stage: its name and what it does.
type Stage = (&'static str, fn() -> anyhow::Result<()>);

/// In the order of their cost, so that a slip fails early.
const STAGES: &[Stage] = &[
    ("setup", setup::run),
    ("fmt", || process::run(cargo(&["fmt", "--all", "--check"]))),
    ("deny", advisories::check),
    ("clippy", || {
        process::run(cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))
    }),
    ("docs", docs),
    ("kernels", || kernels::run(true)),
    ("test-pure", || {
        test(&[
            "tandem-model",
            "tandem-pricing",
            "tandem-sla",
            "tandem-settlement",
            "tandem-ptx-sim",
        ])
    }),
    ("test-source", || test(&["xtask"])),
    ("test-real", || {
        test(&[
            "tandem-adapters",
            "gpu-probe",
            "tandem-sandbox",
            "tandem",
            "tandem-bench",
        ])
    }),
    ("simulation", simulation::stage),
];

/// Runs the stages whose name contains `only`.
pub(crate) fn run(only: Option<&str>) -> anyhow::Result<()> {
    let chosen: Vec<_> = STAGES
        .iter()
        .filter(|(name, _)| only.is_none_or(|part| name.contains(part)))
        .collect();
    if chosen.is_empty() {
        let names: Vec<_> = STAGES.iter().map(|(name, _)| *name).collect();
        bail!(
            "no stage has that in its name; there are {}",
            names.join(", ")
        );
    }
    let start = Instant::now();
    let mut times = Vec::new();
    for (name, act) in &chosen {
        println!("== {name}");
        let before = Instant::now();
        act().with_context(|| {
            format!("stage {name} failed; `cargo xtask test --only {name}` repeats it")
        })?;
        times.push((name, before.elapsed()));
    }
    println!("== passed");
    for (name, time) in times {
        println!("{name:12} {:6.1} min", time.as_secs_f64() / 60.0);
    }
    let which = match only {
        None => "all stages".to_owned(),
        Some(_) => format!("{} of {} stages", chosen.len(), STAGES.len()),
    };
    println!(
        "{which} passed in {:.1} min",
        start.elapsed().as_secs_f64() / 60.0
    );
    Ok(())
}

fn docs() -> anyhow::Result<()> {
    let mut doc = cargo(&[
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
    ]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    process::run(doc)
}

fn test(packages: &[&str]) -> anyhow::Result<()> {
    let mut arguments = vec!["test", "--no-fail-fast"];
    for package in packages {
        arguments.extend(["--package", package]);
    }
    let mut test = cargo(&arguments);
    // A snapshot that changed fails; nobody accepts it by running the tests.
    test.env("INSTA_UPDATE", "no");
    process::run(test)
}
