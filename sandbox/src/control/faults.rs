//! Faults by hand: what is broken, on what, for how long, and healing it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tandem_adapters::wire::{Method, WireRequest};
use tandem_model::time::WorldTime;

use super::acts::{act, live_units, undo};
use super::{first, network};
use crate::fields::{Fields, Problem};
use crate::world::{Named, Network, Timer, World};

/// Faults that a world remembers.
const FAULTS_MAX: usize = 1_000;
/// Units or requests that one fault remembers.
const HITS_MAX: usize = 1_000;
/// Most nodes or requests that one fault can name.
const COUNT_MAX: i64 = 10_000;
/// Longest fault in seconds: one year.
const DURATION_SECONDS_MAX: i64 = 31_536_000;

const KINDS: [&str; 9] = [
    "crash",
    "silent",
    "slow",
    "lying_gpu",
    "stale_status",
    "error_before",
    "error_after",
    "phantom_capacity",
    "reallocate",
];

/// Everything that is or was broken by hand, by number.
#[derive(Debug, Default)]
pub(super) struct Faults {
    all: BTreeMap<u64, Fault>,
    made: u64,
}

/// What the client of a broken request gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    /// HTTP 500.
    Never,
    /// Nothing: the connection is cut.
    Always,
    /// One or the other, drawn by the seed for each request.
    Drawn,
}

impl Silence {
    /// The values of `answer`.
    const WORDS: [&str; 3] = ["error", "cut", "seed"];

    fn parse(word: Option<&str>) -> Self {
        match word {
            Some("cut") => Self::Always,
            Some("seed") => Self::Drawn,
            _ => Self::Never,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Never => Self::WORDS[0],
            Self::Always => Self::WORDS[1],
            Self::Drawn => Self::WORDS[2],
        }
    }
}

#[derive(Debug)]
struct Fault {
    network: Network,
    is_whole_network: bool,
    kind: &'static str,
    target: Option<String>,
    silence: Silence,
    /// Requests or starts still to hit; none when the fault goes by time.
    left: Option<u32>,
    hits: Vec<String>,
    started: WorldTime,
    ends: Option<WorldTime>,
    is_over: bool,
}

impl Fault {
    fn json(&self, id: u64) -> Value {
        json!({
            "id": format!("fault-{id}"),
            "network": self.network.as_str(),
            "scope": if self.is_whole_network { "network" } else { "node" },
            "kind": self.kind,
            "answer": self.kind.starts_with("error_").then(|| self.silence.as_str()),
            "target": self.target,
            "left": self.left,
            "hits": self.hits,
            "started_us": self.started,
            "ends_us": self.ends,
            "active": !self.is_over,
        })
    }

    /// Whether it waits for requests or starts instead of acting on units at once.
    fn waits(&self) -> bool {
        let kinds = ["error_before", "error_after", "phantom_capacity"];
        kinds.contains(&self.kind) || (self.kind == "lying_gpu" && self.target.is_none())
    }

    fn hit(&mut self, what: &str) {
        if self.hits.len() < HITS_MAX {
            self.hits.push(what.to_owned());
        }
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
            self.is_over = *left == 0;
        }
    }
}

/// How a request is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken {
    /// What was asked is done all the same.
    pub(crate) is_done: bool,
    /// The connection is cut instead of answered with an error.
    pub(crate) is_cut: bool,
}

/// Whether a request is to be broken. A fault by count hits changing requests only; a fault by
/// time hits every request.
pub(crate) fn before(world: &mut World, network: Network, request: &WireRequest) -> Option<Broken> {
    let is_change = request.method != Method::Get;
    let fault = world.control.faults.all.values_mut().find(|f| {
        !f.is_over
            && f.network == network
            && f.kind.starts_with("error_")
            && (f.left.is_none() || is_change)
            && f.target
                .as_ref()
                .is_none_or(|t| request.path.contains(t.as_str()))
    })?;
    fault.hit(&request.path);
    let (is_done, silence) = (fault.kind == "error_after", fault.silence);
    let is_cut = match silence {
        Silence::Never => false,
        Silence::Always => true,
        Silence::Drawn => world.dice.below(2) == 0,
    };
    Some(Broken { is_done, is_cut })
}

