//! Every report that was recorded on a real card (`tests/recorded/README.md`), judged again: what
//! passed on the card must not fail by a later change of the verifier.

#![allow(clippy::unwrap_used, reason = "tests assert by panicking")]

use std::path::{Path, PathBuf};

use gpu_probe::emulate::{Answer, EmulatedGpu, EmulatedProver};
use gpu_probe::exchange::ProverMessage;
use gpu_probe::report::{Kind, SignedReport};
use gpu_probe::verdict::{Evidence, ReasonCode, VerdictOutcome};
use gpu_probe::verify::{Facts, Policy, Session, judge_stored};
use tandem_model::gpu::GpuModel;

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

/// What is wrong with a report as it is judged under a policy; nothing when it is of a card of the
/// model and does not fail.
fn trouble(model: &str, signed: &SignedReport, policy: &Policy) -> Option<String> {
    let verdict = judge_stored(signed, policy, &Facts::default());
    let is_model = |card: &Evidence| card.model.as_deref() == Some(model);
    let is_right = verdict.outcome != VerdictOutcome::Fail
        && !verdict.evidence.is_empty()
        && verdict.evidence.iter().all(is_model);
    let mut changed = signed.clone();
    changed.report.started_at_unix_ms ^= 1;
    let changed = judge_stored(&changed, policy, &Facts::default());
    let is_sealed = changed.has(ReasonCode::SignatureInvalid);
    (!is_right || !is_sealed).then(|| format!("{verdict:?}"))
}

#[test]
fn every_recorded_report_is_judged_as_its_card_and_does_not_fail() {
    for (model, path) in reports() {
        let signed = SignedReport::parse(&std::fs::read(&path).unwrap()).unwrap();
        let trouble = trouble(&model, &signed, &Policy::default());
        assert_eq!(trouble, None, "{}", path.display());
    }
}

/// The report of an emulated card, at the end of its exchange.
fn emulated(model: &str) -> SignedReport {
    let mut session = Session::new(Policy::sandbox(), Facts::default(), Kind::Quick, [5; 32], 0);
    let mut prover = EmulatedProver::new(&EmulatedGpu {
        model: GpuModel::by_id(model).unwrap(),
        gpus: 1,
        claims: None,
        seed: 7,
    });
    let mut message = prover.hello();
    loop {
        if let ProverMessage::Report(signed) = message {
            return *signed;
        }
        let reply = session.step(message, 20).unwrap();
        while let Some(check) = session.take_check() {
            session.checked(check.run());
        }
        let Answer::Send(next) = prover.answer(reply).unwrap() else {
            panic!("a verdict without a report");
        };
        message = *next;
    }
}

#[test]
fn the_judgement_of_recordings_refuses_another_card_and_one_that_is_not_there() {
    let signed = emulated("rtx4090");
    assert_eq!(trouble("rtx4090", &signed, &Policy::sandbox()), None);
    assert!(trouble("rtx3090", &signed, &Policy::sandbox()).is_some());
    assert!(trouble("rtx4090", &signed, &Policy::default()).is_some());
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
