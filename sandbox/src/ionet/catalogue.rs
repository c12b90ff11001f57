//! What can be rented: hardware lists, availability, and how a request names hardware and places.

use serde_json::{Value, json};
use tandem_adapters::wire::{WireRequest, WireResponse};

use super::answer::{business, data, dollars, unprocessable};
use super::price::GPUS_MAX;
use crate::fields::{query, query_int};
use crate::world::{CARDS, Card, Network, PLACES, Product, World};

/// GPUs of the largest container or machine.
const GPUS: u8 = 8;

/// A card and, where one is named, a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Index into `CARDS`.
    pub(super) card: u8,
    /// Index into `PLACES`.
    pub(super) place: Option<u8>,
}

impl Wanted {
    /// Reads a hardware id (number, number as text, alias, or display id of a machine) and a
    /// location (number or country). A display id's country counts when no location is given.
    pub(super) fn find(
        hardware: &Value,
        location: Option<&Value>,
        pool: Option<&str>,
    ) -> Result<Self, &'static str> {
        if pool.is_some() {
            return Err("Node pool not found");
        }
        let text = match hardware {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            _ => String::new(),
        };
        let (name, country) = text.split_once("__").unwrap_or((&text, ""));
        let card = (0u8..).zip(CARDS).find(|(_, c)| is_named(c, name));
        let (card, _) = card.ok_or("Hardware not found")?;
        let place = match location {
            Some(value) => Some(find_place(value).ok_or("Location not found")?),
            None => (0u8..)
                .zip(PLACES)
                .find(|(_, p)| p.iso2.eq_ignore_ascii_case(country))
                .map(|(index, _)| index),
        };
        Ok(Self { card, place })
    }

    /// Stocks that fit.
    pub(super) fn stocks(self, world: &World) -> Vec<u16> {
        world
            .market
            .stocks_of(Network::Ionet, self.card, self.place)
    }

    /// Price per GPU-hour: of the place named, else of the first that sells it.
    pub(super) fn price(self, world: &World) -> i64 {
        let stocks = self.stocks(world);
        stocks
            .first()
            .map_or(0, |s| world.market.price(*s, world.now))
    }
}

fn is_named(card: &Card, name: &str) -> bool {
    name.eq_ignore_ascii_case(card.alias) || name.parse() == Ok(card.number)
}

fn find_place(value: &Value) -> Option<u8> {
    let found = (0u8..).zip(PLACES).find(|(_, place)| match value {
        Value::Number(number) => number.as_u64() == Some(u64::from(place.number)),
        Value::String(text) => {
            text.eq_ignore_ascii_case(place.iso2) || text.parse() == Ok(place.number)
        }
        _ => false,
    });
    found.map(|(index, _)| index)
}

/// `GET hardware`: one row per card and place.
pub(super) fn hardware(world: &World, request: &WireRequest, product: Product) -> WireResponse {
    let rows = (0u16..).zip(&world.market.stocks);
    let own = rows.filter(|(_, s)| s.network == Network::Ionet);
    if product == Product::Vmaas {
        let rows: Vec<Value> = own
            .filter(|(_, s)| fits(request, s.card(), s.place().iso2))
            .map(|(index, _)| vm_row(world, index))
            .collect();
        return data(json!({ "hardware": rows }));
    }
    data(own.map(|(index, _)| container_row(world, index)).collect())
}

fn container_row(world: &World, stock: u16) -> Value {
    let kind = &world.market.stocks[usize::from(stock)];
    let available = world.market.available(stock, GPUS);
    json!({
        "hardware_id": kind.card().alias,
        "hardware_name": kind.card().model().facts().name,
        "brand_name": "NVIDIA",
        "location": kind.place().iso2,
        "price": dollars(world.market.price(stock, world.now)),
        "available": available,
        "network": available,
        "max_gpus_per_container": GPUS,
        "min_gpus_per_container": null,
        "confidential_compute": false,
    })
}

