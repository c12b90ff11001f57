//! Faults by seed and by spot trace.

use std::time::Duration;

use super::acts::{act, live_units};
use crate::world::{Network, SpotTrace, Timer, World};

/// How often random faults are drawn.
const DRAW_EVERY: Duration = Duration::from_secs(10);
/// Draws in an hour.
const DRAWS_PER_HOUR: u32 = 360;
/// What a random fault can be; crashes are as likely as all others together.
const KINDS: [&str; 6] = ["crash", "crash", "crash", "silent", "slow", "reallocate"];

/// Arms what happens by itself, once the world knows what time it is.
pub(crate) fn begin(world: &mut World) {
    if world.options.random_faults_permille > 0 {
        world.arm(world.now.after(DRAW_EVERY), Timer::RandomFaults);
    }
    if let Some(trace) = world.control.spot.take() {
        start_trace(world, trace);
    }
}

/// Draws random faults for the next ten seconds.
pub(crate) fn random_faults(world: &mut World) {
    let rate = world.options.random_faults_permille as usize;
    for network in [Network::Ionet, Network::Aethir] {
        for unit in live_units(world, network) {
            if world.dice.below(1_000 * DRAWS_PER_HOUR as usize) < rate {
                let kind = KINDS[world.dice.below(KINDS.len())];
                act(world, kind, unit);
            }
        }
    }
    world.arm(world.now.after(DRAW_EVERY), Timer::RandomFaults);
}

/// Follows a trace from now on; an earlier one is forgotten.
pub(super) fn start_trace(world: &mut World, trace: SpotTrace) {
    world.control.spot_from += trace_span(world);
    world.control.spot = Some(trace);
    let from = world.control.spot_from;
    spot_step(world, from);
}

/// Steps of the present trace, plus one, so that no timer of it means anything to the next.
fn trace_span(world: &World) -> usize {
    let trace = world.control.spot.as_ref();
    trace.map_or(0, |t| t.available.len() + 1)
}

/// How many nodes are available now; none without a trace for the network.
fn available(world: &World, network: Network, step: usize) -> Option<u32> {
    let trace = world
        .control
        .spot
        .as_ref()
        .filter(|t| t.network == network)?;
    trace.available.get(step).copied()
}

/// One step: live nodes above the number are preempted, the youngest first.
pub(crate) fn spot_step(world: &mut World, at: usize) {
    let Some(step) = at.checked_sub(world.control.spot_from) else {
        return;
    };
    let Some(trace) = &world.control.spot else {
        return;
    };
    let (network, gap) = (trace.network, u64::from(trace.gap_seconds));
    let Some(limit) = available(world, network, step) else {
        world.control.spot_from += trace_span(world);
        world.control.spot = None;
        return;
    };
    let live = live_units(world, network);
    for unit in live.into_iter().skip(limit as usize).rev() {
        world.crash(unit);
    }
    world.control.spot_limit = Some((network, limit));
    world.arm(
        world.now.after(Duration::from_secs(gap)),
        Timer::Spot(at + 1),
    );
}

/// Whether the trace has no room for another start.
pub(super) fn is_above_trace(world: &World, network: Network) -> bool {
    match world.control.spot_limit {
        Some((on, limit)) if on == network && world.control.spot.is_some() => {
            live_units(world, network).len() >= limit as usize
        }
        _ => false,
    }
}
