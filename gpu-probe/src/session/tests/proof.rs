//! How much of the claimed work is proved, and what of it outlives a broker.

use super::*;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The heartbeat of boot 1 with this number, which claims this many seconds of work.
fn claims(session: &mut Session, sequence: u64, worked_s: u64, seconds: i64) -> Duration {
    let request = HeartbeatRequest {
        worked_ms: worked_s * 1_000,
        ..heartbeat(1, 1, sequence)
    };
    session.heartbeat(&request, at(seconds));
    session.proved()
}

#[test]
fn claimed_work_is_proved_as_far_as_the_brokers_clock_confirms_it() {
    for (what, beats, proved) in [
        ("steady", &[(5, 5), (10, 10), (15, 15)][..], 15),
        ("set-up first", &[(5, 0), (10, 0), (15, 5)], 5),
        ("a jump ahead", &[(5, 5), (10, 5_000)], 10),
        (
            "a jump that stays",
            &[(5, 5_000), (10, 5_000), (15, 5_000)],
            5,
        ),
        ("a claim that falls", &[(5, 5), (10, 2), (15, 6)], 6),
        ("a silence as long as a lease", &[(5, 5), (35, 35)], 35),
        ("a longer silence", &[(5, 5), (36, 36), (41, 41)], 10),
        (
            "late and early arrival",
            &[(6, 5), (10, 10), (16, 15), (20, 20)],
            20,
        ),
    ] {
        let mut session = bound();
        for (sequence, (now, worked)) in beats.iter().enumerate() {
            claims(&mut session, sequence as u64 + 1, *worked, *now);
        }
        assert_eq!(session.proved(), s(proved), "{what}");
    }
}

#[test]
fn time_that_was_not_worked_cannot_be_claimed_later() {
    let mut session = bound();
    for second in 1..=4 {
        claims(&mut session, second, 0, second as i64 * 5);
    }
    let proved = claims(&mut session, 5, 5_000, 25);
    assert_eq!(proved, s(5) + LEASE_SKEW, "the allowance for late messages");
}

#[test]
fn a_repeated_or_older_heartbeat_and_another_instance_prove_nothing() {
    let mut session = bound();
    claims(&mut session, 2, 5, 5);
    assert_eq!(claims(&mut session, 2, 10, 10), s(5));
    assert_eq!(claims(&mut session, 1, 10, 10), s(5));
    let other = HeartbeatRequest {
        worked_ms: 10_000,
        ..heartbeat(1, 2, 9)
    };
    session.heartbeat(&other, at(10));
    assert_eq!(session.proved(), s(5));
    assert_eq!(claims(&mut session, 3, 10, 10), s(10), "and hide nothing");
}

#[test]
fn the_result_proves_the_rest_once_and_only_before_the_epoch_is_fenced() {
    let report = |worked_s: u64| ResultReport {
        worked_ms: worked_s * 1_000,
        ..result(1, 1, 0)
    };
    let mut session = bound();
    claims(&mut session, 1, 5, 5);
    session.revoke();
    let mut fenced = session.clone();
    session.result(&report(8), at(9)).unwrap();
    session.result(&report(12), at(12)).unwrap();
    assert_eq!(
        claims(&mut session, 2, 20, 20),
        s(8),
        "nothing after the end"
    );
    fenced.fence(true, at(6)).unwrap();
    assert!(fenced.result(&report(8), at(9)).is_err());
    assert_eq!(claims(&mut fenced, 2, 10, 10), s(5));
}

#[test]
fn a_gang_has_worked_as_long_as_its_slowest_rank_and_not_before_all_are_bound() {
    let mut session = Session::new(job(), WorkloadKind::Job, LeaseTerms::default());
    assert_eq!(session.proved(), Duration::ZERO);
    session.raise_epoch(Epoch(1), 2).unwrap();
    let mut tell = |rank: u16, worked_s: u64, seconds: i64| {
        let request = BindRequest {
            rank,
            ..bind(1, rank as u8)
        };
        if worked_s == 0 {
            session
                .bind(&request, &Grants::default(), at(seconds))
                .unwrap();
        }
        let request = HeartbeatRequest {
            rank,
            worked_ms: worked_s * 1_000,
            ..heartbeat(1, rank as u8, seconds.unsigned_abs() + 1)
        };
        session.heartbeat(&request, at(seconds));
        session.proved()
    };
    tell(0, 0, 0);
    assert_eq!(tell(0, 5, 5), Duration::ZERO);
    tell(1, 0, 5);
    assert_eq!(tell(1, 2, 10), s(2));
    assert_eq!(tell(0, 10, 10), s(2));
}

#[test]
fn a_stored_session_learns_from_newer_heartbeats_what_it_missed() {
    let mut session = bound();
    claims(&mut session, 1, 5, 5);
    let mut stored = session.clone();
    claims(&mut session, 2, 10, 10);
    let old = session.beat(0).unwrap();
    claims(&mut session, 3, 15, 15);
    let newest = session.beat(0).unwrap();
    assert_eq!(
        newest,
        Beat {
            sequence: 3,
            heard_at: at(15),
            lease_until: at(45),
            proved: s(15)
        }
    );
    stored.overlay(0, newest);
    stored.overlay(0, old);
    stored.overlay(1, newest);
    assert_eq!(stored.beat(0), Some(newest));
    assert_eq!(stored.beat(1), None);
    assert_eq!(claims(&mut stored, 3, 99, 16), s(15), "3 is known");
    assert_eq!(claims(&mut stored, 4, 15, 20), s(15), "its work is known");
    assert_eq!(claims(&mut stored, 5, 20, 25), s(20));
    assert!(
        stored.fence(false, at(46)).is_err(),
        "the newest lease is waited for"
    );
}

#[test]
fn a_rank_whose_end_is_recorded_learns_nothing() {
    let mut session = bound();
    claims(&mut session, 1, 5, 5);
    let beat = session.beat(0).unwrap();
    session.result(&result(1, 1, 0), at(6)).unwrap();
    let ended = session.clone();
    session.overlay(
        0,
        Beat {
            sequence: 9,
            heard_at: at(9),
            lease_until: at(39),
            ..beat
        },
    );
    assert_eq!(session, ended);
    assert_eq!(session.beat(0), None);
}
