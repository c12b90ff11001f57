//! What the network says of its own servers: heartbeats, checkers' votes, incidents, settlements.

use std::time::Duration;

use tandem_adapters::aethir::quality::{
    CheckerBatch, CheckerReport, ContainerData, Incident, QoeSample, Quality, majority,
};
use tandem_adapters::aethir::wire::Settlement;
use tandem_adapters::wire::{WireRequest, WireResponse};

use super::answer::{Refusal, ok, page};
use super::{money, paging};
use crate::clock::unix_ms;
use crate::fields::query;
use crate::world::{Unit, UnitState, World, mix};

/// Checkers of one task: 2N+1.
const CHECKERS: u64 = 5;
/// One checker in so many reports something else.
const DISSENT: u64 = 20;
/// Samples and batches shown, the newest.
const MINUTES_SHOWN: u64 = 60;
/// `jobType` of a liveness and of a capacity check.
const LIVENESS: u8 = 1;
const CAPACITY: u8 = 2;

/// Minutes in which a unit was up, and of those the ones in which it was heard.
fn heartbeats(world: &World, unit: &Unit) -> (u64, u64) {
    let Some(started) = unit.started else {
        return (0, 0);
    };
    let until = match unit.state {
        UnitState::Stopped => unit.ended.unwrap_or(world.now),
        _ => world.now,
    };
    let expected = until.since(started).as_secs() / 60;
    let dead = match unit.state {
        UnitState::Crashed => world.now.since(unit.ended.unwrap_or(world.now)).as_secs(),
        _ => 0,
    };
    let silent = unit
        .silent_since
        .map_or(0, |since| world.now.since(since).as_secs());
    let lost = (unit.silent_seconds + silent + dead) / 60;
    (expected, expected.saturating_sub(lost))
}

fn narrow(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// `GET servers/{id}/quality`.
pub(super) fn quality(world: &World, index: u32) -> Result<WireResponse, Refusal> {
    let unit = &world.units[index as usize];
    let (expected, seen) = heartbeats(world, unit);
    let lost_seconds = ((expected - seen) * 60).min(86_400);
    let qoe_samples = (seen.saturating_sub(MINUTES_SHOWN)..seen)
        .map(|minute| {
            let draw = mix(world.seed, 60, u64::from(index), minute) % 10;
            let floor = if unit.slow { 40 } else { 90 };
            let started = unit.started.unwrap_or(world.now);
            QoeSample {
                time_ms: unix_ms(started.after(Duration::from_secs(minute * 60))),
                score: u8::try_from(floor + draw).unwrap_or(0),
            }
        })
        .collect();
    let body = Quality {
        heartbeats_expected: narrow(expected),
        heartbeats_seen: narrow(seen),
        offline_seconds_today: narrow(lost_seconds),
        monthly_uptime_percent: money::hundredths(
            (seen * 10_000).checked_div(expected).unwrap_or(10_000),
        ),
        capacity_qualified: (unit.started.is_some()).then(|| is_honest(world, unit)),
        qoe_samples,
    };
    ok(world.now, body)
}

fn is_honest(world: &World, unit: &Unit) -> bool {
    let sold = world.rentals[unit.rental as usize].card;
    world.market.nodes[unit.node as usize].real_card == sold
}

/// `GET servers/{id}/checker-reports`: one liveness batch a minute, newest first, and before them
/// the daily capacity batch.
pub(super) fn checker_reports(
    world: &World,
    request: &WireRequest,
    index: u32,
) -> Result<WireResponse, Refusal> {
    let paging = paging(request)?;
    let unit = &world.units[index as usize];
    let (expected, seen) = heartbeats(world, unit);
    let honest = ContainerData::Capacity {
        qualified: is_honest(world, unit),
    };
    let capacity = (unit.started.is_some()).then(|| batch(world, index, 0, CAPACITY, &honest));
    let liveness = (0..expected).rev().map(|minute| {
        let continues = minute < seen;
        let data = ContainerData::Liveness {
            continues,
            loss: if continues { 0 } else { 100 },
            duration_seconds: 60,
        };
        batch(world, index, minute, LIVENESS, &data)
    });
    let shown = usize::try_from(MINUTES_SHOWN * 24).unwrap_or(usize::MAX);
    let all = capacity.into_iter().chain(liveness.take(shown));
    ok(world.now, page(all, paging))
}

/// The reports of one task: most checkers found `truth`, one in twenty did not.
fn batch(
    world: &World,
    index: u32,
    minute: u64,
    job_type: u8,
    truth: &ContainerData,
) -> CheckerBatch {
    let unit = &world.units[index as usize];
    let started = unit.started.unwrap_or(world.now);
    let key = u64::from(index) << 32 | minute;
    let reports: Vec<CheckerReport> = (0..CHECKERS)
        .map(|checker| {
            let draw = mix(world.seed, 61 + u64::from(job_type), key, checker);
            let data = if draw.is_multiple_of(DISSENT) {
                opposite(truth)
            } else {
                truth.clone()
            };
            CheckerReport {
                job_id: format!("{}-{job_type}-{minute}", unit.id),
                client_id: format!("checker-{:08x}", draw >> 32),
                license_id: (1 + checker + draw % 18_000 * CHECKERS).to_string(),
                epoch: minute / 1_440,
                period: minute,
                report_time_ms: unix_ms(started.after(Duration::from_secs((minute + 1) * 60))),
                container_id: unit.id.clone(),
                job_type,
                container_data: data,
                signature_data: format!("0x{draw:016x}"),
            }
        })
        .collect();
    let verdict = majority(&reports);
    CheckerBatch { reports, verdict }
}

fn opposite(data: &ContainerData) -> ContainerData {
    match data {
        ContainerData::Liveness { continues, .. } => ContainerData::Liveness {
            continues: !continues,
            loss: 50,
            duration_seconds: 60,
        },
        ContainerData::Capacity { qualified } => ContainerData::Capacity {
            qualified: !qualified,
        },
    }
}

/// `GET incidents?orderId`.
pub(super) fn incidents(
    world: &World,
    request: &WireRequest,
    key: &str,
) -> Result<WireResponse, Refusal> {
    let order = query(request, "orderId");
    let own = world
        .aethir
        .incidents
        .iter()
        .rev()
        .filter(|(owner, _)| owner == key);
    let shown: Vec<&Incident> = own
        .map(|(_, incident)| incident)
        .filter(|incident| order.is_none_or(|id| incident.order_id == id))
        .take(1_000)
        .collect();
    ok(world.now, shown)
}

/// `GET settlements`: newest first.
pub(super) fn settlements(
    world: &World,
    request: &WireRequest,
    key: &str,
) -> Result<WireResponse, Refusal> {
    let paging = paging(request)?;
    let own = world
        .aethir
        .settlements
        .iter()
        .rev()
        .filter(|(owner, _)| owner == key);
    let all = own.map(|(_, settlement): &(String, Settlement)| settlement);
    ok(world.now, page(all, paging))
}
