//! No false alarm: honest cards of every model pass, and get the level and speed that was shown.

use tandem_model::gpu::GpuModel;

use super::machine::{Noise, device, next_day, report, typical};
use super::prover::{Exchange, failing, policy};
use crate::proof::{hash, matrix, merkle, vram};
use crate::report::{Kind, SignedReport};
use crate::verdict::{Effect, ProofLevel, ReasonCode, VerdictOutcome};
use crate::verify::findings::Findings;
use crate::verify::judge::check_device;
use crate::verify::{Facts, Policy, audit, floors, judge_stored, physics};

#[test]
fn an_honest_card_passes_at_full_size_of_rows() {
    let exchange = Exchange {
        policy: policy(256, 3),
        ..Exchange::of("h100-sxm5-80gb")
    };
    let verdict = exchange.run(|_| {});
    assert_eq!(failing(&verdict), []);
    assert_eq!(verdict.outcome, VerdictOutcome::Pass);
    assert_eq!(verdict.proof_level, ProofLevel::TimedProof);
    assert_eq!(
        verdict.speed_permille,
        Some(1_000).min(verdict.speed_permille)
    );
    assert!(verdict.speed_permille.unwrap() >= 900, "{verdict:?}");
    assert_eq!(verdict.evidence[0].vram_proven_mib, Some(3));
    assert_eq!(verdict.evidence[0].model.as_deref(), Some("h100-sxm5-80gb"));
}

#[test]
fn levels_above_the_timed_proof_come_from_the_fleet_alone() {
    let run = |facts: Facts| {
        let exchange = Exchange {
            facts,
            ..Exchange::of("rtx4090")
        };
        exchange.run(|_| {}).proof_level
    };
    let only_together = Facts {
        challenged_together: true,
        ..Facts::default()
    };
    let both = Facts {
        stayed_the_same: true,
        ..only_together.clone()
    };
    let attested = Facts {
        attested: true,
        ..Facts::default()
    };
    assert_eq!(run(only_together), ProofLevel::TimedProof);
    assert_eq!(run(both).number(), 2);
    assert_eq!(run(attested).number(), 3);
}

#[test]
fn fifty_honest_machines_of_every_model_pass_the_whole_exchange() {
    for (at, model) in GpuModel::all().enumerate() {
        for run in 0..50 {
            // Blocks of 1 MiB are dear on a CPU: a first one of every fifth model proves memory too.
            let blocks = u64::from(run == 0 && at % 5 == 0);
            let exchange = Exchange {
                policy: policy(16, blocks),
                devices: vec![device(model, 1, &mut Noise::seeded(u64::from(run) << 8))],
                secret: run,
                ..Exchange::of(model.id())
            };
            let verdict = exchange.run(|_| {});
            assert_eq!(
                verdict.outcome,
                VerdictOutcome::Pass,
                "{model:?}: {verdict:?}"
            );
            assert_eq!(verdict.proof_level, ProofLevel::TimedProof);
        }
    }
}

#[test]
fn ten_thousand_noisy_honest_reports_of_every_model_raise_no_alarm() {
    let (policy, facts) = (Policy::default(), Facts::default());
    for model in GpuModel::all() {
        let mut noise = Noise::seeded(42);
        let base = typical(model);
        let mut found = Findings::default();
        let evidence = check_device(Kind::Quick, &base, &policy, &facts, None, &mut found);
        assert_eq!(evidence.model.as_deref(), Some(model.id()));
        let mut device = base.clone();
        for run in 0..10_000 {
            next_day(&mut device, &base, &mut noise);
            let mut found = Findings::default();
            physics::check(&device, model, &policy, &mut found);
            floors::check(&device, model, &policy, &mut found);
            let (_, reasons) = found.finish();
            let loud = reasons.iter().find(|r| r.effect > Effect::Note);
            assert_eq!(loud, None, "{model:?} {run}");
        }
        let (outcome, reasons) = found.finish();
        assert_eq!(outcome, VerdictOutcome::Pass, "{model:?}: {reasons:?}");
    }
}

#[test]
fn without_a_live_exchange_nothing_is_more_than_claimed() {
    let model = GpuModel::by_id("rtx4090").unwrap();
    let signed: SignedReport =
        report(vec![device(model, 1, &mut Noise::seeded(1))]).sign(&Exchange::key());
    let attested = Facts {
        attested: true,
        challenged_together: true,
        stayed_the_same: true,
        ..Facts::default()
    };
    let verdict = judge_stored(&signed, &Policy::default(), &attested);
    assert_eq!(verdict.outcome, VerdictOutcome::Pass);
    assert_eq!(verdict.proof_level.number(), 0);
    assert_eq!(verdict.speed_permille, None);
    assert!(verdict.has(ReasonCode::NotShownOffline));
}

#[test]
fn a_card_without_a_measured_reference_passes_with_a_note() {
    let mut exchange = Exchange::of("t4");
    exchange.policy.measured.clear();
    let verdict = exchange.run(|_| {});
    assert!(verdict.has(ReasonCode::ReferenceNotMeasured));
}

#[test]
fn openings_that_are_made_without_whole_products_are_right() {
    for check in audit(256, 2, 3, 2) {
        assert_eq!(check.run().findings, []);
    }
}

#[test]
fn entries_and_words_are_those_of_the_format() {
    let seed = [7; 32];
    let a = matrix::Entries::a(&seed).line(32, 3);
    let word = matrix::Entries::a(&seed).word(3 * 2 + 1);
    let expected = |part: u32| {
        let bits = (word >> (4 * part) & 15) as i8;
        if bits > 7 { bits - 16 } else { bits }
    };
    assert_eq!(a[16..], (0..16).map(expected).collect::<Vec<_>>());
    let n = 32;
    let product = matrix::product(&seed, n);
    assert_eq!(matrix::product_row(&seed, n, 5), product[5]);
    let r: Vec<u64> = (0..n as u64).map(|i| i * i + (1 << 60)).collect();
    let b_r = matrix::Entries::b(&seed).b_times(&r);
    for (row, values) in product.iter().enumerate() {
        let line = matrix::Entries::a(&seed).line(n, row);
        assert_eq!(matrix::dot(values, &r), matrix::dot(&line, &b_r), "{row}");
    }
    // x = 2: c = 2 (2 w0 + w1) + w2.
    assert_eq!(vram::checksum([5, 6, 7], 2), 39);
    assert_eq!(vram::checksum([u64::MAX], 2), 7);
    let leaves: Vec<_> = (0..3_u8).map(|i| merkle::leaf(&[i])).collect();
    let tree = merkle::Tree::new(leaves.clone());
    let left = merkle::node(&leaves[0], &leaves[1]);
    let right = hash(&[&[1], &leaves[2], &[0; 32]]);
    assert_eq!(tree.root(), merkle::node(&left, &right));
    let path = tree.path(2).unwrap();
    assert_eq!(merkle::root_by_path(leaves[2], 2, &path), tree.root());
    assert_eq!(tree.path(4), None);
}
