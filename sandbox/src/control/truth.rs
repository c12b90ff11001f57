//! What really happened, for tests: which GPUs ran what, when, and for how long.

use serde_json::{Value, json};
use tandem_model::placement::PlacementTag;
use tandem_model::time::WorldTime;

use crate::world::{CARDS, Rental, Unit, World};

/// Rentals that one answer shows, the newest.
const RENTALS_SHOWN_MAX: usize = 10_000;

/// `GET truth`.
pub(super) fn truth(world: &World) -> Value {
    let skip = world.rentals.len().saturating_sub(RENTALS_SHOWN_MAX);
    let rentals = world.rentals.iter().skip(skip);
    let balances: serde_json::Map<String, Value> = crate::ionet::balances(world)
        .into_iter()
        .map(|(name, micro_usd)| (name.to_owned(), json!(micro_usd)))
        .collect();
    json!({
        "world_us": world.now,
        "deployments": rentals.map(|r| of_rental(world, r)).collect::<Vec<_>>(),
        "ionet_balances_micro_usd": balances,
        "aethir_wallets_ath": crate::aethir::wallets(world),
    })
}

fn of_rental(world: &World, rental: &Rental) -> Value {
    let tag: Option<PlacementTag> = rental.name.parse().ok();
    let units: Vec<&Unit> = rental
        .slots
        .iter()
        .flatten()
        .map(|u| &world.units[*u as usize])
        .collect();
    let gpu_us: u64 = units
        .iter()
        .map(|u| worked_us(u, world.now) * u64::from(u.gpus))
        .sum();
    json!({
        "network": rental.product.network().as_str(),
        "product": rental.product.as_str(),
        "remote_id": rental.id,
        "account": rental.account,
        "name": rental.name,
        "epoch": tag.map(|t| t.epoch),
        "status": format!("{:?}", rental.status).to_ascii_lowercase(),
        "paid_micro_usd": rental.paid_micro_usd,
        "refunded_micro_usd": rental.refunded_micro_usd,
        "started_us": rental.started,
        "ended_us": rental.ended,
        "gpu_microseconds": gpu_us,
        "gpu_seconds": gpu_us / 1_000_000,
        "units": units.iter().map(|u| of_unit(world, rental, u)).collect::<Vec<_>>(),
    })
}

/// Microseconds in which a unit's own work ran.
fn worked_us(unit: &Unit, now: WorldTime) -> u64 {
    unit.work
        .iter()
        .map(|(start, end)| end.unwrap_or(now).since(*start).as_micros())
        .map(|us| u64::try_from(us).unwrap_or(u64::MAX))
        .sum()
}

fn of_unit(world: &World, rental: &Rental, unit: &Unit) -> Value {
    let gpu_us = worked_us(unit, world.now) * u64::from(unit.gpus);
    json!({
        "id": unit.id,
        "slot": unit.slot,
        "device_id": world.market.device_id(unit.node),
        "provider": world.market.provider(unit.node),
        "sold_gpu": CARDS[usize::from(rental.card)].catalogue,
        "real_gpu": world.real_card(unit.node).catalogue,
        "gpu_count": unit.gpus,
        "state": format!("{:?}", unit.state).to_ascii_lowercase(),
        "silent": unit.silent_since.is_some(),
        "started_us": unit.started,
        "ended_us": unit.ended,
        "ran_us": unit.work,
        "gpu_microseconds": gpu_us,
        "gpu_seconds": gpu_us / 1_000_000,
        "steps": unit.steps_done,
    })
}
