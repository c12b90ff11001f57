//! Agents and a session over a network that delays, loses, repeats and reorders everything, on
//! machines that stop and go on: the pointer never goes back, and one epoch publishes at a time.

mod gang;
mod proof;

use proptest::prelude::*;

use super::*;
use crate::agent::fixtures::{identity, store};
use crate::agent::{self, Action, AgentState, AgentTime, CallError, Ended, Identity, Input};
use crate::protocol::{CheckpointRequest, EndCause, Phase, ResultReport, Sha256};
use tandem_model::id::BootId;

/// What the world does next; numbers choose among what there is.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Wait(u8),
    DeliverRequest(u8),
    RepeatRequest(u8),
    DeliverReply(u8),
    Lose(u8),
    Compute(u8),
    End(u8),
    Pause(u8),
    Wake(u8),
    StartTwin,
    Revoke,
    Replace,
}

fn turns() -> impl Strategy<Value = Turn> {
    let n = any::<u8>;
    prop_oneof![
        8 => n().prop_map(Turn::Wait),
        16 => n().prop_map(Turn::DeliverRequest),
        2 => n().prop_map(Turn::RepeatRequest),
        16 => n().prop_map(Turn::DeliverReply),
        1 => n().prop_map(Turn::Lose),
        8 => n().prop_map(Turn::Compute),
        1 => n().prop_map(Turn::End),
        1 => n().prop_map(Turn::Pause),
        1 => n().prop_map(Turn::Wake),
        1 => Just(Turn::StartTwin),
        1 => Just(Turn::Revoke),
        2 => Just(Turn::Replace),
    ]
}

#[derive(Clone)]
enum Request {
    Bind(u64, BindRequest),
    Heartbeat(HeartbeatRequest),
    Checkpoint(CheckpointRequest),
    Result(ResultReport),
}

struct Host {
    state: AgentState,
    epoch: Epoch,
    is_paused: bool,
    computes: bool,
    step: u64,
}

struct World {
    session: Session,
    hosts: Vec<Host>,
    requests: Vec<(usize, Request)>,
    replies: Vec<(usize, Input)>,
    seconds: u64,
    epoch: u32,
    boots: u8,
    /// Every move of the pointer: epoch and step.
    moves: Vec<(Epoch, u64)>,
    recorded: Option<(Epoch, BootId)>,
}

impl World {
    fn new() -> Self {
        let job = identity(WorkloadKind::Job).job;
        let mut world = Self {
            session: Session::new(job, WorkloadKind::Job, LeaseTerms::default()),
            hosts: Vec::new(),
            requests: Vec::new(),
            replies: Vec::new(),
            seconds: 0,
            epoch: 0,
            boots: 0,
            moves: Vec::new(),
            recorded: None,
        };
        world.replace();
        world
    }

    fn now(&self) -> WorldTime {
        WorldTime::from_micros(i64::try_from(self.seconds).unwrap() * 1_000_000)
    }

    fn start_host(&mut self) {
        self.boots += 1;
        let identity = Identity {
            epoch: Epoch(self.epoch),
            boot_id: BootId::from_parts(1, &[self.boots; 10]),
            ..identity(WorkloadKind::Job)
        };
        let epoch = identity.epoch;
        // Every machine's own clock starts somewhere else.
        let started = AgentTime((self.seconds + u64::from(self.boots) * 1_000) * 1_000_000);
        let state = AgentState::new(identity, started);
        self.hosts.push(Host {
            state,
            epoch,
            is_paused: false,
            computes: false,
            step: 0,
        });
        self.give(self.hosts.len() - 1, Input::Tick);
    }

    fn replace(&mut self) {
        let _ = self.session.fence(false, self.now());
        if self.session.raise_epoch(Epoch(self.epoch + 1), 1).is_ok() {
            self.epoch += 1;
            self.start_host();
        }
    }

    fn give(&mut self, host: usize, input: Input) {
        let clock = AgentTime((self.seconds + (host as u64 + 1) * 1_000) * 1_000_000);
        let actions = agent::step(&mut self.hosts[host].state, input, clock);
        for action in actions {
            self.perform(host, action);
        }
    }

