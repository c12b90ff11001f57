//! What a machine does at the moments at which its running work is probed: it answers, in time or
//! late, refuses, ignores them, gives up once it knows what it must open, or has other cards by then.

use std::collections::{BTreeMap, VecDeque};

use gpu_probe::exchange::{Hello, ProverMessage};
use gpu_probe::protocol::{
    HeartbeatReply, MomentId, PROBES_PATH, ProbeRequest, ProbeSaid, Problem,
};
use gpu_probe::report::DeviceUuid;
use tandem_sandbox::world::{AgentCall, AgentReply};

use crate::agents::{GIVEN_UP, answered};
use crate::dice::Dice;
use crate::natures::Nature;
use crate::prover::Exchange;
use crate::queue::Event;
use crate::sim::{Done, Sim, broken};

/// What a machine does at moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// It answers in time.
    Answers,
    /// It does, and so slowly that its agent may give the probe up.
    Dawdles,
    /// Nothing can be measured beside its work, most of the time.
    Refuses,
    /// Its agent does not know of moments.
    Ignores,
    /// It computes for as long as it likes, and says nothing meanwhile.
    Late,
    /// It gives up, or begins anew, once it knows what it must open.
    Withholds,
    /// One of its cards is not what it was sold as any more.
    Swapped,
    /// It shows a card that it did not show before.
    Replaced,
}

/// Machines that do nothing wrong.
const GOOD: [Conduct; 6] = [
    Conduct::Answers,
    Conduct::Answers,
    Conduct::Answers,
    Conduct::Answers,
    Conduct::Dawdles,
    Conduct::Refuses,
];
const BAD: [Conduct; 9] = [
    Conduct::Ignores,
    Conduct::Ignores,
    Conduct::Late,
    Conduct::Late,
    Conduct::Withholds,
    Conduct::Withholds,
    Conduct::Swapped,
    Conduct::Swapped,
    Conduct::Replaced,
];
/// Moments that a machine answers well before its cards are others, at most.
const GOOD_FOR_MAX: u64 = 1;

/// How often a machine that refuses has room beside its work, in a thousand.
const ROOM_PERMILLE: u64 = 250;

impl Conduct {
    fn draw(dice: &mut Dice, bad: u64) -> Self {
        if dice.permille(bad) {
            *dice.pick(&BAD)
        } else {
            *dice.pick(&GOOD)
        }
    }

    /// Whether its placements may be left for what it does.
    pub(crate) fn is_bad(self) -> bool {
        !GOOD.contains(&self)
    }

    /// How long its cards compute between the challenge and the roots, at least and at most, in ms.
    pub(crate) fn computes_ms(self) -> (u64, u64) {
        match self {
            Self::Dawdles => (10_000, 40_000),
            Self::Late => (20_000, 250_000),
            _ => (200, 2_500),
        }
    }
}

/// What is known of a machine's conduct.
#[derive(Debug, Clone, Copy)]
struct Character {
    conduct: Conduct,
    /// Moments that it still answers well before its cards are others.
    good_for: u64,
}

/// Conducts by machine, and what is under way for them.
#[derive(Debug, Default)]
pub(crate) struct Conducts {
    by_machine: BTreeMap<u32, Character>,
    /// What the next machines do, in the order in which a moment is first ordered of them.
    told: VecDeque<Conduct>,
    /// From where heartbeats and words of moments under way were sent, and whether it is the latter.
    sent: BTreeMap<u64, (String, bool)>,
}

impl Sim {
    /// Says what the machines of a story do at moments, in the order in which they first have one.
    pub(crate) fn conducts_are(&mut self, conducts: &[Conduct]) {
        self.conducts.told.extend(conducts);
        // Who answers late may now and then be in time.
        let fails = |conduct: &Conduct| conduct.is_bad() && *conduct != Conduct::Late;
        self.probes.is_told_bad |= conducts.iter().any(fails);
    }

    fn character_of(&mut self, unit: &str) -> Option<&mut Character> {
        let (machine, _) = self.world.machine_of(unit)?;
        if !self.conducts.by_machine.contains_key(&machine) {
            let bad = if self.at_peace {
                0
            } else {
                self.plan.bad_conducts
            };
            let drawn = Conduct::draw(&mut self.chance.moments, bad);
            let conduct = self.conducts.told.pop_front().unwrap_or(drawn);
            let good_for = self.chance.moments.between(0, GOOD_FOR_MAX);
            self.note(format_args!("machine {machine} at moments: {conduct:?}"));
            let character = Character { conduct, good_for };
            self.conducts.by_machine.insert(machine, character);
        }
        self.conducts.by_machine.get_mut(&machine)
    }

    /// What a machine does at the moment that it is asked for now; one whose cards become others
    /// comes nearer to it each time.
    fn conduct_now(&mut self, unit: &str) -> Conduct {
        let Some(character) = self.character_of(unit) else {
            return Conduct::Answers;
        };
        let turns = matches!(character.conduct, Conduct::Swapped | Conduct::Replaced);
        if turns && character.good_for > 0 {
            character.good_for -= 1;
            return Conduct::Answers;
        }
        let conduct = character.conduct;
        if conduct == Conduct::Refuses && self.chance.moments.permille(ROOM_PERMILLE) {
            return Conduct::Answers;
        }
        conduct
    }

