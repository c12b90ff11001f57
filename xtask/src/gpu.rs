//! `cargo xtask test --gpu`: what only a real card can show. Repeats the quick probe, holds its rates
//! to each other and to the driver's own copy, and records the reports.
//!
//! Everything is measured and written before anything fails, because time on a card is dear.

mod rates;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::process::{self, cargo, command, root};

/// Quick probes in all.
const RUNS: usize = 20;
/// Longest quick probe with both proofs and their check.
const QUICK_MAX: Duration = Duration::from_secs(15);
/// Most coefficient of variation of a rate over all runs, in thousandths.
const VARIATION_MAX_PERMILLE: u64 = 20;
/// Least copy bandwidth, in thousandths of the driver's own copy in the same run.
const DRIVER_COPY_MIN_PERMILLE: u64 = 950;
/// The program's exit code when nothing could be measured.
const EXIT_COULD_NOT_RUN: i32 = 69;

/// One quick probe.
struct Run {
    document: Value,
    took: Duration,
}

/// Probes card 0, records what it says, and fails with everything that was wrong.
pub(crate) fn run(soak_minutes: Option<u64>) -> anyhow::Result<()> {
    process::run(cargo(&["build", "--release", "--package", "gpu-probe"]))?;
    let program = program()?;
    let mut problems = Vec::new();
    let mut runs = Vec::new();
    for number in 1..=RUNS {
        let run = probe(
            &program,
            &["--kind", "quick", "--self-check"],
            &mut problems,
        )?;
        println!("run {number:2}: {:.1} s", run.took.as_secs_f64());
        if run.took > QUICK_MAX {
            let seconds = run.took.as_secs_f64();
            problems.push(format!("run {number} took {seconds:.1} s"));
        }
        problems.extend(judged(&run.document).map(|problem| format!("run {number}: {problem}")));
        runs.push(run);
    }
    let rates = rates::of(runs.iter().map(|run| &run.document));
    problems.extend(unsteady(&rates));
    let folder = record(&runs, &rates)?;
    println!("recorded in {}", folder.display());
    if let Some(minutes) = soak_minutes {
        let minutes = minutes.to_string();
        let arguments = ["--kind", "soak", "--minutes", &minutes];
        let run = probe(&program, &arguments, &mut problems)?;
        write(&folder.join("soak.json"), &run.document["report"])?;
    }
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    Ok(())
}

fn program() -> anyhow::Result<PathBuf> {
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("cargo does not say where it builds to")?;
    let folder = metadata.target_directory.into_std_path_buf();
    Ok(folder.join("release/gpu-probe"))
}

/// Runs the program once; without a card that is the end of it.
fn probe(program: &Path, arguments: &[&str], problems: &mut Vec<String>) -> anyhow::Result<Run> {
    let mut all = vec!["run", "--json", "--device", "0"];
    all.extend(arguments);
    let begun = Instant::now();
    let output = command(program, &all).output();
    let output = output.with_context(|| format!("could not start {}", program.display()))?;
    let took = begun.elapsed();
    let document = document(&output)?;
    if !output.status.success() {
        problems.push(format!("{} ended with {}", all.join(" "), output.status));
    }
    Ok(Run { document, took })
}

fn document(output: &Output) -> anyhow::Result<Value> {
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(EXIT_COULD_NOT_RUN) {
        bail!("no GPU could be measured on this machine: {}", said.trim());
    }
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{} and no report: {}", output.status, said.trim()))
}

/// What is wrong with one run: its own check, which holds the integer products to their formulas,
/// and its copy beside the driver's.
fn judged(document: &Value) -> impl Iterator<Item = String> {
    let mut problems = Vec::new();
    let verdict = &document["verdict"];
    if verdict["outcome"] != "pass" {
        let reasons = &verdict["reasons"];
        problems.push(format!("{}: {reasons}", verdict["outcome"]));
    }
    let own = rates::of([document].into_iter()).remove("copy_mb_per_s");
    let own = own.and_then(|rates| rates.first().copied());
    let driver = document["driver_copy_mb_per_s"][0].as_u64();
    match (own, driver) {
        (Some(own), Some(driver)) if own * 1_000 >= driver * DRIVER_COPY_MIN_PERMILLE => {}
        (own, driver) => problems.push(format!(
            "copy at {own:?} MB/s, the driver's own at {driver:?}"
        )),
    }
    problems.into_iter()
}

