//! Machines that lie, each refused for its own reason; and honest ones, which nothing fails.

use gpu_probe::prover::ProverError;
use gpu_probe::report::Kind;
use gpu_probe::verdict::{Effect, Reason, ReasonCode};
use serde_json::{Value, json};
use tandem_model::error::ErrorCode;

use super::exchange::{failures, verdict, verdict_of};
use super::fake::{CARD, card, honest};

/// An honest machine with some of its card's values replaced.
fn card_with(values: &[(&str, Value)]) -> Value {
    let mut spec = honest();
    for (name, value) in values {
        spec["cards"][0][*name] = value.clone();
    }
    spec
}

fn fails_with(spec: &Value, code: ReasonCode) {
    let found = failures(spec);
    assert!(found.contains(&code), "{code:?} is not among {found:?}");
}

#[test]
fn memory_whose_pages_are_shared_gives_wrong_blocks() {
    let spec = card_with(&[("real_bytes", json!(3 << 19))]);
    fails_with(&spec, ReasonCode::BlockWrong);
}

#[test]
fn memory_that_is_computed_again_instead_of_read_is_too_slow() {
    let spec = card_with(&[("recomputes", json!(true))]);
    let found = failures(&spec);
    assert!(found.contains(&ReasonCode::VramTooSlow), "{found:?}");
    assert!(!found.contains(&ReasonCode::BlockWrong), "{found:?}");
}

#[test]
fn one_chip_shown_as_two_cards_is_too_slow_for_both() {
    let (first, mut second) = (card(CARD, 1), card(CARD, 2));
    let two = json!({ "cards": [first.clone(), second.clone()] });
    assert_eq!(failures(&two), [], "two honest cards");
    second["chip"] = json!(0);
    let spec = json!({ "cards": [first, second] });
    fails_with(&spec, ReasonCode::MatrixTooSlow);
}

#[test]
fn canned_products_do_not_survive_the_rows_that_are_opened() {
    let mut spec = honest();
    spec["skip"] = json!(["matrix_multiply"]);
    fails_with(&spec, ReasonCode::RowWrong);
}

#[test]
fn tensor_products_that_are_not_the_operands_give_no_rate() {
    let mut spec = honest();
    spec["skip"] = json!(["gemm_bf16"]);
    let verdict = verdict(&spec).expect("a verdict");
    let about = |name: &str| {
        let mut details = verdict.reasons.iter().map(|r| r.detail.as_str());
        details
            .find(|detail| detail.starts_with(name))
            .map(str::to_owned)
    };
    let said = about("tensor_bf16").expect("no rate");
    assert!(said.contains("wrong numbers"), "{said}");
    assert_eq!(about("tensor_f16"), None, "{verdict:?}");
}

#[test]
fn a_slower_card_under_a_better_name_is_found_by_its_speed_and_its_sms() {
    let slow = card("rtx3060-12gb", 1);
    let mut values = Vec::new();
    for name in [
        "bandwidth_mb_per_s",
        "fp32_gflops",
        "tensor_gflops",
        "int8_gops",
    ] {
        values.push((name, slow[name].clone()));
    }
    values.push(("sm_count_real", slow["sm_count"].clone()));
    let found = failures(&card_with(&values));
    assert!(found.contains(&ReasonCode::MatrixTooSlow), "{found:?}");
    assert!(
        found.len() >= 3,
        "more than one thing gives it away: {found:?}"
    );
}

#[test]
fn a_clock_that_runs_slow_shows_rates_beyond_physics() {
    let spec = card_with(&[("told_permille", json!(500))]);
    fails_with(&spec, ReasonCode::BandwidthBeyondPhysics);
}

#[test]
fn more_memory_than_the_model_has_or_fewer_sms_are_told_apart_by_the_tuple() {
    let bytes = json!(48_u64 << 30);
    let spec = card_with(&[("total_bytes", bytes.clone()), ("free_bytes", bytes)]);
    fails_with(&spec, ReasonCode::VramOutsideWindow);
    fails_with(
        &card_with(&[("sm_count_real", json!(41))]),
        ReasonCode::CensusMismatch,
    );
}

#[test]
fn too_little_memory_for_the_proof_is_no_verdict() {
    let mut spec = honest();
    spec["refuse_above_bytes"] = json!(200_000);
    let error = verdict(&spec).expect_err("no memory");
    let ProverError::Card(error) = error else {
        panic!("{error}");
    };
    assert_eq!(error.code(), ErrorCode::PROBE_OUT_OF_MEMORY);
}

#[test]
fn an_honest_card_proves_its_work_and_its_memory() {
    let verdict = verdict(&honest()).expect("a verdict");
    let fails = |reason: &&Reason| reason.effect == Effect::Fail;
    assert_eq!(verdict.reasons.iter().find(fails), None);
    assert_eq!(verdict.proof_level.number(), 1, "{:?}", verdict.reasons);
}

#[test]
fn a_spot_probe_shows_by_products_alone_that_a_card_is_there_and_that_one_is_not_two() {
    let verdict = verdict_of(Kind::Spot, &honest()).expect("a verdict");
    let fails = |r: &&Reason| r.effect == Effect::Fail;
    assert_eq!(verdict.reasons.iter().find(fails), None);
    assert!(verdict.has(ReasonCode::NotShownBySpot), "{verdict:?}");
    let (first, mut second) = (card(CARD, 1), card(CARD, 2));
    second["chip"] = json!(0);
    let shared = json!({ "cards": [first, second] });
    let verdict = verdict_of(Kind::Spot, &shared).expect("a verdict");
    assert!(verdict.has(ReasonCode::MatrixTooSlow), "{verdict:?}");
}
