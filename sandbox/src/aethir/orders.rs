//! Orders: created, paid from the wallet at the frozen rate, extended, released.

use std::collections::BTreeMap;
use std::time::Duration;

use tandem_adapters::aethir::wire::{
    self, CLIENT_NUMBER_CHARS_MAX, EndReason, Mode, OrderRequest, OrderStatus,
    PAYMENT_WINDOW_SECONDS, SETTLEMENT_PERIOD_HOURS,
};
use tandem_adapters::wire::{WireRequest, WireResponse};

use super::answer::{Refusal, ok, page};
use super::catalogue::{GPUS, HOURS_MAX, Wanted, first, price, read_wanted};
use super::{Order, money, paging};
use crate::clock::unix_ms;
use crate::fields::{Fields, body, query};
use crate::world::{Launch, MachineSpec, Named, Network, NewRental, Product, Status, Timer, World};

/// Extensions of one order.
const EXTENSIONS_MAX: usize = 10_000;

/// An order of this access key.
pub(super) fn find(world: &World, key: &str, id: &str) -> Result<u32, Refusal> {
    match world.ids.get(id) {
        Some(Named::Rental(index)) => {
            let rental = &world.rentals[*index as usize];
            let is_own = rental.account == key && rental.product == Product::Server;
            is_own
                .then_some(*index)
                .ok_or(Refusal::NotFound("no such order"))
        }
        _ => Err(Refusal::NotFound("no such order")),
    }
}

fn read_order(world: &World, request: &WireRequest) -> Result<(OrderRequest, Wanted), Refusal> {
    let value = body(request)?;
    let mut fields = Fields::new(&value, &["body"]);
    let client_order_no = fields.text("clientOrderNo", 1..=CLIENT_NUMBER_CHARS_MAX);
    let wanted = read_wanted(world, &mut fields);
    let ssh_public_key = fields.text("sshPublicKey", 1..=16_384);
    let looks_right = ssh_public_key.starts_with("ssh-") || ssh_public_key.starts_with("ecdsa-");
    if !ssh_public_key.is_empty() && (!looks_right || ssh_public_key.contains('\n')) {
        fields.problem("sshPublicKey", "is not one line in OpenSSH form", "ssh_key");
    }
    let auto_renew = fields.optional_flag("autoRenew").unwrap_or(false);
    let is_on_demand = value.get("mode").is_some_and(|m| m == "OnDemand");
    if auto_renew && is_on_demand {
        fields.problem("autoRenew", "is for Reserve only", "auto_renew");
    }
    first(fields.finish())?;
    let wanted = wanted.ok_or(Refusal::NotFound("no such specification"))?;
    let spec_id = value
        .get("specId")
        .and_then(|v| v.as_str())
        .unwrap_or_default();
    let order = OrderRequest {
        client_order_no,
        spec_id: spec_id.to_owned(),
        mode: wanted.key.mode.clone(),
        servers: wanted.servers,
        hours: wanted.hours,
        ssh_public_key,
        auto_renew,
    };
    Ok((order, wanted))
}

/// `POST orders`: holds servers for the payment window and freezes the rate.
pub(super) fn create(
    world: &mut World,
    request: &WireRequest,
    key: &str,
) -> Result<WireResponse, Refusal> {
    let (request, wanted) = read_order(world, request)?;
    let number = (key.to_owned(), request.client_order_no.clone());
    if let Some(earlier) = world.aethir.by_client.get(&number).copied() {
        let is_same = world
            .aethir
            .orders
            .get(&earlier)
            .is_some_and(|o| o.request == request);
        return if is_same {
            show(world, earlier)
        } else {
            Err(Refusal::Conflict(
                "clientOrderNo is used with other content",
            ))
        };
    }
    if world.is_full() || crate::control::refuses_start(world, Network::Aethir) {
        return Err(Refusal::NoCapacity);
    }
    let stocks = [wanted.key.stock];
    let held = world
        .market
        .take(&stocks, GPUS, wanted.servers, &mut world.dice);
    if held.len() < usize::from(wanted.servers) {
        for node in held {
            world.market.give_back(node, GPUS);
        }
        return Err(Refusal::NoCapacity);
    }
    let index = record(world, key, request, &wanted, held);
    world.aethir.by_client.insert(number, index);
    show(world, index)
}

