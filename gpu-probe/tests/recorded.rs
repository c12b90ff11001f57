//! Every report that was recorded on a real card (`tests/recorded/README.md`), judged again: what
//! passed on the card must not fail by a later change of the verifier.

#![allow(clippy::unwrap_used, reason = "tests assert by panicking")]

use std::path::{Path, PathBuf};

use gpu_probe::report::SignedReport;
use gpu_probe::verdict::{ReasonCode, VerdictOutcome};
use gpu_probe::verify::{Facts, Policy, judge_stored};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded")
}

/// Model and file of every report.
fn reports() -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for model in std::fs::read_dir(folder()).unwrap() {
        let model = model.unwrap();
        if !model.file_type().unwrap().is_dir() {
            continue;
        }
        for file in std::fs::read_dir(model.path()).unwrap() {
            let path = file.unwrap().path();
            let is_summary = path.file_name().is_some_and(|name| name == "measured.json");
            if path.extension().is_some_and(|e| e == "json") && !is_summary {
                found.push((model.file_name().into_string().unwrap(), path));
            }
        }
    }
    found
}

#[test]
fn every_recorded_report_is_judged_as_its_card_and_does_not_fail() {
    for (model, path) in reports() {
        let signed = SignedReport::parse(&std::fs::read(&path).unwrap()).unwrap();
        let verdict = judge_stored(&signed, &Policy::default(), &Facts::default());
        let shown = format!("{}: {verdict:?}", path.display());
        assert_ne!(verdict.outcome, VerdictOutcome::Fail, "{shown}");
        assert!(!verdict.evidence.is_empty(), "{shown}");
        for card in &verdict.evidence {
            assert_eq!(card.model.as_deref(), Some(model.as_str()), "{shown}");
        }
        let mut changed = signed;
        changed.report.started_at_unix_ms ^= 1;
        let verdict = judge_stored(&changed, &Policy::default(), &Facts::default());
        assert!(verdict.has(ReasonCode::SignatureInvalid), "{shown}");
    }
}

#[test]
fn the_folder_says_whether_anything_was_recorded() {
    let readme = std::fs::read_to_string(folder().join("README.md")).unwrap();
    let says_none = readme.contains("Recorded so far: none.");
    assert_eq!(
        says_none,
        reports().is_empty(),
        "mend the README's last line"
    );
}
