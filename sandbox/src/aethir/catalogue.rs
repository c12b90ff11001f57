//! What is sold and what it costs: whole servers, by the hour or in settlement periods.

use tandem_adapters::aethir::wire::{FabricWord, Mode, Quote, SETTLEMENT_PERIOD_HOURS, Spec};
use tandem_adapters::wire::{WireRequest, WireResponse};

use super::answer::{Refusal, ok, page};
use super::{money, paging};
use crate::clock::unix_ms;
use crate::fields::{Fields, Problem, body};
use crate::world::{Network, World};

/// GPUs of every server.
pub(super) const GPUS: u8 = 8;
/// Most servers of one order.
const SERVERS_MAX: i64 = 64;
/// Most hours of one order or extension.
pub(super) const HOURS_MAX: i64 = 8_760;
/// What a `Reserve` hour costs of an `OnDemand` hour, in percent (assumption).
const RESERVE_PERCENT: i64 = 85;
/// Discount of a `Reserve` order of a week or more, in percent (assumption).
const WEEK_DISCOUNT_PERCENT: i64 = 5;
const WEEK_HOURS: i64 = 168;
/// Staking coefficient in hundredths (an archived sample of Aethir's documentation).
pub(super) const STAKING_HUNDREDTHS: u64 = 133_422;
/// How long a quote's figures stand, in milliseconds.
const QUOTE_MS: u64 = 60_000;

/// What a specification id means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SpecKey {
    pub(super) stock: u16,
    pub(super) mode: Mode,
}

fn mode_word(mode: &Mode) -> &str {
    match mode {
        Mode::Reserve => "reserve",
        Mode::OnDemand => "ondemand",
        Mode::Other(word) => word,
    }
}

/// Id of a stock sold in a mode.
fn spec_id(world: &World, stock: u16, mode: &Mode) -> String {
    let kind = &world.market.stocks[usize::from(stock)];
    let (card, region) = (kind.card().catalogue, kind.place().region);
    format!("{card}-{GPUS}x-{region}-{}", mode_word(mode))
}

fn own_stocks(world: &World) -> impl Iterator<Item = u16> + '_ {
    let all = (0u16..).zip(&world.market.stocks);
    all.filter(|(_, s)| s.network == Network::Aethir)
        .map(|(index, _)| index)
}

/// The stock and mode of a specification id.
pub(super) fn find(world: &World, id: &str) -> Option<SpecKey> {
    own_stocks(world)
        .flat_map(|stock| [Mode::OnDemand, Mode::Reserve].map(|mode| SpecKey { stock, mode }))
        .find(|key| spec_id(world, key.stock, &key.mode) == id)
}

/// Micro-dollars for one server for one hour.
pub(super) fn hourly(world: &World, key: &SpecKey) -> i64 {
    let on_demand = world.market.price(key.stock, world.now) * i64::from(GPUS);
    match key.mode {
        Mode::Reserve => on_demand * RESERVE_PERCENT / 100,
        _ => on_demand,
    }
}

fn spec(world: &World, stock: u16, mode: Mode) -> Spec {
    let kind = &world.market.stocks[usize::from(stock)];
    let facts = kind.card().model().facts();
    let nvlink = facts.nvlink_gb_per_s.is_some();
    let k = u64::from(kind.card().k_hundredths);
    let price = hourly(
        world,
        &SpecKey {
            stock,
            mode: mode.clone(),
        },
    );
    Spec {
        spec_id: spec_id(world, stock, &mode),
        gpu_model: gpu_model(world, stock),
        gpus_per_server: u16::from(GPUS),
        region: kind.place().region.to_owned(),
        country: kind.place().iso2.to_owned(),
        mode,
        price_per_server_hour: money::usd(price),
        servers_available: world.market.available(stock, GPUS),
        vram_gb_per_gpu: facts.vram_gb,
        nvlink,
        fabric: if nvlink {
            FabricWord::Infiniband
        } else {
            FabricWord::Ethernet
        },
        k_value: money::hundredths(k),
        stake_per_gpu_ath: money::hundredths(k * STAKING_HUNDREDTHS / 100),
    }
}