fn record(
    world: &mut World,
    key: &str,
    request: OrderRequest,
    wanted: &Wanted,
    held: Vec<u32>,
) -> u32 {
    let (subtotal, discount) = price(world, wanted);
    let rate = money::rate(world);
    let ssh_keys = BTreeMap::from([("order".to_owned(), request.ssh_public_key.clone())]);
    let new = NewRental {
        product: Product::Server,
        account: key.to_owned(),
        id: format!("ord-{:016x}", world.dice.bits()),
        name: request.client_order_no.clone(),
        card: world.market.stocks[usize::from(wanted.key.stock)].card,
        gpus_per_unit: GPUS,
        booked_minutes: wanted.hours * 60,
        hourly_micro_usd: (subtotal - discount) / i64::from(wanted.hours),
        paid_micro_usd: 0,
        launch: Launch::Machine(MachineSpec {
            ssh_keys,
            ..MachineSpec::default()
        }),
    };
    let index = world.add_rental(new, Status::Unpaid);
    let window = Duration::from_secs(u64::from(PAYMENT_WINDOW_SECONDS));
    let pay_by = world.now.after(window);
    let order = Order {
        request,
        pay_by,
        held,
        subtotal,
        discount,
        rate_nano_usd: rate,
        ath_total: money::to_ath(subtotal - discount, rate),
        ath_paid: 0,
        refunded: 0,
        extensions: BTreeMap::new(),
        end_reason: None,
        settled_minutes: 0,
    };
    world.aethir.orders.insert(index, order);
    world.arm(pay_by, Timer::PayBy(index));
    index
}

/// `GET orders/{id}`.
pub(super) fn show(world: &World, index: u32) -> Result<WireResponse, Refusal> {
    let order = view(world, index).ok_or(Refusal::NotFound("no such order"))?;
    ok(world.now, order)
}

fn status(world: &World, index: u32) -> OrderStatus {
    match world.rentals[index as usize].shown_status() {
        Status::Unpaid => OrderStatus::ToBePaid,
        Status::Requested | Status::Deploying | Status::Running | Status::Stopping => {
            OrderStatus::InService
        }
        Status::Completed | Status::Failed | Status::Destroyed => OrderStatus::Completed,
        Status::Cancelled => OrderStatus::Cancelled,
    }
}

fn view(world: &World, index: u32) -> Option<wire::Order> {
    let order = world.aethir.orders.get(&index)?;
    let rental = &world.rentals[index as usize];
    let total = order.subtotal - order.discount;
    Some(wire::Order {
        order_id: rental.id.clone(),
        client_order_no: rental.name.clone(),
        status: status(world, index),
        spec_id: order.request.spec_id.clone(),
        mode: order.request.mode.clone(),
        servers: order.request.servers,
        hours: rental.booked_minutes / 60,
        created_ms: unix_ms(rental.created),
        pay_by_ms: unix_ms(order.pay_by),
        started_ms: rental.started.map(unix_ms),
        ends_ms: rental.ends().map(unix_ms),
        ended_ms: rental.ended.map(unix_ms),
        end_reason: order.end_reason.clone(),
        subtotal: money::usd(order.subtotal),
        discount: money::usd(order.discount),
        total: money::usd(total),
        ath_usd_rate: money::rate_text(order.rate_nano_usd),
        ath_total: money::ath(order.ath_total),
        ath_paid: money::ath(order.ath_paid),
        refunded_ath: money::ath(order.refunded),
        auto_renew: order.request.auto_renew,
        minutes_served: rental.minutes_served(world.now),
        minutes_remaining: rental.minutes_remaining(world.now),
    })
}

