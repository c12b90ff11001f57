//! Placements that begin with a probe.

mod records;
mod times;

use std::time::Duration;

use gpu_probe::hex::HexBytes;
use gpu_probe::protocol::{CheckpointRequest, Sha256, checkpoint_key};
use gpu_probe::report::Kind;
use gpu_probe::verdict::{
    Effect, Evidence, ProofLevel, Reason, ReasonCode, Verdict, VerdictOutcome,
};

use tandem_model::id::ProbeId;

use super::*;
use crate::engine::probe::{DETAIL_BYTES_MAX, NodeVerdict, OnCouldNotRun, ProbeOpens, ProbeTerms};

pub(super) const BOOT: u64 = 1;

pub(super) fn probing() -> ProbeTerms {
    ProbeTerms {
        at_start: true,
        ..ProbeTerms::OFF
    }
}

pub(super) fn rig(probe: ProbeTerms) -> Rig {
    let mut rig = Rig::new();
    rig.kernel = Kernel::new(Terms { probe, ..terms() }, at(0));
    rig.read(two());
    rig
}

pub(super) fn boot(n: u64) -> BootId {
    BootId::from_parts(n, &[5; 10])
}

/// A verdict on a node with one device.
pub(super) fn verdict(outcome: VerdictOutcome, device: u8) -> Verdict {
    let uuid = HexBytes([device; 16]);
    let reason = Reason {
        code: ReasonCode::VramTooSlow,
        effect: match outcome {
            VerdictOutcome::Pass => Effect::Note,
            VerdictOutcome::CouldNotRun => Effect::CouldNotRun,
            VerdictOutcome::Fail => Effect::Fail,
        },
        device: Some(uuid),
        detail: format!("half the memory\n{}", "x".repeat(500)),
    };
    Verdict {
        outcome,
        proof_level: ProofLevel::TimedProof,
        speed_permille: Some(940),
        reasons: vec![reason; 40],
        evidence: vec![Evidence {
            model: Some("rtx4090".into()),
            ..Evidence::none(uuid)
        }],
    }
}

pub(super) fn said(epoch: u32, rank: u16, boot: BootId, verdict: Verdict) -> Request {
    Request::Agent(AgentRequest::Probed(NodeVerdict {
        probe: ProbeId::from_parts(rank.into(), &[6; 10]),
        job: job(1),
        epoch: Epoch(epoch),
        rank,
        boot_id: boot,
        kind: Kind::Quick,
        challenge_id: Some(HexBytes([7; 16])),
        report: None,
        moment: None,
        verdict: Box::new(verdict),
    }))
}

pub(super) fn judged(rank: u16, outcome: VerdictOutcome) -> Request {
    let device = u8::try_from(rank).unwrap() + 1;
    said(1, rank, boot(BOOT), verdict(outcome, device))
}

pub(super) fn opens(rank: u16) -> Request {
    Request::Agent(AgentRequest::ProbeOpens(ProbeOpens {
        job: job(1),
        epoch: Epoch(1),
        rank,
        boot_id: boot(BOOT),
        moment: None,
    }))
}

fn working(rank: u16, sequence: u64) -> Request {
    let Request::Agent(AgentRequest::Heartbeat(mut beat)) =
        beat(job(1), rank, sequence, String::new())
    else {
        unreachable!()
    };
    beat.worked_ms = sequence * 1_000;
    Request::Agent(AgentRequest::Heartbeat(beat))
}

fn probing_beat(rank: u16, sequence: u64) -> Request {
    let Request::Agent(AgentRequest::Heartbeat(mut beat)) = working(rank, sequence) else {
        unreachable!()
    };
    (beat.phase, beat.worked_ms) = (Phase::Probing, 0);
    Request::Agent(AgentRequest::Heartbeat(beat))
}

fn ended(cause: EndCause) -> Request {
    Request::Agent(AgentRequest::Result(ResultReport {
        job: job(1),
        epoch: Epoch(1),
        rank: 0,
        boot_id: boot(BOOT),
        exit_code: Some(0),
        signal: None,
        step: 9,
        worked_ms: 9_000,
        output_sha256: None,
        output_tail: String::new(),
        cause,
        detail: None,
    }))
}

