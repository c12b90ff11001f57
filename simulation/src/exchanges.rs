//! The broker's side of probes, in memory, which dies with it: what HTTP and the verifier do for the
//! engine. What a machine is takes the verifier's place.

use std::collections::{BTreeMap, BTreeSet};

use gpu_probe::exchange::{ProverMessage, VerifierMessage};
use gpu_probe::hex::HexBytes;
use gpu_probe::protocol::{MomentId, ProbeReply, ProbeRequest, ProbeSaid};
use gpu_probe::report::{DeviceUuid, Kind};
use gpu_probe::verdict::Verdict;
use tandem::engine::message::{AgentReply as Said, AgentRequest};
use tandem::engine::probe::{NodeVerdict, ProbeOpens};
use tandem::store::Store;
use tandem_model::id::{BootId, JobId, ProbeId};
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;
use tandem_sandbox::world::{AgentCall, AgentReply};

use crate::agents::{answered, read};
use crate::disk::wait;
use crate::natures::{self, Known};
use crate::queue::Event;
use crate::sim::{Done, Sim, broken};
use crate::witness::unreadable;

/// The broker that was started again knows nothing of the exchange.
pub(crate) const NOT_OPEN: u16 = 422;

/// The last message of an exchange that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Last {
    Hello,
    Begin,
    /// The prover knows what it must open.
    Commit,
    Report,
}

/// The broker's side of an exchange.
#[derive(Debug)]
pub(crate) struct Open {
    verdict: Verdict,
    last: Last,
    /// When the challenge is given, at a moment of running work.
    challenge_at: Option<WorldTime>,
}

/// Whose exchange: job, attempt, node, run of the agent, and which moment.
type Key = (JobId, Epoch, u16, BootId, Option<MomentId>);

/// Open exchanges of a broker.
pub(crate) type Exchanges = BTreeMap<Key, Open>;

/// With what an exchange is opened.
#[derive(Debug)]
struct Sold {
    gpus: u32,
    /// Cards that the node showed before.
    expected: Option<BTreeSet<DeviceUuid>>,
    challenge_at: Option<WorldTime>,
}

fn says(message: VerifierMessage) -> AgentReply {
    let reply = ProbeReply {
        message,
        may_start: None,
    };
    answered(200, &reply)
}

/// The answer to a message that needs none.
pub(crate) fn goes_on() -> AgentReply {
    says(VerifierMessage::Ok)
}

/// The challenge of a moment.
fn challenged() -> AgentReply {
    says(VerifierMessage::MatrixChallenge {
        key: HexBytes([0; 32]),
        deadline_ms: 0,
    })
}

/// What is to be opened.
fn picked() -> AgentReply {
    says(VerifierMessage::MatrixPicks {
        devices: Vec::new(),
        deadline_ms: 0,
    })
}

/// The answer with which an exchange ends.
pub(crate) fn ends(verdict: Verdict, may_start: bool) -> AgentReply {
    let reply = ProbeReply {
        message: VerifierMessage::Verdict(Box::new(verdict)),
        may_start: Some(may_start),
    };
    answered(200, &reply)
}

impl Open {
    /// Whether the prover knows what it must open, and did not open it.
    fn is_picked(&self) -> bool {
        self.last == Last::Commit
    }

    /// Notes a message; one that was overtaken changes nothing.
    fn hears(&mut self, message: Last) {
        self.last = self.last.max(message);
    }
}

impl Sim {
    /// A message of a probe is at the broker: what the engine is asked, or nothing when the broker
    /// can answer by itself.
    pub(crate) fn probe_arrives(&mut self, call: &AgentCall) -> Done<Option<AgentRequest>> {
        let asked = read_probe(call)?;
        let (moment, said) = (asked.moment, asked.said.clone());
        self.probes.said += 1;
        let probe = ProbeId::from_parts(self.probes.said, &[7; 10]);
        let key = (asked.job, asked.epoch, asked.rank, asked.boot_id, moment);
        let judged = |verdict| Ok(Some(judged(probe, &asked, verdict)));
        let now = self.now;
        let open = self.running()?.exchanges.get_mut(&key);
        let answer = match (said, open) {
            (ProbeSaid::CouldNotRun { .. }, Some(open)) if open.is_picked() => {
                return judged(natures::withheld());
            }
            (ProbeSaid::CouldNotRun { .. }, _) => return judged(natures::could_not_run()),
            (ProbeSaid::Message(ProverMessage::Hello(_)), Some(open))
                if open.last == Last::Hello =>
            {
                goes_on()
            }
            (ProbeSaid::Message(ProverMessage::Hello(_)), Some(open)) if open.is_picked() => {
                return judged(natures::withheld());
            }
            (ProbeSaid::Message(ProverMessage::Hello(_)), _) => {
                return Ok(Some(AgentRequest::ProbeOpens(ProbeOpens {
                    job: asked.job,
                    epoch: asked.epoch,
                    rank: asked.rank,
                    boot_id: asked.boot_id,
                    moment,
                })));
            }
            (ProbeSaid::Message(ProverMessage::MatrixBegin), Some(open)) if moment.is_some() => {
                open.hears(Last::Begin);
                let at = open.challenge_at.unwrap_or(now).max(now);
                self.holds_challenge(call, at)?;
                return Ok(None);
            }
            (ProbeSaid::Message(ProverMessage::MatrixCommit { .. }), Some(open)) => {
                open.hears(Last::Commit);
                picked()
            }
            (ProbeSaid::Message(_), Some(open)) => {
                open.hears(Last::Report);
                let verdict = open.verdict.clone();
                return judged(verdict);
            }
            (ProbeSaid::Message(_), None) => AgentReply::Answered {
                status: NOT_OPEN,
                body: Vec::new(),
            },
        };
        let is_lost = self.answer_gets_lost(call);
        self.answer_agent(call.id, is_lost, answer);
        Ok(None)
    }

