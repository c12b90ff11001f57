//! The probe inside running work: the matrix proof alone, what it shows and what it leaves out.

use tandem_model::gpu::GpuModel;

use super::machine::{Noise, device, report};
use super::prover::{Card, Exchange, Forge, failing, matrix_ms, policy};
use super::talk::{Sent, Talk};
use crate::exchange::*;
use crate::report::{DeviceReport, Kind, Report};
use crate::verdict::{ProofLevel, ReasonCode, Verdict, VerdictOutcome};
use crate::verify::reference::claim_of;
use crate::verify::{Facts, Policy, Window, judge_stored};

const RTT_MS: u64 = 40;

/// What of a spot exchange is not as usual.
struct Spot {
    policy: Policy,
    facts: Facts,
    forge: Forge,
    /// Time of the products in thousandths of the reference.
    time_permille: u64,
    together: Option<bool>,
    /// How long the challenge is held.
    held_ms: u64,
}

impl Spot {
    fn honest() -> Self {
        Self {
            policy: policy(32, 4),
            facts: Facts::default(),
            forge: Forge::Nothing,
            time_permille: 1_000,
            together: None,
            held_ms: 0,
        }
    }

    fn run(self, edit: impl FnOnce(&mut Report)) -> (Verdict, Option<Window>) {
        let key = Exchange::key();
        let model = GpuModel::by_id("rtx4090").unwrap();
        let full = device(model, 1, &mut Noise::seeded(1));
        let claim = claim_of(&full);
        let sent = Sent::default();
        let mut talk = Talk::open(Kind::Spot, self.policy, self.facts, 5, RTT_MS, sent);
        let plan = talk.plan(vec![claim.clone()], &key);
        let first = plan.devices[0];
        assert_eq!((first.vram_blocks, first.vram_passes), (0, 0));
        let mut cards = vec![Card::new(claim, &plan, &key)];
        let took_ms = matrix_ms(&first) * self.time_permille / 1_000;
        talk.hold(self.held_ms);
        talk.matrix(&plan, &mut cards, self.forge, took_ms);
        let mut honest = report(vec![full]);
        honest.kind = Kind::Spot;
        (honest.challenge_id, honest.nonce) = (plan.challenge_id, plan.nonce);
        cards[0].summarise(&mut honest.devices[0], &first, took_ms * 1_000_000);
        let spot = |d: DeviceReport| DeviceReport::spot(d.identity, d.census, d.matrix);
        honest.devices = honest.devices.into_iter().map(spot).collect();
        edit(&mut honest);
        let window = talk.session.challenge_window();
        if let Some(together) = self.together {
            talk.session.challenged_together(together);
        }
        let signed = ProverMessage::Report(Box::new(honest.sign(&key)));
        let VerifierMessage::Verdict(verdict) = talk.step(signed, 0) else {
            panic!("a verdict was due");
        };
        (*verdict, window)
    }

    fn verdict(self) -> Verdict {
        self.run(|_| ()).0
    }
}

#[test]
fn an_honest_card_passes_by_its_products_alone_and_it_says_what_was_not_shown() {
    let (verdict, window) = Spot::honest().run(|_| ());
    assert_eq!(verdict.outcome, VerdictOutcome::Pass, "{verdict:?}");
    assert_eq!(verdict.proof_level, ProofLevel::TimedProof);
    assert!(verdict.has(ReasonCode::NotShownBySpot));
    assert!(!verdict.has(ReasonCode::VramNotFilled));
    assert!(
        verdict.speed_permille.is_some_and(|s| s >= 900),
        "{verdict:?}"
    );
    let window = window.expect("it was challenged");
    let seen = verdict.evidence[0].matrix_elapsed_ms.unwrap();
    assert_eq!(window.until_ms - window.from_ms, seen);
}

#[test]
fn proof_level_two_needs_its_like_and_the_same_devices_over_days() {
    for (stayed, together, level) in [
        (true, Some(true), ProofLevel::Continuous),
        (true, Some(false), ProofLevel::TimedProof),
        (true, None, ProofLevel::TimedProof),
        (false, Some(true), ProofLevel::TimedProof),
    ] {
        let mut spot = Spot::honest();
        spot.facts.stayed_the_same = stayed;
        spot.together = together;
        assert_eq!(spot.verdict().proof_level, level, "{stayed} {together:?}");
    }
    let mut slow = Spot::honest();
    slow.facts.stayed_the_same = true;
    (slow.together, slow.time_permille) = (Some(true), 3_000);
    assert_eq!(slow.verdict().proof_level, ProofLevel::Claimed);
}

