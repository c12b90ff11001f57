//! What is learned of probes: breaches of a promised speed, counts by kind, grades that are lost.

use gpu_probe::verdict::{Basis, ProofLevel, Verdict, VerdictOutcome};
use tandem_model::gpu::GpuModel;
use tandem_model::network::Grade;
use tandem_model::offer::Offer;
use tandem_model::quote::Objectives;
use tandem_pricing::probes::{ProbedKind, ProbesSeen, Shown, Speeds};

use super::probes::{BOOT, boot, judged, opens, probing, rig, said, verdict};
use super::*;
use crate::engine::market::GradeLost;
use crate::engine::probe::{OnCouldNotRun, PerformanceBreach, ProbeTerms};

/// A pass at a speed, by a measured reference or another one.
fn passes_at(permille: u32, basis: Basis) -> Verdict {
    let mut verdict = verdict(VerdictOutcome::Pass, 1);
    verdict.speed_permille = Some(permille);
    verdict.reasons.clear();
    verdict.evidence[0].timed_permille = Some(permille);
    verdict.evidence[0].basis = Some(basis);
    verdict
}

fn says(permille: u32) -> Request {
    said(1, 0, boot(BOOT), passes_at(permille, Basis::Measured))
}

/// What is promised beside a speed.
pub(super) fn objectives(speed_permille_min: Option<u32>) -> Objectives {
    Objectives {
        start_seconds: 900,
        detection_seconds: 32,
        recovery_seconds: 932,
        work_lost_seconds: None,
        finish_by_seconds: None,
        speed_permille_min,
    }
}

/// A job of one node, with a promised speed.
fn promised(permille: Option<u32>) -> Rig {
    let mut rig = rig(probing());
    let mut spec = Box::new(spec(FILE, &offer("ionet", "1")));
    spec.quote.objectives = Some(objectives(permille));
    let request = Request::Accept {
        job: job(1),
        spec,
        reply: None,
    };
    rig.ask(0, request);
    rig.starts(1, 1);
    rig
}

fn told(changes: &Changes) -> usize {
    let events = changes.events.iter();
    events
        .filter(|event| event.document.contains("slower than promised"))
        .count()
}

fn kind(grade: Grade) -> ProbedKind {
    ProbedKind {
        network: ionet(),
        product: "caas".into(),
        gpu: GpuModel::by_id("rtx4090").unwrap(),
        grade,
    }
}

fn seen(rig: &Rig, grade: Grade) -> Option<ProbesSeen> {
    let usage = rig.kernel.market().supply.usage();
    usage.seen.probes.get(&kind(grade)).copied()
}

#[test]
fn a_node_that_is_slower_than_promised_is_recorded_once_whatever_is_said_again() {
    let mut rig = promised(Some(850));
    rig.ask(5, says(849));
    let turn = rig.turn(5).unwrap();
    assert_eq!(told(&turn.changes), 1);
    let written = &turn.changes.placements[0].document;
    assert!(written.contains("\"measured_permille\":849"), "{written}");
    let full = StoreError::Database("full".into());
    let after = rig.kernel.refused(turn, &full, at(5));
    assert_eq!(after.performance_breaches, 0, "nothing was written");

    rig.ask(7, says(849));
    let turn = rig.turn(7).unwrap();
    assert_eq!(told(&turn.changes), 1);
    assert_eq!(rig.kernel.committed(turn).performance_breaches, 1);
    for again in [says(849), says(760), opens(0)] {
        rig.ask(8, again);
        let turn = rig.turn(8).unwrap();
        assert_eq!(told(&turn.changes), 0);
        assert_eq!(rig.kernel.committed(turn).performance_breaches, 0);
    }
    let expected = PerformanceBreach {
        promised_permille: 850,
        measured_permille: 849,
        proof_level: ProofLevel::TimedProof,
        at: at(7),
    };
    let attempt = &rig.the_job().attempts[0];
    assert_eq!(attempt.performance_breaches, [(0, expected)].into());
    assert_eq!(rig.the_job().state(), JobState::Running);
}

