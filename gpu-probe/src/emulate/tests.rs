//! Emulated cards against a real session of the verifier.

use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use tandem_model::gpu::GpuModel;

use super::*;
use crate::exchange::{ProverMessage, VerifierMessage};
use crate::report::Kind;
use crate::verdict::{Effect, ProofLevel, ReasonCode, Verdict, VerdictOutcome};
use crate::verify::{Facts, Policy, Session, judge_stored};

fn card(id: &str) -> GpuModel {
    GpuModel::by_id(id).unwrap()
}

fn one(model: GpuModel, claims: Option<GpuModel>) -> EmulatedGpu {
    EmulatedGpu {
        model,
        gpus: 1,
        claims,
        seed: 7,
    }
}

/// A whole exchange, through the messages' text, with `wait_ms` before each message.
fn exchange(
    gpu: &EmulatedGpu,
    policy: Policy,
    kind: Kind,
    wait_ms: u64,
) -> Result<Verdict, EmulationError> {
    let mut now = 1_000;
    let mut session = Session::new(policy, Facts::default(), kind, [5; 32], now);
    let mut prover = EmulatedProver::new(gpu);
    let mut message = prover.hello();
    loop {
        now += wait_ms;
        let text = serde_json::to_vec(&message).unwrap();
        let reply = session
            .step(ProverMessage::parse(&text).unwrap(), now)
            .unwrap();
        while let Some(check) = session.take_check() {
            session.checked(check.run());
        }
        let text = serde_json::to_vec(&reply).unwrap();
        match prover.answer(VerifierMessage::parse(&text).unwrap())? {
            Answer::Send(next) => message = *next,
            Answer::Over(verdict) => return Ok(*verdict),
        }
    }
}

fn sandbox(gpu: &EmulatedGpu) -> Verdict {
    exchange(gpu, Policy::sandbox(), Kind::Quick, 20).unwrap()
}

#[test]
fn every_honest_emulated_card_passes_in_a_sandbox_and_shows_nothing() {
    for model in GpuModel::all() {
        for seed in 0..3 {
            let gpu = EmulatedGpu {
                seed,
                ..one(model, None)
            };
            let verdict = sandbox(&gpu);
            assert_eq!(
                verdict.outcome,
                VerdictOutcome::Pass,
                "{model:?}: {verdict:?}"
            );
            assert_eq!(verdict.proof_level, ProofLevel::Claimed);
            assert_eq!(verdict.evidence[0].model.as_deref(), Some(model.id()));
            let note = |r: &&crate::verdict::Reason| r.code == ReasonCode::Emulated;
            let effect = verdict.reasons.iter().find(note).map(|r| r.effect);
            assert_eq!(effect, Some(Effect::Note));
        }
    }
}

#[test]
fn emulated_cards_are_probed_inside_running_work_as_at_its_start() {
    let spot = |gpu: &EmulatedGpu| exchange(gpu, Policy::sandbox(), Kind::Spot, 20).unwrap();
    for model in GpuModel::all() {
        let verdict = spot(&one(model, None));
        assert_eq!(verdict.outcome, VerdictOutcome::Pass, "{verdict:?}");
        assert_eq!(verdict.proof_level, ProofLevel::Claimed);
    }
    let verdict = spot(&one(card("l4"), Some(card("l40s"))));
    assert!(verdict.has(ReasonCode::CensusMismatch), "{verdict:?}");
}

#[test]
fn no_emulated_card_passes_where_real_ones_are_asked_for() {
    let policy = Policy {
        accepts_emulated: false,
        ..Policy::sandbox()
    };
    let honest = one(card("rtx4090"), None);
    let verdict = exchange(&honest, policy, Kind::Quick, 20).unwrap();
    assert_eq!(verdict.outcome, VerdictOutcome::Fail);
    assert!(verdict.has(ReasonCode::Emulated));
    let refused = exchange(&honest, Policy::default(), Kind::Quick, 20);
    assert_eq!(refused, Err(EmulationError::PlanTooLarge));
}

