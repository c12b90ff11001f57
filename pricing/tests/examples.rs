//! The example files of this repository: how they are read and classified, as snapshots.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::PathBuf;
use std::process::Command;

use serde_json::json;
use sha2::{Digest, Sha256};
use tandem_pricing::classify::classify;
use tandem_pricing::files;

fn examples() -> Vec<(String, String)> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples"));
    let mut found: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "yaml" || e == "yml"))
        .map(|p| {
            let name = p.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(p).unwrap())
        })
        .collect();
    found.sort();
    found
}

#[test]
fn every_example_is_understood_and_classified_as_in_its_snapshot() {
    let examples = examples();
    assert!(examples.len() >= 7);
    for (name, text) in examples {
        let document = files::read(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let shown = json!({
            "workload": document.submittable().unwrap(),
            "notes": document.notes,
            "classification": classify(&document),
        });
        insta::assert_json_snapshot!(name, shown);
    }
}

/// Runs the digest training with a real shell; the digest that it prints.
fn digest(folder: &std::path::Path, steps: u32, restored: Option<u32>) -> String {
    let (_, text) = examples()
        .into_iter()
        .find(|(n, _)| n == "digest-training.yaml")
        .unwrap();
    let workload = files::read(&text).unwrap().workload.unwrap();
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", &workload.run])
        .envs(&workload.env)
        .env("STEPS", steps.to_string())
        .env("STEP_SECONDS", "0")
        .env("TANDEM_CHECKPOINT_DIR", folder.join("checkpoints"))
        .env("TANDEM_PROGRESS_FILE", folder.join("progress"))
        .env("TANDEM_OUTPUT_FILE", folder.join("output"));
    if let Some(step) = restored {
        command.env("TANDEM_RESTORED_STEP", step.to_string());
    }
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said = String::from_utf8(output.stdout).unwrap();
    said.lines()
        .last()
        .unwrap()
        .strip_prefix("digest ")
        .unwrap()
        .to_owned()
}

#[test]
fn the_digest_training_ends_with_the_same_digest_when_it_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let expected = (1..=12).fold("tandem".to_owned(), |state, step| {
        let digest = Sha256::digest(format!("{state} {step}"));
        digest.iter().map(|b| format!("{b:02x}")).collect()
    });
    assert_eq!(digest(folder.path(), 12, None), expected);
    assert_eq!(digest(folder.path(), 12, Some(5)), expected);
    let progress = std::fs::read_to_string(folder.path().join("progress")).unwrap();
    assert_eq!(progress, "12 12");
}
