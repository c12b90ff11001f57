//! What happens to orders by itself: unpaid ones lapse, servers are lost, days are settled.

use std::time::Duration;

use tandem_adapters::aethir::quality::{Incident, IncidentKind, Period};
use tandem_adapters::aethir::wire::{EndReason, Mode, SETTLEMENT_PERIOD_HOURS, Settlement};
use tandem_model::time::WorldTime;

use super::catalogue::{GPUS, STAKING_HUNDREDTHS};
use super::{RECORDS_MAX, money};
use crate::clock::{date, unix_ms};
use crate::world::{CARDS, Product, Status, Timer, UnitState, World};

const DAY_US: i64 = 86_400_000_000;
/// Share of the hosts in percent; the protocol keeps the rest.
const HOST_PERCENT: u128 = 80;

/// Arms the first midnight.
pub(crate) fn begin(world: &mut World) {
    arm_midnight(world);
}

fn arm_midnight(world: &mut World) {
    let next = (world.now.micros().div_euclid(DAY_US) + 1).saturating_mul(DAY_US);
    world.arm(WorldTime::from_micros(next), Timer::Midnight);
}

/// The payment window closes.
pub(crate) fn pay_by(world: &mut World, index: u32) {
    if world.rentals[index as usize].status == Status::Unpaid {
        cancel(world, index, EndReason::Unpaid);
    }
}

/// Cancels an order that was not paid.
pub(super) fn cancel(world: &mut World, index: u32, reason: EndReason) {
    let now = world.now;
    let rental = &mut world.rentals[index as usize];
    rental.status = Status::Cancelled;
    rental.ended = Some(now);
    if let Some(order) = world.aethir.orders.get_mut(&index) {
        order.end_reason = Some(reason);
        for node in std::mem::take(&mut order.held) {
            world.market.give_back(node, GPUS);
        }
    }
}

/// Buys the next settlement period of a `Reserve` order that renews itself: at the present price
/// and the order's own rate, when the wallet holds it.
pub(crate) fn renew(world: &mut World, index: u32) -> bool {
    let Some(order) = world.aethir.orders.get(&index) else {
        return false;
    };
    let Some(key) = super::catalogue::find(world, &order.request.spec_id) else {
        return false;
    };
    if !order.request.auto_renew {
        return false;
    }
    let servers = i64::from(order.request.servers);
    let hourly = super::catalogue::hourly(world, &key) * servers;
    let cost = hourly * i64::from(SETTLEMENT_PERIOD_HOURS);
    let amount = money::to_ath(cost, order.rate_nano_usd);
    let account = world.rentals[index as usize].account.clone();
    if money::pay(world, &account, amount).is_err() {
        return false;
    }
    let rental = &mut world.rentals[index as usize];
    rental.hourly_micro_usd = hourly;
    rental.booked_minutes = rental
        .booked_minutes
        .saturating_add(SETTLEMENT_PERIOD_HOURS * 60);
    rental.paid_micro_usd += cost;
    if let Some(order) = world.aethir.orders.get_mut(&index) {
        order.subtotal += cost;
        order.ath_total += amount;
        order.ath_paid += amount;
    }
    true
}

/// An order in service came to its end.
pub(crate) fn order_ended(world: &mut World, index: u32) {
    let rental = &world.rentals[index as usize];
    let reason = match rental.status {
        Status::Completed => EndReason::TimeUp,
        Status::Failed => EndReason::ProviderFault,
        _ => EndReason::Released,
    };
    if let Some(order) = world.aethir.orders.get_mut(&index) {
        order.end_reason = Some(reason);
    }
}

/// The running settlement period of an order: 24 hours from its start for `Reserve`, an hour for
/// `OnDemand`, cut at the end of the booking.
fn running_period(world: &World, index: u32, at: WorldTime) -> Option<(WorldTime, WorldTime)> {
    let order = world.aethir.orders.get(&index)?;
    let rental = &world.rentals[index as usize];
    let (started, ends) = (rental.started?, rental.ends()?);
    let hours = match order.request.mode {
        Mode::Reserve => SETTLEMENT_PERIOD_HOURS,
        _ => 1,
    };
    let length = u64::from(hours) * 3_600;
    let number = at.since(started).as_secs() / length;
    let start = started.after(Duration::from_secs(number * length));
    Some((start, start.after(Duration::from_secs(length)).min(ends)))
}

