//! The engine, its real store, the adapters' real bytes, both emulated networks and the agents'
//! real step function in one run: one clock, one thread, everything that goes wrong drawn from one
//! seed. What must hold is checked after every step and at the end; a run that fails is repeated
//! by its seed. What it can show and what it cannot stands in `docs/decisions/`.

mod agents;
mod blame;
mod broker;
mod conduct;
mod customers;
mod devices;
mod dice;
mod disk;
mod end;
mod exchanges;
mod faults;
mod flights;
mod installation;
mod journal;
mod machines;
mod moments;
mod natures;
mod orders;
mod plan;
#[cfg(feature = "planted-bugs")]
pub mod planted;
mod points;
mod probes;
mod prover;
mod queue;
mod sim;
pub mod stories;
mod tables;
mod terms;
mod verdicts;
mod witness;

pub use journal::Sink;
use plan::Plan;
use points::{Deaths, Points};
use sim::{Halt, Sim};

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its seed.
    pub seed: u64,
    /// Hash over everything that happened.
    pub hash: String,
    /// How much happened.
    pub events: u64,
    /// Points at which the broker could have died.
    pub points: u64,
    /// How often it did.
    pub crashes: u64,
    /// Moments at which running work was to be probed, a node each time.
    pub moments: u64,
    /// What came of them: verdicts in the store.
    pub spot_verdicts: u64,
    /// Rates that were agreed for later terms.
    pub rates_agreed: u64,
    /// Stops that were told because none was.
    pub stops_told: u64,
    /// Seconds of world time.
    pub world_seconds: u64,
    /// What did not hold, with the last happenings.
    pub broken: Option<(String, Vec<String>)>,
}

/// Runs one seed.
pub fn run(seed: u64, sink: Option<Sink>) -> Ran {
    let plan = Plan::draw(seed);
    let points = Points::new(Deaths::Chance(plan.rates.crash));
    let prepare = |sim: &mut Sim| {
        sim.note(format_args!("{:?}", sim.plan.clone()));
        sim.customers_come();
        sim.faults_come();
    };
    finish(seed, Sim::new(seed, plan, points, sink), prepare, |_| None)
}

/// Runs to the end and asks at last what else is wrong.
fn finish(
    seed: u64,
    sim: Result<Sim, Halt>,
    prepare: impl FnOnce(&mut Sim),
    judge: impl FnOnce(&Sim) -> Option<String>,
) -> Ran {
    let mut ran = Ran {
        seed,
        hash: String::new(),
        events: 0,
        points: 0,
        crashes: 0,
        moments: 0,
        spot_verdicts: 0,
        rates_agreed: 0,
        stops_told: 0,
        world_seconds: 0,
        broken: None,
    };
    let mut sim = match sim {
        Ok(sim) => sim,
        Err(why) => {
            ran.broken = Some((format!("{why:?}"), Vec::new()));
            return ran;
        }
    };
    prepare(&mut sim);
    let done = sim.run();
    let wrong = judge(&sim);
    ran.hash = sim.journal.hash();
    ran.events = sim.journal.events;
    ran.points = sim.points.passed;
    ran.crashes = sim.points.died;
    ran.moments = sim.witness.moments.orders();
    ran.spot_verdicts = sim.witness.moments.kept.len() as u64;
    ran.rates_agreed = sim.witness.rates_agreed;
    ran.stops_told = sim.witness.stops_told;
    ran.world_seconds = sim.now.since(sim.start).as_secs();
    if let Err(why) = done {
        let why = match why {
            Halt::Broken(why) => why,
            Halt::Crashed => "the broker died where it must not".to_owned(),
        };
        ran.broken = Some((why, sim.journal.last()));
    } else if let Some(why) = wrong {
        ran.broken = Some((why, sim.journal.last()));
    }
    ran
}