/// `GET orders`: newest first.
pub(super) fn list(
    world: &World,
    request: &WireRequest,
    key: &str,
) -> Result<WireResponse, Refusal> {
    let paging = paging(request)?;
    let prefix = query(request, "clientOrderNoPrefix").unwrap_or_default();
    let own = world.aethir.orders.keys().rev().filter(|index| {
        let rental = &world.rentals[**index as usize];
        rental.account == key && rental.name.starts_with(prefix)
    });
    let all = own.filter_map(|index| view(world, *index));
    ok(world.now, page(all, paging))
}

/// `POST orders/{id}/pay`: a second call changes nothing.
pub(super) fn pay(world: &mut World, index: u32) -> Result<WireResponse, Refusal> {
    let status = world.rentals[index as usize].status;
    if status != Status::Unpaid {
        return if status == Status::Cancelled {
            Err(Refusal::Conflict("the order is cancelled"))
        } else {
            show(world, index)
        };
    }
    let key = world.rentals[index as usize].account.clone();
    let unknown = || Refusal::NotFound("no such order");
    let amount = world
        .aethir
        .orders
        .get(&index)
        .ok_or_else(unknown)?
        .ath_total;
    money::pay(world, &key, amount)?;
    let order = world.aethir.orders.get_mut(&index).ok_or_else(unknown)?;
    order.ath_paid = amount;
    let held = std::mem::take(&mut order.held);
    let total = order.subtotal - order.discount;
    let rental = &mut world.rentals[index as usize];
    rental.status = Status::Requested;
    rental.paid_micro_usd = total;
    world.boot(index, &held);
    show(world, index)
}

/// `POST orders/{id}/extend`: paid at once at the frozen rate; a repeated number adds nothing.
pub(super) fn extend(
    world: &mut World,
    request: &WireRequest,
    index: u32,
) -> Result<WireResponse, Refusal> {
    let value = body(request)?;
    let mut fields = Fields::new(&value, &["body"]);
    let hours = fields.int("hours", 1..=HOURS_MAX);
    let number = fields.text("clientExtensionNo", 1..=CLIENT_NUMBER_CHARS_MAX);
    let order = world.aethir.orders.get(&index);
    let order = order.ok_or(Refusal::NotFound("no such order"))?;
    let is_reserve = order.request.mode == Mode::Reserve;
    if is_reserve && hours % i64::from(SETTLEMENT_PERIOD_HOURS) != 0 {
        fields.problem(
            "hours",
            "Reserve is sold in whole periods of 24 hours",
            "multiple",
        );
    }
    first(fields.finish())?;
    let hours = u32::try_from(hours).unwrap_or(1);
    if let Some(earlier) = order.extensions.get(&number) {
        return if *earlier == hours {
            show(world, index)
        } else {
            Err(Refusal::Conflict(
                "clientExtensionNo is used with other hours",
            ))
        };
    }
    let rental = &world.rentals[index as usize];
    let is_open = matches!(
        rental.status,
        Status::Requested | Status::Deploying | Status::Running
    );
    if !is_open || order.extensions.len() >= EXTENSIONS_MAX {
        return Err(Refusal::Conflict("the order is not in service"));
    }
    let cost = rental.hourly_micro_usd * i64::from(hours);
    let amount = money::to_ath(cost, order.rate_nano_usd);
    let key = rental.account.clone();
    money::pay(world, &key, amount)?;
    let rental = &mut world.rentals[index as usize];
    rental.booked_minutes = rental.booked_minutes.saturating_add(hours * 60);
    rental.paid_micro_usd += cost;
    if let Some(order) = world.aethir.orders.get_mut(&index) {
        order.subtotal += cost;
        order.ath_total += amount;
        order.ath_paid += amount;
        order.extensions.insert(number, hours);
    }
    show(world, index)
}

/// `POST orders/{id}/release`: ends it; a second call changes nothing.
pub(super) fn release(world: &mut World, index: u32) -> Result<WireResponse, Refusal> {
    match world.rentals[index as usize].status {
        Status::Unpaid => super::events::cancel(world, index, EndReason::Released),
        _ => world.stop_rental(index),
    }
    show(world, index)
}
