//! Nothing of the workload begins before the probe that was ordered allows it.

use super::*;
use crate::exchange::VerifierMessage;
use crate::protocol::{ProbeReply, ProbeSaid};
use crate::report::Kind;

fn probing(restore: Option<CheckpointRef>) -> Rig {
    let ordered = BindReply {
        probe: Some(Kind::Quick),
        restore,
        ..terms()
    };
    Rig::bound(WorkloadKind::Job, ordered)
}

fn begins(actions: &[Action]) -> bool {
    let begins = |a: &Action| matches!(a, Do::Start { .. } | Do::Restore(..));
    actions.iter().any(begins)
}

fn told(actions: &[Action]) -> Option<String> {
    actions.iter().find_map(|action| match action {
        Do::SendProbe(request) => match &request.said {
            ProbeSaid::CouldNotRun { detail } => Some(detail.clone()),
            ProbeSaid::Message(_) => None,
        },
        _ => None,
    })
}

fn decides(may_start: Option<bool>) -> Input {
    Input::ProbeReplied(Ok(ProbeReply {
        message: VerifierMessage::Ok,
        may_start,
    }))
}

fn no_driver() -> Input {
    Input::Probed(ProbeEnd::CouldNotRun("TDM-8001: no driver".to_owned()))
}

#[test]
fn the_probe_comes_first_then_the_checkpoint_then_the_start() {
    let mut rig = probing(Some(checkpoint(2, 40)));
    let [Do::Probe(Kind::Quick), Do::SendHeartbeat(beat)] = &rig.last[..] else {
        panic!("{:?}", rig.last);
    };
    assert_eq!((beat.phase, beat.worked_ms), (Phase::Probing, 0));
    rig.renew();
    assert_eq!(rig.state.phase(), Phase::Probing);
    rig.give(Input::Restored(Ok(())));
    rig.give(Input::Started);
    assert!(!begins(&rig.last), "nothing was asked for yet");
    rig.give(Input::Probed(ProbeEnd::MayStart));
    rig.bound_again(BindReply {
        restore: Some(checkpoint(2, 40)),
        ..terms()
    });
    assert!(matches!(&rig.last[..], [Do::Restore(at, _)] if at.step == 40));
    let restored_step = Some(40);
    let start = rig.give(Input::Restored(Ok(())));
    assert_eq!(start, [Do::Start { restored_step }]);
}

#[test]
fn the_lease_is_renewed_during_a_long_probe_and_no_work_is_claimed() {
    let mut rig = probing(None);
    for _ in 0..50 {
        rig.wait(5);
        let Some(Do::SendHeartbeat(beat)) = rig.last.first() else {
            panic!("{:?}", rig.last);
        };
        assert_eq!((beat.phase, beat.worked_ms), (Phase::Probing, 0));
        rig.renew();
        assert!(rig.state.holds_lease(rig.now));
    }
    rig.give(Input::Probed(ProbeEnd::MayStart));
    assert!(begins(rig.bound_again(terms())));
}

#[test]
fn what_was_kept_back_before_the_probe_is_asked_for_after_it_until_it_is_given() {
    let kept_back = BindReply {
        probe: Some(Kind::Quick),
        restore: Some(checkpoint(2, 40)),
        checkpoint_store: None,
        ..terms()
    };
    let given = BindReply {
        restore: Some(checkpoint(2, 40)),
        ..terms()
    };
    let mut rig = Rig::bound(WorkloadKind::Job, kept_back);
    rig.give(Input::Probed(ProbeEnd::MayStart));
    rig.give(Input::BindReplied(2, Err(CallError::Unreachable)));
    assert!(!begins(&rig.last));
    assert_eq!(rig.state.phase(), Phase::Probing);
    let asks = |a: &Action| matches!(a, Do::SendBind(3, _));
    assert!((0..30).any(|_| rig.wait(1).iter().any(asks)));
    // A probe that is ordered once more is not run once more.
    let ordered = BindReply {
        probe: Some(Kind::Quick),
        ..given
    };
    let actions = rig.give(Input::BindReplied(3, Ok(ordered)));
    assert!(matches!(actions, [Do::Restore(at, _)] if at.step == 40));
}

