//! "Checkpoint and stop" reaches an agent in any phase of its life: what can be saved is published,
//! and the end is reported, so that the next attempt may start.

use super::*;

impl Rig {
    /// Directs the agent to leave; returns what it does then.
    fn leave(&mut self) -> &[Action] {
        self.answer(true, 3, Directive::CheckpointAndStop)
    }

    /// Lets the upload and the request for the pointer of a step succeed.
    fn publish(&mut self, step: u64) -> &[Action] {
        self.give(uploaded(step));
        let reply = CheckpointReply {
            accepted: true,
            pointer: Some(checkpoint(3, step)),
        };
        self.give(Input::CheckpointReplied(step, Ok(reply)))
    }

    fn starting() -> Self {
        let rig = Self::bound(WorkloadKind::Job, terms());
        assert!(rig.last.iter().any(|a| matches!(a, Do::Start { .. })));
        rig
    }

    fn uploads(&self) -> Option<u64> {
        self.last.iter().find_map(|a| match a {
            Do::Upload(step, _) => Some(*step),
            _ => None,
        })
    }

    fn assert_left(&self) {
        let report = self.reported().expect("the end is reported");
        assert_eq!(report.cause, EndCause::StopDirected);
    }
}

const STOP: Action = Do::Stop(StopReason::DirectedAfterCheckpoint);

#[test]
fn before_the_start_the_end_is_reported_at_once_and_nothing_starts() {
    for is_restored in [false, true] {
        let mut rig = Rig::bound(
            WorkloadKind::Job,
            BindReply {
                restore: Some(checkpoint(2, 40)),
                ..terms()
            },
        );
        if is_restored {
            // Restored without a lease, the agent is ready and waits.
            rig.answer(false, 3, Directive::Continue);
            rig.give(Input::Restored(Ok(())));
        }
        rig.leave();
        rig.assert_left();
        assert_eq!(rig.reported().map(|r| r.worked_ms), Some(0));
        let late = rig.give(Input::Restored(Ok(())));
        assert!(!late.iter().any(|a| matches!(a, Do::Start { .. })));
    }
}

#[test]
fn set_up_is_stopped_and_its_end_is_no_failure_of_the_job() {
    let mut rig = Rig::starting();
    assert!(rig.leave().contains(&STOP));
    rig.give(Input::WorkloadEnded(Box::new(Ended {
        exit_code: Some(143),
        ..Ended::unstarted(EndCause::SetupFailed, None)
    })));
    rig.assert_left();
}

#[test]
fn a_workload_that_started_while_the_stop_was_under_way_is_saved_too() {
    let mut rig = Rig::starting();
    rig.leave();
    rig.give(Input::Started);
    rig.now = rig.now.after(Duration::from_secs(2));
    rig.give(Input::CheckpointFinished(1));
    assert_eq!(rig.uploads(), Some(1));
    rig.give(ended(143));
    rig.publish(1);
    rig.assert_left();
    assert_eq!(rig.reported().map(|r| r.worked_ms), Some(2_000));
}

#[test]
fn a_checkpoint_under_way_and_the_last_one_are_both_published_before_the_report() {
    let mut rig = Rig::running();
    rig.give(Input::CheckpointFinished(5));
    assert!(rig.leave().contains(&STOP));
    rig.give(Input::CheckpointFinished(8));
    rig.give(ended(143));
    assert!(rig.reported().is_none());
    rig.publish(5);
    assert_eq!(rig.uploads(), Some(8));
    assert!(rig.reported().is_none());
    rig.publish(8);
    rig.assert_left();
    assert_eq!(rig.reported().map(|r| r.step), Some(8));
}

#[test]
fn a_repeated_directive_stops_the_workload_once() {
    let mut rig = Rig::running();
    assert!(rig.leave().contains(&STOP));
    for _ in 0..3 {
        assert!(!rig.leave().contains(&STOP));
    }
    rig.give(ended(143));
    rig.assert_left();
}

#[test]
fn a_workload_that_had_ended_by_itself_reports_its_own_end() {
    let mut rig = Rig::running();
    rig.give(Input::CheckpointFinished(9));
    rig.give(ended(0));
    rig.leave();
    rig.publish(9);
    let report = rig.reported().expect("the end is reported");
    assert!(
        report.is_success(),
        "the job was done before it was to move"
    );
    let told = report.clone();
    rig.leave();
    rig.give(Input::ResultReplied(Err(CallError::Unreachable)));
    rig.wait(1);
    assert_eq!(rig.reported(), Some(&told), "also while it is reported");
}

#[test]
fn without_anything_to_save_the_end_of_the_workload_is_reported_at_once() {
    let without_store = BindReply {
        checkpoint_store: None,
        ..terms()
    };
    for kind in [WorkloadKind::Job, WorkloadKind::Service] {
        for terms in [without_store.clone(), terms()] {
            let mut rig = Rig::running_under(kind, terms);
            assert!(rig.leave().contains(&STOP));
            rig.give(ended(143));
            rig.assert_left();
        }
    }
}

#[test]
fn a_node_other_than_the_first_reports_without_a_checkpoint() {
    let mut rig = Rig::new(WorkloadKind::Job);
    let mut me = identity(WorkloadKind::Job);
    me.rank = 1;
    rig.state = AgentState::new(me, rig.now);
    rig.give(Input::Tick);
    rig.give(Input::BindReplied(1, Ok(terms())));
    rig.give(Input::Started);
    assert!(rig.leave().contains(&STOP));
    rig.give(Input::CheckpointFinished(5));
    rig.give(ended(143));
    rig.assert_left();
}

#[test]
fn a_higher_epoch_kills_what_is_being_saved() {
    let mut rig = Rig::running();
    rig.leave();
    rig.give(Input::CheckpointFinished(5));
    rig.answer(false, 4, Directive::Stop);
    assert!(rig.last.contains(&Do::Kill(KillReason::Fenced)));
    rig.give(ended(137));
    assert_eq!(rig.exits(), Some(ExitReason::Fenced));
}