    /// The challenge of a moment is held until all nodes of the card get theirs.
    fn holds_challenge(&mut self, call: &AgentCall, at: WorldTime) -> Done {
        let is_lost = self.answer_gets_lost(call);
        self.running()?.held.push(call.id);
        self.queue.put(at, Event::Challenge(call.id, is_lost));
        Ok(())
    }

    /// A challenge is given, when the broker that held it lives.
    pub(crate) fn challenge_is_due(&mut self, call: u64, is_lost: bool) {
        let Some(broker) = &mut self.broker else {
            return;
        };
        if let Some(at) = broker.held.iter().position(|held| *held == call) {
            broker.held.remove(at);
            self.answer_agent(call, is_lost, challenged());
        }
    }

    /// The engine lets an exchange be opened, at a start or at a moment.
    pub(crate) fn exchange_opens(
        &mut self,
        call: u64,
        request: &AgentRequest,
        opens: Said,
    ) -> Done {
        let AgentRequest::ProbeOpens(said) = request else {
            return Ok(());
        };
        let sold = match opens {
            Said::SpotOpens(terms) => {
                self.witness.moment_opens(said, &terms, self.now)?;
                Sold {
                    gpus: terms.gpus,
                    expected: terms.expected,
                    challenge_at: Some(terms.challenge_at),
                }
            }
            Said::ProbeOpens { gpus, .. } => Sold {
                gpus,
                expected: None,
                challenge_at: None,
            },
            other => return broken(format!("no exchange opens by {other:?}")),
        };
        self.verdict_is_drawn(call, said, sold)
    }

    /// The verdict is drawn on what is known by now.
    fn verdict_is_drawn(&mut self, call: u64, said: &ProbeOpens, sold: Sold) -> Done {
        let Some(exchange) = self.probes.open.get(&call) else {
            return Ok(());
        };
        let (cards, nature) = (exchange.cards.clone(), exchange.nature);
        if usize::try_from(sold.gpus).ok() != Some(cards.len()) {
            let shown = cards.len();
            return broken(format!(
                "{}: a node sold with {} cards shows {shown}",
                said.job, sold.gpus
            ));
        }
        let records = wait(self.running()?.store.devices(cards.clone())).map_err(unreadable)?;
        let me = (said.job, said.epoch, said.rank);
        // A ban is for what starts from now on; work that runs goes on.
        let is_start = said.moment.is_none();
        let banned = records.iter().filter(|d| d.ban.is_some() && is_start);
        let elsewhere = |by: Option<_>| by.is_some_and(|by| by != me);
        let in_use = records.iter().filter(|d| elsewhere(d.in_use_by));
        let shown: BTreeSet<_> = cards.iter().copied().collect();
        let known = Known {
            banned: banned.map(|d| d.uuid).collect(),
            in_use_elsewhere: in_use.map(|d| d.uuid).collect(),
            has_changed: sold.expected.is_some_and(|expected| expected != shown),
        };
        if known.fails() {
            self.witness
                .machine_is_bad((said.job, said.epoch), self.now);
        }
        let dice = match is_start {
            true => &mut self.chance.probes,
            false => &mut self.chance.moments,
        };
        let verdict = natures::verdict(nature, &cards, &known, dice);
        let key = (said.job, said.epoch, said.rank, said.boot_id, said.moment);
        let open = Open {
            verdict,
            last: Last::Hello,
            challenge_at: sold.challenge_at,
        };
        self.running()?.exchanges.insert(key, open);
        Ok(())
    }
}

/// Reads a message as the agent API does.
fn read_probe(call: &AgentCall) -> Done<ProbeRequest> {
    let asked: ProbeRequest = match read(&call.body, ProbeRequest::check) {
        Ok(asked) => asked,
        Err(why) => return broken(format!("an agent's probe is refused: {why}")),
    };
    match &asked.said {
        ProbeSaid::Message(message) => match message.check() {
            Ok(()) => Ok(asked),
            Err(why) => broken(format!("an agent's message of a probe is refused: {why}")),
        },
        ProbeSaid::CouldNotRun { .. } => Ok(asked),
    }
}

/// A verdict for the engine.
fn judged(probe: ProbeId, asked: &ProbeRequest, verdict: Verdict) -> AgentRequest {
    AgentRequest::Probed(NodeVerdict {
        probe,
        kind: match asked.moment {
            Some(_) => Kind::Spot,
            None => Kind::Quick,
        },
        challenge_id: None,
        report: None,
        moment: asked.moment,
        job: asked.job,
        epoch: asked.epoch,
        rank: asked.rank,
        boot_id: asked.boot_id,
        verdict: Box::new(verdict),
    })
}
