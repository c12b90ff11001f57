//! One sentence for each thing that the broker's side promises.

mod gang;
mod proof;

use super::*;
use crate::protocol::{CheckpointRequest, EndCause, Phase, ResultReport, Sha256, checkpoint_key};
use tandem_model::id::BootId;

const SECOND: i64 = 1_000_000;

fn at(seconds: i64) -> WorldTime {
    WorldTime::from_micros(1_700_000_000 * SECOND + seconds * SECOND)
}

fn job() -> JobId {
    JobId::from_parts(1, &[1; 10])
}

fn boot(n: u8) -> BootId {
    BootId::from_parts(1, &[n; 10])
}

fn bind(epoch: u32, n: u8) -> BindRequest {
    BindRequest {
        job: job(),
        epoch: Epoch(epoch),
        rank: 0,
        boot_id: boot(n),
        container: format!("box-{n}"),
        agent_version: "0.1.0".to_owned(),
    }
}

fn heartbeat(epoch: u32, n: u8, sequence: u64) -> HeartbeatRequest {
    HeartbeatRequest {
        job: job(),
        epoch: Epoch(epoch),
        rank: 0,
        boot_id: boot(n),
        sequence,
        phase: Phase::Running,
        progress: None,
        uptime_ms: 0,
        worked_ms: 0,
        log_tail: Vec::new(),
    }
}

fn checkpoint(epoch: u32, n: u8, step: u64) -> CheckpointRequest {
    CheckpointRequest {
        job: job(),
        epoch: Epoch(epoch),
        rank: 0,
        boot_id: boot(n),
        step,
        key: checkpoint_key(job(), Epoch(epoch), step),
        sha256: Sha256::of(&step.to_be_bytes()),
        bytes: 8,
    }
}

fn result(epoch: u32, n: u8, exit_code: i32) -> ResultReport {
    ResultReport {
        job: job(),
        epoch: Epoch(epoch),
        rank: 0,
        boot_id: boot(n),
        exit_code: Some(exit_code),
        signal: None,
        step: 1,
        worked_ms: 0,
        output_sha256: None,
        output_tail: String::new(),
        cause: EndCause::Workload,
        detail: None,
    }
}

fn session_of(kind: WorkloadKind) -> Session {
    let mut session = Session::new(job(), kind, LeaseTerms::default());
    session.raise_epoch(Epoch(1), 1).unwrap();
    session
}

fn bound() -> Session {
    let mut session = session_of(WorkloadKind::Job);
    session
        .bind(&bind(1, 1), &Grants::default(), at(0))
        .unwrap();
    session
}

#[test]
fn the_first_instance_that_reports_is_bound_and_may_ask_again() {
    let mut session = bound();
    let again = session
        .bind(&bind(1, 1), &Grants::default(), at(1))
        .unwrap();
    assert_eq!(again.lease_ttl_ms, 30_000);
    assert_eq!(again.check(), Ok(()));
}

#[test]
fn another_instance_of_the_same_epoch_gets_nothing_even_after_the_lease_ran_out() {
    let mut session = bound();
    for seconds in [1, 31, 10_000] {
        let problem = session
            .bind(&bind(1, 2), &Grants::default(), at(seconds))
            .unwrap_err();
        assert_eq!((problem.status, &problem.code[..]), (409, "TDM-4001"));
        assert_eq!(problem.live_epoch, Some(Epoch(1)));
        assert!(!session.heartbeat(&heartbeat(1, 2, 1), at(seconds)).granted);
        assert!(
            session
                .checkpoint(&checkpoint(1, 2, 5), at(seconds))
                .is_err()
        );
        assert!(session.result(&result(1, 2, 0), at(seconds)).is_err());
    }
    session.fence(false, at(32)).unwrap();
    session.raise_epoch(Epoch(2), 1).unwrap();
    assert!(
        session
            .bind(&bind(2, 2), &Grants::default(), at(33))
            .is_ok()
    );
}