    /// A heartbeat, or a word of a moment, leaves.
    pub(crate) fn unit_speaks(&mut self, call: &AgentCall) {
        let is_of_moment = call.path == PROBES_PATH;
        self.conducts
            .sent
            .insert(call.id, (call.node.clone(), is_of_moment));
    }

    /// An agent hears an answer. To be refused at a moment takes no lease.
    pub(crate) fn agent_hears(&mut self, call: u64, reply: AgentReply) -> Done {
        let Some((unit, is_of_moment)) = self.conducts.sent.remove(&call) else {
            self.world.agent_reply(call, reply, self.moment());
            self.collect();
            return Ok(());
        };
        let reply = self.as_understood(&unit, reply);
        let refused = match &reply {
            AgentReply::Answered { status, body }
                if is_of_moment && *status == Problem::FENCED_STATUS =>
            {
                serde_json::from_slice::<Problem>(body).ok()
            }
            _ => None,
        };
        let attempt = self.witness.blame.speaks_from(&unit);
        let is_live = attempt.zip(refused).is_some_and(|((_, epoch), problem)| {
            problem.live_epoch.is_none_or(|live| live <= epoch)
        });
        let held = self.world.holds_lease(&unit);
        self.world.agent_reply(call, reply, self.moment());
        if is_live && held && !self.world.holds_lease(&unit) {
            return broken(format!("{attempt:?}: a refused moment took the lease"));
        }
        self.collect();
        Ok(())
    }

    /// The answer to a heartbeat as the agent understands it: one that does not know of moments is
    /// ordered nothing.
    fn as_understood(&mut self, unit: &str, reply: AgentReply) -> AgentReply {
        let AgentReply::Answered { status, body } = &reply else {
            return reply;
        };
        let told = serde_json::from_slice::<HeartbeatReply>(body);
        let Some(told) = told.ok().filter(|told| told.spot_probe.is_some()) else {
            return reply;
        };
        let conduct = self.character_of(unit).map(|known| known.conduct);
        if conduct != Some(Conduct::Ignores) {
            return reply;
        }
        self.witness.unit_is_bad(unit, self.now);
        let understood = HeartbeatReply {
            spot_probe: None,
            ..told
        };
        answered(*status, &understood)
    }

    /// A message of the agent itself at a moment: it opens the exchange, which goes on by itself, or
    /// says that nothing could be measured.
    pub(crate) fn moment_is_sent(
        &mut self,
        mut call: AgentCall,
        mut asked: ProbeRequest,
        moment: MomentId,
    ) {
        self.unit_speaks(&call);
        let ProbeSaid::Message(ProverMessage::Hello(hello)) = &mut asked.said else {
            return self.moment_is_given_up(call, moment);
        };
        let nature = self.nature_of(&call.node);
        let conduct = self.conduct_now(&call.node);
        let mut cards = self.cards_shown(nature, hello);
        if conduct == Conduct::Replaced {
            cards = replaced(hello);
        }
        let attempt = (asked.job, asked.epoch);
        if nature.is_bad() || conduct.is_bad() {
            self.witness.machine_is_bad(attempt, self.now);
        }
        if nature.is_patched() {
            self.witness.verdicts.patched.insert(attempt);
        }
        if conduct == Conduct::Refuses {
            let soon = self.chance.moments.ms(1, 9_000);
            let nothing = Event::Reply(call.id, AgentReply::Unreachable);
            return self.queue.put(self.after(soon), nothing);
        }
        call.body = serde_json::to_vec(&asked).unwrap_or_default();
        let tries = *self.chance.moments.pick(self.plan.patience);
        let nature = match conduct {
            Conduct::Swapped => Nature::Liar,
            _ => nature,
        };
        let exchange = Exchange::opens(call.clone(), (cards, nature), tries);
        let exchange = exchange.at_moment(moment, conduct);
        self.probes.open.insert(call.id, exchange);
        self.carry(call);
    }

    /// An agent gives a moment up: its exchange says nothing more, unless its machine answers late;
    /// then the agent's word comes late, too, or never.
    fn moment_is_given_up(&mut self, call: AgentCall, moment: MomentId) {
        let mine = |exchange: &Exchange| exchange.is_of(&call.node, moment);
        let open = self.probes.open.values().find(|exchange| mine(exchange));
        if open.is_none_or(|exchange| exchange.conduct != Conduct::Late) {
            self.probes.open.retain(|_, exchange| !mine(exchange));
            return self.carry(call);
        }
        let dice = &mut self.chance.moments;
        let (says, late) = (dice.permille(500), dice.seconds(1, 2 * GIVEN_UP.as_secs()));
        let at = self.after(self.plan.probe.within.saturating_sub(GIVEN_UP) + late);
        let event = match says {
            true => Event::Call(Box::new(call)),
            false => Event::Reply(call.id, AgentReply::Unreachable),
        };
        self.queue.put(at, event);
    }
}

/// Shows another first card.
fn replaced(hello: &mut Hello) -> Vec<DeviceUuid> {
    if let Some(first) = hello.devices.first_mut() {
        first.uuid.0[0] ^= 0xff;
    }
    hello.devices.iter().map(|claim| claim.uuid).collect()
}
