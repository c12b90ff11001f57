//! Three ranks that beat, end, fall silent and are stopped in any order: a verdict is final once
//! given, and a failure is the customer's only when every peer is known to have lived.

use super::*;

const NODES: u16 = 3;

#[derive(Debug, Clone, Copy)]
enum Turn {
    Bind,
    Beat(Phase),
    End(EndCause, i32),
    Revoke,
    Nothing,
}

fn turns() -> impl Strategy<Value = Turn> {
    let phases = prop_oneof![
        5 => Just(Phase::Running),
        1 => Just(Phase::Checkpointing),
        1 => Just(Phase::Ended),
    ];
    let causes = prop_oneof![
        4 => Just(EndCause::Workload),
        1 => Just(EndCause::Terminated),
        1 => Just(EndCause::StopDirected),
        1 => Just(EndCause::SetupFailed),
    ];
    prop_oneof![
        2 => Just(Turn::Bind),
        8 => phases.prop_map(Turn::Beat),
        2 => (causes, 0i32..2).prop_map(|(cause, code)| Turn::End(cause, code)),
        1 => Just(Turn::Revoke),
        4 => Just(Turn::Nothing),
    ]
}

/// What is known of a rank without the session.
#[derive(Debug, Clone, Copy, Default)]
struct Rank {
    active_at: Option<WorldTime>,
    ended_itself: bool,
}

fn boot(rank: u16) -> BootId {
    BootId::from_parts(1, &[rank as u8; 10])
}

struct Gang {
    session: Session,
    now: WorldTime,
    ranks: [Rank; NODES as usize],
    sequence: u64,
    failed_at: Option<WorldTime>,
    decided: Option<String>,
}

impl Gang {
    fn new() -> Self {
        let job = identity(WorkloadKind::Job).job;
        let mut session = Session::new(job, WorkloadKind::Job, LeaseTerms::default());
        session.raise_epoch(Epoch(1), NODES).unwrap();
        let mut gang = Self {
            session,
            now: WorldTime::from_micros(1_000_000),
            ranks: [Rank::default(); NODES as usize],
            sequence: 0,
            failed_at: None,
            decided: None,
        };
        (0..NODES).for_each(|rank| gang.turn(rank, Turn::Bind));
        gang
    }

    fn bind(&mut self, rank: u16) {
        let request = BindRequest {
            job: identity(WorkloadKind::Job).job,
            epoch: Epoch(1),
            rank,
            boot_id: boot(rank),
            container: "box".to_owned(),
            agent_version: String::new(),
        };
        let is_new = self.session.bound(rank).is_none_or(|b| b.sequence == 0);
        let reply = self.session.bind(&request, &Grants::default(), self.now);
        if reply.is_ok() && is_new {
            self.ranks[usize::from(rank)].active_at = Some(self.now);
        }
    }

    fn beat(&mut self, rank: u16, phase: Phase) {
        self.sequence += 1;
        let request = HeartbeatRequest {
            job: identity(WorkloadKind::Job).job,
            epoch: Epoch(1),
            rank,
            boot_id: boot(rank),
            sequence: self.sequence,
            phase,
            progress: None,
            uptime_ms: 0,
            worked_ms: 0,
            log_tail: Vec::new(),
        };
        let lives = self.session.bound(rank).is_some_and(|b| b.end.is_none());
        self.session.heartbeat(&request, self.now);
        if lives && phase == Phase::Running {
            self.ranks[usize::from(rank)].active_at = Some(self.now);
        }
    }

    fn end(&mut self, rank: u16, cause: EndCause, code: i32) {
        let report = ResultReport {
            job: identity(WorkloadKind::Job).job,
            epoch: Epoch(1),
            rank,
            boot_id: boot(rank),
            exit_code: Some(code),
            signal: None,
            step: 0,
            worked_ms: 0,
            output_sha256: None,
            output_tail: String::new(),
            cause,
            detail: None,
        };
        let is_first = self.session.bound(rank).is_some_and(|b| b.end.is_none());
        let recorded = self.session.result(&report, self.now).is_ok();
        if recorded && is_first {
            self.ranks[usize::from(rank)].ended_itself = cause.is_outcome();
            if report.is_failure() {
                self.failed_at.get_or_insert(self.now);
            }
        }
    }

    fn turn(&mut self, rank: u16, turn: Turn) {
        match turn {
            Turn::Bind => self.bind(rank),
            Turn::Beat(phase) => self.beat(rank, phase),
            Turn::End(cause, code) => self.end(rank, cause, code),
            Turn::Revoke => self.session.revoke(),
            Turn::Nothing => {}
        }
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        let verdict = self.session.verdict(self.now);
        let outcome = self.session.outcome();
        match verdict {
            Verdict::Succeeded(_) => {
                prop_assert!(matches!(outcome, Some(Outcome::Succeeded(_))));
                prop_assert!(self.failed_at.is_none());
            }
            Verdict::Failed(_) => {
                prop_assert!(matches!(outcome, Some(Outcome::Failed(_))));
                let failed_at = self.failed_at;
                let innocent = |rank: &Rank| rank.ended_itself || rank.active_at >= failed_at;
                prop_assert!(self.ranks.iter().all(innocent), "{:?}", self.ranks);
            }
            Verdict::Undecided { until } => {
                prop_assert!(until > self.now && self.failed_at.is_some());
                let longest = LEASE_TTL + LEASE_SKEW;
                prop_assert!(until <= self.now.after(longest), "{until:?}");
                let then = self.session.verdict(until);
                let lost = matches!(then, Verdict::PeerLost { .. });
                prop_assert!(lost, "silence until then decides");
            }
            Verdict::Running | Verdict::PeerLost { .. } => {}
        }
        if !matches!(verdict, Verdict::Succeeded(_) | Verdict::Failed(_)) {
            prop_assert_eq!(outcome, None);
        }
        let is_final = !matches!(verdict, Verdict::Running | Verdict::Undecided { .. });
        let text = format!("{verdict:?}");
        if let Some(decided) = &self.decided {
            prop_assert_eq!(decided, &text, "a verdict changed");
        }
        self.decided = is_final.then_some(text);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_verdict_is_final_and_blames_the_customer_only_for_a_failure_among_living_peers(
        turns in prop::collection::vec((0..NODES, turns(), 0u64..12), 1..60),
    ) {
        let mut gang = Gang::new();
        for (rank, turn, wait_s) in turns {
            gang.now = gang.now.after(Duration::from_secs(wait_s));
            gang.turn(rank, turn);
            gang.check()?;
        }
        // Everybody falls silent: doubt ends, and a failure never keeps the next attempt away
        // unless it is the job's own.
        gang.now = gang.now.after(LEASE_TTL + LEASE_SKEW);
        gang.check()?;
        let undecided = matches!(gang.session.verdict(gang.now), Verdict::Undecided { .. });
        prop_assert!(!undecided);
        gang.session.fence(false, gang.now).unwrap();
        let raised = gang.session.clone().raise_epoch(Epoch(2), NODES);
        prop_assert_eq!(raised.is_ok(), gang.session.outcome().is_none());
    }
}