#[test]
fn an_instance_that_is_not_bound_again_after_its_probe_ends() {
    let mut rig = probing(None);
    rig.give(Input::Probed(ProbeEnd::MayStart));
    let live_epoch = Some(Epoch(4));
    rig.give(Input::BindReplied(
        2,
        Err(CallError::Refused { live_epoch }),
    ));
    assert_eq!(rig.last, [Do::Exit(ExitReason::Fenced)]);
    let mut rig = probing(None);
    rig.give(Input::Probed(ProbeEnd::MayStart));
    rig.give(Input::Terminate);
    assert_eq!(rig.reported().map(|r| r.cause), Some(EndCause::Terminated));
    assert!(!begins(rig.give(Input::BindReplied(2, Ok(terms())))));
}

#[test]
fn a_probe_that_may_not_start_is_reported_and_nothing_is_started() {
    let mut rig = probing(Some(checkpoint(2, 40)));
    rig.give(Input::Probed(ProbeEnd::MayNotStart("é".repeat(3_000))));
    let report = rig.reported().expect("its end is reported").clone();
    assert_eq!((report.cause, report.worked_ms), (EndCause::ProbeFailed, 0));
    assert_eq!(report.check(), Ok(()));
    assert!(!report.cause.is_outcome());
    rig.give(Input::Probed(ProbeEnd::MayStart));
    assert!(!begins(&rig.last), "the first answer counts");
    for seconds in [1, 10, 100] {
        assert!(!begins(rig.wait(seconds)));
    }
}

#[test]
fn of_a_probe_that_could_not_run_the_broker_decides() {
    for may_start in [true, false] {
        let mut rig = probing(None);
        rig.give(no_driver());
        assert_eq!(told(&rig.last).as_deref(), Some("TDM-8001: no driver"));
        assert!(!begins(&rig.last));
        rig.give(decides(Some(may_start)));
        if may_start {
            rig.bound_again(terms());
        }
        assert_eq!(begins(&rig.last), may_start);
        let failed = rig.reported().map(|r| (r.cause, r.detail.clone()));
        let detail = Some("TDM-8001: no driver".to_owned());
        let expected = (!may_start).then_some((EndCause::ProbeFailed, detail));
        assert_eq!(failed, expected);
    }
}

#[test]
fn a_broker_that_does_not_decide_is_asked_again_until_orphan_ttl() {
    let mut rig = probing(None);
    rig.give(no_driver());
    assert!(!begins(rig.give(decides(None))));
    let (mut asked, mut cause) = (0, None);
    for _ in 0..=ORPHAN_S {
        let actions = rig.wait(1).to_vec();
        assert!(!begins(&actions));
        cause = rig.reported().map(|report| report.cause);
        for action in actions {
            match action {
                Do::SendHeartbeat(beat) => {
                    rig.give(heartbeat(beat.sequence, true, 3, Directive::Continue));
                }
                Do::SendProbe(_) => {
                    asked += 1;
                    rig.give(Input::ProbeReplied(Err(CallError::Unreachable)));
                }
                _ => {}
            }
        }
        if cause.is_some() {
            break;
        }
    }
    assert!((20..60).contains(&asked), "{asked} times in 15 minutes");
    assert_eq!(cause, Some(EndCause::ProbeFailed));
}

#[test]
fn a_probe_without_an_end_is_given_up_and_its_late_answer_ignored() {
    let mut rig = probing(None);
    for _ in 0..QUICK_PROBE_MS_MAX / 5_000 - 1 {
        rig.wait(5);
        assert!(!rig.last.contains(&Do::AbortProbe));
        rig.renew();
    }
    rig.wait(5);
    assert!(rig.last.contains(&Do::AbortProbe));
    assert!(told(&rig.last).unwrap().starts_with("TDM-8008"));
    rig.give(Input::Probed(ProbeEnd::MayStart));
    assert!(
        !begins(&rig.last),
        "the broker was told that it did not run"
    );
    rig.give(decides(Some(true)));
    assert!(begins(rig.bound_again(terms())));
}