/// The network noticed that a server died in service: its host is slashed a third of K times the
/// coefficient for each GPU, and the running period of that server comes back.
pub(crate) fn server_lost(world: &mut World, unit: u32) {
    let index = world.units[unit as usize].rental;
    if world.rentals[index as usize].product != Product::Server {
        return;
    }
    let died = world.units[unit as usize].ended.unwrap_or(world.now);
    let Some((start, end)) = running_period(world, index, died) else {
        return;
    };
    let Some(order) = world.aethir.orders.get(&index) else {
        return;
    };
    let rental = &world.rentals[index as usize];
    let servers = i64::from(order.request.servers.max(1));
    let minutes = i64::try_from(end.since(start).as_secs() / 60).unwrap_or(0);
    let share = rental.hourly_micro_usd / servers * minutes / 60;
    let back = money::to_ath(share, order.rate_nano_usd);
    let back = back.min(order.ath_paid.saturating_sub(order.refunded));
    let key = rental.account.clone();
    money::refund(world, &key, back);
    world.rentals[index as usize].refunded_micro_usd += share;
    if let Some(order) = world.aethir.orders.get_mut(&index) {
        order.refunded += back;
    }
    let period = Period {
        start_ms: unix_ms(start),
        end_ms: unix_ms(end),
    };
    record(world, unit, IncidentKind::Interruption, period, back);
}

/// Base units that a host loses: a third or the whole of K x coefficient for each GPU.
fn slash(world: &World, unit: u32, kind: &IncidentKind) -> u128 {
    let rental = &world.rentals[world.units[unit as usize].rental as usize];
    let k = u128::from(CARDS[usize::from(rental.card)].k_hundredths);
    let whole = k * u128::from(STAKING_HUNDREDTHS) * u128::from(GPUS) * money::ATH / 10_000;
    match kind {
        IncidentKind::Interruption => whole / 3,
        IncidentKind::Deception | IncidentKind::Underperformance => whole,
        IncidentKind::Offline | IncidentKind::Other(_) => 0,
    }
}

fn record(world: &mut World, unit: u32, kind: IncidentKind, period: Period, refund: u128) {
    if world.aethir.incidents.len() >= RECORDS_MAX {
        world.aethir.incidents.remove(0);
    }
    let rental = &world.rentals[world.units[unit as usize].rental as usize];
    let incident = Incident {
        incident_id: format!("inc-{:016x}", world.dice.bits()),
        order_id: rental.id.clone(),
        server_id: world.units[unit as usize].id.clone(),
        slash_ath: money::ath(slash(world, unit, &kind)),
        refund_ath: money::ath(refund),
        fee_waived: refund > 0,
        kind,
        period,
    };
    let key = rental.account.clone();
    world.aethir.incidents.push((key, incident));
}

/// 00:00 UTC: the day that ended is settled, and the daily capacity check finds hosts that lie.
pub(crate) fn midnight(world: &mut World) {
    let day = date(WorldTime::from_micros(world.now.micros() - 1));
    let orders: Vec<u32> = world.aethir.orders.keys().copied().collect();
    for index in orders {
        settle(world, index, &day);
        if world.rentals[index as usize].status == Status::Running {
            expose(world, index);
        }
    }
    arm_midnight(world);
}

/// Settles the minutes served since the last settlement, less what was given back.
fn settle(world: &mut World, index: u32, day: &str) {
    let now = world.now;
    let Some(order) = world.aethir.orders.get(&index) else {
        return;
    };
    let rental = &world.rentals[index as usize];
    let served = rental.minutes_served(now);
    let minutes = served.saturating_sub(order.settled_minutes);
    if minutes == 0 {
        return;
    }
    let fiat = rental.hourly_micro_usd * i64::from(minutes) / 60;
    let fiat = fiat
        .min(rental.paid_micro_usd - rental.refunded_micro_usd)
        .max(0);
    let ath = money::to_ath(fiat, order.rate_nano_usd);
    let host = ath * HOST_PERCENT / 100;
    let settlement = Settlement {
        date: day.to_owned(),
        order_id: rental.id.clone(),
        fiat: money::usd(fiat),
        ath: money::ath(ath),
        host_share_ath: money::ath(host),
        protocol_share_ath: money::ath(ath - host),
    };
    let key = rental.account.clone();
    if world.aethir.settlements.len() >= RECORDS_MAX {
        world.aethir.settlements.remove(0);
    }
    world.aethir.settlements.push((key, settlement));
    if let Some(order) = world.aethir.orders.get_mut(&index) {
        order.settled_minutes = served;
    }
}

/// Records a deception for each server of an order whose card is not what was sold, once.
fn expose(world: &mut World, index: u32) {
    let sold = world.rentals[index as usize].card;
    let units: Vec<u32> = world.rentals[index as usize].current().collect();
    for unit in units {
        let seen = &world.units[unit as usize];
        let real = world.market.nodes[seen.node as usize].real_card;
        let is_known = world.aethir.incidents.iter().any(|(_, incident)| {
            incident.server_id == seen.id && incident.kind == IncidentKind::Deception
        });
        if real == sold || is_known || seen.state != UnitState::Running {
            continue;
        }
        let start = world.now.micros() - DAY_US;
        let period = Period {
            start_ms: unix_ms(WorldTime::from_micros(start)),
            end_ms: unix_ms(world.now),
        };
        record(world, unit, IncidentKind::Deception, period, 0);
    }
}
