//! The demo as a person runs it, with the agent as a separate process started by the sandbox.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Runs the demo on a folder of further workload files and returns its summary.
fn demo(workloads: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_tandem"))
        .args(["demo", "--json", "--workloads", workloads])
        .output()
        .expect("tandem starts");
    let story = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{story}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {story}"))
}

fn check(summary: &Value) {
    let number = |name: &str| {
        summary[name]
            .as_u64()
            .unwrap_or_else(|| panic!("no {name}"))
    };
    assert_eq!(number("succeeded"), number("jobs"));
    for never in ["lost_jobs", "double_placements", "pointers_gone_back"] {
        assert_eq!(number(never), 0, "{never}");
    }
    assert!(number("failovers_across_networks") >= 1);
    assert_eq!(summary["digest"], summary["digest_expected"]);
    assert!(number("charged_micro_usd") > 0);
    assert!(number("delivered_gpu_seconds") <= number("truth_gpu_seconds"));
    assert!(
        summary["sandbox_url"]
            .as_str()
            .expect("as the test set it up")
            .starts_with("http://127.0.0.1:")
    );
}

#[test]
fn every_job_of_ours_ends_well_and_the_moved_training_gives_the_same_digest() {
    let summary = demo("/nonexistent");
    assert_eq!(summary["jobs"], 7);
    check(&summary);
}

#[test]
fn files_of_other_people_are_placed_too_where_they_are_at_hand() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/workloads");
    if !Path::new(folder).is_dir() {
        println!("no further workload files at {folder}: ours alone were placed");
        return;
    }
    let summary = demo(folder);
    assert!(summary["jobs"].as_u64().expect("as the test set it up") > 15);
    check(&summary);
}
