//! Servers of an order, and their consoles.

use std::time::Duration;

use tandem_adapters::aethir::wire::{ConsoleTail, Server, ServerStatus};
use tandem_adapters::wire::{WireRequest, WireResponse};

use super::answer::{Refusal, ok};
use super::catalogue;
use crate::clock::unix_ms;
use crate::fields::query_int;
use crate::world::{LOG_LINES_MAX, Named, Product, Status, Unit, UnitState, World, mix};

/// Silence after which the network calls a server offline: one heartbeat.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// A server of this access key.
pub(super) fn find(world: &World, key: &str, id: &str) -> Result<u32, Refusal> {
    let unknown = Refusal::NotFound("no such server");
    let Some(Named::Unit(index)) = world.ids.get(id) else {
        return Err(unknown);
    };
    let rental = &world.rentals[world.units[*index as usize].rental as usize];
    let is_own = rental.account == key && rental.product == Product::Server;
    if is_own { Ok(*index) } else { Err(unknown) }
}

/// `GET orders/{id}/servers`.
pub(super) fn list(world: &World, index: u32) -> Result<WireResponse, Refusal> {
    let current = world.rentals[index as usize].current();
    let servers: Vec<Server> = current
        .map(|unit| view(world, &world.units[unit as usize]))
        .collect();
    ok(world.now, servers)
}

fn status(world: &World, unit: &Unit) -> ServerStatus {
    let is_stale = world.rentals[unit.rental as usize].stale == Some(Status::Running);
    let noticed = || {
        let since = world.now.since(unit.ended.unwrap_or(world.now));
        since >= world.timing().notice
    };
    match unit.state {
        _ if is_stale => ServerStatus::InService,
        UnitState::Booting => ServerStatus::Checking,
        UnitState::Running | UnitState::Exited(_) => match unit.silent_since {
            Some(since) if world.now.since(since) >= HEARTBEAT => ServerStatus::Offline,
            _ => ServerStatus::InService,
        },
        UnitState::Crashed if noticed() => ServerStatus::Offline,
        UnitState::Crashed => ServerStatus::InService,
        UnitState::Stopped => ServerStatus::Online,
    }
}

fn view(world: &World, unit: &Unit) -> Server {
    let is_up = matches!(unit.state, UnitState::Running | UnitState::Exited(_));
    let ssh = is_up.then_some(&world.options.ssh);
    let rental = &world.rentals[unit.rental as usize];
    let stock = world.market.nodes[unit.node as usize].stock;
    let fingerprint = mix(world.seed, 50, u64::from(unit.node), 0);
    let base = &world.options.public_base;
    Server {
        server_id: unit.id.clone(),
        order_id: rental.id.clone(),
        index: unit.slot,
        status: status(world, unit),
        fingerprint: format!("{fingerprint:016x}"),
        gpu_model: catalogue::gpu_model(world, stock),
        gpus: u16::from(unit.gpus),
        ingress_host: ssh.map(|s| s.host.clone()),
        ssh_port: ssh.map(|s| s.port),
        ssh_user: ssh.map(|_| unit.id.clone()),
        ssh_host_key: ssh.map(|s| s.host_key.clone()),
        private_ip: is_up.then(|| {
            format!(
                "10.{}.{}.{}",
                rental_byte(unit, 8),
                rental_byte(unit, 0),
                unit.slot % 250 + 2
            )
        }),
        public_url: unit
            .url_is_up
            .then(|| format!("{base}/sandbox/run/{}", unit.id)),
        last_heartbeat_ms: last_heartbeat(world, unit),
    }
}

fn rental_byte(unit: &Unit, shift: u32) -> u32 {
    (unit.rental >> shift) & 0xff
}

/// The last whole minute in which it was up and heard.
fn last_heartbeat(world: &World, unit: &Unit) -> Option<u64> {
    let started = unit.started?;
    let until = unit.silent_since.or(unit.ended).unwrap_or(world.now);
    let minutes = until.since(started).as_secs() / 60;
    Some(unix_ms(started.after(Duration::from_secs(minutes * 60))))
}

/// `GET servers/{id}/console?lines=n`.
pub(super) fn console(
    world: &World,
    request: &WireRequest,
    index: u32,
) -> Result<WireResponse, Refusal> {
    let most = i64::try_from(LOG_LINES_MAX).unwrap_or(i64::MAX);
    let wanted = query_int(request, "lines", 1..=most, Some(100))?;
    let (lines, _) = world.units[index as usize].log.read(None, 0);
    let skip = lines
        .len()
        .saturating_sub(usize::try_from(wanted).unwrap_or(1));
    let lines = lines.into_iter().skip(skip).map(str::to_owned).collect();
    ok(world.now, ConsoleTail { lines })
}