/// Whether a start is to be refused although the capacity is listed.
pub(crate) fn refuses_start(world: &mut World, network: Network) -> bool {
    if super::random::is_above_trace(world, network) {
        return true;
    }
    let mut faults = world.control.faults.all.values_mut();
    let fault = faults.find(|f| !f.is_over && f.network == network && f.kind == "phantom_capacity");
    fault.is_some_and(|fault| {
        fault.hit("start");
        true
    })
}

/// Lets faults of a whole network, and lies not told yet, act on a new unit.
pub(crate) fn unit_made(world: &mut World, unit: u32) {
    let rental = world.units[unit as usize].rental;
    let network = world.rentals[rental as usize].product.network();
    let id = world.units[unit as usize].id.clone();
    let mut kinds = Vec::new();
    for fault in world.control.faults.all.values_mut() {
        let acts = !fault.is_over && fault.network == network;
        let lies = fault.kind == "lying_gpu" && fault.target.is_none();
        let lasts =
            fault.is_whole_network && matches!(fault.kind, "silent" | "slow" | "stale_status");
        if acts && (lies || lasts) {
            fault.hit(&id);
            kinds.push(fault.kind);
        }
    }
    for kind in kinds {
        act(world, kind, unit);
    }
}

fn read_fault(world: &World, value: &Value) -> Result<Fault, Problem> {
    let mut fields = Fields::new(value, &["body"]);
    let network = network(&mut fields);
    for name in ["scope", "kind"] {
        if !fields.has(name) {
            fields.problem(name, "Field required", "missing");
        }
    }
    let scope = fields.optional_word("scope", &["node", "network"]);
    let kind = fields.optional_word("kind", &KINDS);
    let target = fields.optional_text("target", 1..=128);
    let answer = fields.optional_word("answer", &Silence::WORDS);
    if answer.is_some() && !kind.is_some_and(|kind| kind.starts_with("error_")) {
        let msg = "is for error_before and error_after only";
        fields.problem("answer", msg, "value_error");
    }
    let count = fields.optional_int("count", 1..=COUNT_MAX);
    let duration = fields.optional_int("duration_seconds", 1..=DURATION_SECONDS_MAX);
    let is_whole_network = scope == Some("network");
    if is_whole_network && target.is_some() {
        fields.problem(
            "target",
            "a fault of the whole network has no target",
            "value_error",
        );
    }
    first(fields.finish())?;
    let ends = duration.map(|seconds| world.now.after(Duration::from_secs(seconds.unsigned_abs())));
    let count = count.and_then(|n| u32::try_from(n).ok());
    let mut fault = Fault {
        network,
        is_whole_network,
        kind: kind.unwrap_or("crash"),
        target,
        silence: Silence::parse(answer),
        left: None,
        hits: Vec::new(),
        started: world.now,
        ends,
        is_over: false,
    };
    if fault.waits() && (count.is_some() || ends.is_none()) {
        fault.left = Some(count.unwrap_or(1));
    }
    Ok(fault)
}

