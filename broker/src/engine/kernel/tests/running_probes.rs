//! Probes inside running work: what their verdicts, and their absence, do to a placement.

use std::time::Duration;

use gpu_probe::hex::HexBytes;
use gpu_probe::protocol::{MomentId, SpotOrder};
use gpu_probe::report::Kind;
use gpu_probe::verdict::{
    Effect, Evidence, ProofLevel, Reason, ReasonCode, Verdict, VerdictOutcome,
};

use tandem_model::id::ProbeId;

use super::*;
use crate::engine::probe::moments::{COHORT_MAX, LEAD_MAX, LEAD_MIN, MomentKey, SETTLE, of_day};
use crate::engine::probe::running::{MISSED_MAX, RunningProbes};
use crate::engine::probe::{NodeVerdict, OnCouldNotRun, ProbeOpens, ProbeTerms};

mod orders;

const CARD: &str = "rtx4090";
const WITHIN_S: u64 = 60;

/// A key, the seconds of three moments of the card that lie apart within half an hour, and their
/// names; found by trying.
fn drawn() -> (MomentKey, Vec<(u64, MomentId)>) {
    let start = at(0).micros();
    let day = start.div_euclid(86_400_000_000);
    (0_u64..)
        .map(|n| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&n.to_le_bytes());
            let key = MomentKey::new(bytes);
            let moments = of_day(&key, CARD, day, 4).into_iter();
            let second = |us: i64| u64::try_from((us - start).div_euclid(1_000_000)).ok();
            let ahead = moments.filter_map(|m| Some((second(m.at.micros())?, m.id)));
            let mut ahead: Vec<_> = ahead.filter(|(s, _)| (60..2_400).contains(s)).collect();
            ahead.sort_unstable();
            (key, ahead)
        })
        .find(|(_, moments)| {
            let apart = |pair: &[(u64, MomentId)]| pair[1].0 - pair[0].0 > 2 * WITHIN_S;
            moments.len() == 3 && moments.windows(2).all(apart)
        })
        .unwrap()
}

/// A kernel whose only job runs, beats, and is probed at three moments.
struct Running {
    rig: Rig,
    moments: Vec<(u64, MomentId)>,
    key: MomentKey,
    second: u64,
    /// Orders that were told, each as often as it was, with the second of the answer.
    told: Vec<(u64, SpotOrder)>,
}

fn probe_terms(key: MomentKey) -> ProbeTerms {
    ProbeTerms {
        while_running_per_day: 4,
        moments: key,
        within: Duration::from_secs(WITHIN_S),
        ..ProbeTerms::OFF
    }
}

/// A speed of 850 is promised.
fn accepts(n: u64, agrees: bool) -> Request {
    let mut spec = Box::new(spec(FILE, &offer("ionet", "1")));
    spec.workload.probe_while_running = agrees;
    spec.quote.objectives = Some(measured::objectives(Some(850)));
    Request::Accept {
        job: job(n),
        spec,
        reply: None,
    }
}

/// The first attempt of an accepted job is created and bound.
fn starts(rig: &mut Rig, n: u64) {
    let remote_id = format!("remote-{n}");
    let created = Input::Created(Epoch(1), Outcome::Started { remote_id });
    rig.kernel.landed(job(n), Order::Create(Epoch(1)), created);
    rig.ask(1, bind(job(n), 0));
    rig.work(1);
}

fn accept(rig: &mut Rig, n: u64, agrees: bool) {
    rig.ask(0, accepts(n, agrees));
    rig.work(0);
    starts(rig, n);
}

fn verdict(outcome: VerdictOutcome) -> Verdict {
    let uuid = HexBytes([3; 16]);
    Verdict {
        outcome,
        proof_level: ProofLevel::TimedProof,
        speed_permille: Some(940),
        reasons: vec![Reason {
            code: ReasonCode::MatrixTooSlow,
            effect: match outcome {
                VerdictOutcome::Pass => Effect::Note,
                VerdictOutcome::CouldNotRun => Effect::CouldNotRun,
                VerdictOutcome::Fail => Effect::Fail,
            },
            device: Some(uuid),
            detail: "seen".to_owned(),
        }],
        evidence: vec![Evidence {
            model: Some(CARD.into()),
            ..Evidence::none(uuid)
        }],
    }
}

fn opens(moment: MomentId) -> ProbeOpens {
    ProbeOpens {
        job: job(1),
        epoch: Epoch(1),
        rank: 0,
        boot_id: BootId::from_parts(1, &[5; 10]),
        moment: Some(moment),
    }
}