#[test]
fn a_stop_or_a_signal_during_the_probe_ends_it_and_starts_nothing() {
    let directed = |rig: &mut Rig, directive| {
        rig.answer(true, 3, directive);
    };
    type End<'a> = &'a dyn Fn(&mut Rig);
    let ends: [(EndCause, End<'_>); 3] = [
        (EndCause::StopDirected, &|rig| {
            directed(rig, Directive::Stop);
        }),
        (EndCause::StopDirected, &|rig| {
            directed(rig, Directive::CheckpointAndStop);
        }),
        (EndCause::Terminated, &|rig| {
            rig.give(Input::Terminate);
        }),
    ];
    for (cause, end) in ends {
        for could_not_run in [false, true] {
            let mut rig = probing(None);
            let beat = rig.last.clone();
            if could_not_run {
                rig.give(no_driver());
            }
            rig.last = beat;
            end(&mut rig);
            assert_eq!(rig.last.contains(&Do::AbortProbe), !could_not_run);
            assert_eq!(rig.reported().map(|r| r.cause), Some(cause));
            for late in [
                Input::Probed(ProbeEnd::MayStart),
                decides(Some(true)),
                Input::Started,
            ] {
                assert!(!begins(rig.give(late)));
            }
        }
    }
}

#[test]
fn a_fence_and_an_absent_broker_end_the_probe_without_a_report() {
    let mut rig = probing(None);
    rig.answer(true, 4, Directive::Continue);
    assert_eq!(
        rig.last,
        [Do::AbortProbe, Do::Exit(ExitReason::Fenced)],
        "another attempt is live"
    );
    assert!(rig.give(Input::Probed(ProbeEnd::MayStart)).is_empty());

    let mut rig = probing(None);
    rig.give(no_driver());
    let refused = CallError::Refused {
        live_epoch: Some(Epoch(4)),
    };
    rig.give(Input::ProbeReplied(Err(refused)));
    assert_eq!(rig.last, [Do::Exit(ExitReason::Fenced)]);

    let soak = BindReply {
        probe: Some(Kind::Soak),
        ..terms()
    };
    let mut rig = Rig::bound(WorkloadKind::Job, soak);
    rig.wait(ORPHAN_S);
    assert_eq!(rig.last, [Do::AbortProbe, Do::Exit(ExitReason::Orphaned)]);
}

#[test]
fn an_exclusive_job_that_loses_its_lease_while_it_is_probed_ends() {
    let exclusive = BindReply {
        probe: Some(Kind::Quick),
        exclusive: true,
        ..terms()
    };
    let mut rig = Rig::bound(WorkloadKind::Job, exclusive);
    rig.wait(TTL_S);
    assert_eq!(rig.last, [Do::AbortProbe, Do::Exit(ExitReason::LeaseLost)]);
}

#[test]
fn a_second_answer_to_the_binding_orders_no_second_probe_and_skips_none() {
    let mut rig = probing(None);
    let replayed = [
        terms(),
        BindReply {
            probe: Some(Kind::Full),
            ..terms()
        },
    ];
    for reply in replayed {
        let actions = rig.give(Input::BindReplied(1, Ok(reply))).to_vec();
        assert!(!begins(&actions) && !actions.iter().any(|a| matches!(a, Do::Probe(_))));
    }
    assert_eq!(rig.state.phase(), Phase::Probing);
}

#[test]
fn without_an_order_answers_of_a_probe_mean_nothing() {
    let with_checkpoint = BindReply {
        restore: Some(checkpoint(2, 40)),
        ..terms()
    };
    let mut rig = Rig::bound(WorkloadKind::Job, with_checkpoint);
    rig.give(Input::Probed(ProbeEnd::MayStart));
    rig.give(Input::Probed(ProbeEnd::MayNotStart(String::new())));
    rig.give(decides(Some(false)));
    assert!(rig.last.is_empty());
    assert_eq!(rig.state.phase(), Phase::Restoring);
}
