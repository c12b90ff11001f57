//! The sandbox's own control: faults, the truth, deposits, spot traces. Paths below `/sandbox`.
//!
//! `/sandbox/time` belongs to the shell, which owns the clock; here it is only read.

mod acts;
mod faults;
mod random;
mod truth;

use serde_json::{Value, json};
use tandem_adapters::wire::{Method, WireRequest, WireResponse};

use crate::fields::{Fields, Problem, body};
use crate::ionet::json_answer;
use crate::world::{Network, SpotTrace, Unread, World, WorldOptions};

pub(crate) use faults::{before, fault_ends, refuses_start, unit_made};
pub(crate) use random::{begin, random_faults, spot_step};

/// Steps of a spot trace that can be posted.
const SPOT_STEPS_MAX: usize = 100_000;
/// Largest deposit, in micro-dollars or whole ATH.
const DEPOSIT_MAX: i64 = 1_000_000_000_000_000;

/// What the sandbox keeps beside the networks.
#[derive(Debug)]
pub(crate) struct State {
    faults: faults::Faults,
    spot: Option<SpotTrace>,
    /// Which trace is followed: timers of an earlier one are ignored.
    spot_from: usize,
    /// Nodes that the trace has at present.
    spot_limit: Option<(Network, u32)>,
}

impl State {
    pub(crate) fn new(options: &WorldOptions) -> Self {
        Self {
            faults: faults::Faults::default(),
            spot: options.spot.clone(),
            spot_from: 0,
            spot_limit: None,
        }
    }
}

/// A refusal of the control API.
pub(crate) fn refusal(status: u16, problem: &Problem) -> WireResponse {
    let field = problem.loc.get(1..).unwrap_or_default().join(".");
    let error = if field.is_empty() {
        problem.msg.clone()
    } else {
        format!("{field}: {}", problem.msg)
    };
    json_answer(status, &json!({ "error": error, "field": field }))
}

/// The answer to a request that cannot be taken in.
pub(crate) fn refuse_unread(why: Unread) -> WireResponse {
    let (status, words) = why.status_and_words();
    refusal(status, &Problem::new(&["body"], words, "unread"))
}

/// Answers one request below `/sandbox`.
pub(crate) fn handle(world: &mut World, request: &WireRequest, path: &str) -> WireResponse {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let answer = match (request.method, parts.as_slice()) {
        (Method::Get, [""]) => Ok(about(world)),
        (Method::Get, ["truth"]) => Ok(truth::truth(world)),
        (Method::Get, ["time"]) => Ok(json!({ "world_us": world.now, "wall_us": world.wall })),
        (Method::Get, ["faults"]) => Ok(faults::list(world)),
        (Method::Post, ["faults"]) => read(request).and_then(|v| faults::inject(world, &v)),
        (Method::Delete, ["faults"]) => Ok(faults::heal_all(world)),
        (Method::Delete, ["faults", id]) => faults::heal(world, id),
        (Method::Post, ["deposits"]) => read(request).and_then(|v| deposit(world, &v)),
        (Method::Post, ["spot"]) => read(request).and_then(|v| follow(world, &v)),
        _ => {
            let msg = "no such path below /sandbox, or not with this method";
            return refusal(404, &Problem::new(&["path"], msg, "path"));
        }
    };
    match answer {
        Ok(value) => json_answer(200, &value),
        Err(problem) => refusal(400, &problem),
    }
}

fn read(request: &WireRequest) -> Result<Value, Problem> {
    body(request)
}

fn about(world: &World) -> Value {
    json!({
        "what": "two emulated GPU networks for tests; nothing here is io.net or Aethir",
        "seed": world.seed,
        "world_us": world.now,
        "nodes": world.market.nodes.len(),
        "rentals": world.rentals.len(),
        "units": world.units.len(),
    })
}

/// The first thing wrong, or nothing.
fn first(problems: Vec<Problem>) -> Result<(), Problem> {
    problems.into_iter().next().map_or(Ok(()), Err)
}

/// Reads `network`.
fn network(fields: &mut Fields<'_>) -> Network {
    if !fields.has("network") {
        fields.problem("network", "Field required", "missing");
    }
    let word = fields.optional_word("network", &["ionet", "aethir"]);
    word.and_then(Network::parse).unwrap_or(Network::Ionet)
}

/// `POST deposits`: a top-up that arrived, on an io.net balance or an Aethir-style wallet.
fn deposit(world: &mut World, value: &Value) -> Result<Value, Problem> {
    let mut fields = Fields::new(value, &["body"]);
    let network = network(&mut fields);
    let account = fields.text("account", 1..=64);
    let amount = match network {
        Network::Ionet => fields.int("amount_micro_usd", 1..=DEPOSIT_MAX),
        Network::Aethir => fields.int("amount_ath", 1..=DEPOSIT_MAX),
    };
    first(fields.finish())?;
    let is_known = crate::ionet::is_account(&account);
    let done = is_known
        && match network {
            Network::Ionet => crate::ionet::credit(world, &account, amount),
            Network::Aethir => crate::aethir::credit(world, &account, amount.unsigned_abs()),
        };
    if !done {
        return Err(Problem::new(
            &["body", "account"],
            "no such account",
            "account",
        ));
    }
    Ok(json!({ "network": network.as_str(), "account": account, "amount": amount }))
}

/// `POST spot`: follow an availability trace from now on.
fn follow(world: &mut World, value: &Value) -> Result<Value, Problem> {
    let mut fields = Fields::new(value, &["body"]);
    let network = network(&mut fields);
    let Some(trace) = fields.raw("trace") else {
        fields.problem("trace", "Field required", "missing");
        return first(fields.finish()).map(|()| Value::Null);
    };
    first(fields.finish())?;
    let trace = read_trace(network, trace)?;
    let steps = trace.available.len();
    random::start_trace(world, trace);
    Ok(json!({ "network": network.as_str(), "steps": steps }))
}

/// Reads `{"metadata":{"gap_seconds":N},"data":[available at each step],…}`.
pub(crate) fn read_trace(network: Network, value: &Value) -> Result<SpotTrace, Problem> {
    let refuse = |field: &str, msg: &str| Problem::new(&["body", "trace", field], msg, "trace");
    let gap = value
        .pointer("/metadata/gap_seconds")
        .and_then(Value::as_u64);
    let gap_seconds = gap
        .and_then(|g| u32::try_from(g).ok())
        .filter(|g| (1..=86_400).contains(g))
        .ok_or_else(|| refuse("metadata.gap_seconds", "should be from 1 to 86400"))?;
    let available: Option<Vec<u32>> = value
        .get("data")
        .and_then(Value::as_array)
        .filter(|steps| (1..=SPOT_STEPS_MAX).contains(&steps.len()))
        .and_then(|steps| {
            steps
                .iter()
                .map(|s| s.as_u64().and_then(|n| u32::try_from(n).ok()))
                .collect()
        });
    let available =
        available.ok_or_else(|| refuse("data", "should be a list of 1 to 100000 counts"))?;
    Ok(SpotTrace {
        network,
        gap_seconds,
        available,
    })
}