fn vm_row(world: &World, stock: u16) -> Value {
    let kind = &world.market.stocks[usize::from(stock)];
    let facts = kind.card().model().facts();
    let price = world.market.price(stock, world.now);
    let cards = if world.options.vm_price_per_gpu {
        1
    } else {
        i64::from(GPUS)
    };
    let nvlink = facts.nvlink_gb_per_s.is_some();
    json!({
        "id": format!("{}__{}", kind.card().alias, kind.place().iso2),
        "deploy_id": kind.card().number,
        "name": facts.name,
        "num_cards": GPUS,
        "supplier": "internal",
        "sold_out": world.market.available(stock, GPUS) == 0,
        "price": dollars(price * cards),
        "vram_per_card": facts.vram_gb,
        "interconnect": if nvlink { "NVLink" } else { "PCIe" },
        "nvlink": nvlink,
        "storage": 2_000,
        "vcpu": 96,
        "memory": 768,
        "location": kind.place().iso2,
    })
}

/// The filters of the VM list; ones that are no number are ignored.
fn fits(request: &WireRequest, card: &Card, iso2: &str) -> bool {
    let facts = card.model().facts();
    let all = |name: &str| -> Vec<&str> {
        let pairs = request.query.iter();
        pairs
            .filter(|(k, _)| k == name)
            .map(|(_, v)| v.as_str())
            .collect()
    };
    let contains = |text: &str| {
        facts
            .name
            .to_ascii_lowercase()
            .contains(&text.to_ascii_lowercase())
    };
    let families = all("gpu_family[]");
    let regions = all("regions");
    let bound = |name: &str| query(request, name).and_then(|v| v.parse::<u32>().ok());
    let vram = u32::from(facts.vram_gb);
    query(request, "gpu").is_none_or(contains)
        && (families.is_empty() || families.iter().any(|f| contains(f)))
        && (regions.is_empty() || regions.iter().any(|r| r.eq_ignore_ascii_case(iso2)))
        && bound("gpu_memory_min").is_none_or(|min| vram >= min)
        && bound("gpu_memory_max").is_none_or(|max| vram <= max)
        && query(request, "supplier").is_none_or(|s| s == "internal")
}

/// `GET hardware/max-gpus-per-container` and `-vm`: one row per card.
pub(super) fn max_gpus(world: &World, product: Product) -> WireResponse {
    let name = match product {
        Product::Vmaas => "max_gpus_per_vm",
        _ => "max_gpus_per_container",
    };
    let rows: Vec<Value> = (0u8..)
        .zip(CARDS)
        .map(|(index, card)| {
            let stocks = world.market.stocks_of(Network::Ionet, index, None);
            let available: u32 = stocks
                .iter()
                .map(|s| world.market.available(*s, GPUS))
                .sum();
            json!({
                name: GPUS,
                "available": available,
                "hardware_id": card.number,
                "hardware_name": card.model().facts().name,
                "brand_name": "NVIDIA",
            })
        })
        .collect();
    let total = rows.len();
    data(json!({ "hardware": rows, "total": total }))
}

/// `GET available-replicas` and `available-vms`: one row per place.
pub(super) fn available(world: &World, request: &WireRequest, product: Product) -> WireResponse {
    let id = match product {
        Product::Vmaas => query_int(request, "hardware_id", 0..=i64::from(u32::MAX), None)
            .map(|number| number.to_string()),
        _ => Ok(query(request, "hardware_id").unwrap_or_default().to_owned()),
    };
    let quantity = query_int(request, "hardware_qty", 1..=GPUS_MAX, Some(1));
    let (id, quantity) = match (id, quantity) {
        (Ok(id), Ok(quantity)) => (id, u8::try_from(quantity).unwrap_or(1)),
        (Err(problem), _) | (_, Err(problem)) => return unprocessable(&[problem]),
    };
    let wanted = match Wanted::find(&Value::String(id), None, query(request, "node_pool_id")) {
        Ok(wanted) => wanted,
        Err(text) => return business(404, text),
    };
    let rows: Vec<Value> = wanted
        .stocks(world)
        .into_iter()
        .map(|stock| {
            let place = world.market.stocks[usize::from(stock)].place();
            json!({
                "id": place.number,
                "iso2": place.iso2,
                "name": place.name,
                "available_replicas": world.market.available(stock, quantity),
            })
        })
        .collect();
    data(Value::Array(rows))
}
