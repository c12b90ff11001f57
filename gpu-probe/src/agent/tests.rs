//! One sentence for each thing that the agent promises.

mod ending;
mod lease;
mod leaving;
mod probing;
mod publishing;
mod spot;
mod start;

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

    /// Answers the binding that is asked for after the probe.
    fn bound_again(&mut self, terms: BindReply) -> &[Action] {
        let number = self.last.iter().find_map(|action| match action {
            Do::SendBind(number, _) => Some(*number),
            _ => None,
        });
        let number = number.expect("it binds again");
        self.give(Input::BindReplied(number, Ok(terms)))
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
        spot_probe: None,
    };
    Input::HeartbeatReplied(sequence, Ok(reply))
}