    fn perform(&mut self, host: usize, action: Action) {
        let machine = &mut self.hosts[host];
        let request = match action {
            Action::SendBind(number, body) => Request::Bind(number, body),
            Action::SendHeartbeat(body) => Request::Heartbeat(body),
            Action::SendCheckpoint(body) => Request::Checkpoint(body),
            Action::SendResult(body) => Request::Result(body),
            Action::Probe(_) => {
                self.replies
                    .push((host, Input::Probed(agent::ProbeEnd::MayStart)));
                return;
            }
            Action::AbortProbe | Action::SendProbe(_) => return,
            // No answer of this broker orders it.
            Action::Pause | Action::Resume | Action::ProbeSpot(_) => return,
            Action::Restore(checkpoint, _) => {
                machine.step = checkpoint.step;
                self.replies.push((host, Input::Restored(Ok(()))));
                return;
            }
            Action::Start { .. } => {
                machine.computes = true;
                self.replies.push((host, Input::Started));
                return;
            }
            Action::Upload(step, _) => {
                let object = agent::Uploaded {
                    key: format!("{host}/{step}"),
                    sha256: Sha256::of(&step.to_be_bytes()),
                    bytes: 8,
                };
                self.replies.push((host, Input::Uploaded(step, Ok(object))));
                return;
            }
            Action::Stop(_) | Action::Kill(_) => {
                machine.computes = false;
                self.replies.push((host, end(137)));
                return;
            }
            Action::Exit(_) => {
                machine.computes = false;
                return;
            }
        };
        self.requests.push((host, request));
    }

    fn serve(&mut self, host: usize, request: Request) {
        let now = self.now();
        let grants = Grants {
            checkpoint_store: Some(store()),
            ..Grants::default()
        };
        let refused = |problem: Problem| CallError::Refused {
            live_epoch: problem.live_epoch,
        };
        let reply = match request {
            Request::Bind(number, body) => {
                let reply = self.session.bind(&body, &grants, now);
                Input::BindReplied(number, reply.map_err(refused))
            }
            Request::Heartbeat(body) => {
                let reply = self.session.heartbeat(&body, now);
                Input::HeartbeatReplied(body.sequence, Ok(reply))
            }
            Request::Checkpoint(body) => {
                let before = self.session.pointer().cloned();
                let reply = self.session.checkpoint(&body, now);
                if self.session.pointer() != before.as_ref() {
                    self.moves.push((body.epoch, body.step));
                }
                Input::CheckpointReplied(body.step, reply.map_err(refused))
            }
            Request::Result(body) => {
                let reply = self.session.result(&body, now);
                Input::ResultReplied(reply.map_err(refused))
            }
        };
        self.replies.push((host, reply));
    }

    fn turn(&mut self, turn: Turn) {
        let pick = |n: u8, len: usize| (len > 0).then(|| usize::from(n) % len.max(1));
        match turn {
            Turn::Wait(n) => {
                self.seconds += u64::from(n % 12);
                for host in 0..self.hosts.len() {
                    if !self.hosts[host].is_paused {
                        self.give(host, Input::Tick);
                    }
                }
            }
            Turn::DeliverRequest(n) => {
                if let Some(i) = pick(n, self.requests.len()) {
                    let (host, request) = self.requests.remove(i);
                    self.serve(host, request);
                }
            }
            Turn::RepeatRequest(n) => {
                if let Some(i) = pick(n, self.requests.len()) {
                    let (host, request) = self.requests[i].clone();
                    self.serve(host, request);
                }
            }
            Turn::DeliverReply(n) => {
                if let Some(i) = pick(n, self.replies.len())
                    && !self.hosts[self.replies[i].0].is_paused
                {
                    let (host, input) = self.replies.remove(i);
                    self.give(host, input);
                }
            }
            Turn::Lose(n) => {
                if let Some(i) = pick(n, self.requests.len()) {
                    self.requests.remove(i);
                }
            }
            Turn::StartTwin => self.start_host(),
            Turn::Revoke => self.session.revoke(),
            Turn::Replace => self.replace(),
            Turn::Compute(n) | Turn::End(n) | Turn::Pause(n) | Turn::Wake(n) => {
                if let Some(host) = pick(n, self.hosts.len()) {
                    self.touch(host, turn);
                }
            }
        }
    }

