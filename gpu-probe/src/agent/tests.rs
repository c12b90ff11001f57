//! One sentence for each thing that the agent promises.

use super::fixtures::{ORPHAN_S, TTL_S, identity, terms};
use super::*;
use crate::protocol::{Directive, Phase};
use Action as Do;

const SECOND: u64 = 1_000_000;

/// An agent, its clock and what it did.
struct Rig {
    state: AgentState,
    now: AgentTime,
    last: Vec<Action>,
}

fn checkpoint(epoch: u32, step: u64) -> CheckpointRef {
    CheckpointRef {
        epoch: Epoch(epoch),
        step,
        key: format!("k/{epoch}/{step}"),
        sha256: Sha256::of(b""),
        bytes: 0,
    }
}

fn ended(exit_code: i32) -> Input {
    Input::WorkloadEnded(Box::new(Ended {
        exit_code: Some(exit_code),
        ..Ended::unstarted(EndCause::Workload, None)
    }))
}

fn uploaded(step: u64) -> Input {
    let object = Uploaded {
        key: format!("k/{step}"),
        sha256: Sha256::of(b""),
        bytes: 1,
    };
    Input::Uploaded(step, Ok(object))
}

impl Rig {
    fn new(kind: WorkloadKind) -> Self {
        let now = AgentTime(1_000 * SECOND);
        let state = AgentState::new(identity(kind), now);
        Self {
            state,
            now,
            last: Vec::new(),
        }
    }

    fn give(&mut self, input: Input) -> &[Action] {
        self.last = step(&mut self.state, input, self.now);
        &self.last
    }

    fn wait(&mut self, seconds: u64) -> &[Action] {
        self.now = AgentTime(self.now.0 + seconds * SECOND);
        self.give(Input::Tick)
    }

    fn bound(kind: WorkloadKind, terms: BindReply) -> Self {
        let mut rig = Self::new(kind);
        assert!(matches!(rig.give(Input::Tick), [Do::SendBind(1, _)]));
        rig.give(Input::BindReplied(1, Ok(terms)));
        rig
    }

    fn running_under(kind: WorkloadKind, terms: BindReply) -> Self {
        let mut rig = Self::bound(kind, terms);
        assert!(rig.last.iter().any(|a| matches!(
            a,
            Do::Start {
                restored_step: None
            }
        )));
        rig.give(Input::Started);
        rig.renew();
        rig
    }

    fn running() -> Self {
        Self::running_under(WorkloadKind::Job, terms())
    }

    /// Answers the newest heartbeat.
    fn answer(&mut self, granted: bool, live: u32, directive: Directive) -> &[Action] {
        let sequence = self.newest_heartbeat();
        self.give(heartbeat(sequence, granted, live, directive))
    }

    fn newest_heartbeat(&mut self) -> u64 {
        let find = |actions: &[Action]| {
            actions.iter().find_map(|a| match a {
                Do::SendHeartbeat(request) => Some(request.sequence),
                _ => None,
            })
        };
        if let Some(sequence) = find(&self.last) {
            return sequence;
        }
        let actions = self.wait(5).to_vec();
        find(&actions).expect("a heartbeat is due every five seconds")
    }

    fn renew(&mut self) -> &[Action] {
        self.answer(true, 3, Directive::Continue)
    }

    fn exits(&self) -> Option<ExitReason> {
        self.last.iter().find_map(|a| match a {
            Do::Exit(reason) => Some(*reason),
            _ => None,
        })
    }

    fn reported(&self) -> Option<&ResultReport> {
        self.last.iter().find_map(|a| match a {
            Do::SendResult(report) => Some(report),
            _ => None,
        })
    }
}

fn heartbeat(sequence: u64, granted: bool, live: u32, directive: Directive) -> Input {
    let reply = HeartbeatReply {
        granted,
        lease_ttl_ms: TTL_S * 1_000,
        live_epoch: Epoch(live),
        directive,
    };
    Input::HeartbeatReplied(sequence, Ok(reply))
}

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
fn the_lease_counts_from_the_sending_of_its_renewal() {
    let mut rig = Rig::running();
    let sequence = rig.newest_heartbeat();
    let sent_at = rig.now;
    rig.wait(20);
    rig.give(heartbeat(sequence, true, 3, Directive::Continue));
    let end = sent_at.after(Duration::from_secs(TTL_S));
    assert!(rig.state.holds_lease(AgentTime(end.0 - 1)));
    assert!(!rig.state.holds_lease(end));
}

#[test]
fn answers_that_are_late_repeated_or_out_of_order_renew_and_revoke_nothing() {
    let mut rig = Rig::running();
    let first = rig.newest_heartbeat();
    rig.wait(5);
    let second = rig.newest_heartbeat();
    rig.give(heartbeat(second, false, 3, Directive::Continue));
    assert!(!rig.state.holds_lease(rig.now));
    rig.give(heartbeat(first, true, 3, Directive::Stop));
    rig.give(heartbeat(second, true, 3, Directive::Stop));
    rig.give(heartbeat(99, true, 3, Directive::Stop));
    assert!(
        !rig.state.holds_lease(rig.now),
        "only a newer answer grants again"
    );
    assert_eq!(
        rig.state.phase(),
        Phase::Running,
        "an old directive is not followed"
    );
    rig.renew();
    assert!(rig.state.holds_lease(rig.now));
}

