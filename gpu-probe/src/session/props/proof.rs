//! Whatever an agent claims, and whenever: the broker's clock bounds what is proved.

use super::*;

/// One message of the agent, or a restart of the broker.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Beat {
        newer: u64,
        worked_ms: u64,
    },
    Result {
        worked_ms: u64,
    },
    /// The newest heartbeat is stored.
    Flush,
    /// The session is stored.
    Store,
    /// What was not stored is forgotten.
    Restart,
    Revoke,
}

fn turns() -> impl Strategy<Value = Turn> {
    let worked = || prop_oneof![4 => 0u64..200_000, 1 => any::<u64>()];
    prop_oneof![
        10 => (0u64..3, worked()).prop_map(|(newer, worked_ms)| Turn::Beat { newer, worked_ms }),
        1 => worked().prop_map(|worked_ms| Turn::Result { worked_ms }),
        4 => Just(Turn::Flush),
        1 => Just(Turn::Restart),
        1 => Just(Turn::Store),
        1 => Just(Turn::Revoke),
    ]
}

fn heartbeat(sequence: u64, worked_ms: u64) -> HeartbeatRequest {
    let me = identity(WorkloadKind::Job);
    HeartbeatRequest {
        job: me.job,
        epoch: Epoch(1),
        rank: 0,
        boot_id: me.boot_id,
        sequence,
        phase: Phase::Running,
        progress: None,
        uptime_ms: 0,
        worked_ms,
        log_tail: Vec::new(),
    }
}

fn result(worked_ms: u64) -> ResultReport {
    let me = identity(WorkloadKind::Job);
    ResultReport {
        job: me.job,
        epoch: Epoch(1),
        rank: 0,
        boot_id: me.boot_id,
        exit_code: Some(0),
        signal: None,
        step: 0,
        worked_ms,
        output_sha256: None,
        output_tail: String::new(),
        cause: EndCause::Workload,
        detail: None,
    }
}

fn bound_session(now: WorldTime) -> Session {
    let me = identity(WorkloadKind::Job);
    let mut session = Session::new(me.job, WorkloadKind::Job, LeaseTerms::default());
    session.raise_epoch(Epoch(1), 1).unwrap();
    let request = BindRequest {
        job: me.job,
        epoch: Epoch(1),
        rank: 0,
        boot_id: me.boot_id,
        container: "box".to_owned(),
        agent_version: String::new(),
    };
    session.bind(&request, &Grants::default(), now).unwrap();
    session
}

proptest! {
    #[test]
    fn proved_time_never_falls_and_never_passes_the_time_since_the_binding(
        turns in prop::collection::vec((turns(), 0u64..45_000_000), 1..80),
    ) {
        let start = WorldTime::from_micros(1_000_000);
        let mut now = start;
        let mut session = bound_session(now);
        let mut stored = session.clone();
        let mut beat = session.beat(0);
        let mut sequence = 0;
        let mut highest_claim = Duration::ZERO;
        for (turn, wait_us) in turns {
            now = now.after(Duration::from_micros(wait_us));
            let before = session.proved();
            match turn {
                Turn::Beat { newer, worked_ms } => {
                    sequence += newer;
                    highest_claim = highest_claim.max(Duration::from_millis(worked_ms));
                    session.heartbeat(&heartbeat(sequence, worked_ms), now);
                }
                Turn::Result { worked_ms } => {
                    highest_claim = highest_claim.max(Duration::from_millis(worked_ms));
                    session.result(&result(worked_ms), now).unwrap();
                    stored = session.clone();
                }
                Turn::Flush => beat = session.beat(0).or(beat),
                Turn::Restart => {
                    session = stored.clone();
                    if let Some(beat) = beat {
                        session.overlay(0, beat);
                        prop_assert!(session.proved() >= beat.proved);
                    }
                }
                Turn::Store => stored = session.clone(),
                Turn::Revoke => session.revoke(),
            }
            let is_kept = !matches!(turn, Turn::Restart);
            prop_assert!(!is_kept || session.proved() >= before, "{turn:?}");
            prop_assert!(session.proved() <= now.since(start), "{turn:?}");
            prop_assert!(session.proved() <= highest_claim, "{turn:?}");
        }
    }

    #[test]
    fn steady_work_is_proved_whole_however_late_its_heartbeats_come(
        delays_ms in prop::collection::vec(0u64..2_000, 2..200),
    ) {
        let start = WorldTime::from_micros(1_000_000);
        let mut session = bound_session(start);
        for (beat, delay_ms) in (1u64..).zip(&delays_ms) {
            let arrival = start.after(Duration::from_millis(beat * 5_000 + delay_ms));
            session.heartbeat(&heartbeat(beat, beat * 5_000), arrival);
        }
        let worked = Duration::from_secs(5 * delays_ms.len() as u64);
        prop_assert!(session.proved() + LEASE_SKEW >= worked, "{:?}", session.proved());
    }
}
