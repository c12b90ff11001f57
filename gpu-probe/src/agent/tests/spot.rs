//! Running work is paused and probed when that is ordered, and always goes on.

use super::*;
use crate::hex::HexBytes;
use crate::protocol::{ProbeSaid, SpotOrder};

const MOMENT: MomentId = HexBytes([7; 16]);

fn orders(sequence: u64, moment: MomentId, in_ms: u64) -> Input {
    let reply = HeartbeatReply {
        granted: true,
        lease_ttl_ms: TTL_S * 1_000,
        live_epoch: Epoch(3),
        directive: Directive::Continue,
        spot_probe: Some(SpotOrder { moment, in_ms }),
    };
    Input::HeartbeatReplied(sequence, Ok(reply))
}

impl Rig {
    fn order(&mut self, moment: MomentId, in_ms: u64) -> &[Action] {
        let sequence = self.newest_heartbeat();
        self.give(orders(sequence, moment, in_ms))
    }

    /// A workload that stands still for the probe of a moment.
    fn paused() -> Self {
        Self::paused_under(WorkloadKind::Job, terms())
    }

    fn paused_under(kind: WorkloadKind, terms: BindReply) -> Self {
        let mut rig = Self::running_under(kind, terms);
        rig.order(MOMENT, 10_000);
        rig.wait(5);
        assert!(!rig.last.contains(&Do::Pause), "too early");
        rig.renew();
        rig.wait(5);
        assert!(rig.last.ends_with(&[Do::Pause, Do::ProbeSpot(MOMENT)]) || rig.pauses());
        rig
    }

    fn pauses(&self) -> bool {
        self.last.contains(&Do::Pause)
    }

    fn worked_ms(&mut self) -> u64 {
        self.last.clear();
        let find = |actions: &[Action]| {
            actions.iter().find_map(|a| match a {
                Do::SendHeartbeat(beat) => Some(beat.worked_ms),
                _ => None,
            })
        };
        let actions = self.wait(5).to_vec();
        self.renew();
        find(&actions).unwrap()
    }

    fn told(&self) -> Option<(MomentId, String)> {
        self.last.iter().find_map(|action| match action {
            Do::SendProbe(request) => match &request.said {
                ProbeSaid::CouldNotRun { detail } => Some((request.moment?, detail.clone())),
                ProbeSaid::Message(_) => None,
            },
            _ => None,
        })
    }
}

#[test]
fn work_goes_on_as_soon_as_the_cards_are_free_and_the_pause_is_no_work() {
    let mut rig = Rig::paused();
    let before = rig.worked_ms();
    assert_eq!(rig.worked_ms(), before, "it stands still");
    rig.give(Input::SpotMeasured(MOMENT));
    assert_eq!(rig.last, [Do::Resume]);
    assert_eq!(
        rig.worked_ms(),
        before + 5_000,
        "it works while the broker checks"
    );
    rig.give(Input::SpotProbed(MOMENT, Ok(())));
    assert!(rig.last.is_empty(), "{:?}", rig.last);
    assert_eq!(rig.worked_ms(), before + 10_000);
    rig.give(ended(0));
    let report = rig.reported().unwrap();
    assert_eq!(report.worked_ms, before + 10_000);
}

