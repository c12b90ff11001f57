//! Agents' calls on their way to the broker and back: as HTTP, with delays, losses and copies.

use std::time::Duration;

use gpu_probe::protocol::{
    BIND_PATH, BindRequest, CHECKPOINTS_PATH, CheckpointRequest, CheckpointStore, FieldRefused,
    HEARTBEATS_PATH, HeartbeatRequest, PROBES_PATH, RESULTS_PATH, ResultReport,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tandem::engine::message::{AgentReply as Said, AgentRequest, Reply, Request};
use tandem_model::secret::Secret;
use tandem_sandbox::world::{AgentCall, AgentReply};

use crate::broker::Asker;
use crate::queue::Event;
use crate::sim::{Done, Sim, broken};
use crate::{exchanges, installation};

/// When an agent gives up a call.
pub(crate) const GIVEN_UP: Duration = Duration::from_secs(10);
/// A broker that cannot answer now: the agent asks again.
const UNAVAILABLE: u16 = 503;

/// Reads a body as the agent API does: its form, then its limits.
pub(crate) fn read<T: DeserializeOwned>(
    body: &[u8],
    check: impl FnOnce(&T) -> Result<(), FieldRefused>,
) -> Result<T, String> {
    let body: T = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    check(&body).map_err(|e| e.to_string())?;
    Ok(body)
}

fn request(call: &AgentCall) -> Result<AgentRequest, String> {
    match call.path.as_str() {
        BIND_PATH => read(&call.body, BindRequest::check).map(AgentRequest::Bind),
        HEARTBEATS_PATH => read(&call.body, HeartbeatRequest::check).map(AgentRequest::Heartbeat),
        CHECKPOINTS_PATH => {
            read(&call.body, CheckpointRequest::check).map(AgentRequest::Checkpoint)
        }
        RESULTS_PATH => read(&call.body, ResultReport::check).map(AgentRequest::Result),
        other => Err(format!("no such path {other}")),
    }
}

pub(crate) fn answered(status: u16, body: &impl Serialize) -> AgentReply {
    AgentReply::Answered {
        status,
        body: serde_json::to_vec(body).unwrap_or_default(),
    }
}

impl Sim {
    /// Carries a call of an agent to the broker, if it gets there.
    pub(crate) fn carry(&mut self, call: AgentCall) {
        let rates = if self.at_peace {
            crate::plan::Rates::default()
        } else {
            self.plan.rates
        };
        let dice = &mut self.chance.agents;
        let mut delay = || {
            if dice.permille(rates.call_slow) {
                dice.ms(1_000, 8_000)
            } else {
                dice.ms(2, 120)
            }
        };
        let (first, second) = (delay(), delay());
        let is_lost = dice.permille(rates.call_lost);
        let is_twice = dice.permille(rates.call_twice);
        self.witness.call_is_sent(&call, self.now);
        // Of a probe a copy can come when its answer is not wanted any more.
        let is_stale = is_twice && call.path == PROBES_PATH;
        if is_lost || is_stale || first > Duration::from_secs(1) {
            self.witness.call_is_troubled(&call, self.now);
        }
        if is_lost {
            let event = Event::Reply(call.id, AgentReply::Unreachable);
            self.queue.put(self.after(GIVEN_UP), event);
            return;
        }
        if is_twice {
            let copy = Event::Call(Box::new(call.clone()));
            self.queue.put(self.after(second), copy);
        }
        self.queue
            .put(self.after(first), Event::Call(Box::new(call)));
    }

    /// A call is at the broker.
    pub(crate) fn call_arrives(&mut self, call: &AgentCall) -> Done {
        self.journal.bytes(call.path.as_bytes());
        self.journal.bytes(&call.body);
        if self.broker.is_none() {
            self.answer_agent(call.id, false, AgentReply::Unreachable);
            return Ok(());
        }
        let request = if call.path == PROBES_PATH {
            match self.probe_arrives(call)? {
                Some(request) => request,
                None => return Ok(()),
            }
        } else {
            match request(call) {
                Ok(request) => request,
                Err(why) => return broken(format!("an agent's {} is refused: {why}", call.path)),
            }
        };
        let (job, epoch) = request.names();
        if Secret::new(call.token.clone()) != installation::token(job, epoch) {
            return broken(format!("an agent of {job} e{epoch} has another's token"));
        }
        self.witness.call_arrives(&request, self.now);
        if !matches!(request, AgentRequest::Heartbeat(_)) {
            self.note(format_args!("{job} e{epoch} {}", call.path));
        }
        let asker = Asker::Agent {
            call: call.id,
            is_lost: self.answer_gets_lost(call),
        };
        self.ask(asker, Request::Agent(request))
    }

    /// Draws whether the answer to a call gets lost.
    pub(crate) fn answer_gets_lost(&mut self, call: &AgentCall) -> bool {
        let rate = if self.at_peace {
            0
        } else {
            self.plan.rates.call_lost
        };
        let is_lost = self.chance.agents.permille(rate);
        if is_lost {
            self.witness.call_is_troubled(call, self.now);
        }
        is_lost
    }

    /// The broker has an answer for an agent.
    pub(crate) fn agent_answered(
        &mut self,
        call: u64,
        is_lost: bool,
        request: &Request,
        reply: Reply,
    ) -> Done {
        let Request::Agent(request) = request else {
            return broken("an agent's answer to somebody else");
        };
        self.witness.agent_is_told(request, &reply, self.now)?;
        let (job, epoch) = request.names();
        let answer = match reply {
            Reply::Agent(Said::Bound { mut reply, trusted }) => {
                reply.checkpoint_store = trusted.map(|_| checkpoint_store());
                answered(200, &reply)
            }
            Reply::Agent(Said::Heartbeat(reply)) => answered(200, &reply),
            Reply::Agent(Said::Checkpoint(reply)) => {
                self.note(format_args!(
                    "{job} e{epoch} checkpoint: {}",
                    reply.accepted
                ));
                answered(200, &reply)
            }
            Reply::Agent(Said::Result(reply)) => {
                self.note(format_args!("{job} e{epoch} result: {}", reply.recorded));
                answered(200, &reply)
            }
            Reply::Agent(opens @ (Said::ProbeOpens { .. } | Said::SpotOpens(_))) => {
                self.exchange_opens(call, request, opens)?;
                exchanges::goes_on()
            }
            Reply::Agent(Said::Probed {
                probed, may_start, ..
            }) => {
                self.note(format_args!(
                    "{job} e{epoch} {}; may start: {may_start}",
                    probed.in_words()
                ));
                exchanges::ends(probed.as_verdict(), may_start)
            }
            Reply::Agent(Said::Refused(problem)) => {
                self.note(format_args!("{job} e{epoch} refused: {}", problem.detail));
                answered(problem.status, &problem)
            }
            Reply::Refused(_) => AgentReply::Answered {
                status: UNAVAILABLE,
                body: Vec::new(),
            },
            other => return broken(format!("not an answer to an agent: {other:?}")),
        };
        self.answer_agent(call, is_lost, answer);
        Ok(())
    }

    pub(crate) fn answer_agent(&mut self, call: u64, is_lost: bool, answer: AgentReply) {
        let dice = &mut self.chance.agents;
        if is_lost {
            let event = Event::Reply(call, AgentReply::Unreachable);
            self.queue.put(self.now.after(GIVEN_UP), event);
        } else {
            let back = dice.ms(2, 120);
            self.queue
                .put(self.now.after(back), Event::Reply(call, answer));
        }
    }

    /// The broker died on whoever waited.
    pub(crate) fn left_alone(&mut self, asker: Asker) {
        match asker {
            Asker::Agent { call, .. } => {
                self.answer_agent(call, false, AgentReply::Unreachable);
            }
            Asker::Accept { customer, .. } | Asker::Cancel { customer } => {
                let again = self.chance.customers.seconds(1, 5);
                self.queue.put(self.after(again), Event::Customer(customer));
            }
        }
    }
}

/// A store that every attempt reaches; the world's agents only remember its objects.
fn checkpoint_store() -> CheckpointStore {
    CheckpointStore {
        url: "file:///checkpoints".to_owned(),
        endpoint: None,
        region: None,
        access_key_id: None,
        secret_access_key: None,
        allow_http: false,
    }
}