#[test]
fn forged_slow_and_other_cards_fail_as_in_any_probe() {
    for forge in [Forge::OpenedRow, Forge::CommittedRows, Forge::StartedEarly] {
        let spot = Spot {
            forge,
            ..Spot::honest()
        };
        let found = failing(&spot.verdict());
        assert!(
            found.contains(&ReasonCode::RowWrong),
            "{forge:?}: {found:?}"
        );
    }
    let slow = Spot {
        time_permille: 2_000,
        ..Spot::honest()
    };
    assert_eq!(failing(&slow.verdict()), [ReasonCode::MatrixTooSlow]);
    let mut changed = Spot::honest();
    changed.facts.expected = Some([crate::hex::HexBytes([9; 16])].into());
    assert_eq!(failing(&changed.verdict()), [ReasonCode::DeviceChanged]);
    let (census, _) = Spot::honest().run(|report| {
        if let crate::report::Outcome::Measured(census) = &mut report.devices[0].census {
            census.sms.truncate(40);
        }
    });
    assert_eq!(failing(&census), [ReasonCode::CensusMismatch]);
}

#[test]
fn a_challenge_that_is_held_for_its_like_forgives_no_time() {
    let slow = |held_ms| {
        let spot = Spot {
            held_ms,
            time_permille: 1_900,
            ..Spot::honest()
        };
        failing(&spot.verdict())
    };
    assert_eq!(slow(0), [ReasonCode::MatrixTooSlow]);
    assert_eq!(slow(5_000), [ReasonCode::MatrixTooSlow]);
    let held = Spot {
        held_ms: 5_000,
        ..Spot::honest()
    };
    assert_eq!(held.verdict().outcome, VerdictOutcome::Pass);
}

#[test]
fn a_missing_product_or_census_could_not_run_and_a_spot_report_stands_for_no_quick_one() {
    let gone = |report: &mut Report| {
        let device = report.devices.remove(0);
        let none = DeviceReport::unmeasured(device.identity, "no memory");
        report.devices.push(none);
    };
    let (verdict, _) = Spot::honest().run(gone);
    assert_eq!(verdict.outcome, VerdictOutcome::CouldNotRun);
    let verdict = Exchange::of("rtx4090").run(|report| report.kind = Kind::Spot);
    assert_eq!(verdict.outcome, VerdictOutcome::CouldNotRun);
    let model = GpuModel::by_id("rtx4090").unwrap();
    let full = device(model, 1, &mut Noise::seeded(1));
    let mut stored = report(vec![DeviceReport::spot(
        full.identity,
        full.census,
        full.matrix,
    )]);
    stored.kind = Kind::Spot;
    let signed = stored.sign(&Exchange::key());
    let verdict = judge_stored(&signed, &Policy::default(), &Facts::default());
    assert!(verdict.has(ReasonCode::NotShownBySpot) && verdict.has(ReasonCode::NotShownOffline));
    assert_eq!(verdict.proof_level, ProofLevel::Claimed);
}

#[test]
fn a_spot_plan_is_half_the_products_of_a_quick_one_and_no_memory() {
    for model in GpuModel::all() {
        let claim = claim_of(&device(model, 1, &mut Noise::seeded(1)));
        let plan = |kind| {
            let sent = Sent::default();
            let (policy, facts) = (Policy::default(), Facts::default());
            let mut talk = Talk::open(kind, policy, facts, 5, RTT_MS, sent);
            talk.plan(vec![claim.clone()], &Exchange::key()).devices[0]
        };
        let (quick, spot) = (plan(Kind::Quick), plan(Kind::Spot));
        assert_eq!(
            spot.matrix_n, quick.matrix_n,
            "a measured rate is of one size"
        );
        let (most, least) = (quick.matrix_jobs.div_ceil(2).max(8), quick.matrix_jobs / 2);
        let is_half = (least.max(8)..=most).contains(&spot.matrix_jobs);
        assert!(
            is_half || quick.matrix_jobs == 1_024,
            "{model:?}: {spot:?} {quick:?}"
        );
        assert!(quick.vram_blocks > 0 && spot.vram_blocks == 0);
    }
}
