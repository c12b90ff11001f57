//! The agents' side of probes: each exchange with its losses and its tries, and what patched agents
//! make of it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use gpu_probe::exchange::{Hello, ProverMessage};
use gpu_probe::protocol::{
    HEARTBEATS_PATH, HeartbeatRequest, PROBES_PATH, Phase, ProbeRequest, ProbeSaid,
};
use gpu_probe::report::DeviceUuid;
use tandem::engine::probe::OnCouldNotRun;
use tandem_model::id::JobId;
use tandem_model::placement::Epoch;
use tandem_sandbox::world::{AgentCall, AgentReply};

use crate::agents::GIVEN_UP;
use crate::conduct::Conduct;
use crate::exchanges::ends;
use crate::natures::{self, Known, Nature};
use crate::prover::{Exchange, Heard, Stage, as_if_it_may_start, heard};
use crate::queue::Event;
use crate::sim::Sim;

/// Everything of probes that outlives a broker.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    pub(crate) open: BTreeMap<u64, Exchange>,
    natures: BTreeMap<u32, Nature>,
    /// Messages of agents that reached a broker; each may become a verdict.
    pub(crate) said: u64,
    /// What the next machines are, in the order in which they are first probed.
    told: VecDeque<Nature>,
    /// Whether a story said that a machine is bad: then a placement is left by its probe.
    pub(crate) is_told_bad: bool,
    /// Agents that are not the one that was sent, by their containers and machines.
    patched: BTreeMap<String, Nature>,
    /// Cards of the first machine that does nothing wrong: those that others show as theirs.
    copied: Vec<DeviceUuid>,
}

impl Sim {
    /// Says what the machines of a story are, in the order in which they are first probed.
    pub(crate) fn machines_are(&mut self, natures: &[Nature]) {
        self.probes.told.extend(natures);
        self.probes.is_told_bad = natures
            .iter()
            .any(|nature| nature.is_bad() && *nature != Nature::Backdates);
    }

    /// What the machine under a container or machine is.
    pub(crate) fn nature_of(&mut self, unit: &str) -> Nature {
        let Some((machine, _)) = self.world.machine_of(unit) else {
            return Nature::Honest;
        };
        if let Some(nature) = self.probes.natures.get(&machine) {
            return *nature;
        }
        let bad = if self.at_peace {
            0
        } else {
            self.plan.bad_machines
        };
        let told = self.probes.told.pop_front();
        let drawn = Nature::draw(&mut self.chance.probes, bad);
        let nature = told.unwrap_or(drawn);
        self.note(format_args!("machine {machine} is {nature:?}"));
        self.probes.natures.insert(machine, nature);
        nature
    }

    /// Sends a call of an agent on its way, as the machine under it will have it.
    pub(crate) fn send_call(&mut self, mut call: AgentCall) {
        if call.path == PROBES_PATH {
            return self.probe_is_sent(call);
        }
        if call.path == HEARTBEATS_PATH {
            self.unit_speaks(&call);
        }
        if call.path == HEARTBEATS_PATH
            && let Some(nature) = self.probes.patched.get(&call.node)
            && let Ok(mut beat) = serde_json::from_slice::<HeartbeatRequest>(&call.body)
        {
            match nature {
                Nature::Hides => (beat.phase, beat.worked_ms) = (Phase::Probing, 0),
                Nature::Backdates if beat.worked_ms > 0 => beat.worked_ms = beat.uptime_ms,
                _ => {}
            }
            call.body = serde_json::to_vec(&beat).unwrap_or_default();
        }
        self.carry(call);
    }

    /// The cards that a machine shows, and some of them another's.
    pub(crate) fn cards_shown(&mut self, nature: Nature, hello: &mut Hello) -> Vec<DeviceUuid> {
        if nature == Nature::Copy
            && let (Some(first), Some(copied)) =
                (hello.devices.first_mut(), self.probes.copied.first())
        {
            first.uuid = *copied;
        }
        let cards: Vec<_> = hello.devices.iter().map(|claim| claim.uuid).collect();
        if !nature.is_bad() && self.probes.copied.is_empty() {
            self.probes.copied.clone_from(&cards);
        }
        cards
    }

    /// Notes of whom nothing good is to be expected.
    fn is_noted(&mut self, nature: Nature, unit: &str, attempt: (JobId, Epoch)) {
        let leaves = self.plan.probe.on_could_not_run == OnCouldNotRun::Leave;
        if nature.is_bad() || (nature == Nature::Unable && leaves) {
            self.witness.machine_is_bad(attempt, self.now);
        }
        if nature.is_patched() {
            self.witness.verdicts.patched.insert(attempt);
            self.probes.patched.insert(unit.to_owned(), nature);
        }
    }