#[test]
fn a_card_that_claims_to_be_a_better_one_fails_by_its_own_silicon() {
    let verdict = sandbox(&one(card("l4"), Some(card("l40s"))));
    assert_eq!(verdict.outcome, VerdictOutcome::Fail);
    assert_eq!(
        verdict.evidence[0].model.as_deref(),
        Some("l40s"),
        "it is judged as claimed"
    );
    let fails = [
        ReasonCode::CensusMismatch,
        ReasonCode::DeviceIdMismatch,
        ReasonCode::SourcesDisagree,
        ReasonCode::BandwidthLow,
        ReasonCode::Fp32SmMismatch,
        ReasonCode::TensorLow,
    ];
    for code in fails {
        let found = verdict
            .reasons
            .iter()
            .any(|r| r.code == code && r.effect == Effect::Fail);
        assert!(found, "{code}: {:?}", verdict.reasons);
    }
}

#[test]
fn every_lie_of_one_card_about_another_fails_by_its_report_alone() {
    let key = SigningKey::from_bytes(&[1; 32]);
    for model in GpuModel::all() {
        for claimed in GpuModel::all().filter(|m| *m != model) {
            let ids = |m: GpuModel| m.facts().pci_device_ids;
            if ids(model)
                .first()
                .is_some_and(|id| ids(claimed).contains(id))
            {
                continue;
            }
            let device = prover::shown(&one(model, Some(claimed)), 0);
            let signed = machine::report(vec![device]).sign(&key);
            let verdict = judge_stored(&signed, &Policy::sandbox(), &Facts::default());
            assert_eq!(
                verdict.outcome,
                VerdictOutcome::Fail,
                "{model} as {claimed}"
            );
        }
    }
}

#[test]
fn a_whole_machine_is_probed_at_once_and_its_cards_differ() {
    let gpu = EmulatedGpu {
        gpus: 8,
        ..one(card("h100-sxm5-80gb"), None)
    };
    let began = Instant::now();
    let verdict = sandbox(&gpu);
    assert_eq!(
        (verdict.outcome, verdict.evidence.len()),
        (VerdictOutcome::Pass, 8)
    );
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    let mut uuids: Vec<_> = verdict.evidence.iter().map(|e| e.uuid).collect();
    uuids.sort_unstable_by_key(|uuid| uuid.0);
    uuids.dedup();
    assert_eq!(uuids.len(), 8);
    assert_eq!(sandbox(&gpu), verdict, "the same seed, the same machine");
}

#[test]
fn a_slow_world_and_a_fast_one_give_the_same_verdict() {
    let gpu = one(card("l4"), None);
    let at = |wait_ms| {
        exchange(&gpu, Policy::sandbox(), Kind::Quick, wait_ms)
            .unwrap()
            .outcome
    };
    assert_eq!([at(0), at(1), at(30_000)], [VerdictOutcome::Pass; 3]);
}

#[test]
fn the_variable_is_read_whole_or_refused() {
    let lying = one(card("rtx4080"), Some(card("rtx4090")));
    assert_eq!(EmulatedGpu::parse(&lying.to_json()), Ok(lying));
    let honest = r#"{"model":"l4","gpus":2,"claims":null,"seed":18446744073709551615}"#;
    assert!(EmulatedGpu::parse(honest).is_ok());
    for bad in [
        "",
        "{}",
        r#"{"model":"l4","gpus":0,"claims":null,"seed":1}"#,
        r#"{"model":"l4","gpus":17,"claims":null,"seed":1}"#,
        r#"{"model":"none","gpus":1,"claims":null,"seed":1}"#,
        r#"{"model":"l4","gpus":1,"claims":"none","seed":1}"#,
        r#"{"model":"l4","gpus":1,"claims":null,"seed":-1}"#,
        r#"{"model":"l4","gpus":1,"claims":null,"seed":1,"more":1}"#,
    ] {
        assert!(EmulatedGpu::parse(bad).is_err(), "{bad}");
    }
    assert!(EmulatedGpu::parse(&honest.replace("l4", &"l".repeat(1_024))).is_err());
}

#[test]
fn messages_out_of_turn_end_the_emulation() {
    let gpu = one(card("l4"), None);
    let key = VerifierMessage::VramKey {
        key: crate::hex::HexBytes([0; 32]),
        deadline_ms: 1,
    };
    for early in [key, VerifierMessage::Ok] {
        let refused = EmulatedProver::new(&gpu).answer(early);
        assert!(matches!(refused, Err(EmulationError::OutOfTurn { .. })));
    }
}