fn judged(moment: MomentId, verdict: Verdict) -> Request {
    let opens = opens(moment);
    Request::Agent(AgentRequest::Probed(NodeVerdict {
        probe: ProbeId::from_parts(u64::from(moment.0[0]), &[6; 10]),
        kind: Kind::Spot,
        challenge_id: None,
        report: None,
        job: opens.job,
        epoch: opens.epoch,
        rank: opens.rank,
        boot_id: opens.boot_id,
        moment: opens.moment,
        verdict: Box::new(verdict),
    }))
}

impl Running {
    fn with(change: impl FnOnce(ProbeTerms) -> ProbeTerms, agrees: bool) -> Self {
        let (key, moments) = drawn();
        let mut rig = Rig::new();
        let probe = change(probe_terms(key));
        rig.kernel = Kernel::new(Terms { probe, ..terms() }, at(0));
        rig.read(two());
        accept(&mut rig, 1, agrees);
        Self {
            rig,
            moments,
            key,
            second: 1,
            told: Vec::new(),
        }
    }

    fn new() -> Self {
        Self::with(|terms| terms, true)
    }

    /// A heartbeat of work; what its answer orders.
    fn beat(&mut self) -> Option<SpotOrder> {
        let Request::Agent(AgentRequest::Heartbeat(mut said)) =
            beat(job(1), 0, self.second, String::new())
        else {
            unreachable!()
        };
        said.worked_ms = self.second * 1_000;
        let ticket = self
            .rig
            .ask(self.second, Request::Agent(AgentRequest::Heartbeat(said)));
        let mut replies = self.rig.work(self.second).replies;
        if let Some(flush) = self.rig.kernel.flush(at(self.second + 1)) {
            replies.extend(flush.written());
        }
        let mine = replies.into_iter().find(|(of, _)| *of == ticket);
        match mine {
            Some((_, Reply::Agent(AgentReply::Heartbeat(reply)))) => {
                if let Some(order) = reply.spot_probe {
                    self.told.push((self.second, order));
                }
                reply.spot_probe
            }
            other => panic!("{other:?}"),
        }
    }

    /// Beats every five seconds until a second has passed.
    fn until(&mut self, second: u64) {
        while self.second < second {
            self.second = (self.second + 5).min(second);
            self.beat();
        }
    }

    /// Until a moment was ordered and has come.
    fn at_moment(&mut self, number: usize) -> MomentId {
        let (second, moment) = self.moments[number];
        self.until(second + 1);
        assert_eq!(self.told.last().map(|(_, o)| o.moment), Some(moment));
        moment
    }

    /// The moments of which it was told.
    fn moments_told(&self) -> Vec<MomentId> {
        let mut told: Vec<_> = self.told.iter().map(|(_, order)| order.moment).collect();
        told.dedup();
        told
    }

    fn reply(&mut self, request: Request) -> AgentReply {
        let ticket = self.rig.ask(self.second, request);
        let replies = self.rig.work(self.second).replies;
        match replies.into_iter().find(|(of, _)| *of == ticket) {
            Some((_, Reply::Agent(reply))) => reply,
            other => panic!("{other:?}"),
        }
    }

    fn judge(&mut self, moment: MomentId, outcome: VerdictOutcome) -> bool {
        match self.reply(judged(moment, verdict(outcome))) {
            AgentReply::Probed { may_start, .. } => may_start,
            other => panic!("{other:?}"),
        }
    }

    fn job(&self) -> &Job {
        self.rig.kernel.job(job(1)).unwrap()
    }

    fn probes(&self) -> &RunningProbes {
        &self.job().attempts[0].running_probes[&0]
    }

    fn is_left(&self) -> Option<&str> {
        self.job().attempts[0].left_because.as_deref()
    }
}

#[test]
fn the_first_verdict_of_a_moment_stands_and_the_work_goes_on() {
    let mut running = Running::new();
    let moment = running.at_moment(0);
    assert!(running.judge(moment, VerdictOutcome::Pass));
    assert!(running.judge(moment, VerdictOutcome::Fail), "a second one");
    running.until(running.moments[1].0 - 40);
    assert_eq!(
        running.moments_told(),
        [moment],
        "an answered moment is not ordered again"
    );
    let kept = &running.probes().answered;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].probed.outcome, VerdictOutcome::Pass);
    assert!(running.probes().ordered.is_none() && running.is_left().is_none());
    assert_eq!(running.job().state(), JobState::Running);
}

