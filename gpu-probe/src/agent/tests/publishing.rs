//! Checkpoints, the pointer and the log: what is told, when, and how often.

use super::*;

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
