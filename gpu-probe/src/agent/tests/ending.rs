//! How a life ends: results, stops and kills.

use super::*;

#[test]
fn an_exclusive_job_is_killed_the_moment_its_lease_is_lost() {
    let exclusive = BindReply {
        exclusive: true,
        ..terms()
    };
    let mut rig = Rig::running_under(WorkloadKind::Job, exclusive.clone());
    rig.answer(false, 3, Directive::Continue);
    assert_eq!(rig.last, [Do::Kill(KillReason::LeaseLost)]);
    let mut rig = Rig::running_under(WorkloadKind::Job, exclusive);
    assert!(
        !rig.wait(TTL_S - 1)
            .contains(&Do::Kill(KillReason::LeaseLost))
    );
    assert!(
        rig.wait(1).contains(&Do::Kill(KillReason::LeaseLost)),
        "silence loses it too"
    );
    assert_eq!(rig.give(ended(137)), [Do::Exit(ExitReason::LeaseLost)]);
}

#[test]
fn a_higher_live_epoch_kills_whatever_answer_tells_it() {
    let mut rig = Rig::running();
    let first = rig.newest_heartbeat();
    rig.wait(5);
    rig.renew();
    rig.give(heartbeat(first, true, 4, Directive::Continue));
    assert_eq!(
        rig.last,
        [Do::Kill(KillReason::Fenced)],
        "even a late answer tells the truth"
    );

    let mut rig = Rig::running();
    rig.give(Input::CheckpointFinished(5));
    rig.give(uploaded(5));
    let reply = CheckpointReply {
        accepted: false,
        pointer: Some(checkpoint(4, 6)),
    };
    assert_eq!(
        rig.give(Input::CheckpointReplied(5, Ok(reply))),
        [Do::Kill(KillReason::Fenced)]
    );

    let mut rig = Rig::running();
    let sequence = rig.newest_heartbeat();
    let refused = CallError::Refused {
        live_epoch: Some(Epoch(4)),
    };
    rig.give(Input::HeartbeatReplied(sequence, Err(refused)));
    assert_eq!(rig.last, [Do::Kill(KillReason::Fenced)]);
    assert_eq!(
        rig.give(ended(137)),
        [Do::Exit(ExitReason::Fenced)],
        "nothing is reported"
    );
}

#[test]
fn a_workload_that_cannot_be_killed_does_not_keep_the_agent() {
    let mut rig = Rig::running();
    rig.answer(false, 4, Directive::Continue);
    assert!(rig.wait(9).is_empty());
    assert_eq!(rig.wait(1), [Do::Exit(ExitReason::Fenced)]);
}

#[test]
fn a_job_without_a_broker_is_killed_after_orphan_ttl_and_a_service_never() {
    let mut job = Rig::running();
    assert!(
        !job.wait(ORPHAN_S - 1)
            .iter()
            .any(|a| matches!(a, Do::Kill(_)))
    );
    assert!(job.wait(1).contains(&Do::Kill(KillReason::Orphaned)));

    let mut service = Rig::running_under(WorkloadKind::Service, terms());
    for _ in 0..10 {
        let left = service
            .wait(ORPHAN_S)
            .iter()
            .any(|a| matches!(a, Do::Kill(_) | Do::Exit(_)));
        assert!(!left);
    }
    service.answer(false, 4, Directive::Continue);
    assert_eq!(
        service.last,
        [Do::Kill(KillReason::Fenced)],
        "a newer attempt ends it"
    );
}

#[test]
fn an_exclusive_service_outlives_silence_but_not_a_refusal() {
    let exclusive = BindReply {
        exclusive: true,
        ..terms()
    };
    let mut rig = Rig::running_under(WorkloadKind::Service, exclusive);
    assert!(
        !rig.wait(10 * TTL_S)
            .iter()
            .any(|a| matches!(a, Do::Kill(_)))
    );
    rig.answer(false, 3, Directive::Continue);
    assert_eq!(rig.last, [Do::Kill(KillReason::LeaseLost)]);
}