#[test]
fn a_fail_leaves_the_placement_and_what_was_proved_before_stays_charged() {
    let mut running = Running::new();
    let moment = running.at_moment(0);
    let proved = running.job().doc.session.proved();
    assert!(!running.judge(moment, VerdictOutcome::Fail));
    let why = running.is_left().unwrap();
    assert!(
        why.contains("while its work ran, node 0 failed the probe: matrix_too_slow"),
        "{why}"
    );
    let first = &running.job().attempts[0];
    assert!(first.failed_probe && first.has_failed());
    let failed = &running.job().doc.situation.failed_offers;
    assert!(failed.contains(&first.offer.id));
    running.until(running.second + 120);
    let job = running.job();
    assert_eq!(
        job.attempts[0].proved, proved,
        "no less, and nothing after it"
    );
    assert_eq!(job.attempts.len(), 2);
}

#[test]
fn what_could_not_run_leaves_nobody_however_often_and_whatever_is_configured() {
    let strict = |terms| ProbeTerms {
        on_could_not_run: OnCouldNotRun::Leave,
        ..terms
    };
    let mut running = Running::with(strict, true);
    for number in 0..3 {
        let moment = running.at_moment(number);
        assert!(running.judge(moment, VerdictOutcome::CouldNotRun));
    }
    running.until(running.second + 300);
    assert!(running.is_left().is_none());
    assert_eq!(running.probes().missed, 0);
}

#[test]
fn a_node_that_ignores_three_moments_in_a_row_fails() {
    let mut running = Running::new();
    let (last, _) = running.moments[2];
    running.until(last + WITHIN_S - 1);
    assert_eq!(running.moments_told().len(), 3);
    assert!(
        running.is_left().is_none(),
        "the third may still be answered"
    );
    assert_eq!(running.probes().missed_in_a_row, MISSED_MAX - 1);
    running.until(last + WITHIN_S + 10);
    let why = running.is_left().expect("it is left");
    assert!(
        why.contains("left 3 probes of its running work in a row"),
        "{why}"
    );
}

#[test]
fn giving_up_after_the_picks_counts_as_no_answer_and_an_answer_begins_the_count_anew() {
    let withheld = || {
        let mut verdict = verdict(VerdictOutcome::CouldNotRun);
        verdict.reasons[0].code = ReasonCode::OpeningsMissing;
        verdict
    };
    for answers_the_second in [false, true] {
        let mut running = Running::new();
        let mut goes_on = Vec::new();
        for number in 0..3 {
            let moment = running.at_moment(number);
            let said = match answers_the_second && number == 1 {
                true => verdict(VerdictOutcome::CouldNotRun),
                false => withheld(),
            };
            match running.reply(judged(moment, said)) {
                AgentReply::Probed { may_start, .. } => goes_on.push(may_start),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(goes_on, [true, true, answers_the_second]);
        running.until(running.second + 5);
        assert_eq!(running.is_left().is_none(), answers_the_second);
        let expected = if answers_the_second { (2, 1) } else { (3, 3) };
        let probes = running.probes();
        assert_eq!((probes.missed, probes.missed_in_a_row), expected);
    }
}

#[test]
fn later_probes_expect_the_devices_that_were_shown_first() {
    let mut running = Running::new();
    let moment = running.at_moment(0);
    running.judge(moment, VerdictOutcome::Pass);
    let moment = running.at_moment(1);
    match running.reply(Request::Agent(AgentRequest::ProbeOpens(opens(moment)))) {
        AgentReply::SpotOpens(terms) => {
            assert_eq!(terms.expected, Some([HexBytes([3; 16])].into()));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_slow_pass_while_the_work_runs_opens_one_breach_and_the_work_goes_on() {
    let mut running = Running::new();
    let mut breaches = Vec::new();
    for (number, permille) in [900, 820, 800].into_iter().enumerate() {
        let moment = running.at_moment(number);
        let said = Verdict {
            speed_permille: Some(permille),
            ..verdict(VerdictOutcome::Pass)
        };
        running.rig.ask(running.second, judged(moment, said));
        let turn = running.rig.turn(running.second).unwrap();
        let after = running.rig.kernel.committed(turn);
        let known = &running.job().attempts[0].performance_breaches;
        let measured = known.get(&0).map(|breach| breach.measured_permille);
        breaches.push((after.performance_breaches, measured));
    }
    // The first stands.
    assert_eq!(breaches, [(0, None), (1, Some(820)), (0, Some(820))]);
    assert!(running.is_left().is_none());
}
