//! What both kinds of deploy have in common: the terms of a booking, and booking it.

use serde_json::{Value, json};
use tandem_adapters::wire::WireResponse;
use uuid::Uuid;

use super::accounts;
use super::answer::{business, json_answer};
use super::catalogue::Wanted;
use super::price::{GPUS_MAX, HOURS_MAX, cost};
use crate::fields::Fields;
use crate::world::{Launch, NewRental, NoRoom, Product, Status, World};

/// Characters of a deployment's name.
const NAME_CHARS_MAX: usize = 256;

/// What to do when fewer replicas are free than asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Incomplete {
    /// Book nothing.
    FullRefund,
    /// Book what is there.
    PartialRefund,
    /// Book what is there for longer.
    ExtendBooked,
}

/// Where, what and for how long.
#[derive(Debug)]
pub(super) struct Terms {
    name: String,
    hardware: Value,
    location: Option<Value>,
    node_pool: Option<String>,
    hours: i64,
    gpus: u8,
    pub(super) replicas: u16,
    pub(super) resource_id: Option<String>,
    pub(super) incomplete: Incomplete,
}

/// Reads the terms; `gpus_name` is how the product names GPUs per unit.
pub(super) fn read_terms(
    fields: &mut Fields<'_>,
    gpus_name: &'static str,
    gpus_default: Option<i64>,
) -> Terms {
    let name = fields.text("resource_private_name", 1..=NAME_CHARS_MAX);
    let hardware = fields.raw("hardware_id").cloned().unwrap_or(Value::Null);
    if !(hardware.is_string() || hardware.is_i64()) {
        let kind = if hardware.is_null() {
            "missing"
        } else {
            "int_type"
        };
        fields.problem(
            "hardware_id",
            "Input should be an integer or a string",
            kind,
        );
    }
    let hours = fields.int("duration_hours", 1..=HOURS_MAX);
    let gpus = match gpus_default {
        Some(default) => fields
            .optional_int(gpus_name, 1..=GPUS_MAX)
            .unwrap_or(default),
        None => fields.int(gpus_name, 1..=GPUS_MAX),
    };
    let (location, node_pool) = read_where(fields);
    Terms {
        name,
        hardware,
        location,
        node_pool,
        hours,
        gpus: u8::try_from(gpus).unwrap_or(1),
        replicas: 1,
        resource_id: None,
        incomplete: Incomplete::FullRefund,
    }
}

fn read_where(fields: &mut Fields<'_>) -> (Option<Value>, Option<String>) {
    let location = match fields.raw("location_ids") {
        None => None,
        Some(Value::Array(list)) if list.len() == 1 => list.first().cloned(),
        Some(_) => {
            fields.problem(
                "location_ids",
                "Input should be a list of one location",
                "list_type",
            );
            None
        }
    };
    let node_pool = fields.optional_text("node_pool_id", 1..=64);
    if node_pool
        .as_ref()
        .is_some_and(|id| Uuid::try_parse(id).is_err())
    {
        fields.problem(
            "node_pool_id",
            "Input should be a valid UUID",
            "uuid_parsing",
        );
    }
    if node_pool.is_some() && location.is_some() {
        let msg = "node_pool_id and location_ids exclude each other";
        fields.problem("node_pool_id", msg, "value_error");
    }
    (location, node_pool)
}

/// Reads the parts of a container deploy that a machine deploy lacks.
pub(super) fn read_booking(fields: &mut Fields<'_>, terms: &mut Terms) {
    terms.resource_id = fields.optional_text("resource_id", 1..=64);
    if let Some(id) = &terms.resource_id {
        match Uuid::try_parse(id) {
            Ok(uuid) => terms.resource_id = Some(uuid.to_string()),
            Err(_) => fields.problem(
                "resource_id",
                "Input should be a valid UUID",
                "uuid_parsing",
            ),
        }
    }
    let _source = fields.optional_word("payment_source", &["credits", "payment"]);
    let words = ["full_refund", "partial_refund", "extend_booked"];
    terms.incomplete = match fields.optional_word("on_incomplete_booking", &words) {
        Some("partial_refund") => Incomplete::PartialRefund,
        Some("extend_booked") => Incomplete::ExtendBooked,
        _ => Incomplete::FullRefund,
    };
}

/// Books the terms: takes devices, charges the account, boots.
pub(super) fn book(
    world: &mut World,
    account: &str,
    product: Product,
    terms: Terms,
    launch: Launch,
) -> WireResponse {
    match try_book(world, account, product, terms, launch) {
        Ok(id) => json_answer(200, &json!({ "status": "success", "deployment_id": id })),
        Err(refusal) => refusal,
    }
}

fn try_book(
    world: &mut World,
    account: &str,
    product: Product,
    terms: Terms,
    launch: Launch,
) -> Result<String, WireResponse> {
    let pool = terms.node_pool.as_deref();
    let wanted = Wanted::find(&terms.hardware, terms.location.as_ref(), pool)
        .map_err(|text| business(404, text))?;
    if world.is_full() {
        return Err(business(
            503,
            "The sandbox holds as many deployments as it can",
        ));
    }
    if terms
        .resource_id
        .as_ref()
        .is_some_and(|id| world.ids.contains_key(id))
    {
        return Err(business(
            409,
            "A deployment with this resource_id already exists",
        ));
    }
    let nodes = take(world, wanted, &terms)
        .map_err(|NoRoom| business(409, "Not enough replicas available"))?;
    let taken = i64::try_from(nodes.len()).unwrap_or(1);
    let hours = match terms.incomplete {
        Incomplete::ExtendBooked => terms.hours * i64::from(terms.replicas) / taken,
        _ => terms.hours,
    };
    let hourly = wanted.price(world) * i64::from(terms.gpus) * taken;
    let cost = cost(hourly, hours, true);
    if accounts::charge(world, account, cost.total).is_err() {
        for node in nodes {
            world.market.give_back(node, terms.gpus);
        }
        return Err(business(402, "Insufficient credits"));
    }
    let id = terms
        .resource_id
        .unwrap_or_else(|| world.dice.uuid().to_string());
    let new = NewRental {
        product,
        account: account.to_owned(),
        id: id.clone(),
        name: terms.name,
        card: wanted.card,
        gpus_per_unit: terms.gpus,
        booked_minutes: u32::try_from(hours * 60).unwrap_or(u32::MAX),
        hourly_micro_usd: cost.hourly,
        paid_micro_usd: cost.total,
        launch,
    };
    let rental = world.add_rental(new, Status::Requested);
    world.boot(rental, &nodes);
    Ok(id)
}

fn take(world: &mut World, wanted: Wanted, terms: &Terms) -> Result<Vec<u32>, NoRoom> {
    if crate::control::refuses_start(world, crate::world::Network::Ionet) {
        return Err(NoRoom);
    }
    let stocks = wanted.stocks(world);
    let nodes = world
        .market
        .take(&stocks, terms.gpus, terms.replicas, &mut world.dice);
    let is_enough = match terms.incomplete {
        Incomplete::FullRefund => nodes.len() == usize::from(terms.replicas),
        Incomplete::PartialRefund | Incomplete::ExtendBooked => !nodes.is_empty(),
    };
    if is_enough {
        return Ok(nodes);
    }
    for node in nodes {
        world.market.give_back(node, terms.gpus);
    }
    Err(NoRoom)
}
