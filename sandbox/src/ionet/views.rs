//! How deployments and their units look: lists, details, workers, earlier incarnations.

use serde_json::{Value, json};
use tandem_adapters::wire::{WireRequest, WireResponse};

use super::answer::{business, data, dollars, unprocessable};
use super::vm_views;
use crate::clock::rfc3339;
use crate::fields::{Problem, query, query_int};
use crate::world::{
    CARDS, ContainerSpec, Launch, Named, Product, Rental, Status, Unit, UnitState, World,
};

/// Largest page.
const PAGE_SIZE_MAX: i64 = 100;
/// Page of a list of deployments when a request does not say.
const DEPLOYMENTS_PAGE: i64 = 10;
/// Page of a list of workers when a request does not say.
const WORKERS_PAGE: i64 = 20;
/// Words that the list may be filtered by.
const STATUSES: [&str; 9] = [
    "running",
    "completed",
    "failed",
    "deployment requested",
    "termination requested",
    "destroyed",
    "unpaid",
    "deploying",
    "terminated",
];

/// The word of a status; machines have no `deploying`.
pub(super) fn word(product: Product, status: Status) -> &'static str {
    match status {
        Status::Unpaid => "unpaid",
        Status::Requested => "deployment requested",
        Status::Deploying if product == Product::Vmaas => "deployment requested",
        Status::Deploying => "deploying",
        Status::Running => "running",
        Status::Stopping => "termination requested",
        Status::Completed => "completed",
        Status::Failed => "failed",
        Status::Destroyed | Status::Cancelled => "destroyed",
    }
}

/// A deployment of this account and product.
pub(super) fn find(world: &World, account: &str, product: Product, id: &str) -> Option<u32> {
    let Some(Named::Rental(index)) = world.ids.get(id) else {
        return None;
    };
    let rental = &world.rentals[*index as usize];
    (rental.account == account && rental.product == product).then_some(*index)
}

/// Which part of a list a request wants. Pages 0 and 1 are both the first.
struct Page {
    skip: usize,
    size: usize,
}

fn page(request: &WireRequest, default: i64) -> Result<Page, Problem> {
    let number = query_int(request, "page", 0..=1_000_000, Some(0))?.max(1);
    let size = query_int(request, "page_size", 1..=PAGE_SIZE_MAX, Some(default))?;
    let (number, size) = (number.unsigned_abs(), size.unsigned_abs());
    Ok(Page {
        skip: usize::try_from((number - 1) * size).unwrap_or(usize::MAX),
        size: usize::try_from(size).unwrap_or(1),
    })
}

/// `GET deployments`: newest first.
pub(super) fn list(
    world: &World,
    request: &WireRequest,
    account: &str,
    product: Product,
) -> WireResponse {
    let page = match page(request, DEPLOYMENTS_PAGE) {
        Ok(page) => page,
        Err(problem) => return unprocessable(&[problem]),
    };
    let status = query(request, "status").filter(|s| !s.is_empty());
    if status.is_some_and(|s| !STATUSES.contains(&s)) {
        let msg = format!("Input should be one of: {}", STATUSES.join(", "));
        return unprocessable(&[Problem::new(&["query", "status"], msg, "enum")]);
    }
    let own = || {
        world
            .rentals
            .iter()
            .rev()
            .filter(|r| r.product == product && r.account == account)
            .filter(|r| status.is_none_or(|s| word(product, r.shown_status()) == s))
    };
    let rows: Vec<Value> = own()
        .skip(page.skip)
        .take(page.size)
        .map(|r| summary(world, r))
        .collect();
    data(json!({ "deployments": rows, "total": own().count(), "statuses": STATUSES }))
}

fn completed_percent(world: &World, rental: &Rental) -> u32 {
    if rental.status == Status::Completed {
        return 100;
    }
    rental.minutes_served(world.now) * 100 / rental.booked_minutes.max(1)
}

fn hours_and_minutes(minutes: u32) -> String {
    format!("{}h {}m", minutes / 60, minutes % 60)
}

fn summary(world: &World, rental: &Rental) -> Value {
    let card = &CARDS[usize::from(rental.card)];
    let served = rental.minutes_served(world.now);
    let remaining = rental.minutes_remaining(world.now);
    json!({
        "id": rental.id,
        "status": word(rental.product, rental.shown_status()),
        "name": rental.name,
        "completed_percent": completed_percent(world, rental),
        "hardware_quantity": rental.slots.len() * usize::from(rental.gpus_per_unit),
        "brand_name": "NVIDIA",
        "hardware_name": card.model().facts().name,
        "compute_minutes_served": served,
        "compute_minutes_remaining": remaining,
        "served": hours_and_minutes(served),
        "remaining": hours_and_minutes(remaining),
        "created_at": rfc3339(rental.created),
    })
}