#[test]
fn the_same_boot_in_another_container_is_another_instance() {
    let mut session = bound();
    let moved = BindRequest {
        container: "box-2".to_owned(),
        ..bind(1, 1)
    };
    assert!(session.bind(&moved, &Grants::default(), at(1)).is_err());
}

#[test]
fn a_rank_that_the_placement_lacks_is_refused() {
    let mut session = session_of(WorkloadKind::Job);
    let second = BindRequest {
        rank: 1,
        ..bind(1, 1)
    };
    assert!(session.bind(&second, &Grants::default(), at(0)).is_err());
}

#[test]
fn a_heartbeat_renews_the_lease_and_a_repeated_or_older_one_does_not() {
    let mut session = bound();
    assert!(session.heartbeat(&heartbeat(1, 1, 2), at(20)).granted);
    assert!(session.holds_lease(at(49)));
    session.heartbeat(&heartbeat(1, 1, 2), at(40));
    session.heartbeat(&heartbeat(1, 1, 1), at(45));
    assert!(!session.holds_lease(at(50)), "sequence 2 came at 20");
    assert!(
        session.heartbeat(&heartbeat(1, 1, 3), at(100)).granted,
        "nobody was fenced"
    );
}

#[test]
fn the_pointer_moves_only_upwards_and_only_with_the_lease() {
    let mut session = bound();
    assert!(
        session
            .checkpoint(&checkpoint(1, 1, 5), at(1))
            .unwrap()
            .accepted
    );
    let lower = session.checkpoint(&checkpoint(1, 1, 4), at(2)).unwrap();
    assert!(!lower.accepted);
    assert_eq!(lower.pointer.map(|p| p.step), Some(5));
    let again = session.checkpoint(&checkpoint(1, 1, 5), at(40)).unwrap();
    assert!(again.accepted, "a lost answer does no harm");
    let mut other = checkpoint(1, 1, 5);
    other.sha256 = Sha256::of(b"other");
    assert!(
        !session.checkpoint(&other, at(2)).unwrap().accepted,
        "the same step, other bytes"
    );
    assert!(
        !session
            .checkpoint(&checkpoint(1, 1, 6), at(30))
            .unwrap()
            .accepted,
        "no lease"
    );
}

#[test]
fn only_the_first_node_moves_the_pointer() {
    let mut session = Session::new(job(), WorkloadKind::Job, LeaseTerms::default());
    session.raise_epoch(Epoch(1), 2).unwrap();
    let second = BindRequest {
        rank: 1,
        ..bind(1, 1)
    };
    session.bind(&second, &Grants::default(), at(0)).unwrap();
    let request = CheckpointRequest {
        rank: 1,
        ..checkpoint(1, 1, 5)
    };
    assert!(!session.checkpoint(&request, at(1)).unwrap().accepted);
}

#[test]
fn fencing_waits_for_lease_and_skew_or_for_a_confirmed_stop() {
    let mut session = bound();
    session.revoke();
    assert!(!session.heartbeat(&heartbeat(1, 1, 1), at(1)).granted);
    assert!(
        !session
            .checkpoint(&checkpoint(1, 1, 5), at(1))
            .unwrap()
            .accepted
    );
    let refused = session.fence(false, at(31)).unwrap_err();
    assert_eq!(refused.until, at(32));
    assert_eq!(
        session.raise_epoch(Epoch(2), 1),
        Err(EpochRefused::NotFenced(Epoch(1)))
    );
    assert_eq!(session.clone().fence(true, at(1)), Ok(()));
    assert_eq!(session.fence(false, at(32)), Ok(()));
    session.raise_epoch(Epoch(2), 1).unwrap();
    assert_eq!(session.live_epoch(), Some(Epoch(2)));
}