#[test]
fn every_end_of_a_paused_workload_lets_it_go_on_first() {
    type End<'a> = &'a dyn Fn(&mut Rig);
    let ends: [(End<'_>, Option<Action>); 6] = [
        (
            &|rig| {
                rig.answer(true, 3, Directive::Stop);
            },
            Some(Do::Stop(StopReason::Directed)),
        ),
        (
            &|rig| {
                rig.answer(true, 3, Directive::CheckpointAndStop);
            },
            Some(Do::Stop(StopReason::DirectedAfterCheckpoint)),
        ),
        (
            &|rig| {
                rig.give(Input::Terminate);
            },
            Some(Do::Stop(StopReason::Terminated)),
        ),
        (
            &|rig| {
                rig.answer(true, 4, Directive::Continue);
            },
            Some(Do::Kill(KillReason::Fenced)),
        ),
        (
            &|rig| {
                rig.answer(false, 3, Directive::Continue);
            },
            None,
        ),
        (
            &|rig| {
                rig.give(ended(9));
            },
            None,
        ),
    ];
    for (at, (end, then)) in ends.into_iter().enumerate() {
        let mut rig = Rig::paused();
        end(&mut rig);
        let place = |action: &Action| rig.last.iter().position(|a| a == action);
        let (abort, resume) = (place(&Do::AbortProbe), place(&Do::Resume));
        assert!(abort.is_some() && abort < resume, "{at}: {:?}", rig.last);
        if let Some(then) = then {
            assert!(place(&then) > resume, "{at}: {:?}", rig.last);
        }
        rig.give(Input::SpotMeasured(MOMENT));
        assert!(!rig.last.contains(&Do::Resume), "{at}: once");
        rig.give(Input::SpotProbed(MOMENT, Err("late".to_owned())));
        assert_eq!(rig.told(), None, "{at}");
    }
}

#[test]
fn a_paused_exclusive_job_without_its_lease_is_killed() {
    let exclusive = BindReply {
        exclusive: true,
        ..terms()
    };
    let mut rig = Rig::paused_under(WorkloadKind::Job, exclusive);
    rig.wait(TTL_S);
    let kill = Do::Kill(KillReason::LeaseLost);
    assert_eq!(rig.last[..3], [Do::AbortProbe, Do::Resume, kill]);
}

#[test]
fn a_probe_that_does_not_end_is_given_up_and_the_work_goes_on() {
    let mut rig = Rig::paused();
    for _ in 0..PAUSE_MS_MAX / 5_000 - 1 {
        rig.wait(5);
        assert!(!rig.last.contains(&Do::Resume));
        rig.renew();
    }
    rig.wait(5);
    assert_eq!(rig.last[..2], [Do::AbortProbe, Do::Resume]);
    let (moment, why) = rig.told().expect("the broker is told");
    assert!(moment == MOMENT && why.starts_with("TDM-8008"), "{why}");
    rig.renew();
    rig.give(Input::SpotProbed(MOMENT, Err("given up".to_owned())));
    assert_eq!(rig.told(), None, "it is told once");
}

#[test]
fn an_exchange_without_an_end_is_given_up_while_the_work_runs() {
    let mut rig = Rig::paused();
    rig.give(Input::SpotMeasured(MOMENT));
    for _ in 0..SPOT_PROBE_MS_MAX / 5_000 - 1 {
        rig.wait(5);
        assert!(!rig.last.contains(&Do::AbortProbe));
        rig.renew();
    }
    rig.wait(5);
    assert!(rig.last.contains(&Do::AbortProbe) && !rig.last.contains(&Do::Resume));
    assert!(rig.told().is_some());
}

#[test]
fn a_moment_is_probed_once_and_one_at_a_time() {
    let mut rig = Rig::paused();
    let other = HexBytes([8; 16]);
    rig.order(other, 0);
    assert!(!rig.pauses(), "one is under way");
    rig.give(Input::SpotProbed(other, Ok(())));
    assert!(rig.last.is_empty(), "another one's end");
    rig.give(Input::SpotProbed(
        MOMENT,
        Err("TDM-8001: no driver".to_owned()),
    ));
    let told = Some((MOMENT, "TDM-8001: no driver".to_owned()));
    assert_eq!(rig.told(), told);
    assert_eq!(rig.last[0], Do::Resume);
    rig.order(MOMENT, 0);
    assert!(!rig.pauses(), "it is done");
    rig.order(other, 0);
    assert!(rig.pauses());
}

#[test]
fn an_order_that_is_said_again_starts_one_probe_and_does_not_put_it_off() {
    let mut rig = Rig::running();
    let begins = |rig: &Rig| rig.last.contains(&Do::ProbeSpot(MOMENT));
    rig.order(MOMENT, 10_000);
    rig.wait(5);
    rig.order(MOMENT, 8_000);
    rig.wait(5);
    assert!(begins(&rig), "when it was said first: {:?}", rig.last);
    // As its answers come late or again: while the work stands still, while it goes on, and after.
    let ends = [
        Input::SpotMeasured(MOMENT),
        Input::SpotProbed(MOMENT, Ok(())),
    ];
    for then in ends.map(Some).into_iter().chain([None]) {
        rig.order(MOMENT, 0);
        assert!(!rig.pauses() && !begins(&rig), "{then:?}");
        rig.wait(5);
        assert!(!rig.pauses() && !begins(&rig), "{then:?}");
        if let Some(then) = then {
            rig.give(then);
        }
    }
    rig.order(HexBytes([8; 16]), 0);
    assert!(rig.pauses(), "another moment is another probe");
}

#[test]
fn only_running_work_is_probed_and_no_order_reaches_far_ahead() {
    let mut rig = Rig::bound(WorkloadKind::Job, terms());
    rig.order(MOMENT, 0);
    assert!(!rig.pauses(), "it has not started");
    rig.give(Input::Started);
    rig.order(MOMENT, SPOT_LEAD_MS_MAX + 1);
    rig.order(MOMENT, 4_000);
    rig.give(Input::Terminate);
    rig.wait(5);
    assert!(!rig.pauses(), "it is ending");

    let mut rig = Rig::running();
    rig.order(MOMENT, SPOT_LEAD_MS_MAX + 1);
    for _ in 0..60 {
        rig.wait(5);
        assert!(!rig.pauses());
        rig.renew();
    }
    let sequence = rig.newest_heartbeat();
    rig.renew();
    rig.give(orders(sequence, MOMENT, 0));
    assert!(!rig.pauses(), "a late answer");
}

#[test]
fn a_checkpoint_under_way_goes_on_while_the_workload_stands_still() {
    let mut rig = Rig::running();
    rig.give(Input::CheckpointFinished(40));
    assert!(matches!(rig.last[..], [Do::Upload(40, _)]));
    rig.order(MOMENT, 0);
    assert!(rig.pauses());
    rig.give(uploaded(40));
    assert!(
        matches!(rig.last[..], [Do::SendCheckpoint(_)]),
        "{:?}",
        rig.last
    );
}

#[test]
fn a_refusal_of_what_could_not_run_takes_no_lease_and_a_newer_attempt_ends_the_work() {
    let refused = |live| {
        Input::ProbeReplied(Err(CallError::Refused {
            live_epoch: Some(Epoch(live)),
        }))
    };
    let exclusive = BindReply {
        exclusive: true,
        ..terms()
    };
    let mut rig = Rig::paused_under(WorkloadKind::Job, exclusive);
    rig.give(Input::SpotProbed(MOMENT, Err("no memory".to_owned())));
    assert!(rig.told().is_some());
    rig.give(refused(3));
    assert!(rig.last.is_empty(), "{:?}", rig.last);
    let before = rig.worked_ms();
    assert_eq!(rig.worked_ms(), before + 5_000, "it works on");
    rig.give(refused(4));
    assert!(
        rig.last.contains(&Do::Kill(KillReason::Fenced)),
        "{:?}",
        rig.last
    );
}
