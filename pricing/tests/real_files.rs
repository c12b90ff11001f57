//! The readers, the classifier and the launch plan on workload files published by others.
//!
//! Those files are not part of this repository; where they are absent the tests say so and pass.

use std::path::PathBuf;

use tandem_pricing::files::{self, Document};

/// Every file with its name, in order; empty when the folder is absent.
fn corpus() -> Vec<(String, String)> {
    let folder = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/data/workloads"
    ));
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("absent, so not checked: {}", folder.display());
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "yaml"))
        .map(|p| {
            let name = p.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(p).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// Files of the two importers' formats.
fn importable() -> Vec<(String, Document)> {
    corpus()
        .into_iter()
        .filter_map(|(name, text)| {
            let document = files::look(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
            document
                .format
                .can_be_submitted()
                .then_some((name, document))
        })
        .collect()
}

#[test]
fn every_importable_file_parses_or_is_refused_with_a_field_and_a_line_each() {
    let files = importable();
    if files.is_empty() {
        return;
    }
    assert_eq!(files.len(), 36);
    for (name, document) in &files {
        for error in &document.refusals {
            assert!(
                error.line >= 1 && !error.field.is_empty(),
                "{name}: {error}"
            );
            println!("{name}: {error}");
        }
        assert_eq!(
            document.workload.is_some(),
            document.refusals.is_empty(),
            "{name}"
        );
    }
    let parsed = files.iter().filter(|(_, d)| d.workload.is_some()).count();
    println!("{parsed} of {} are understood", files.len());
}