#[test]
fn an_epoch_that_never_reported_is_fenced_at_once() {
    let mut session = session_of(WorkloadKind::Job);
    assert_eq!(session.fence(false, at(0)), Ok(()));
    assert!(
        session
            .bind(&bind(1, 1), &Grants::default(), at(1))
            .is_err()
    );
}

#[test]
fn a_fenced_epoch_publishes_nothing_and_is_told_to_stop() {
    let mut session = bound();
    session.fence(true, at(1)).unwrap();
    assert!(session.checkpoint(&checkpoint(1, 1, 5), at(2)).is_err());
    assert!(session.result(&result(1, 1, 0), at(2)).is_err());
    let reply = session.heartbeat(&heartbeat(1, 1, 1), at(2));
    assert_eq!((reply.granted, reply.directive), (false, Directive::Stop));
    session.raise_epoch(Epoch(2), 1).unwrap();
    let reply = session.heartbeat(&heartbeat(1, 1, 2), at(3));
    assert_eq!((reply.granted, reply.live_epoch), (false, Epoch(2)));
    assert!(session.checkpoint(&checkpoint(1, 1, 6), at(3)).is_err());
    assert!(session.result(&result(1, 1, 0), at(3)).is_err());
}

#[test]
fn a_run_that_was_bound_anew_cannot_speak_for_its_old_epoch() {
    let mut session = bound();
    session.fence(true, at(1)).unwrap();
    session.raise_epoch(Epoch(2), 1).unwrap();
    session
        .bind(&bind(2, 1), &Grants::default(), at(2))
        .unwrap();
    assert!(session.checkpoint(&checkpoint(1, 1, 6), at(3)).is_err());
    assert!(session.result(&result(1, 1, 0), at(3)).is_err());
    assert!(
        session
            .checkpoint(&checkpoint(2, 1, 6), at(3))
            .unwrap()
            .accepted
    );
}

#[test]
fn a_result_that_comes_late_counts_until_its_epoch_is_fenced() {
    let mut session = bound();
    session.revoke();
    assert!(session.result(&result(1, 1, 0), at(500)).unwrap().recorded);
    assert!(matches!(session.outcome(), Some(Outcome::Succeeded(_))));
    assert_eq!(session.raise_epoch(Epoch(2), 1), Err(EpochRefused::JobOver));
}

#[test]
fn a_result_is_recorded_once_and_told_so_each_time() {
    let mut session = bound();
    assert!(session.result(&result(1, 1, 0), at(1)).unwrap().recorded);
    assert!(session.result(&result(1, 1, 7), at(2)).unwrap().recorded);
    assert!(matches!(session.outcome(), Some(Outcome::Succeeded(r)) if r.exit_code == Some(0)));
}

#[test]
fn a_stop_that_is_reported_frees_the_epoch_and_is_no_outcome() {
    let mut session = bound();
    let stopped = ResultReport {
        cause: EndCause::Terminated,
        ..result(1, 1, 0)
    };
    session.result(&stopped, at(1)).unwrap();
    assert_eq!(session.outcome(), None);
    assert_eq!(
        session.fence(false, at(1)),
        Ok(()),
        "no lease is left to wait for"
    );
}

#[test]
fn a_service_may_start_its_replacement_before_the_old_one_is_fenced() {
    let mut session = session_of(WorkloadKind::Service);
    session
        .bind(&bind(1, 1), &Grants::default(), at(0))
        .unwrap();
    session.raise_epoch(Epoch(2), 1).unwrap();
    assert!(!session.heartbeat(&heartbeat(1, 1, 1), at(1)).granted);
    assert!(session.checkpoint(&checkpoint(1, 1, 5), at(1)).is_err());
}

#[test]
fn a_session_survives_being_stored() {
    let mut session = bound();
    session.checkpoint(&checkpoint(1, 1, 5), at(1)).unwrap();
    let text = serde_json::to_string(&session).unwrap();
    assert_eq!(serde_json::from_str::<Session>(&text).unwrap(), session);
}