#[test]
fn no_breach_is_opened_where_nothing_was_promised_measured_or_accepted() {
    let none = |promise: Option<u32>, request: Request| {
        let mut rig = promised(promise);
        rig.ask(5, request);
        rig.work(5);
        let attempt = &rig.the_job().attempts[0];
        assert_eq!(attempt.probes.len(), 1);
        assert!(attempt.performance_breaches.is_empty());
    };
    none(Some(850), says(850));
    none(None, says(10));
    let mut untimed = passes_at(0, Basis::Measured);
    untimed.speed_permille = None;
    none(Some(850), said(1, 0, boot(BOOT), untimed));
    let mut failed = verdict(VerdictOutcome::Fail, 1);
    failed.speed_permille = Some(300);
    none(Some(850), said(1, 0, boot(BOOT), failed));
}

#[test]
fn what_probes_showed_is_counted_once_and_outlives_its_job_and_the_broker() {
    let mut rig = rig(probing());
    rig.accept(1);
    let born = rig.turn(0).unwrap();
    let written = born.changes.clone();
    rig.kernel.committed(born);
    rig.starts(1, 1);
    rig.ask(5, says(800));
    let turn = rig.turn(5).unwrap();
    let last = turn.changes.clone();
    rig.kernel.committed(turn);
    rig.ask(6, says(800));
    rig.work(6);
    let one = ProbesSeen {
        passed: 1,
        failed: 0,
        speeds: Speeds {
            count: 1,
            lacking_permille: 200,
        },
        referenced: Speeds {
            count: 1,
            lacking_permille: 200,
        },
    };
    rig.read(two());
    assert_eq!(seen(&rig, Grade::Consumer), Some(one), "told twice");
    assert!(rig.kernel.market().settled.probes.is_empty());

    // Another broker takes the open job over.
    let terms_of = |seen| Terms {
        probe: probing(),
        seen,
        ..terms()
    };
    let mut other = Rig::new();
    other.kernel = Kernel::new(terms_of(SeenByKind::new()), at(9));
    other.kernel.adopt(&claimed(written, last), at(9)).unwrap();
    other.read(two());
    assert_eq!(seen(&other, Grade::Consumer), Some(one));

    // It ends; then the broker is started again with what was kept.
    rig.kernel.forget(job(1), true);
    rig.read(two());
    assert_eq!(seen(&rig, Grade::Consumer), Some(one));
    let kept = rig.kernel.market().settled.clone();
    rig.kernel = Kernel::new(terms_of(kept), at(10));
    rig.read(two());
    assert_eq!(seen(&rig, Grade::Consumer), Some(one));
}

#[test]
fn only_a_timed_speed_of_a_card_that_is_there_counts_and_only_a_measured_one_may_raise() {
    let after = |verdict: Verdict| {
        let mut rig = promised(None);
        assert!(rig.may_start(5, said(1, 0, boot(BOOT), verdict)));
        rig.read(two());
        let seen = seen(&rig, Grade::Consumer).unwrap();
        (seen.passed, seen.speeds.count, seen.referenced.count)
    };
    assert_eq!(after(passes_at(800, Basis::Measured)), (1, 1, 1));
    assert_eq!(after(passes_at(800, Basis::Quoted)), (1, 1, 0));
    let mut emulated = passes_at(800, Basis::Measured);
    emulated.proof_level = ProofLevel::Claimed;
    assert_eq!(after(emulated), (1, 0, 0));
    let mut mixed = passes_at(800, Basis::Measured);
    mixed.evidence.push(mixed.evidence[0].clone());
    mixed.evidence[1].basis = Some(Basis::Published);
    assert_eq!(after(mixed), (1, 1, 0));
}

#[test]
fn a_start_that_its_probe_ended_is_a_failed_start_and_no_failure_of_running_machines() {
    let after = |outcome, on_could_not_run| {
        let mut rig = rig(ProbeTerms {
            on_could_not_run,
            ..probing()
        });
        rig.running(1, 1);
        rig.ask(5, judged(0, outcome));
        rig.work(5);
        rig.read(two());
        let usage = rig.kernel.market().supply.usage();
        let failures: u64 = usage.seen.machines.values().map(|s| s.failures).sum();
        let probes = seen(&rig, Grade::Consumer).map(|s| (s.passed, s.failed));
        (rig, failures, probes)
    };
    let (rig, failures, probes) = after(VerdictOutcome::Fail, OnCouldNotRun::GoOn);
    rig.was_left("failed the probe");
    assert_eq!((failures, probes), (0, Some((0, 1))));
    let (rig, failures, probes) = after(VerdictOutcome::CouldNotRun, OnCouldNotRun::Leave);
    rig.was_left("could not be probed");
    assert_eq!((failures, probes), (0, None), "it says nothing");
}

