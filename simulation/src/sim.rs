//! One run: the world, the broker and its store, the customers, and the one clock that moves them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tandem_adapters::adapter::Adapter;
use tandem_adapters::registry;
use tandem_model::network::NetworkId;
use tandem_model::time::WorldTime;
use tandem_sandbox::world::{Moment, World, WorldOptions};

use crate::broker::Broker;
use crate::conduct::Conducts;
use crate::customers::Customer;
use crate::dice::Dice;
use crate::disk::{Disk, Image};
use crate::faults::Fault;
use crate::flights::Flights;
use crate::journal::{Journal, Sink};
use crate::plan::Plan;
use crate::points::Points;
use crate::probes::Probes;
use crate::queue::{Event, Queue};
use crate::witness::Witness;

/// 2026-11-22T13:00:00Z; a run starts up to a day later.
const START_US: i64 = 1_795_352_400_000_000;
/// When nothing goes wrong any more, every job ends and everything is given back within this time.
pub(crate) const ENDS_WITHIN: Duration = Duration::from_secs(3 * 3_600);
/// Most moments of a run without time passing.
const STANDING_MAX: u32 = 10_000;

/// Why the broker's work stopped.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The broker died here, as planned.
    Crashed,
    /// Something that must hold does not.
    Broken(String),
}

impl From<anyhow::Error> for Halt {
    fn from(error: anyhow::Error) -> Self {
        Self::Broken(format!("{error:#}"))
    }
}

/// What a step of a run comes to.
pub(crate) type Done<T = ()> = Result<T, Halt>;

/// Says that something that must hold does not.
pub(crate) fn broken<T>(what: impl Into<String>) -> Done<T> {
    Err(Halt::Broken(what.into()))
}

/// Generators of a run, one a purpose.
#[derive(Debug)]
pub(crate) struct Chance {
    pub(crate) agents: Dice,
    pub(crate) networks: Dice,
    pub(crate) broker: Dice,
    pub(crate) ids: Dice,
    pub(crate) customers: Dice,
    pub(crate) faults: Dice,
    pub(crate) probes: Dice,
    pub(crate) moments: Dice,
    pub(crate) terms: Dice,
}

/// One run.
pub(crate) struct Sim {
    pub(crate) plan: Plan,
    pub(crate) start: WorldTime,
    pub(crate) now: WorldTime,
    pub(crate) world: World,
    pub(crate) adapters: BTreeMap<NetworkId, Arc<dyn Adapter>>,
    pub(crate) queue: Queue,
    pub(crate) journal: Journal,
    pub(crate) chance: Chance,
    pub(crate) disk: Disk,
    /// None while it is away.
    pub(crate) broker: Option<Broker>,
    /// What a crash inside a commit left.
    pub(crate) torn: Option<Image>,
    pub(crate) flights: Flights,
    pub(crate) points: Points,
    pub(crate) customers: Vec<Customer>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) probes: Probes,
    pub(crate) conducts: Conducts,
    pub(crate) witness: Witness,
    /// Nothing goes wrong any more.
    pub(crate) at_peace: bool,
    /// Networks whose API is down, and until when.
    pub(crate) api_down: BTreeMap<NetworkId, WorldTime>,
    /// What a story says of commands: of the next of each kind, how its request fares.
    pub(crate) told: Vec<(Told, Fare)>,
    standing: u32,
}

/// Commands that a story can say something of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Start,
    Extend,
}

/// How a request fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fare {
    /// It never arrives.
    Lost,
    /// Its answer never arrives.
    AnswerLost,
    /// It arrives after it was given up.
    Late,
    /// It arrives minutes after it was given up, when a creation counts as never made.
    VeryLate,
    /// It is answered with an error of the server.
    Error,
}