#[test]
fn losing_the_lease_stops_publishing_and_not_the_computation() {
    let mut rig = Rig::running();
    rig.answer(false, 3, Directive::Continue);
    rig.give(Input::CheckpointFinished(5));
    for _ in 0..20 {
        let published = rig
            .wait(1)
            .iter()
            .any(|a| !matches!(a, Do::SendHeartbeat(_)));
        assert!(!published, "{:?}", rig.last);
    }
    assert_eq!(rig.state.phase(), Phase::Running);
    rig.renew();
    assert!(rig.last.iter().any(|a| matches!(a, Do::Upload(5, _))));
}

#[test]
fn a_checkpoint_uploaded_while_the_lease_went_waits_for_it_to_come_back() {
    let mut rig = Rig::running();
    rig.give(Input::CheckpointFinished(5));
    rig.answer(false, 3, Directive::Continue);
    assert!(rig.give(uploaded(5)).is_empty());
    rig.renew();
    assert!(
        rig.last
            .iter()
            .any(|a| matches!(a, Do::SendCheckpoint(r) if r.step == 5))
    );
}

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
fn the_last_checkpoint_is_published_before_the_result_is_reported() {
    let mut rig = Rig::running();
    rig.give(Input::CheckpointFinished(9));
    rig.give(ended(0));
    assert!(rig.reported().is_none());
    rig.give(uploaded(9));
    let reply = CheckpointReply {
        accepted: true,
        pointer: Some(checkpoint(3, 9)),
    };
    rig.give(Input::CheckpointReplied(9, Ok(reply)));
    assert_eq!(rig.reported().map(|r| r.step), Some(9));
}

#[test]
fn a_checkpoint_that_cannot_be_saved_does_not_hold_the_result_back_for_ever() {
    let mut rig = Rig::running();
    rig.give(Input::CheckpointFinished(9));
    rig.give(ended(0));
    let mut uploads = 0;
    for _ in 0..ORPHAN_S {
        uploads += 1;
        rig.give(Input::Uploaded(9, Err("no such bucket".to_owned())));
        while !rig
            .last
            .iter()
            .any(|a| matches!(a, Do::Upload(..) | Do::SendResult(_)))
        {
            rig.wait(1);
            if rig.last.iter().any(|a| matches!(a, Do::SendHeartbeat(_))) {
                let mut seen = std::mem::take(&mut rig.last);
                let Some(Do::SendHeartbeat(request)) = seen
                    .iter()
                    .find(|a| matches!(a, Do::SendHeartbeat(_)))
                    .cloned()
                else {
                    unreachable!("seen above")
                };
                seen.extend(
                    rig.give(heartbeat(request.sequence, true, 3, Directive::Continue))
                        .to_vec(),
                );
                rig.last = seen;
            }
        }
        if rig.reported().is_some() {
            break;
        }
    }
    assert_eq!(uploads, 8);
    assert!(rig.reported().is_some());
}

#[test]
fn the_highest_finished_checkpoint_is_uploaded_and_the_ones_between_are_passed_over() {
    let mut rig = Rig::running();
    rig.give(Input::CheckpointFinished(1));
    for step in [2, 4, 3] {
        assert!(
            rig.give(Input::CheckpointFinished(step)).is_empty(),
            "one upload at a time"
        );
    }
    rig.give(uploaded(1));
    let reply = CheckpointReply {
        accepted: true,
        pointer: Some(checkpoint(3, 1)),
    };
    rig.give(Input::CheckpointReplied(1, Ok(reply)));
    assert!(matches!(rig.last[..], [Do::Upload(4, _)]));
}

#[test]
fn a_late_answer_about_a_lower_step_publishes_nothing_again() {
    let mut rig = Rig::running();
    rig.give(Input::CheckpointFinished(5));
    rig.give(uploaded(5));
    let reply = |step| CheckpointReply {
        accepted: true,
        pointer: Some(checkpoint(3, step)),
    };
    rig.give(Input::CheckpointReplied(5, Ok(reply(5))));
    for late in [Ok(reply(2)), Err(CallError::Unreachable)] {
        assert!(rig.give(Input::CheckpointReplied(2, late)).is_empty());
    }
    let refused = CheckpointReply {
        accepted: false,
        pointer: None,
    };
    assert!(
        rig.give(Input::CheckpointReplied(5, Ok(refused)))
            .is_empty()
    );
}

#[test]
fn a_node_other_than_the_first_uploads_nothing() {
    let mut me = identity(WorkloadKind::Job);
    me.rank = 1;
    let mut rig = Rig::new(WorkloadKind::Job);
    rig.state = AgentState::new(me, rig.now);
    rig.give(Input::Tick);
    rig.give(Input::BindReplied(1, Ok(terms())));
    rig.give(Input::Started);
    rig.renew();
    assert!(rig.give(Input::CheckpointFinished(5)).is_empty());
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

#[test]
fn lines_of_a_lost_heartbeat_are_told_by_the_next() {
    let mut rig = Rig::running();
    rig.give(Input::Printed(vec!["step 1".to_owned()]));
    let sequence = rig.newest_heartbeat();
    rig.give(Input::HeartbeatReplied(
        sequence,
        Err(CallError::Unreachable),
    ));
    let told = rig.wait(5).iter().any(|a| match a {
        Do::SendHeartbeat(request) => request.log_tail == ["step 1"],
        _ => false,
    });
    assert!(told);
}