/// The name of a stock's card as NVIDIA writes it.
pub(super) fn gpu_model(world: &World, stock: u16) -> String {
    let facts = world.market.stocks[usize::from(stock)]
        .card()
        .model()
        .facts();
    facts.nvml_name.unwrap_or(facts.name).to_owned()
}

/// `GET catalog/specs`.
pub(super) fn specs(world: &World, request: &WireRequest) -> Result<WireResponse, Refusal> {
    let paging = paging(request)?;
    let all = own_stocks(world)
        .flat_map(|stock| [Mode::OnDemand, Mode::Reserve].map(|mode| spec(world, stock, mode)));
    ok(world.now, page(all, paging))
}

/// What an order is for, as quotes and orders say it.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) key: SpecKey,
    pub(super) servers: u16,
    pub(super) hours: u32,
}

/// Reads `specId`, `mode`, `servers` and `hours`; the problem names the field.
pub(super) fn read_wanted(world: &World, fields: &mut Fields<'_>) -> Option<Wanted> {
    let id = fields.text("specId", 1..=128);
    if !fields.has("mode") {
        fields.problem("mode", "is missing", "missing");
    }
    let mode = fields.optional_word("mode", &["Reserve", "OnDemand"]);
    let servers = fields.int("servers", 1..=SERVERS_MAX);
    let hours = fields.int("hours", 1..=HOURS_MAX);
    let is_reserve = mode == Some("Reserve");
    if is_reserve && hours % i64::from(SETTLEMENT_PERIOD_HOURS) != 0 {
        fields.problem(
            "hours",
            "Reserve is sold in whole periods of 24 hours",
            "multiple",
        );
    }
    let key = find(world, &id)?;
    if (key.mode == Mode::Reserve) != is_reserve {
        fields.problem("mode", "the specification is sold in another mode", "mode");
    }
    Some(Wanted {
        key,
        servers: u16::try_from(servers).unwrap_or(1),
        hours: u32::try_from(hours).unwrap_or(1),
    })
}

/// Subtotal and discount in micro-dollars.
pub(super) fn price(world: &World, wanted: &Wanted) -> (i64, i64) {
    let hours = i64::from(wanted.hours);
    let subtotal = hourly(world, &wanted.key) * i64::from(wanted.servers) * hours;
    let is_long = wanted.key.mode == Mode::Reserve && hours >= WEEK_HOURS;
    let discount = if is_long {
        subtotal * WEEK_DISCOUNT_PERCENT / 100
    } else {
        0
    };
    (subtotal, discount)
}

/// The first problem, or nothing.
pub(super) fn first(problems: Vec<Problem>) -> Result<(), Refusal> {
    problems
        .into_iter()
        .next()
        .map_or(Ok(()), |p| Err(p.into()))
}

/// `POST quotes`.
pub(super) fn quote(world: &World, request: &WireRequest) -> Result<WireResponse, Refusal> {
    let value = body(request)?;
    let mut fields = Fields::new(&value, &["body"]);
    let wanted = read_wanted(world, &mut fields);
    first(fields.finish())?;
    let wanted = wanted.ok_or(Refusal::NotFound("no such specification"))?;
    let (subtotal, discount) = price(world, &wanted);
    let rate = money::rate(world);
    let now = unix_ms(world.now);
    let quote = Quote {
        subtotal: money::usd(subtotal),
        discount: money::usd(discount),
        total: money::usd(subtotal - discount),
        ath_usd_rate: money::rate_text(rate),
        rate_time_ms: unix_ms(money::rate_time(world)),
        ath_total: money::ath(money::to_ath(subtotal - discount, rate)),
        expires_at_ms: now + QUOTE_MS,
    };
    ok(world.now, quote)
}
