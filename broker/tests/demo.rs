//! The demo as a person runs it, with the agent as a separate process started by the sandbox.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Runs the demo on a folder of further workload files and returns its summary and its story.
fn demo(workloads: &str) -> (Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tandem"))
        .args(["demo", "--json", "--speed", "10", "--workloads", workloads])
        .output()
        .expect("tandem starts");
    let story = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{story}");
    let summary = serde_json::from_slice(&output.stdout);
    (summary.unwrap_or_else(|e| panic!("{e}: {story}")), story)
}

fn check(summary: &Value) {
    let number = |name: &str| {
        summary[name]
            .as_u64()
            .unwrap_or_else(|| panic!("no {name} in {summary:#}"))
    };
    assert!(number("jobs") >= 6);
    assert_eq!(number("succeeded"), number("jobs"));
    for never in ["lost_jobs", "double_placements", "still_rented"] {
        assert_eq!(number(never), 0, "{never}: {summary:#}");
    }
    for always in [
        "failovers_within_network",
        "failovers_across_networks",
        "incidents",
        "charged_micro_usd",
        "delivered_gpu_seconds",
        "max_detection_seconds",
        "max_replacement_seconds",
    ] {
        assert!(number(always) > 0, "{always}: {summary:#}");
    }
    let moves = number("failovers_within_network") + number("failovers_across_networks");
    assert_eq!(number("placements"), number("jobs") + moves);
    assert_eq!(summary["digest"], summary["digest_expected"]);
    assert_eq!(number("charged_micro_usd"), number("ledger_micro_usd"));
    assert!(number("delivered_gpu_seconds") <= number("truth_gpu_seconds"));
    for line in summary["job_lines"].as_array().expect("a line a job") {
        let delivered = line["delivered_gpu_seconds"].as_u64();
        assert!(delivered <= line["truth_gpu_seconds"].as_u64(), "{line:#}");
    }
    for url in ["sandbox_url", "broker_url"] {
        let url = summary[url].as_str().expect("a URL");
        assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    }
}

#[test]
fn every_job_of_ours_ends_well_and_the_moved_training_gives_the_same_digest() {
    let (summary, story) = demo("/nonexistent");
    assert_eq!(summary["jobs"], 10);
    check(&summary);
    for told in [
        "dies under digest-training",
        "goes on from step",
        "falls silent",
        "is incident",
        "is healed",
        "done after 100 steps",
    ] {
        assert!(story.contains(told), "`{told}` is not told: {story}");
    }
    for format in [" tandem ", " skypilot ", " dstack "] {
        assert!(story.contains(format), "{format}: {story}");
    }
}

#[test]
fn files_of_other_people_are_placed_too_where_they_are_at_hand() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/workloads");
    if !Path::new(folder).is_dir() {
        println!("no further workload files at {folder}: ours alone were placed");
        return;
    }
    let (summary, _) = demo(folder);
    assert!(summary["jobs"].as_u64().expect("a number") > 15);
    check(&summary);
}

#[test]
fn a_folder_that_holds_an_earlier_demo_is_left_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(folder.path().join("data")).expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_tandem"))
        .args(["demo", "--keep"])
        .arg(folder.path())
        .output()
        .expect("tandem starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        told.contains("TDM-5006") && told.contains("hint:"),
        "{told}"
    );
}

/// Processes whose environment names a folder.
fn processes_of(folder: &Path) -> usize {
    let name = folder.to_str().expect("a plain path").as_bytes();
    let environments = std::fs::read_dir("/proc").expect("Linux").flatten();
    environments
        .filter_map(|entry| std::fs::read(entry.path().join("environ")).ok())
        .filter(|environment| environment.windows(name.len()).any(|w| w == name))
        .count()
}

/// Starts the demo, waits until the real training runs, ends it in some way, and checks that
/// nothing of it is left.
fn ended_in_the_middle(end: impl FnOnce(&mut std::process::Child)) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut child = Command::new(env!("CARGO_BIN_EXE_tandem"))
        .args(["demo", "--workloads", "/nonexistent", "--keep"])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("tandem starts");
    let mut story = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    while !(line.contains("digest-training") && line.contains("agent bound")) {
        line.clear();
        let read = story.read_line(&mut line).expect("text");
        assert!(read > 0, "the demo ended early");
    }
    assert!(processes_of(folder.path()) > 0, "real processes run");
    end(&mut child);
    drop(story);
    let mut told = String::new();
    let errors = child.stderr.take().expect("piped");
    BufReader::new(errors)
        .read_to_string(&mut told)
        .expect("text");
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(1), "{told}");
    assert!(told.contains("hint:"), "{told}");
    // What was killed may take a moment to be gone; the training itself would take far longer.
    let gone_by = Instant::now() + Duration::from_secs(3);
    while processes_of(folder.path()) > 0 {
        assert!(Instant::now() < gone_by, "processes are left: {told}");
        std::thread::yield_now();
    }
}

#[test]
fn a_demo_that_is_interrupted_leaves_no_process_behind() {
    for signal in ["-INT", "-TERM"] {
        ended_in_the_middle(|child| {
            let id = child.id().to_string();
            let sent = Command::new("kill").args([signal, &id]).status();
            assert!(sent.is_ok_and(|s| s.success()));
        });
    }
}

#[test]
fn a_demo_that_nobody_reads_any_more_leaves_no_process_behind() {
    ended_in_the_middle(|_| {});
}

#[test]
fn two_demos_at_once_do_not_disturb_each_other() {
    let other = std::thread::spawn(|| demo("/nonexistent"));
    check(&demo("/nonexistent").0);
    check(&other.join().expect("the other ends too").0);
}
