//! Whose failure it is when one rank of several fails.

use super::*;

/// A job of `nodes` nodes, all bound at 0; rank `n` is boot `n`.
fn gang(nodes: u16) -> Session {
    let mut session = Session::new(job(), WorkloadKind::Job, LeaseTerms::default());
    session.raise_epoch(Epoch(1), nodes).unwrap();
    for rank in 0..nodes {
        join(&mut session, rank, 0);
    }
    session
}

fn join(session: &mut Session, rank: u16, seconds: i64) {
    let request = BindRequest {
        rank,
        ..bind(1, rank as u8)
    };
    let bound = session.bind(&request, &Grants::default(), at(seconds));
    bound.unwrap();
}

/// A heartbeat of a rank, numbered by its second.
fn beat(session: &mut Session, rank: u16, phase: Phase, seconds: i64) {
    let request = HeartbeatRequest {
        rank,
        phase,
        ..heartbeat(1, rank as u8, seconds.unsigned_abs())
    };
    session.heartbeat(&request, at(seconds));
}

fn end(session: &mut Session, rank: u16, exit_code: i32, cause: EndCause, seconds: i64) {
    let report = ResultReport {
        rank,
        cause,
        ..result(1, rank as u8, exit_code)
    };
    session.result(&report, at(seconds)).unwrap();
}

fn fail(session: &mut Session, rank: u16, seconds: i64) {
    end(session, rank, 3, EndCause::Workload, seconds);
}

fn failed_rank(verdict: Verdict<'_>) -> Option<u16> {
    match verdict {
        Verdict::Failed(report) => Some(report.rank),
        _ => None,
    }
}

#[test]
fn the_failure_of_a_single_node_is_decided_at_once() {
    let mut session = gang(1);
    fail(&mut session, 0, 500);
    assert_eq!(failed_rank(session.verdict(at(500))), Some(0));
    assert!(matches!(session.outcome(), Some(Outcome::Failed(_))));
}

#[test]
fn a_gang_succeeds_with_its_last_rank() {
    let mut session = gang(2);
    end(&mut session, 0, 0, EndCause::Workload, 1);
    assert_eq!(session.verdict(at(1_000)), Verdict::Running);
    end(&mut session, 1, 0, EndCause::Workload, 2);
    assert!(matches!(session.verdict(at(2)), Verdict::Succeeded(r) if r.rank == 0));
    assert!(matches!(session.outcome(), Some(Outcome::Succeeded(r)) if r.rank == 0));
}

#[test]
fn a_failure_counts_as_the_jobs_own_once_its_peers_have_shown_that_they_live() {
    let mut session = gang(3);
    fail(&mut session, 1, 7);
    let doubt = Verdict::Undecided { until: at(32) };
    assert_eq!(session.verdict(at(7)), doubt, "leases from 0 and skew");
    assert_eq!(session.outcome(), None);
    beat(&mut session, 0, Phase::Running, 9);
    assert_eq!(session.verdict(at(9)), doubt, "rank 2 is still to be heard");
    beat(&mut session, 2, Phase::Running, 10);
    assert_eq!(failed_rank(session.verdict(at(10))), Some(1));
    assert!(matches!(session.outcome(), Some(Outcome::Failed(r)) if r.exit_code == Some(3)));
    session.fence(true, at(11)).unwrap();
    assert_eq!(session.raise_epoch(Epoch(2), 3), Err(EpochRefused::JobOver));
}

#[test]
fn a_rank_that_fails_a_moment_after_its_peer_died_is_not_the_customers_failure() {
    let mut session = gang(2);
    beat(&mut session, 0, Phase::Running, 5);
    beat(&mut session, 1, Phase::Running, 5);
    fail(&mut session, 0, 6);
    assert_eq!(
        session.verdict(at(6)),
        Verdict::Undecided { until: at(37) },
        "a beat before the failure proves nothing"
    );
    assert_eq!(
        session.verdict(at(36)),
        Verdict::Undecided { until: at(37) }
    );
    assert_eq!(session.verdict(at(37)), Verdict::PeerLost { rank: 1 });
    assert_eq!(session.outcome(), None);
    session.revoke();
    session.fence(false, at(37)).unwrap();
    session.raise_epoch(Epoch(2), 2).unwrap();
    assert_eq!(session.verdict(at(38)), Verdict::Running);
}