#[test]
fn machines_that_work_without_a_verdict_still_count_as_failed() {
    let mut rig = rig(probing());
    rig.running(1, 1);
    rig.ask(9, beat(job(1), 0, 9, String::new()));
    rig.work(9);
    rig.was_left("without the probe");
    rig.read(two());
    let usage = rig.kernel.market().supply.usage();
    assert_eq!(usage.seen.machines[&(ionet(), false)].failures, 1);
}

/// A broker that saw so many probes of cards listed as data-centre hardware, and read its market.
fn listed(passed: u64, failed: u64) -> Rig {
    let mut terms = Terms {
        probe: probing(),
        ..terms()
    };
    for _ in 0..failed {
        terms
            .seen
            .count_probe(kind(Grade::Datacenter), Shown::Failed);
    }
    for _ in 0..passed {
        let pass = Shown::Passed(None);
        terms.seen.count_probe(kind(Grade::Datacenter), pass);
    }
    let mut rig = Rig::new();
    rig.kernel = Kernel::new(terms, at(0));
    rig.read(as_listed());
    rig
}

fn as_listed() -> Vec<Offer> {
    let mut offers = two();
    for offer in &mut offers {
        offer.grade = Grade::Datacenter;
    }
    offers
}

fn grades(rig: &Rig) -> Vec<(&str, Grade)> {
    let offers = rig.kernel.market().offers.iter();
    offers.map(|o| (o.network.as_str(), o.grade)).collect()
}

#[test]
fn a_kind_whose_probes_fail_is_taken_as_consumer_grade_and_the_market_says_why() {
    let believed = [("aethir", Grade::Datacenter), ("ionet", Grade::Datacenter)];
    assert_eq!(grades(&listed(0, 9)), believed, "too few verdicts");
    assert_eq!(grades(&listed(4, 10)), believed, "10 of 34");
    let rig = listed(0, 10);
    let lost = [("aethir", Grade::Datacenter), ("ionet", Grade::Consumer)];
    assert_eq!(grades(&rig), lost);
    let market = rig.kernel.market();
    let why = GradeLost {
        product: "caas".into(),
        gpu: GpuModel::by_id("rtx4090").unwrap(),
        offers: 1,
        verdicts: 10,
        failed: 10,
        failed_permille: 333,
    };
    assert_eq!(market.networks[&ionet()].grade_lost, [why]);
    let aethir = NetworkId::from_static("aethir");
    assert!(market.networks[&aethir].grade_lost.is_empty());
    assert!(!market.offers.iter().any(|o| o.is_enterprise()));
}

#[test]
fn a_lost_grade_outlasts_readings_and_comes_back_by_verdicts_on_what_was_listed() {
    let mut rig = listed(3, 10);
    rig.read(as_listed()[..1].to_vec());
    assert_eq!(grades(&rig)[0], ("ionet", Grade::Consumer), "10 of 33");
    let failed = NetworkAnswer::Offers(Err("away".into()));
    rig.kernel.network_answered(&ionet(), failed, at(1));
    assert_eq!(grades(&rig)[0], ("ionet", Grade::Consumer));
    assert_eq!(rig.kernel.market().networks[&ionet()].grade_lost.len(), 1);
    rig.accept(1);
    rig.starts(1, 1);
    assert_eq!(rig.the_job().attempts[0].offer.network, ionet());
    assert!(rig.the_job().attempts[0].grade_lost);
    assert!(rig.may_start(5, judged(0, VerdictOutcome::Pass)));
    rig.read(as_listed()[..1].to_vec());
    assert_eq!(seen(&rig, Grade::Datacenter).unwrap().passed, 4);
    assert_eq!(seen(&rig, Grade::Consumer), None);
    assert_eq!(grades(&rig)[0], ("ionet", Grade::Datacenter), "10 of 34");
    assert!(rig.kernel.market().networks[&ionet()].grade_lost.is_empty());
    // Nothing that is listed as consumer grade is ever promoted.
    rig.read(two()[..1].to_vec());
    assert_eq!(grades(&rig)[0], ("ionet", Grade::Consumer));
}