impl Sim {
    pub(crate) fn new(seed: u64, plan: Plan, points: Points, sink: Option<Sink>) -> Done<Self> {
        let mut chance = Chance {
            agents: Dice::new(seed, 2),
            networks: Dice::new(seed, 3),
            broker: Dice::new(seed, 4),
            ids: Dice::new(seed, 5),
            customers: Dice::new(seed, 6),
            faults: Dice::new(seed, 7),
            probes: Dice::new(seed, 9),
            moments: Dice::new(seed, 10),
            terms: Dice::new(seed, 12),
        };
        let start = WorldTime::from_micros(START_US).after(chance.ids.seconds(0, 86_400));
        let options = WorldOptions {
            nodes: plan.nodes,
            rate_limits: plan.rate_limits,
            ..WorldOptions::default()
        };
        let adapters = registry::all_with("sandbox");
        let mut sim = Self {
            start,
            now: start,
            world: World::new(seed, options),
            adapters: adapters.into_iter().map(|a| (a.network(), a)).collect(),
            queue: Queue::default(),
            journal: Journal::new(start, sink),
            chance,
            disk: Disk::new()?,
            broker: None,
            torn: None,
            flights: Flights::default(),
            points,
            customers: Vec::new(),
            faults: Vec::new(),
            probes: Probes::default(),
            conducts: Conducts::default(),
            witness: Witness::default(),
            at_peace: false,
            api_down: BTreeMap::new(),
            told: Vec::new(),
            standing: 0,
            plan,
        };
        sim.world.advance(sim.moment());
        sim.queue.put(start.after(sim.plan.lasts), Event::Peace);
        Ok(sim)
    }

    /// Both clocks now.
    pub(crate) fn moment(&self) -> Moment {
        Moment::from_micros(self.now.micros())
    }

    pub(crate) fn after(&self, pause: Duration) -> WorldTime {
        self.now.after(pause)
    }

    /// Lets everything happen until it is over.
    pub(crate) fn run(&mut self) -> Done {
        self.witness.expects(self.plan.probe, self.plan.day_us);
        self.broker_starts();
        let limit = self.start.after(self.plan.lasts + ENDS_WITHIN);
        while !self.is_over()? {
            let before = self.now;
            self.now = self.next();
            self.standing = if self.now > before {
                0
            } else {
                self.standing + 1
            };
            if self.standing > STANDING_MAX {
                return broken("the same moment again and again: something never rests");
            }
            if self.now > limit {
                let left = self.what_is_left();
                return broken(format!("not over in time: {left}"));
            }
            self.collect();
            while let Some(event) = self.queue.due(self.now) {
                let done = self.take(event);
                self.settle(done);
                self.work()?;
            }
            self.work()?;
            if self.broker.is_some() {
                self.witness.nobody_is_late(self.now)?;
            }
        }
        self.judge_the_end()
    }

    /// When something happens next.
    fn next(&self) -> WorldTime {
        let soon = self.now.after(Duration::from_millis(1));
        let broker = self.broker.as_ref().map(|b| b.next_wake().max(soon));
        let next = [self.queue.next(), self.world.next_timer(), broker];
        let next = next.into_iter().flatten().min();
        next.unwrap_or(soon).max(self.now)
    }

    /// Lets the world catch up and sends what its agents say.
    pub(crate) fn collect(&mut self) {
        let effects = self.world.advance(self.moment());
        for call in effects.agent_calls {
            self.send_call(call);
        }
    }

    fn take(&mut self, event: Event) -> Done {
        match event {
            Event::Call(call) => self.call_arrives(&call),
            Event::Reply(call, reply) => {
                self.journal.add(format_args!("{call} {reply:?}"));
                match self.probe_hears(call, reply) {
                    Some(reply) => self.agent_hears(call, reply),
                    None => Ok(()),
                }
            }
            Event::Probe(call) => {
                self.probe_goes_on(call);
                Ok(())
            }
            Event::Challenge(call, is_lost) => {
                self.challenge_is_due(call, is_lost);
                Ok(())
            }
            Event::Request(flight, network, request, fate) => {
                self.request_arrives(flight, &network, *request, fate)
            }
            Event::Answer(flight, answer) => self.answer_arrives(flight, *answer),
            Event::Script(flight) => self.script_arrives(flight),
            Event::Scripted(flight, end) => self.script_ends(flight, end),
            Event::Fault(number) => {
                self.fault(number);
                Ok(())
            }
            Event::Customer(number) => self.customer_acts(number),
            Event::BrokerBack => {
                self.broker_starts();
                Ok(())
            }
            Event::Peace => {
                self.peace();
                Ok(())
            }
        }
    }

    /// Notes something.
    pub(crate) fn note(&mut self, what: std::fmt::Arguments<'_>) {
        self.journal.note(self.now, what);
    }
}