#[test]
fn a_peer_that_is_heard_after_it_counted_as_lost_changes_nothing() {
    let mut session = gang(2);
    fail(&mut session, 0, 6);
    beat(&mut session, 1, Phase::Running, 32);
    assert_eq!(session.verdict(at(33)), Verdict::PeerLost { rank: 1 });
    fail(&mut session, 1, 34);
    assert_eq!(session.verdict(at(40)), Verdict::PeerLost { rank: 1 });
    assert_eq!(session.outcome(), None);
    session.fence(false, at(34)).unwrap();
    assert_eq!(session.raise_epoch(Epoch(2), 2), Ok(()));
}

#[test]
fn a_peer_whose_lease_ran_out_long_ago_is_given_two_heartbeats_to_be_heard() {
    let mut session = gang(2);
    fail(&mut session, 0, 600);
    assert_eq!(
        session.verdict(at(600)),
        Verdict::Undecided { until: at(610) }
    );
    let mut lost = session.clone();
    beat(&mut session, 1, Phase::Running, 604);
    assert_eq!(failed_rank(session.verdict(at(604))), Some(0));
    assert_eq!(lost.verdict(at(610)), Verdict::PeerLost { rank: 1 });
    end(&mut lost, 1, 0, EndCause::Workload, 611);
    assert_eq!(lost.verdict(at(611)), Verdict::PeerLost { rank: 1 });
}

#[test]
fn a_peer_that_was_ended_by_its_host_makes_the_failure_the_providers() {
    for (terminated, failed) in [(5, 6), (6, 5)] {
        let mut session = gang(2);
        end(
            &mut session,
            1,
            143,
            EndCause::Terminated,
            terminated.min(failed),
        );
        if terminated > failed {
            session = gang(2);
            fail(&mut session, 0, failed);
            beat(&mut session, 1, Phase::Checkpointing, failed);
            assert!(matches!(
                session.verdict(at(failed)),
                Verdict::Undecided { .. }
            ));
            end(&mut session, 1, 143, EndCause::Terminated, terminated);
        } else {
            fail(&mut session, 0, failed);
        }
        assert_eq!(session.verdict(at(6)), Verdict::PeerLost { rank: 1 });
        assert_eq!(session.outcome(), None);
    }
}

#[test]
fn a_stop_that_follows_a_decided_failure_does_not_undo_it() {
    let mut session = gang(2);
    fail(&mut session, 0, 5);
    beat(&mut session, 1, Phase::Running, 6);
    end(&mut session, 1, 143, EndCause::StopDirected, 7);
    assert_eq!(failed_rank(session.verdict(at(1_000))), Some(0));
}

#[test]
fn when_every_rank_fails_by_itself_the_first_report_is_the_cause_without_a_wait() {
    let mut session = gang(2);
    fail(&mut session, 1, 5);
    fail(&mut session, 0, 5);
    assert_eq!(failed_rank(session.verdict(at(5))), Some(1));
}

#[test]
fn a_peer_that_succeeded_before_is_no_reason_for_doubt() {
    let mut session = gang(2);
    end(&mut session, 1, 0, EndCause::Workload, 5);
    fail(&mut session, 0, 100);
    assert_eq!(failed_rank(session.verdict(at(100))), Some(0));
}

#[test]
fn a_rank_that_was_never_bound_is_waited_for_as_long_as_a_lease() {
    let mut session = Session::new(job(), WorkloadKind::Job, LeaseTerms::default());
    session.raise_epoch(Epoch(1), 2).unwrap();
    join(&mut session, 0, 0);
    fail(&mut session, 0, 10);
    assert_eq!(
        session.verdict(at(10)),
        Verdict::Undecided { until: at(42) }
    );
    let mut joined = session.clone();
    join(&mut joined, 1, 20);
    assert_eq!(failed_rank(joined.verdict(at(20))), Some(0));
    assert_eq!(session.verdict(at(42)), Verdict::PeerLost { rank: 1 });
    join(&mut session, 1, 43);
    assert_eq!(session.verdict(at(43)), Verdict::PeerLost { rank: 1 });
}

#[test]
fn a_request_to_bind_that_was_late_on_its_way_is_no_sign_of_life() {
    let mut session = gang(2);
    beat(&mut session, 1, Phase::Running, 1);
    fail(&mut session, 0, 10);
    join(&mut session, 1, 11);
    assert!(matches!(session.verdict(at(11)), Verdict::Undecided { .. }));
}

#[test]
fn a_verdict_survives_being_stored() {
    let mut session = gang(2);
    fail(&mut session, 0, 6);
    beat(&mut session, 1, Phase::Running, 32);
    let text = serde_json::to_string(&session).unwrap();
    let stored: Session = serde_json::from_str(&text).unwrap();
    assert_eq!(stored.verdict(at(33)), Verdict::PeerLost { rank: 1 });
}
