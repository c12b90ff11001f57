//! What is wrong with recorded probes: each by itself, and their rates beside one another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;

use super::program::Program;
use super::record::{Record, Run, SUMMARY};
use super::{QUICK_MAX, rates};

/// Most coefficient of variation of a rate over all runs, in thousandths.
const VARIATION_MAX_PERMILLE: u64 = 20;
/// Least copy bandwidth, in thousandths of the driver's own copy in the same run.
const DRIVER_COPY_MIN_PERMILLE: u64 = 950;

/// What is wrong with what lies in a folder, or in the folders in it: as it was seen on the card, and
/// as today's verifier has it.
pub(super) fn folder(folder: &Path, program: &Program) -> anyhow::Result<Vec<String>> {
    // The program is started in the repository's root.
    let folder = std::fs::canonicalize(folder);
    let folder = folder.context("--judge names a folder that cannot be read")?;
    let mut problems = Vec::new();
    for folder in recorded(&folder)? {
        let (recorded, others) = Record::read(&folder)?;
        problems.extend(runs(&recorded));
        problems.extend(others);
        for report in reports(&folder)? {
            let shown = report.display();
            match program.verify(&report) {
                Ok(verdict) => {
                    println!("{shown}: {}", verdict["outcome"]);
                    if verdict["outcome"] == "fail" {
                        problems.push(format!("{shown}: {}", verdict["reasons"]));
                    }
                }
                Err(error) => problems.push(format!("{error:#}")),
            }
        }
    }
    Ok(problems)
}

/// The folders that hold a summary.
fn recorded(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut folders = entries(folder)?;
    folders.push(folder.to_owned());
    folders.retain(|folder| folder.join(SUMMARY).is_file());
    if folders.is_empty() {
        let shown = folder.display();
        bail!("--judge {shown}: no {SUMMARY} in it or in a folder of it: unpack the tar first");
    }
    Ok(folders)
}

fn reports(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = entries(folder)?;
    files.retain(|path| path.extension().is_some_and(|end| end == "json"));
    files.retain(|path| path.file_name().is_some_and(|name| name != SUMMARY));
    Ok(files)
}

fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let found = std::fs::read_dir(folder).and_then(|entries| {
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        paths.collect::<Result<Vec<_>, _>>()
    });
    let mut paths = found.with_context(|| format!("cannot read {}", folder.display()))?;
    paths.sort_unstable();
    Ok(paths)
}

/// What is wrong with some runs.
pub(super) fn runs(runs: &[Run]) -> Vec<String> {
    let mut problems = Vec::new();
    for run in runs {
        let mut found: Vec<String> = run.problem.iter().cloned().collect();
        if u128::from(run.took_ms) > QUICK_MAX.as_millis() {
            found.push(format!("took {} ms", run.took_ms));
        }
        found.extend(run.document.iter().flat_map(one));
        let number = run.number;
        problems.extend(
            found
                .iter()
                .map(|problem| format!("run {number}: {problem}")),
        );
    }
    let documents: Vec<&Value> = runs
        .iter()
        .filter_map(|run| run.document.as_ref())
        .collect();
    if !documents.is_empty() {
        problems.extend(unsteady(
            &rates::of(documents.iter().copied()),
            documents.len(),
        ));
    }
    problems
}

/// What is wrong with one run: its own check, which holds the integer products to their formulas,
/// and its copy beside the driver's.
fn one(document: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let verdict = &document["verdict"];
    if let Some(error) = document["proof_error"].as_str() {
        problems.push(format!("no proofs: {error}"));
    } else if verdict["outcome"] != "pass" {
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
    problems
}

/// Rates that vary, or that too few of `count` runs give; one run alone shows no variation.
fn unsteady(rates: &BTreeMap<&'static str, Vec<u64>>, count: usize) -> Vec<String> {
    let off = |(name, rates): (&&str, &Vec<u64>)| {
        let permille = rates::variation_permille(rates);
        let is_off = match permille {
            Some(permille) => permille > VARIATION_MAX_PERMILLE,
            None => rates.is_empty() || count > 1,
        };
        is_off.then(|| format!("{name} varies by {permille:?} permille: {rates:?}"))
    };
    rates.iter().filter_map(off).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
        let count = |copy_ns, driver, outcome| one(&document(copy_ns, driver, outcome)).len();
        assert_eq!(count(1_000, Some(2_000_000), "pass"), 0);
        assert_eq!(count(1_052, Some(2_000_000), "pass"), 0);
        assert_eq!(count(1_054, Some(2_000_000), "pass"), 1);
        assert_eq!(count(1_000, None, "pass"), 1);
        assert_eq!(count(1_000, Some(2_000_000), "fail"), 1);
    }

    #[test]
    fn a_run_without_a_report_and_one_without_proofs_are_problems_beside_good_ones() {
        let run = |number, document, problem: Option<&str>| Run {
            number,
            took_ms: 9_000,
            document,
            problem: problem.map(str::to_owned),
        };
        let mut broken = document(1_000, Some(2_000_000), "pass");
        broken["verdict"] = Value::Null;
        broken["proof_error"] = json!("a kernel faulted");
        let found = runs(&[
            run(1, Some(document(1_000, Some(2_000_000), "pass")), None),
            run(2, None, Some("ended with signal 9 and no report")),
            run(3, Some(broken), Some("ended with 69")),
        ]);
        let of = |start: &str| found.iter().filter(|p| p.starts_with(start)).count();
        assert_eq!(
            (of("run 1"), of("run 2"), of("run 3")),
            (0, 1, 2),
            "{found:?}"
        );
        assert!(found.iter().any(|p| p.contains("a kernel faulted")));
        let late = Run {
            took_ms: 15_001,
            ..run(1, None, None)
        };
        assert_eq!(runs(&[late]), ["run 1: took 15001 ms"]);
    }

    #[test]
    fn rates_that_vary_are_named() {
        let rates = BTreeMap::from([
            ("steady", vec![1_000, 1_010, 990]),
            ("wild", vec![1_000, 1_100, 900]),
            ("absent", vec![]),
        ]);
        let named = unsteady(&rates, 3);
        assert_eq!(named.len(), 2, "{named:?}");
        assert!(named[0].starts_with("absent") && named[1].starts_with("wild"));
        let once = BTreeMap::from([("once", vec![1_000]), ("absent", vec![])]);
        assert_eq!(unsteady(&once, 1).len(), 1, "one run has no variation");
    }
}
