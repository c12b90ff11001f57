//! The cards that a unit shows to a probe, and the exchange of a simulated agent.
//!
//! All cards here are emulated (`docs/gpu-probe.md`): their probes prove nothing.

use gpu_probe::agent::{AgentState, Input, ProbeEnd};
use gpu_probe::emulate::{Answer, EmulatedGpu, EmulatedProver};
use gpu_probe::exchange::ProverMessage;
use gpu_probe::protocol::{MomentId, ProbeReply, ProbeRequest, ProbeSaid};

use super::dice::mix;
use super::effects::AgentReply;
use super::simulated::{CallKind, ends_unjudged, read};
use super::{CARDS, UnitState, World};

/// Key of the seeds of emulated cards.
const CARDS_KEY: u64 = 8;

fn request(state: &AgentState, moment: Option<MomentId>, message: ProverMessage) -> ProbeRequest {
    let me = state.identity();
    ProbeRequest {
        job: me.job,
        epoch: me.epoch,
        rank: me.rank,
        boot_id: me.boot_id,
        moment,
        said: ProbeSaid::Message(message),
    }
}

impl World {
    /// What a probe finds on a unit: the card that is really inside, under the name of the one that
    /// was sold. A whole node keeps its devices from tenant to tenant; parts of one have their own.
    pub(crate) fn emulated_gpu(&self, index: u32) -> EmulatedGpu {
        let unit = &self.units[index as usize];
        let node = &self.market.nodes[unit.node as usize];
        let sold = CARDS[usize::from(self.rentals[unit.rental as usize].card)].model();
        let model = self.real_card(unit.node).model();
        let part = if unit.gpus < node.gpus {
            u64::from(index) + 1
        } else {
            0
        };
        EmulatedGpu {
            model,
            gpus: unit.gpus,
            claims: (sold != model).then_some(sold),
            seed: mix(self.seed, CARDS_KEY, u64::from(unit.node), part),
        }
    }

    /// The machine that a unit is on, by its number in this world, and whether the unit runs and
    /// speaks; none for an id that names no unit.
    pub fn machine_of(&self, unit: &str) -> Option<(u32, bool)> {
        let unit = &self.units[self.unit_index(unit)? as usize];
        let speaks = unit.state == UnitState::Running && unit.silent_since.is_none();
        Some((unit.node, speaks))
    }

    /// Opens the exchange of a simulated agent, at its start or for a moment of its running work.
    pub(super) fn probe_begins(&mut self, index: u32, moment: Option<MomentId>) -> Vec<Input> {
        let prover = EmulatedProver::new(&self.emulated_gpu(index));
        let Some(agent) = self.sim(index) else {
            return Vec::new();
        };
        let body = request(&agent.state, moment, prover.hello());
        agent.prover = Some(Box::new(prover));
        self.call(index, CallKind::Probe(moment), &body)
    }

    /// Goes on with the exchange, unless it was given up.
    pub(super) fn probe_replied(
        &mut self,
        index: u32,
        moment: Option<MomentId>,
        reply: &AgentReply,
    ) -> Vec<Input> {
        let Some(agent) = self.sim(index) else {
            return Vec::new();
        };
        let Some(mut prover) = agent.prover.take() else {
            return Vec::new();
        };
        let Ok(reply) = read::<ProbeReply>(reply) else {
            return vec![CallKind::Probe(moment).input(&AgentReply::Unreachable)];
        };
        match prover.answer(reply.message) {
            Ok(Answer::Send(message)) => {
                let is_free = matches!(*message, ProverMessage::MatrixOpenings(_));
                let free = moment.filter(|_| is_free).map(Input::SpotMeasured);
                let body = request(&agent.state, moment, *message);
                agent.prover = Some(prover);
                let mut inputs = self.call(index, CallKind::Probe(moment), &body);
                inputs.extend(free);
                inputs
            }
            Ok(Answer::Over(verdict)) => {
                let end = ProbeEnd::decided(&verdict, reply.may_start);
                vec![ends_unjudged(moment, end)]
            }
            Err(error) => vec![ends_unjudged(moment, ProbeEnd::could_not_run(error))],
        }
    }
}
