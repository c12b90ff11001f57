//! What a fault does to one unit, and how it is undone.

use crate::world::{Network, ProcessOrder, Timer, UnitState, World, lie_about};

/// Live units of a network, in the order they were made.
pub(super) fn live_units(world: &World, network: Network) -> Vec<u32> {
    (0u32..)
        .zip(&world.units)
        .filter(|(_, unit)| unit.state.is_live())
        .filter(|(_, unit)| world.rentals[unit.rental as usize].product.network() == network)
        .map(|(index, _)| index)
        .collect()
}

/// Breaks a unit.
pub(super) fn act(world: &mut World, kind: &str, index: u32) {
    let now = world.now;
    let unit = &mut world.units[index as usize];
    match kind {
        "crash" => world.crash(index),
        "reallocate" => {
            let _moved = world.reallocate(index);
        }
        "silent" if unit.silent_since.is_none() => {
            unit.silent_since = Some(now);
            let unit = unit.id.clone();
            world.effects.processes.push(ProcessOrder::Freeze { unit });
        }
        "slow" => unit.slow = true,
        "stale_status" => {
            let rental = unit.rental as usize;
            let status = world.rentals[rental].status;
            world.rentals[rental].stale.get_or_insert(status);
        }
        "lying_gpu" => {
            let node = &mut world.market.nodes[unit.node as usize];
            let sold = world.market.stocks[usize::from(node.stock)].card;
            node.real_card = lie_about(sold);
        }
        _ => {}
    }
}

/// Undoes what can be undone; a crash and a move cannot.
pub(super) fn undo(world: &mut World, kind: &str, index: u32) {
    let now = world.now;
    let unit = &mut world.units[index as usize];
    match kind {
        "silent" => {
            if let Some(since) = unit.silent_since.take() {
                unit.silent_seconds += now.since(since).as_secs();
            }
            if matches!(unit.state, UnitState::Running) {
                let id = unit.id.clone();
                world
                    .effects
                    .processes
                    .push(ProcessOrder::Thaw { unit: id });
                world.arm(now, Timer::Agent(index));
            }
        }
        "slow" => unit.slow = false,
        "stale_status" => world.rentals[unit.rental as usize].stale = None,
        "lying_gpu" => {
            let node = &mut world.market.nodes[unit.node as usize];
            node.real_card = world.market.stocks[usize::from(node.stock)].card;
        }
        _ => {}
    }
}
