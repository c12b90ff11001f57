//! The broker's side of probes, in memory, which dies with it: what HTTP and the verifier do for the
//! engine. What a machine is takes the verifier's place.

use std::collections::BTreeMap;

use gpu_probe::exchange::{ProverMessage, VerifierMessage};
use gpu_probe::protocol::{ProbeReply, ProbeRequest, ProbeSaid};
use gpu_probe::report::Kind;
use gpu_probe::verdict::Verdict;
use tandem::engine::message::AgentRequest;
use tandem::engine::probe::{NodeVerdict, ProbeOpens};
use tandem::store::Store;
use tandem_model::id::{BootId, JobId, ProbeId};
use tandem_model::placement::Epoch;
use tandem_sandbox::world::{AgentCall, AgentReply};

use crate::agents::{answered, read};
use crate::disk::wait;
use crate::natures::{self, Known};
use crate::sim::{Done, Sim, broken};
use crate::witness::unreadable;

/// The broker that was started again knows nothing of the exchange.
pub(crate) const NOT_OPEN: u16 = 422;

/// The broker's side of an exchange.
#[derive(Debug)]
pub(crate) struct Open {
    verdict: Verdict,
    is_reported: bool,
}

/// Open exchanges of a broker by job, attempt, node and run of the agent.
pub(crate) type Exchanges = BTreeMap<(JobId, Epoch, u16, BootId), Open>;

/// The answer to every message but the last.
pub(crate) fn goes_on() -> AgentReply {
    let reply = ProbeReply {
        message: VerifierMessage::Ok,
        may_start: None,
    };
    answered(200, &reply)
}

/// The answer with which an exchange ends.
pub(crate) fn ends(verdict: Verdict, may_start: bool) -> AgentReply {
    let reply = ProbeReply {
        message: VerifierMessage::Verdict(Box::new(verdict)),
        may_start: Some(may_start),
    };
    answered(200, &reply)
}

impl Sim {
    /// A message of a probe is at the broker: what the engine is asked, or nothing when the broker
    /// can answer by itself.
    pub(crate) fn probe_arrives(&mut self, call: &AgentCall) -> Done<Option<AgentRequest>> {
        let asked: ProbeRequest = match read(&call.body, ProbeRequest::check) {
            Ok(asked) => asked,
            Err(why) => return broken(format!("an agent's probe is refused: {why}")),
        };
        if let ProbeSaid::Message(message) = &asked.said
            && let Err(why) = message.check()
        {
            return broken(format!("an agent's message of a probe is refused: {why}"));
        }
        let (job, epoch, rank, boot_id) = (asked.job, asked.epoch, asked.rank, asked.boot_id);
        self.probes.said += 1;
        let probe = ProbeId::from_parts(self.probes.said, &[7; 10]);
        let judged = |verdict| {
            AgentRequest::Probed(NodeVerdict {
                probe,
                kind: Kind::Quick,
                challenge_id: None,
                report: None,
                moment: None,
                job,
                epoch,
                rank,
                boot_id,
                verdict: Box::new(verdict),
            })
        };
        let open = self
            .running()?
            .exchanges
            .get_mut(&(job, epoch, rank, boot_id));
        let answer = match (asked.said, open) {
            (ProbeSaid::CouldNotRun { .. }, _) => {
                return Ok(Some(judged(natures::could_not_run())));
            }
            (ProbeSaid::Message(ProverMessage::Hello(_)), Some(open)) if !open.is_reported => {
                goes_on()
            }
            (ProbeSaid::Message(ProverMessage::Hello(_)), _) => {
                return Ok(Some(AgentRequest::ProbeOpens(ProbeOpens {
                    job,
                    epoch,
                    rank,
                    boot_id,
                    moment: None,
                })));
            }
            (ProbeSaid::Message(_), Some(open)) => {
                open.is_reported = true;
                return Ok(Some(judged(open.verdict.clone())));
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

    /// The engine lets an exchange be opened: the verdict is drawn on what is known by now.
    pub(crate) fn probe_opens(&mut self, call: u64, said: &ProbeOpens, gpus: u32) -> Done {
        let Some(exchange) = self.probes.open.get(&call) else {
            return Ok(());
        };
        let (cards, nature) = (exchange.cards.clone(), exchange.nature);
        if usize::try_from(gpus).ok() != Some(cards.len()) {
            let shown = cards.len();
            return broken(format!(
                "{}: a node sold with {gpus} cards shows {shown}",
                said.job
            ));
        }
        let records = wait(self.running()?.store.devices(cards.clone())).map_err(unreadable)?;
        let me = (said.job, said.epoch, said.rank);
        let banned = records.iter().filter(|d| d.ban.is_some());
        let elsewhere = |by: Option<_>| by.is_some_and(|by| by != me);
        let in_use = records.iter().filter(|d| elsewhere(d.in_use_by));
        let known = Known {
            banned: banned.map(|d| d.uuid).collect(),
            in_use_elsewhere: in_use.map(|d| d.uuid).collect(),
        };
        if known.fails() {
            self.witness
                .machine_is_bad((said.job, said.epoch), self.now);
        }
        let verdict = natures::verdict(nature, &cards, &known, &mut self.chance.probes);
        let key = (said.job, said.epoch, said.rank, said.boot_id);
        let open = Open {
            verdict,
            is_reported: false,
        };
        self.running()?.exchanges.insert(key, open);
        Ok(())
    }
}