/// `POST faults`.
pub(super) fn inject(world: &mut World, value: &Value) -> Result<Value, Problem> {
    let count = value.get("count").and_then(Value::as_u64).unwrap_or(1);
    let mut fault = read_fault(world, value)?;
    if !fault.waits() || fault.is_whole_network && fault.kind == "lying_gpu" {
        let units = targets(world, &fault, usize::try_from(count).unwrap_or(1))?;
        for unit in units {
            let id = world.units[unit as usize].id.clone();
            act(world, fault.kind, unit);
            fault.hits.push(id);
        }
        fault.hits.truncate(HITS_MAX);
        let lasts = matches!(fault.kind, "silent" | "slow" | "stale_status" | "lying_gpu");
        fault.is_over = !lasts;
    }
    let faults = &mut world.control.faults;
    faults.made += 1;
    let id = faults.made;
    if faults.all.len() >= FAULTS_MAX {
        faults.all.pop_first();
    }
    let shown = fault.json(id);
    if let Some(ends) = fault.ends {
        world.arm(ends, Timer::FaultEnds(id));
    }
    world.control.faults.all.insert(id, fault);
    Ok(json!({ "faults": [shown] }))
}

/// The units that a fault acts on now.
fn targets(world: &mut World, fault: &Fault, count: usize) -> Result<Vec<u32>, Problem> {
    if let Some(target) = &fault.target {
        let units = named(world, fault, target);
        if units.is_empty() {
            let msg = "nothing live has this id on this network";
            return Err(Problem::new(&["body", "target"], msg, "value_error"));
        }
        return Ok(units);
    }
    let mut live = live_units(world, fault.network);
    if fault.is_whole_network {
        return Ok(live);
    }
    if live.is_empty() {
        let msg = "nothing runs on this network, so no node can be chosen";
        return Err(Problem::new(&["body", "target"], msg, "value_error"));
    }
    let mut chosen = Vec::new();
    while chosen.len() < count && !live.is_empty() {
        chosen.push(live.swap_remove(world.dice.below(live.len())));
    }
    Ok(chosen)
}

fn named(world: &World, fault: &Fault, target: &str) -> Vec<u32> {
    let live = live_units(world, fault.network);
    let is_it = |unit: &u32| {
        let unit = &world.units[*unit as usize];
        match world.ids.get(target) {
            Some(Named::Rental(rental)) => unit.rental == *rental,
            Some(Named::Unit(_)) => unit.id == target,
            None => world.market.device_id(unit.node).to_string() == target,
        }
    };
    live.into_iter().filter(is_it).collect()
}

fn heal_one(world: &mut World, id: u64) -> Option<Value> {
    let fault = world.control.faults.all.get_mut(&id)?;
    fault.is_over = true;
    let (kind, hits) = (fault.kind, fault.hits.clone());
    let shown = fault.json(id);
    for hit in hits {
        if let Some(Named::Unit(unit)) = world.ids.get(&hit).copied() {
            undo(world, kind, unit);
        }
    }
    Some(shown)
}

/// The end of a fault's time.
pub(crate) fn fault_ends(world: &mut World, id: u64) {
    let is_active = world
        .control
        .faults
        .all
        .get(&id)
        .is_some_and(|f| !f.is_over);
    if is_active {
        heal_one(world, id);
    }
}

/// `DELETE faults`.
pub(super) fn heal_all(world: &mut World) -> Value {
    let open = world.control.faults.all.iter().filter(|(_, f)| !f.is_over);
    let ids: Vec<u64> = open.map(|(id, _)| *id).collect();
    let healed: Vec<Value> = ids
        .into_iter()
        .filter_map(|id| heal_one(world, id))
        .collect();
    json!({ "faults": healed })
}

/// `DELETE faults/{id}`.
pub(super) fn heal(world: &mut World, id: &str) -> Result<Value, Problem> {
    let number = id.strip_prefix("fault-").and_then(|n| n.parse().ok());
    let healed = number.and_then(|number| heal_one(world, number));
    let unknown = || Problem::new(&["path", "id"], "no such fault", "value_error");
    healed
        .map(|fault| json!({ "faults": [fault] }))
        .ok_or_else(unknown)
}

/// `GET faults`.
pub(super) fn list(world: &World) -> Value {
    let all = world.control.faults.all.iter();
    json!({ "faults": all.map(|(id, f)| f.json(*id)).collect::<Vec<_>>() })
}