/// `GET deployment/{id}`.
pub(super) fn details(world: &World, index: u32) -> Value {
    let rental = &world.rentals[index as usize];
    let card = &CARDS[usize::from(rental.card)];
    let mut value = json!({
        "id": rental.id,
        "status": word(rental.product, rental.shown_status()),
        "created_at": rfc3339(rental.created),
        "started_at": rental.started.map(rfc3339),
        "finished_at": rental.ended.map(rfc3339),
        "amount_paid": dollars(rental.paid_micro_usd - rental.refunded_micro_usd),
        "completed_percent": completed_percent(world, rental),
        "total_gpus": rental.slots.len() * usize::from(rental.gpus_per_unit),
        "hardware_name": card.model().facts().name,
        "hardware_id": card.number,
        "locations": locations(world, rental),
        "brand_name": "NVIDIA",
        "compute_minutes_served": rental.minutes_served(world.now),
        "compute_minutes_remaining": rental.minutes_remaining(world.now),
        "is_cc": false,
    });
    let units = rental.slots.len();
    match &rental.launch {
        Launch::Container(spec) => {
            value["gpus_per_container"] = json!(rental.gpus_per_unit);
            value["total_containers"] = json!(units);
            value["container_config"] = config(spec, units);
        }
        Launch::Machine(spec) => vm_views::add_details(&mut value, rental, spec),
    }
    value
}

fn locations(world: &World, rental: &Rental) -> Vec<Value> {
    let places: std::collections::BTreeSet<u32> = rental
        .current()
        .map(|u| {
            world
                .market
                .stock_of(world.units[u as usize].node)
                .place()
                .number
        })
        .collect();
    crate::world::PLACES
        .iter()
        .filter(|p| places.contains(&p.number))
        .map(|p| json!({ "id": p.number, "iso2": p.iso2, "name": p.name }))
        .collect()
}

fn config(spec: &ContainerSpec, replicas: usize) -> Value {
    json!({
        "entrypoint": spec.entrypoint,
        "args": spec.args,
        "command": spec.command,
        "env_variables": spec.env,
        "secret_env_keys": spec.secret_env.keys().collect::<Vec<_>>(),
        "traffic_port": spec.port,
        "image_url": spec.image,
        "replica_count": replicas,
        "public_ingress_enabled": spec.ingress.unwrap_or(true),
        "tls_required": spec.tls.unwrap_or(false),
    })
}

/// `GET deployment/{id}/containers` and `/vms`: the current unit of each slot.
pub(super) fn workers(world: &World, request: &WireRequest, index: u32) -> WireResponse {
    let units: Vec<u32> = world.rentals[index as usize].current().collect();
    units_page(world, request, &units)
}

/// `GET deployment/{id}/containers-jobs/{id}` and `/vms-jobs/{id}`: every unit of the same slot,
/// newest first.
pub(super) fn jobs(world: &World, request: &WireRequest, index: u32, id: &str) -> WireResponse {
    let slot = world.rentals[index as usize]
        .slots
        .iter()
        .find(|slot| slot.iter().any(|u| world.units[*u as usize].id == id));
    let Some(slot) = slot else {
        return business(404, "Container not found");
    };
    let units: Vec<u32> = slot.iter().rev().copied().collect();
    units_page(world, request, &units)
}

fn units_page(world: &World, request: &WireRequest, units: &[u32]) -> WireResponse {
    let page = match page(request, WORKERS_PAGE) {
        Ok(page) => page,
        Err(problem) => return unprocessable(&[problem]),
    };
    let rows: Vec<Value> = units
        .iter()
        .skip(page.skip)
        .take(page.size)
        .map(|u| worker(world, &world.units[*u as usize]))
        .collect();
    data(json!({ "total": units.len(), "workers": rows }))
}

/// The word of a unit's state; while the API is stale, the deployment's.
fn unit_word(world: &World, unit: &Unit) -> &'static str {
    let rental = &world.rentals[unit.rental as usize];
    if let Some(stale) = rental.stale {
        return word(rental.product, stale);
    }
    match unit.state {
        UnitState::Booting => "pending",
        UnitState::Running => "running",
        UnitState::Exited(_) => "exited",
        UnitState::Crashed => match rental.status {
            Status::Failed => "failed",
            // The network has not noticed yet.
            _ if world.now.since(unit.ended.unwrap_or(world.now)) < world.timing().notice => {
                "running"
            }
            _ => "failed",
        },
        UnitState::Stopped => "terminated",
    }
}

fn worker(world: &World, unit: &Unit) -> Value {
    let rental = &world.rentals[unit.rental as usize];
    let events: Vec<Value> = unit
        .events
        .iter()
        .map(|(at, message)| json!({ "time": rfc3339(*at), "message": message }))
        .collect();
    let base = json!({
        "device_id": world.market.device_id(unit.node),
        "hardware": CARDS[usize::from(rental.card)].model().facts().name,
        "brand_name": "NVIDIA",
        "created_at": rfc3339(unit.created),
        "uptime_percent": unit.uptime_percent(world.now),
        "status": unit_word(world, unit),
    });
    match &rental.launch {
        Launch::Container(_) => container(world, unit, base, events),
        Launch::Machine(spec) => vm_views::worker(world, unit, spec, base, events),
    }
}

fn container(world: &World, unit: &Unit, mut value: Value, events: Vec<Value>) -> Value {
    let health = unit.url_is_up.then_some("passing");
    let base = &world.options.public_base;
    let url = unit
        .url_is_up
        .then(|| format!("{base}/sandbox/run/{}", unit.id));
    value["container_id"] = json!(unit.id);
    value["allocation_id"] = json!(unit.allocation);
    value["gpus_per_container"] = json!(unit.gpus);
    value["public_url"] = json!(url);
    value["container_events"] = json!(events);
    for check in [
        "connect_check_status",
        "external_check_status",
        "internal_check_status",
    ] {
        value[check] = json!(health);
    }
    value["deployment_health"] = json!(health.map(|_| "healthy"));
    value
}
