//! The example files of this repository: how they are read and classified, as snapshots.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::PathBuf;

use serde_json::json;
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