    fn touch(&mut self, host: usize, turn: Turn) {
        let machine = &mut self.hosts[host];
        let works = machine.computes && !machine.is_paused;
        match turn {
            Turn::Pause(_) => machine.is_paused = true,
            Turn::Wake(_) => machine.is_paused = false,
            Turn::Compute(_) if works => {
                machine.step += 1;
                let step = machine.step;
                self.give(host, Input::CheckpointFinished(step));
            }
            Turn::End(_) if works => {
                machine.computes = false;
                self.give(host, end(0));
            }
            _ => {}
        }
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        for pair in self.moves.windows(2) {
            prop_assert!(
                pair[0].0 <= pair[1].0,
                "an older epoch published: {:?}",
                self.moves
            );
            prop_assert!(
                pair[0].1 < pair[1].1,
                "the pointer went back: {:?}",
                self.moves
            );
        }
        let recorded = match self.session.outcome() {
            Some(Outcome::Succeeded(report) | Outcome::Failed(report)) => {
                Some((report.epoch, report.boot_id))
            }
            None => None,
        };
        if self.recorded.is_some() {
            prop_assert_eq!(self.recorded, recorded, "an outcome changed");
        }
        self.recorded = recorded;
        let live = self.session.live_epoch();
        if let Some((epoch, _)) = recorded {
            prop_assert_eq!(Some(epoch), live);
        }
        // An agent that has reported its end publishes nothing more, whatever it believes.
        let clock = |host: usize| AgentTime((self.seconds + (host as u64 + 1) * 1_000) * 1_000_000);
        let standing = self.session.standing();
        for (i, host) in self.hosts.iter().enumerate() {
            let reports = host.state.phase() == Phase::Ended;
            let believes = host.state.holds_lease(clock(i)) && !host.is_paused && !reports;
            let replaced = Some(host.epoch) != live || standing == Some(Standing::Fenced);
            prop_assert!(
                !(believes && replaced),
                "host {i} believes in a lease that is over"
            );
        }
        Ok(())
    }
}

fn end(code: i32) -> Input {
    Input::WorkloadEnded(Box::new(Ended {
        cause: EndCause::Workload,
        exit_code: Some(code),
        signal: None,
        output_sha256: None,
        output_tail: String::new(),
        detail: None,
    }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_pointer_never_goes_back_and_one_epoch_publishes_at_a_time(
        turns in prop::collection::vec(turns(), 1..400),
    ) {
        let mut world = World::new();
        for turn in turns {
            world.turn(turn);
            world.check()?;
        }
    }

    #[test]
    fn a_session_never_panics_and_binds_one_instance_an_epoch(
        asks in prop::collection::vec((1u32..4, 0u16..3, 0u8..4, 0u8..3, 0i64..40), 1..100),
    ) {
        let job = identity(WorkloadKind::Job).job;
        let mut session = Session::new(job, WorkloadKind::Job, LeaseTerms::default());
        session.raise_epoch(Epoch(1), 2).unwrap();
        let mut now = WorldTime::from_micros(0);
        let mut holders = BTreeMap::new();
        for (epoch, rank, boot, what, wait_s) in asks {
            now = now.after(Duration::from_secs(u64::try_from(wait_s).unwrap()));
            let boot_id = BootId::from_parts(1, &[boot; 10]);
            let request = BindRequest {
                job, epoch: Epoch(epoch), rank, boot_id,
                container: "box".to_owned(), agent_version: String::new(),
            };
            match what {
                0 if session.fence(false, now).is_ok() => {
                    let _ = session.raise_epoch(Epoch(epoch), 2);
                }
                1 => session.revoke(),
                _ => {
                    if session.bind(&request, &Grants::default(), now).is_ok() {
                        let holder = *holders.entry((epoch, rank)).or_insert(boot);
                        prop_assert_eq!(holder, boot, "two instances of one epoch and rank");
                    }
                }
            }
        }
    }
}