#[test]
fn a_result_is_sent_again_until_it_is_recorded_or_refused_for_as_long_as_orphan_ttl() {
    let mut rig = Rig::running();
    rig.give(ended(1));
    let mut sent = 0;
    for _ in 0..=ORPHAN_S {
        if rig.reported().is_some() {
            sent += 1;
            rig.give(Input::ResultReplied(Err(CallError::Unreachable)));
        }
        if rig.exits().is_some() {
            break;
        }
        rig.wait(1);
    }
    assert_eq!(rig.exits(), Some(ExitReason::Orphaned));
    assert!((20..60).contains(&sent), "{sent} tries in 15 minutes");

    let mut rig = Rig::running();
    rig.give(ended(1));
    rig.give(Input::ResultReplied(Ok(ResultReply { recorded: false })));
    assert_eq!(rig.exits(), Some(ExitReason::Fenced));
}

#[test]
fn the_broker_can_direct_a_stop_with_and_without_a_last_checkpoint() {
    let mut rig = Rig::running();
    rig.answer(true, 3, Directive::CheckpointAndStop);
    assert_eq!(rig.last, [Do::Stop(StopReason::DirectedAfterCheckpoint)]);
    rig.give(Input::CheckpointFinished(5));
    assert!(matches!(rig.last[..], [Do::Upload(5, _)]));
    rig.give(ended(0));
    assert!(rig.reported().is_none());
    rig.give(uploaded(5));
    rig.give(Input::CheckpointReplied(
        5,
        Ok(CheckpointReply {
            accepted: true,
            pointer: None,
        }),
    ));
    assert_eq!(
        rig.reported().map(|r| r.cause),
        Some(EndCause::StopDirected)
    );

    let mut rig = Rig::running();
    rig.answer(false, 3, Directive::Stop);
    assert_eq!(rig.last, [Do::Stop(StopReason::Directed)]);
    rig.give(Input::CheckpointFinished(5));
    rig.give(ended(0));
    let report = rig
        .reported()
        .expect("the stop is confirmed without a lease");
    assert!(
        !report.is_success(),
        "a stopped job has not succeeded, whatever its exit code"
    );
}

#[test]
fn sigterm_saves_what_it_can_and_a_second_one_does_not_wait_for_the_report() {
    let mut rig = Rig::running();
    assert_eq!(
        rig.give(Input::Terminate),
        [Do::Stop(StopReason::Terminated)]
    );
    assert!(rig.give(Input::Terminate).is_empty());
    rig.give(ended(0));
    assert_eq!(rig.reported().map(|r| r.cause), Some(EndCause::Terminated));
    assert_eq!(
        rig.give(Input::Terminate),
        [Do::Exit(ExitReason::Terminated)]
    );

    let mut rig = Rig::new(WorkloadKind::Job);
    rig.give(Input::Tick);
    assert_eq!(
        rig.give(Input::Terminate),
        [Do::Exit(ExitReason::Terminated)]
    );
}

#[test]
fn the_last_lines_are_told_before_the_result_also_when_the_broker_is_away_for_a_while() {
    let mut rig = Rig::running();
    rig.give(Input::Printed(vec!["early".to_owned()]));
    rig.wait(5);
    let early = rig.newest_heartbeat();
    rig.give(Input::Printed(vec!["last".to_owned()]));
    rig.give(ended(0));
    assert_eq!(rig.reported(), None, "lines are untold");
    rig.give(heartbeat(early, true, 3, Directive::Continue));
    assert_eq!(rig.reported(), None, "`last` is untold");
    let told = |action: &Action| match action {
        Do::SendHeartbeat(request) => Some((request.sequence, request.log_tail.clone())),
        _ => None,
    };
    let (sequence, lines) = rig.last.iter().find_map(told).expect("it is told at once");
    assert_eq!(lines, ["last"]);
    rig.give(heartbeat(sequence, true, 3, Directive::Continue));
    assert!(rig.reported().is_some());

    let mut rig = Rig::running();
    rig.give(Input::Printed(vec!["last".to_owned()]));
    rig.give(ended(0));
    for _ in 0..3 {
        let sequence = rig.newest_heartbeat();
        rig.give(Input::HeartbeatReplied(
            sequence,
            Err(CallError::Unreachable),
        ));
        rig.wait(5);
        assert_eq!(rig.reported(), None, "the broker is away");
    }
    rig.renew();
    assert!(rig.reported().is_some());

    let mut rig = Rig::running();
    rig.give(Input::Printed(vec!["last".to_owned()]));
    rig.give(ended(0));
    rig.wait(450);
    assert!(
        rig.reported().is_some(),
        "nobody hears the lines: the result is worth more"
    );
}
