//! Prices and extensions: prepaid hours, a reservation fee, and a conversion fee on USDC.

use serde_json::{Value, json};
use tandem_adapters::wire::{WireRequest, WireResponse};

use super::answer::{business, data, dollars, unprocessable};
use super::catalogue::Wanted;
use super::{accounts, views};
use crate::fields::{Fields, Problem, body, query, query_int};
use crate::world::{Product, Status, World};

/// Hours that one deploy or extension may book.
pub(super) const HOURS_MAX: i64 = 8_760;
/// Replicas of one deployment.
pub(super) const REPLICAS_MAX: i64 = 100;
/// GPUs of one container or machine.
pub(super) const GPUS_MAX: i64 = 8;
/// Reservation fee in hundredths of a percent (0.25 %).
const RESERVATION_BASIS_POINTS: i64 = 25;
/// Conversion fee on USDC in hundredths of a percent (2 %); IO pays none.
const CONVERSION_BASIS_POINTS: i64 = 200;

/// What something costs, in millionths of a dollar.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    pub(super) hourly: i64,
    pub(super) reservation_fee: i64,
    pub(super) conversion_fee: i64,
    pub(super) total: i64,
}

/// The cost of `hours` at `hourly`.
pub(super) fn cost(hourly: i64, hours: i64, is_usdc: bool) -> Cost {
    let base = hourly.saturating_mul(hours);
    let fee = |basis_points: i64| base.saturating_mul(basis_points) / 10_000;
    let reservation_fee = fee(RESERVATION_BASIS_POINTS);
    let conversion_fee = if is_usdc {
        fee(CONVERSION_BASIS_POINTS)
    } else {
        0
    };
    Cost {
        hourly,
        reservation_fee,
        conversion_fee,
        total: base
            .saturating_add(reservation_fee)
            .saturating_add(conversion_fee),
    }
}

/// `location_ids`: one string holding a JSON array of at most one location.
fn locations(request: &WireRequest, required: bool) -> Result<Vec<Value>, Problem> {
    let loc = ["query", "location_ids"];
    let Some(text) = query(request, "location_ids") else {
        return if required {
            Err(Problem::new(&loc, "Field required", "missing"))
        } else {
            Ok(Vec::new())
        };
    };
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Array(list)) if list.len() <= 1 => Ok(list),
        Ok(Value::Array(_)) => Err(Problem::new(&loc, "At most one location", "too_long")),
        _ => Err(Problem::new(
            &loc,
            "Input should be a JSON array",
            "list_type",
        )),
    }
}

/// `GET price`.
pub(super) fn price(world: &World, request: &WireRequest, product: Product) -> WireResponse {
    match read_price(world, request, product) {
        Ok(answer) => data(answer),
        Err(Refused::Fields(problem)) => unprocessable(&[problem]),
        Err(Refused::NotFound(text)) => business(404, text),
    }
}

enum Refused {
    Fields(Problem),
    NotFound(&'static str),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Fields(problem)
    }
}

fn read_price(world: &World, request: &WireRequest, product: Product) -> Result<Value, Refused> {
    let is_vm = product == Product::Vmaas;
    let gpus_name = if is_vm {
        "gpus_per_vm"
    } else {
        "gpus_per_container"
    };
    let hardware = query(request, "hardware_id")
        .ok_or_else(|| Problem::new(&["query", "hardware_id"], "Field required", "missing"))?;
    let hours = query_int(request, "duration_hours", 1..=HOURS_MAX, None)?;
    let gpus = query_int(request, gpus_name, 1..=GPUS_MAX, None)?;
    let replicas = query_int(request, "replica_count", 1..=REPLICAS_MAX, Some(1))?;
    let currency = query(request, "currency").unwrap_or("usdc");
    if !matches!(currency, "usdc" | "iocoin") {
        let msg = "Input should be one of: usdc, iocoin";
        return Err(Problem::new(&["query", "currency"], msg, "enum").into());
    }
    let places = locations(request, is_vm)?;
    let wanted = Wanted::find(&Value::String(hardware.to_owned()), places.first(), None)
        .map_err(Refused::NotFound)?;
    let gpus_u8 = u8::try_from(gpus).unwrap_or(1);
    let stocks = wanted.stocks(world);
    let available: u32 = stocks
        .iter()
        .map(|s| world.market.available(*s, gpus_u8))
        .sum();
    let hourly = wanted.price(world).saturating_mul(gpus * replicas);
    let cost = cost(hourly, hours, currency == "usdc");
    let conversion_percent = if currency == "usdc" { 2.0 } else { 0.0 };
    Ok(json!({
        "replica_count": replicas,
        gpus_name: gpus,
        "available_replica_count": [available],
        "discount": 0.0,
        "ionet_fee": dollars(cost.reservation_fee),
        "ionet_fee_percent": 0.25,
        "currency_conversion_fee": dollars(cost.conversion_fee),
        "currency_conversion_fee_percent": conversion_percent,
        "total_cost_usdc": dollars(cost.total),
        "min_non_promotional_credits_required": 0.0,
    }))
}

/// `POST deployment/{id}/extend`: charged at once, at the price of the booking.
pub(super) fn extend(world: &mut World, request: &WireRequest, index: u32) -> WireResponse {
    let value = match body(request) {
        Ok(value) => value,
        Err(problem) => return unprocessable(&[problem]),
    };
    let mut fields = Fields::new(&value, &["body"]);
    let hours = fields.int("duration_hours", 1..=HOURS_MAX);
    let problems = fields.finish();
    if !problems.is_empty() {
        return unprocessable(&problems);
    }
    let rental = &world.rentals[index as usize];
    if !matches!(
        rental.status,
        Status::Requested | Status::Deploying | Status::Running
    ) {
        return business(409, "Deployment cannot be extended in its state");
    }
    let minutes = u32::try_from(hours * 60).unwrap_or(u32::MAX);
    let booked = rental.booked_minutes.saturating_add(minutes);
    if i64::from(booked) > HOURS_MAX * 60 {
        return business(409, "Deployment would be booked for more than 8760 hours");
    }
    let cost = cost(rental.hourly_micro_usd, hours, true);
    let account = rental.account.clone();
    if accounts::charge(world, &account, cost.total).is_err() {
        return business(402, "Insufficient credits");
    }
    let rental = &mut world.rentals[index as usize];
    rental.booked_minutes = booked;
    rental.paid_micro_usd += cost.total;
    data(views::details(world, index))
}