fn unsteady(rates: &BTreeMap<&'static str, Vec<u64>>) -> Vec<String> {
    let off = |(name, rates): (&&str, &Vec<u64>)| {
        let permille = rates::variation_permille(rates);
        let is_off = permille.is_none_or(|permille| permille > VARIATION_MAX_PERMILLE);
        is_off.then(|| format!("{name} varies by {permille:?} permille: {rates:?}"))
    };
    rates.iter().filter_map(off).collect()
}

/// Writes all reports and their summary; gives the model's folder.
fn record(runs: &[Run], rates: &BTreeMap<&'static str, Vec<u64>>) -> anyhow::Result<PathBuf> {
    let first = runs.first().context("no run")?;
    let model = first.document["verdict"]["evidence"][0]["model"].as_str();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let model = model.filter(|model| model.chars().all(is_plain));
    let recorded = root().join("gpu-probe/tests/recorded");
    let folder = recorded.join(model.unwrap_or("unknown"));
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    for (number, run) in (1..).zip(runs) {
        write(
            &folder.join(format!("{number:02}.json")),
            &run.document["report"],
        )?;
    }
    let of_rate = |(name, rates): (&&'static str, &Vec<u64>)| {
        let variation = rates::variation_permille(rates);
        let summary = json!({ "median": rates::median(rates), "variation_permille": variation });
        ((*name).to_owned(), summary)
    };
    let report = &first.document["report"]["report"];
    let took: Vec<u128> = runs.iter().map(|run| run.took.as_millis()).collect();
    let copies: Vec<&Value> = runs
        .iter()
        .map(|run| &run.document["driver_copy_mb_per_s"][0])
        .collect();
    let summary = json!({
        "name": report["devices"][0]["identity"]["cuda"]["name"],
        "driver": report["driver"],
        "kernels_sha256": report["kernels_sha256"],
        "took_ms": took,
        "driver_copy_mb_per_s": copies,
        "rates": rates.iter().map(of_rate).collect::<serde_json::Map<_, _>>(),
    });
    write(&folder.join("measured.json"), &summary)?;
    Ok(folder)
}

fn write(path: &Path, value: &Value) -> anyhow::Result<()> {
    let text = serde_json::to_string(value)? + "\n";
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(copy_ns: u64, driver: Option<u64>, outcome: &str) -> Value {
        let copy = json!({ "bytes": 2_000_000, "timing": { "event_ns": [copy_ns] } });
        let bandwidth = json!({ "measured": { "copy": copy } });
        json!({
            "verdict": { "outcome": outcome, "reasons": [] },
            "driver_copy_mb_per_s": [driver],
            "report": { "report": { "devices": [{ "bandwidth": bandwidth }] } },
        })
    }

    #[test]
    fn a_copy_far_below_the_drivers_or_beside_none_is_a_problem() {
        let count = |copy_ns, driver, outcome| judged(&document(copy_ns, driver, outcome)).count();
        assert_eq!(count(1_000, Some(2_000_000), "pass"), 0);
        assert_eq!(count(1_052, Some(2_000_000), "pass"), 0);
        assert_eq!(count(1_054, Some(2_000_000), "pass"), 1);
        assert_eq!(count(1_000, None, "pass"), 1);
        assert_eq!(count(1_000, Some(2_000_000), "fail"), 1);
    }

    #[test]
    fn a_machine_without_a_card_is_named_so_and_never_passes() {
        use std::os::unix::process::ExitStatusExt;
        let output = Output {
            status: std::process::ExitStatus::from_raw(EXIT_COULD_NOT_RUN << 8),
            stdout: vec![],
            stderr: b"no driver".to_vec(),
        };
        let error = super::document(&output)
            .map(|_| ())
            .map_err(|e| e.to_string());
        let said = error.err().unwrap_or_default();
        assert!(
            said.contains("no GPU") && said.contains("no driver"),
            "{said}"
        );
    }

    #[test]
    fn rates_that_vary_are_named() {
        let rates = BTreeMap::from([
            ("steady", vec![1_000, 1_010, 990]),
            ("wild", vec![1_000, 1_100, 900]),
            ("absent", vec![]),
        ]);
        let named = unsteady(&rates);
        assert_eq!(named.len(), 2, "{named:?}");
        assert!(named[0].starts_with("absent") && named[1].starts_with("wild"));
    }
}
