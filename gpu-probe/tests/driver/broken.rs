//! Proofs that break off: what was measured is told all the same, and nothing waits for the driver.

use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::exchange::verdict_at;
use super::process::{probe, words};
use super::{fake, fake::honest};
use gpu_probe::bench::Scale;
use gpu_probe::report::Kind;
use gpu_probe::verdict::ReasonCode;

const SELF_CHECK: &[&str] = &["run", "--json", "--self-check"];

/// The document of a run whose proofs could not be made, and its device.
fn unproven(output: &Output) -> (Value, Value) {
    let document: Value = serde_json::from_slice(&output.stdout).expect("one document");
    assert!(document["verdict"].is_null(), "{}", words(output));
    let device = document["report"]["report"]["devices"][0].clone();
    (document, device)
}

#[test]
fn a_self_check_makes_both_proofs_and_checks_what_they_open() {
    let output = probe(fake::library(), &honest(), SELF_CHECK);
    let document: Value = serde_json::from_slice(&output.stdout).expect("one document");
    assert!(document["proof_error"].is_null(), "{}", words(&output));
    let device = &document["report"]["report"]["devices"][0];
    for proof in ["matrix", "vram"] {
        assert!(device[proof]["measured"].is_object(), "{}", device[proof]);
    }
    let verdict = document["verdict"].to_string();
    assert_eq!(document["verdict"]["evidence"][0]["model"], fake::CARD);
    // An interpreter is slow by the real clock that counts here, but right.
    for code in [
        "row_wrong",
        "block_wrong",
        "openings_missing",
        "roots_missing",
    ] {
        assert!(!verdict.contains(code), "{verdict}");
    }
    let mut spec = honest();
    spec["skip"] = json!(["matrix_multiply"]);
    let output = probe(fake::library(), &spec, SELF_CHECK);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("row_wrong"), "{said}");
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
}

#[test]
fn benchmarks_are_told_where_there_is_no_memory_for_the_proofs() {
    let mut spec = honest();
    spec["refuse_above_bytes"] = json!(200_000);
    let output = probe(fake::library(), &spec, SELF_CHECK);
    assert_eq!(output.status.code(), Some(69), "{}", words(&output));
    let (document, device) = unproven(&output);
    let error = document["proof_error"].to_string();
    assert!(error.contains("262144 bytes"), "{error}");
    for proof in ["matrix", "vram"] {
        let reason = device[proof]["could_not_run"]["reason"].to_string();
        assert!(reason.contains("TDM-8005"), "{proof}: {reason}");
    }
    for name in ["census", "isa_gate", "fp32", "pcie", "launch"] {
        assert!(device[name]["measured"].is_object(), "{}", device[name]);
    }
}

#[test]
fn a_fault_in_a_proof_is_the_cards_failure_and_is_told_in_a_report() {
    let mut spec = honest();
    spec["fail_launch"] = json!(1);
    let output = probe(fake::library(), &spec, SELF_CHECK);
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    let (document, device) = unproven(&output);
    let error = document["proof_error"].to_string();
    assert!(error.contains("CUDA_ERROR_LAUNCH_FAILED"), "{error}");
    assert!(device["matrix"]["failed"].is_object(), "{device}");
}

#[test]
fn a_proof_that_hangs_ends_with_a_report_and_nothing_waits_for_the_driver() {
    let mut spec = honest();
    spec["hang_launch"] = json!(1);
    let begun = Instant::now();
    let output = probe(fake::library(), &spec, SELF_CHECK);
    // The library's own end waits longer.
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(60), "{took:?}");
    assert_eq!(output.status.code(), Some(69), "{}", words(&output));
    let (document, _) = unproven(&output);
    let error = document["proof_error"].to_string();
    assert!(error.contains("did not end within"), "{error}");
}

#[test]
fn a_card_that_cannot_be_warmed_up_proves_its_work_all_the_same() {
    let mut spec = honest();
    spec["refuse_above_bytes"] = json!(4 << 20);
    let scale = Scale {
        warm_up_ms: 1,
        gemm_n: 2_048,
        ..Scale::tiny()
    };
    let verdict = verdict_at(&scale, Kind::Quick, &spec).expect("a verdict");
    assert!(verdict.has(ReasonCode::MeasurementMissing), "{verdict:?}");
    assert!(!verdict.has(ReasonCode::MatrixTooSlow), "{verdict:?}");
}