impl Rig {
    fn reply(&mut self, second: u64, request: Request) -> AgentReply {
        let ticket = self.ask(second, request);
        let replies = self.work(second).replies;
        let mine = replies.into_iter().find(|(of, _)| *of == ticket);
        match mine {
            Some((_, Reply::Agent(reply))) => reply,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn may_start(&mut self, second: u64, request: Request) -> bool {
        match self.reply(second, request) {
            AgentReply::Probed { may_start, .. } => may_start,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn the_job(&self) -> &Job {
        self.kernel.job(job(1)).unwrap()
    }

    /// Whether the first attempt was left as failed hardware, for a reason, and nothing charged.
    pub(super) fn was_left(&self, why: &str) {
        let job = self.the_job();
        let first = &job.attempts[0];
        let because = first.left_because.as_deref().unwrap_or_default();
        assert!(because.contains(why), "{because:?}");
        assert!(first.failed_probe && first.has_failed());
        assert!(job.doc.situation.failed_offers.contains(&first.offer.id));
        assert_eq!(job.charged(), MicroUsd::ZERO);
        assert_eq!(first.charged_gpu_us, 0);
    }

    /// Lets time pass until the second attempt is asked for.
    fn until_replaced(&mut self, from: u64) {
        let replaced = (from..from + 60).any(|second| {
            let orders = self.work(second).orders;
            orders.contains(&(job(1), Order::Create(Epoch(2))))
        });
        assert!(replaced, "{:?}", self.the_job().state());
        let attempts = &self.the_job().attempts;
        assert_ne!(attempts[0].offer.id, attempts[1].offer.id);
    }
}

#[test]
fn a_failed_probe_leaves_the_offer_before_anything_is_charged_and_says_why() {
    let mut rig = rig(probing());
    rig.running(1, 1);
    rig.ask(3, probing_beat(0, 1));
    assert!(!rig.may_start(5, judged(0, VerdictOutcome::Fail)));
    rig.was_left("node 0 failed the probe: vram_too_slow (half the memory");
    // A patched agent goes on all the same: nothing of it counts.
    for sequence in 6..30 {
        rig.ask(sequence, working(0, sequence));
    }
    rig.work(30);
    rig.ask(31, ended(EndCause::ProbeFailed));
    rig.until_replaced(31);
    rig.was_left("node 0 failed the probe");
    assert_eq!(rig.the_job().attempts[0].proved, Duration::ZERO);
}

#[test]
fn the_agent_hears_that_it_may_start_only_after_the_verdict_is_written() {
    let mut rig = rig(probing());
    rig.running(1, 1);
    rig.ask(5, judged(0, VerdictOutcome::Pass));
    let turn = rig.turn(5).unwrap();
    let written = &turn.changes.placements[0].document;
    assert!(written.contains("\"outcome\":\"pass\""), "{written}");
    assert_eq!(turn.changes.devices.len(), 1);
    // The store cannot write: nothing is promised, and the verdict is not there.
    let broken = StoreError::Database("full".into());
    let after = rig.kernel.refused(turn, &broken, at(5));
    let said: Vec<_> = after.replies.iter().map(|(_, reply)| reply).collect();
    assert!(
        matches!(said[..], [Reply::Refused(Refused::Store(_))]),
        "{said:?}"
    );
    assert!(rig.the_job().attempts[0].probes.is_empty());
    assert!(rig.may_start(7, judged(0, VerdictOutcome::Pass)));
    assert_eq!(rig.the_job().attempts[0].probes.len(), 1);
}

#[test]
fn the_first_verdict_stands_and_is_told_again() {
    let mut rig = rig(probing());
    rig.running(1, 1);
    assert!(rig.may_start(5, judged(0, VerdictOutcome::Pass)));
    assert!(
        rig.may_start(6, judged(0, VerdictOutcome::Fail)),
        "a second one"
    );
    assert!(
        rig.may_start(7, opens(0)),
        "a broker that forgot the exchange"
    );
    let kept = &rig.the_job().attempts[0].probes[&0];
    assert_eq!(kept.outcome, VerdictOutcome::Pass);
    assert_eq!(rig.the_job().state(), JobState::Running);
    assert!(kept.reasons.len() <= 16);
    let detail = &kept.reasons[0].detail;
    assert!(detail.len() <= DETAIL_BYTES_MAX && !detail.contains('\n'));
}

#[test]
fn what_another_run_or_another_epoch_says_is_no_verdict() {
    let mut rig = rig(probing());
    rig.running(1, 1);
    let pass = || verdict(VerdictOutcome::Pass, 1);
    for wrong in [
        said(1, 0, boot(7), pass()),
        said(2, 0, boot(BOOT), pass()),
        said(1, 1, boot(BOOT), pass()),
    ] {
        let reply = rig.reply(5, wrong);
        assert!(matches!(reply, AgentReply::Refused(_)), "{reply:?}");
    }
    assert!(rig.the_job().attempts[0].probes.is_empty());
    rig.ask(6, judged(0, VerdictOutcome::Fail));
    rig.ask(6, ended(EndCause::ProbeFailed));
    rig.until_replaced(6);
    let reply = rig.reply(70, judged(0, VerdictOutcome::Pass));
    assert!(matches!(reply, AgentReply::Refused(_)), "{reply:?}");
}

#[test]
fn an_agent_that_works_without_a_verdict_is_left_and_earns_nothing() {
    let checkpoint = || {
        Request::Agent(AgentRequest::Checkpoint(CheckpointRequest {
            job: job(1),
            epoch: Epoch(1),
            rank: 0,
            boot_id: boot(BOOT),
            step: 5,
            key: checkpoint_key(job(1), Epoch(1), 5),
            sha256: Sha256::of(b"x"),
            bytes: 1,
        }))
    };
    for skips in [
        working(0, 9),
        beat(job(1), 0, 9, String::new()),
        checkpoint(),
        ended(EndCause::Workload),
        ended(EndCause::SetupFailed),
    ] {
        let mut rig = rig(probing());
        rig.running(1, 1);
        rig.ask(9, skips.clone());
        rig.work(9);
        rig.was_left("node 0 began its work without the probe of its GPUs");
        let session = &rig.the_job().doc.session;
        let published = (session.pointer(), session.outcome());
        assert_eq!(published, (None, None), "{skips:?}");
        rig.until_replaced(10);
    }
}

#[test]
fn where_nothing_could_be_measured_the_operator_says_what_follows() {
    let mut goes_on = rig(probing());
    goes_on.running(1, 1);
    assert!(goes_on.may_start(5, judged(0, VerdictOutcome::CouldNotRun)));
    goes_on.ask(9, working(0, 9));
    goes_on.work(9);
    assert_eq!(goes_on.the_job().state(), JobState::Running);
    assert!(goes_on.the_job().doc.session.proved() > Duration::ZERO);
    let mut leaves = rig(ProbeTerms {
        on_could_not_run: OnCouldNotRun::Leave,
        ..probing()
    });
    leaves.running(1, 1);
    assert!(!leaves.may_start(5, judged(0, VerdictOutcome::CouldNotRun)));
    leaves.was_left("node 0 could not be probed");
}

#[test]
fn one_bad_node_of_a_gang_has_all_of_it_replaced() {
    let mut rig = rig(probing());
    rig.running(1, 2);
    assert!(rig.may_start(5, judged(0, VerdictOutcome::Pass)));
    // The first node works, and fails for want of the other one.
    rig.ask(8, working(0, 8));
    let failed = Request::Agent(AgentRequest::Result(ResultReport {
        job: job(1),
        epoch: Epoch(1),
        rank: 0,
        boot_id: boot(BOOT),
        exit_code: Some(1),
        signal: None,
        step: 0,
        worked_ms: 8_000,
        output_sha256: None,
        output_tail: String::new(),
        cause: EndCause::Workload,
        detail: None,
    }));
    rig.ask(9, failed);
    rig.ask(10, probing_beat(1, 10));
    rig.work(10);
    assert_eq!(
        rig.the_job().state(),
        JobState::Running,
        "not the customer's"
    );
    assert!(!rig.may_start(11, judged(1, VerdictOutcome::Fail)));
    rig.was_left("node 1 failed the probe");
    rig.until_replaced(12);
}

#[test]
fn a_probe_is_ordered_until_it_is_judged_and_begun_a_few_times() {
    let mut off = rig(ProbeTerms::OFF);
    off.running(1, 1);
    let reply = off.reply(5, judged(0, VerdictOutcome::Fail));
    assert!(matches!(reply, AgentReply::Refused(_)), "{reply:?}");
    assert_eq!(off.the_job().state(), JobState::Running);

    let mut rig = rig(probing());
    rig.running(1, 1);
    let ordered = |rig: &mut Rig, second| match rig.reply(second, bind(job(1), 0)) {
        AgentReply::Bound { reply, trusted } => {
            // What is secret waits for the verdict.
            assert_eq!(trusted.is_none(), reply.probe.is_some());
            reply.probe
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(ordered(&mut rig, 2), Some(Kind::Quick));
    let sold = AgentReply::ProbeOpens {
        sold_as: "rtx4090".into(),
        gpus: 1,
    };
    for _ in 0..3 {
        assert_eq!(rig.reply(3, opens(0)), sold);
    }
    let fourth = rig.reply(3, opens(0));
    assert!(matches!(fourth, AgentReply::Refused(_)), "{fourth:?}");
    assert!(rig.may_start(4, judged(0, VerdictOutcome::Pass)));
    assert_eq!(ordered(&mut rig, 5), None);
}
