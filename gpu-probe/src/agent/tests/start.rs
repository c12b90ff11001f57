//! From the first request to the start of the workload.

use super::*;

#[test]
fn an_agent_binds_starts_heartbeats_and_reports() {
    let mut rig = Rig::running();
    rig.give(Input::Progress(Progress {
        step: 7,
        total_steps: Some(9),
    }));
    rig.give(ended(0));
    let report = rig.reported().expect("the end is reported at once").clone();
    assert_eq!(
        (report.exit_code, report.step, report.cause),
        (Some(0), 7, EndCause::Workload)
    );
    rig.give(Input::ResultReplied(Ok(ResultReply { recorded: true })));
    assert_eq!(rig.exits(), Some(ExitReason::Recorded));
    assert!(rig.wait(10_000).is_empty(), "nothing comes after the exit");
}

#[test]
fn the_checkpoint_is_in_place_before_the_workload_starts() {
    let mut rig = Rig::bound(
        WorkloadKind::Job,
        BindReply {
            restore: Some(checkpoint(2, 40)),
            ..terms()
        },
    );
    assert!(matches!(&rig.last[..], [Do::Restore(at, _), Do::SendHeartbeat(_)] if at.step == 40));
    assert_eq!(rig.state.phase(), Phase::Restoring);
    rig.renew();
    assert_eq!(
        rig.give(Input::Restored(Ok(()))),
        [Do::Start {
            restored_step: Some(40)
        }]
    );
    rig.give(Input::Started);
    rig.give(Input::CheckpointFinished(40));
    assert!(
        !rig.last.iter().any(|a| matches!(a, Do::Upload(..))),
        "40 is the pointer already"
    );
    rig.give(Input::CheckpointFinished(41));
    assert!(rig.last.iter().any(|a| matches!(a, Do::Upload(41, _))));
}

#[test]
fn a_restore_that_failed_starts_nothing_and_is_reported() {
    let mut rig = Rig::bound(
        WorkloadKind::Job,
        BindReply {
            restore: Some(checkpoint(2, 40)),
            ..terms()
        },
    );
    rig.give(Input::Restored(Err("x".repeat(5_000))));
    let report = rig.reported().unwrap();
    assert_eq!(report.cause, EndCause::RestoreFailed);
    assert_eq!(report.check(), Ok(()));
    assert!(!report.cause.is_outcome());
    for seconds in [1, 10, 100] {
        let started = rig
            .wait(seconds)
            .iter()
            .any(|a| matches!(a, Do::Start { .. }));
        assert!(!started);
    }
}

#[test]
fn a_refused_bind_exits_and_starts_nothing() {
    let mut rig = Rig::new(WorkloadKind::Job);
    rig.give(Input::Tick);
    rig.give(Input::BindReplied(
        1,
        Err(CallError::Refused {
            live_epoch: Some(Epoch(4)),
        }),
    ));
    assert_eq!(rig.last, [Do::Exit(ExitReason::Fenced)]);
}

#[test]
fn terms_that_cannot_be_kept_are_not_accepted() {
    let mut rig = Rig::bound(
        WorkloadKind::Job,
        BindReply {
            lease_ttl_ms: 0,
            ..terms()
        },
    );
    assert!(rig.last.is_empty());
    assert!(matches!(rig.wait(2), [Do::SendBind(2, _)]));
}

#[test]
fn a_bind_without_an_answer_is_repeated_with_growing_waits_until_orphan_ttl() {
    let mut rig = Rig::new(WorkloadKind::Job);
    let mut number = 0;
    for _ in 0..ORPHAN_S {
        if let [Do::SendBind(n, _)] = rig.give(Input::Tick) {
            number = *n;
            rig.give(Input::BindReplied(number, Err(CallError::Unreachable)));
        }
        if rig.wait(1).contains(&Do::Exit(ExitReason::Orphaned)) {
            break;
        }
        if let [Do::SendBind(n, _)] = rig.last[..] {
            number = n;
            rig.give(Input::BindReplied(number, Err(CallError::Unreachable)));
        }
    }
    assert_eq!(rig.exits(), Some(ExitReason::Orphaned));
    assert!((20..60).contains(&number), "{number} tries in 15 minutes");
}

#[test]
fn nothing_starts_while_the_lease_is_lost() {
    let mut rig = Rig::bound(
        WorkloadKind::Job,
        BindReply {
            restore: Some(checkpoint(2, 40)),
            ..terms()
        },
    );
    rig.wait(TTL_S);
    rig.give(Input::Restored(Ok(())));
    assert!(!rig.last.iter().any(|a| matches!(a, Do::Start { .. })));
    rig.wait(5);
    rig.renew();
    assert!(rig.last.iter().any(|a| matches!(a, Do::Start { .. })));
}

/// What a heartbeat or a result among the actions claims.
fn claimed(actions: &[Action]) -> Option<u64> {
    actions.iter().rev().find_map(|action| match action {
        Do::SendHeartbeat(request) => Some(request.worked_ms),
        Do::SendResult(report) => Some(report.worked_ms),
        _ => None,
    })
}

#[test]
fn only_the_time_in_which_the_workload_itself_runs_is_claimed() {
    let mut rig = Rig::bound(WorkloadKind::Job, terms());
    rig.renew();
    assert_eq!(claimed(rig.wait(5)), Some(0), "set-up runs");
    rig.renew();
    assert_eq!(claimed(rig.give(Input::Started)), Some(0));
    assert_eq!(claimed(rig.wait(7)), Some(7_000));
    rig.give(Input::Started);
    rig.give(Input::CheckpointFinished(9));
    assert_eq!(claimed(rig.wait(5)), Some(12_000));
    rig.renew();
    rig.now = rig.now.after(Duration::from_millis(250));
    assert_eq!(claimed(rig.give(ended(0))), Some(12_250));
    assert_eq!(
        claimed(rig.wait(5)),
        Some(12_250),
        "the last upload is no work"
    );
    rig.give(uploaded(9));
    let reply = CheckpointReply {
        accepted: true,
        pointer: Some(checkpoint(3, 9)),
    };
    rig.give(Input::CheckpointReplied(9, Ok(reply)));
    let report = rig.reported().expect("its checkpoint is published");
    assert_eq!(report.worked_ms, 12_250);
}

#[test]
fn a_workload_that_never_ran_claims_nothing() {
    let mut rig = Rig::bound(WorkloadKind::Job, terms());
    rig.wait(20);
    rig.give(Input::WorkloadEnded(Box::new(Ended::unstarted(
        EndCause::SetupFailed,
        None,
    ))));
    assert_eq!(rig.reported().map(|r| r.worked_ms), Some(0));
}
