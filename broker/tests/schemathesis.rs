//! The served API against its own OpenAPI document, by Schemathesis: a real broker over both
//! emulated networks, asked everything that the document allows and much that it does not.
//!
//! Every check is on. What is left out is said in the files of `schemathesis/`, each with its
//! reason.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

#[path = "cli_serve/process.rs"]
#[allow(
    dead_code,
    reason = "shared with the tests of the commands, which use more"
)]
mod process;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use process::{Home, Started, text};
use serde_json::Value;

/// Far more than any key may ask: what is tried here is not the limit.
const LIMITS: [(&str, &str); 2] = [
    ("TANDEM__LIMITS__REQUESTS_PER_SECOND", "10000"),
    ("TANDEM__LIMITS__BURST", "10000"),
];
/// The same requests in every run.
const SEED: &str = "20260";
const JOB: &str = "examples/render-blender.yaml";

/// A key is revoked in a test of its own; a job needs the token of a quote, which nobody can make
/// up; the document itself is read first and not asked for again; and no made-up text is a pricing
/// policy, so none is tried beside the live one, nor is there a version to roll back to (the stories
/// of policies over HTTP have all of it).
const WITHOUT_SUCCESS: [&str; 9] = [
    "DELETE /v1/keys/{id}",
    "POST /v1/jobs",
    "GET /openapi.json",
    "POST /v1/policies",
    "POST /v1/policies/check",
    "POST /v1/policies/diff",
    "POST /v1/policies/rollback",
    "PUT /v1/policies/shadow",
    "GET /v1/policies/shadow",
];

/// Answers of each operation by status.
type Statuses = BTreeMap<String, BTreeMap<u64, usize>>;

fn tool() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let path = root.join(".tools/venv/bin/schemathesis");
    assert!(
        path.exists(),
        "{} is missing: run `cargo xtask setup`",
        path.display()
    );
    path
}

fn broker(home: &Home) -> Started {
    home.serve_with(&["--sandbox", "--speed", "10"], &LIMITS)
}

fn key(broker: &Started) -> &str {
    broker.ready["admin_key"].as_str().unwrap()
}

/// Runs it with a file of `schemathesis/` and more, and says what was answered.
fn run(
    home: &Home,
    broker: &Started,
    with: &str,
    more: &[&str],
    values: &[(&str, &str)],
) -> Statuses {
    let config = format!(
        "{}/tests/schemathesis/{with}.toml",
        env!("CARGO_MANIFEST_DIR")
    );
    let report = home.path().join("report.ndjson");
    let mut command = Command::new(tool());
    command
        .args(["--no-color", "--config-file", &config, "run"])
        .arg(format!("{}/openapi.json", broker.url))
        .args(["--seed", SEED, "--generation-database", "none"])
        .args(["--continue-on-failure", "--request-timeout", "10"])
        .args(["--report", "ndjson", "--report-ndjson-path"])
        .arg(&report)
        .args(more)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home.path())
        .envs(values.iter().copied())
        .current_dir(home.path());
    let ended = command.output().unwrap();
    let told = text(&ended.stdout) + &text(&ended.stderr);
    assert!(ended.status.success(), "{told}");
    statuses(&std::fs::read_to_string(report).unwrap())
}

fn statuses(report: &str) -> Statuses {
    let mut all = Statuses::new();
    for line in report.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let recorder = &event["ScenarioFinished"]["recorder"];
        let exchanges = recorder["interactions"].as_object();
        for exchange in exchanges.into_iter().flat_map(|all| all.values()) {
            let label = recorder["label"].as_str().unwrap().to_owned();
            if let Some(status) = exchange["response"]["status_code"].as_u64() {
                *all.entry(label).or_default().entry(status).or_default() += 1;
            }
        }
    }
    all
}

/// Operations of the document as the report names them.
fn operations() -> Vec<String> {
    let listed = tandem::http::routes::listed();
    listed
        .into_iter()
        .map(|(m, p)| format!("{m} {p}"))
        .collect()
}

/// Whether an operation did what it is for at least once.
fn succeeded(statuses: &Statuses, operation: &str) -> bool {
    let answers = statuses.get(operation);
    answers.is_some_and(|all| all.keys().any(|status| (200..300).contains(status)))
}

#[test]
fn every_answer_is_one_that_the_document_promises() {
    let home = Home::new();
    let broker = broker(&home);
    broker.until_quoted(&home, JOB);
    let submit = |more: &[&str]| {
        let made = home.json(&broker, &[&["submit", JOB, "--yes"], more].concat());
        made["id"].as_str().unwrap().to_owned()
    };
    // The first has ended, so that its streams end too.
    let (job, other) = (submit(&["--watch"]), submit(&[]));
    let nodes = home.json(&broker, &["nodes"]);
    let node = nodes["items"][0]["uuid"].as_str().unwrap();
    let values = [
        ("TANDEM_API_KEY", key(&broker)),
        ("JOB", &job),
        ("JOB_TO_CANCEL", &other),
        ("NODE", node),
    ];
    let more = [
        "--max-examples",
        "20",
        "--exclude-operation-id",
        "revoke_key",
    ];
    let statuses = run(&home, &broker, "whole", &more, &values);
    let wanted = operations().into_iter();
    let wanted = wanted.filter(|operation| !WITHOUT_SUCCESS.contains(&operation.as_str()));
    let failed: Vec<_> = wanted.filter(|o| !succeeded(&statuses, o)).collect();
    assert!(failed.is_empty(), "{failed:?} of {statuses:?}");
    broker.stop();
}

// Apart from the rest: with the list of keys at hand, the tool revokes the key that it uses.
#[test]
fn keys_are_made_and_revoked_as_the_document_promises() {
    let home = Home::new();
    let broker = broker(&home);
    let values = [("TANDEM_API_KEY", key(&broker))];
    let only = ["create_key", "revoke_key"].map(|id| ["--include-operation-id", id]);
    let more = [&["--max-examples", "10"][..], &only.concat()].concat();
    let statuses = run(&home, &broker, "keys", &more, &values);
    for operation in ["POST /v1/keys", "DELETE /v1/keys/{id}"] {
        assert!(succeeded(&statuses, operation), "{operation}: {statuses:?}");
    }
    broker.stop();
}

#[test]
fn without_a_key_every_request_of_the_api_is_refused_alike() {
    let home = Home::new();
    let broker = broker(&home);
    let more = ["--max-examples", "5", "--include-path-regex", "^/v1/"];
    let statuses = run(&home, &broker, "no_key", &more, &[]);
    for operation in operations().iter().filter(|o| o.contains(" /v1/")) {
        let answers: Vec<_> = statuses[operation].keys().collect();
        assert_eq!(answers, [&401], "{operation}");
    }
    broker.stop();
}