    fn probe_is_sent(&mut self, mut call: AgentCall) {
        let Ok(mut asked) = serde_json::from_slice::<ProbeRequest>(&call.body) else {
            return self.carry(call);
        };
        if let Some(moment) = asked.moment {
            return self.moment_is_sent(call, asked, moment);
        }
        let nature = self.nature_of(&call.node);
        let ProbeSaid::Message(ProverMessage::Hello(hello)) = &mut asked.said else {
            if nature == Nature::Mute {
                let nothing = Event::Reply(call.id, AgentReply::Unreachable);
                self.queue.put(self.after(GIVEN_UP), nothing);
            } else {
                self.carry(call);
            }
            return;
        };
        let cards = self.cards_shown(nature, hello);
        self.is_noted(nature, &call.node, (asked.job, asked.epoch));
        match nature {
            Nature::Mute => {}
            Nature::Skips | Nature::Hides => {
                let own = natures::verdict(
                    Nature::Honest,
                    &cards,
                    &Known::default(),
                    &mut self.chance.probes,
                );
                let soon = self.chance.probes.ms(1, 3_000);
                let at = self.after(soon);
                self.queue.put(at, Event::Reply(call.id, ends(own, true)));
            }
            _ => {
                call.body = serde_json::to_vec(&asked).unwrap_or_default();
                let tries = *self.chance.probes.pick(self.plan.patience);
                let exchange = Exchange::opens(call.clone(), (cards, nature), tries);
                self.probes.open.insert(call.id, exchange);
                self.carry(call);
            }
        }
    }

    /// An agent's side hears an answer; what is left of it for the agent itself.
    pub(crate) fn probe_hears(&mut self, call: u64, reply: AgentReply) -> Option<AgentReply> {
        use Stage as S;
        let Some(exchange) = self.probes.open.get_mut(&call) else {
            return Some(reply);
        };
        let is_patched = exchange.nature.is_patched();
        match (heard(&reply), exchange.stage) {
            (Heard::Decided, stage) if is_patched && stage != S::Regrets => {
                exchange.stage = S::Regrets;
                self.queue.put(self.now, Event::Probe(call));
                None
            }
            (Heard::Decided, _) => {
                let is_deaf = exchange.nature == Nature::Deaf;
                self.probes.open.remove(&call);
                Some(if is_deaf {
                    as_if_it_may_start(&reply)
                } else {
                    reply
                })
            }
            (Heard::Refused, _) => {
                self.probes.open.remove(&call);
                Some(reply)
            }
            (Heard::GoOn, S::Opens) => {
                let longest = u64::try_from(self.plan.probe_max.as_millis()).unwrap_or(0);
                let (next, takes) = match exchange.moment {
                    None => (S::Measures, self.chance.probes.ms(500, longest)),
                    Some(_) => (S::Settles, self.chance.moments.ms(100, 4_000)),
                };
                self.goes_to(call, next, takes)
            }
            (Heard::Challenged, S::Begins) => {
                let (least, most) = exchange.conduct.computes_ms();
                let takes = self.chance.moments.ms(least, most);
                self.goes_to(call, S::Computes, takes)
            }
            (Heard::Picked, S::Commits) => self.knows_its_picks(call),
            // The roots are said once: the verifier's clock runs until they come.
            (Heard::NotOpen, S::Begins | S::Commits | S::Reports)
            | (Heard::Nothing, S::Commits) => {
                exchange.stage = S::Opens;
                self.probe_again(call)
            }
            (Heard::Nothing, S::Opens | S::Begins | S::Reports | S::Regrets) => {
                self.probe_again(call)
            }
            _ => None,
        }
    }

    /// What comes next takes some time.
    fn goes_to(&mut self, call: u64, next: Stage, takes: Duration) -> Option<AgentReply> {
        if let Some(exchange) = self.probes.open.get_mut(&call) {
            exchange.stage = next;
        }
        self.queue.put(self.after(takes), Event::Probe(call));
        None
    }

    /// The rows are picked: they are opened, or a machine that waits for kinder ones gives up or
    /// begins anew.
    fn knows_its_picks(&mut self, call: u64) -> Option<AgentReply> {
        let withholds = |exchange: &Exchange| exchange.conduct == Conduct::Withholds;
        let dice = &mut self.chance.moments;
        let next = match self.probes.open.get(&call).is_some_and(withholds) {
            false => Stage::Measures,
            true if dice.permille(500) => Stage::Regrets,
            true => Stage::Opens,
        };
        let takes = dice.ms(20, 900);
        self.goes_to(call, next, takes)
    }

    /// Says its message again after a pause, or gives the exchange up.
    fn probe_again(&mut self, call: u64) -> Option<AgentReply> {
        let exchange = self.probes.open.get_mut(&call)?;
        let Some(left) = exchange.tries_left.checked_sub(1) else {
            self.probes.open.remove(&call);
            return Some(AgentReply::Unreachable);
        };
        exchange.tries_left = left;
        let pause = self.chance.probes.ms(500, 4_000);
        self.queue.put(self.after(pause), Event::Probe(call));
        None
    }

    /// An agent's side says what is due, when its machine still speaks.
    pub(crate) fn probe_goes_on(&mut self, call: u64) {
        let Some(exchange) = self.probes.open.get_mut(&call) else {
            return;
        };
        let machine = self.world.machine_of(&exchange.hello.node);
        if !machine.is_some_and(|(_, speaks)| speaks) {
            self.probes.open.remove(&call);
            let nothing = Event::Reply(call, AgentReply::Unreachable);
            self.queue.put(self.after(Duration::ZERO), nothing);
            return;
        }
        let is_measured = exchange.stage == Stage::Measures;
        exchange.stage = match exchange.stage {
            Stage::Settles => Stage::Begins,
            Stage::Computes => Stage::Commits,
            Stage::Measures => Stage::Reports,
            said => said,
        };
        let says = exchange.says();
        if is_measured && exchange.moment.is_some() {
            self.world.spot_is_measured(call, self.moment());
            self.collect();
        }
        self.carry(says);
    }
}
