//! The Aethir-style API of `docs/aethir-style-api.md`: its server side.
//!
//! Aethir publishes no ordering API; this is Tandem's own design in its style, so nothing here is
//! Aethir's. The bodies are the ones of `tandem_adapters::aethir`, the rules (frozen rate, payment
//! window, settlement periods, votes, slashes) are written here a second time on purpose, so that
//! the two sides check each other.

mod answer;
mod catalogue;
mod events;
mod money;
mod orders;
mod quality;
mod servers;

use std::collections::BTreeMap;

use tandem_adapters::adapter::{Answer, TransportFault};
use tandem_adapters::aethir::quality::Incident;
use tandem_adapters::aethir::token::{ACCESS_KEY_HEADER, TOKEN_HEADER, verify};
use tandem_adapters::aethir::wire::{BASE_PATH, OrderRequest, Settlement};
use tandem_adapters::wire::{Method, WireRequest, WireResponse};
use tandem_model::secret::Secret;
use tandem_model::time::{WallTime, WorldTime};

use crate::fields::{Problem, query_int};
use crate::world::{Network, Unread, World};
use answer::Refusal;

pub(crate) use events::{begin, midnight, order_ended, pay_by, renew, server_lost};
pub(crate) use money::credit;
pub(crate) use money::wallets;

/// Secret key of every access key; the access key itself is accepted too, so that one text can
/// stand for all credentials of the sandbox.
const SECRET_KEY: &str = "sandbox-secret";
/// Seconds between two bulk reads of one access key.
const BULK_SECONDS: u64 = 5;
/// Access keys that a world keeps.
const WALLETS_MAX: usize = 1_000;
/// Incidents and settlements that a world keeps.
const RECORDS_MAX: usize = 100_000;
/// Nonces remembered; each expires within 60 s.
const NONCES_MAX: usize = 100_000;

/// What an access key holds.
#[derive(Debug)]
struct Wallet {
    /// In base units of 10^-18 ATH.
    ath: u128,
    /// Last read of each bulk list.
    bulk: BTreeMap<&'static str, WallTime>,
}

/// What an order is beside a rental.
#[derive(Debug)]
struct Order {
    request: OrderRequest,
    pay_by: WorldTime,
    /// Nodes held until it is paid.
    held: Vec<u32>,
    /// In micro-dollars.
    subtotal: i64,
    discount: i64,
    /// In 10^-9 dollars for one ATH, frozen at creation.
    rate_nano_usd: u64,
    /// In base units.
    ath_total: u128,
    ath_paid: u128,
    refunded: u128,
    extensions: BTreeMap<String, u32>,
    end_reason: Option<tandem_adapters::aethir::wire::EndReason>,
    /// Minutes already settled.
    settled_minutes: u32,
}

/// What the network keeps beside rentals.
#[derive(Debug, Default)]
pub(crate) struct State {
    wallets: BTreeMap<String, Wallet>,
    /// By rental.
    orders: BTreeMap<u32, Order>,
    /// Rental of an access key and client order number.
    by_client: BTreeMap<(String, String), u32>,
    /// Used nonces of an access key, by expiry in wall milliseconds.
    nonces: BTreeMap<(String, String), u64>,
    incidents: Vec<(String, Incident)>,
    settlements: Vec<(String, Settlement)>,
}

/// Answers one request below `/aethir`.
pub(crate) fn handle(world: &mut World, request: &WireRequest, path: &str) -> Answer {
    let answer = admit_and_route(world, request, path);
    answer.unwrap_or_else(|refusal| Ok(refusal.answer(world.now)))
}

/// The answer to a request that cannot be taken in.
pub(crate) fn refuse_unread(world: &World, why: Unread) -> WireResponse {
    let refusal = match why {
        Unread::Method => Refusal::NotFound("no such path"),
        _ => Refusal::Field(format!("body: {}", why.status_and_words().1)),
    };
    refusal.answer(world.now)
}

fn admit_and_route(
    world: &mut World,
    request: &WireRequest,
    path: &str,
) -> Result<Answer, Refusal> {
    let rest = path
        .strip_prefix(BASE_PATH)
        .and_then(|rest| rest.strip_prefix('/'))
        .ok_or(Refusal::NotFound("no such path"))?;
    let key = authenticate(world, request)?;
    let rest = rest.trim_end_matches('/');
    let Some(broken) = crate::control::before(world, Network::Aethir, request) else {
        return route(world, request, &key, rest).map(Ok);
    };
    if broken.is_done {
        let _lost = route(world, request, &key, rest);
    }
    if broken.is_cut {
        return Ok(Err(TransportFault::MaybeSent));
    }
    Err(Refusal::Busy)
}

fn authenticate(world: &mut World, request: &WireRequest) -> Result<String, Refusal> {
    let header = |name: &str| {
        let found = request.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    };
    let key = header(ACCESS_KEY_HEADER).ok_or(Refusal::Credentials)?;
    let token = header(TOKEN_HEADER).ok_or(Refusal::Credentials)?;
    if !crate::ionet::is_account(key) {
        return Err(Refusal::Credentials);
    }
    let claims = [SECRET_KEY, key]
        .into_iter()
        .find_map(|secret| verify(token, key, &Secret::new(secret), world.wall).ok())
        .ok_or(Refusal::Credentials)?;
    let now = world.wall.unix_ms();
    let nonces = &mut world.aethir.nonces;
    if nonces.len() >= NONCES_MAX {
        nonces.retain(|_, exp| *exp > now);
    }
    let nonce = (key.to_owned(), claims.nonce);
    if nonces.len() >= NONCES_MAX || nonces.get(&nonce).is_some_and(|exp| *exp > now) {
        return Err(Refusal::Credentials);
    }
    nonces.insert(nonce, claims.exp);
    money::open(world, key).ok_or(Refusal::Credentials)?;
    Ok(key.to_owned())
}

/// Holds bulk reads to one per list, access key and 5 s.
fn pace(world: &mut World, key: &str, list: &'static str) -> Result<(), Refusal> {
    if !world.options.rate_limits {
        return Ok(());
    }
    let wall = world.wall;
    let wallet = money::open(world, key).ok_or(Refusal::Credentials)?;
    let waited = wallet.bulk.get(list).map(|at| wall.since(*at).as_secs());
    match waited {
        Some(seconds) if seconds < BULK_SECONDS => Err(Refusal::RateLimit(BULK_SECONDS - seconds)),
        _ => {
            wallet.bulk.insert(list, wall);
            Ok(())
        }
    }
}

fn route(
    world: &mut World,
    request: &WireRequest,
    key: &str,
    rest: &str,
) -> Result<WireResponse, Refusal> {
    let parts: Vec<&str> = rest.split('/').collect();
    match (request.method, parts.as_slice()) {
        (Method::Get, ["catalog", "specs"]) => {
            pace(world, key, "specs")?;
            catalogue::specs(world, request)
        }
        (Method::Post, ["quotes"]) => catalogue::quote(world, request),
        (Method::Get, ["wallet"]) => money::wallet(world, key),
        (Method::Get, ["orders"]) => {
            pace(world, key, "orders")?;
            orders::list(world, request, key)
        }
        (Method::Get, ["settlements"]) => {
            pace(world, key, "settlements")?;
            quality::settlements(world, request, key)
        }
        (Method::Get, ["incidents"]) => quality::incidents(world, request, key),
        (Method::Post, ["orders"]) => orders::create(world, request, key),
        (method, ["orders", id, tail @ ..]) => {
            let order = orders::find(world, key, id)?;
            match (method, tail) {
                (Method::Get, []) => orders::show(world, order),
                (Method::Post, ["pay"]) => orders::pay(world, order),
                (Method::Post, ["extend"]) => orders::extend(world, request, order),
                (Method::Post, ["release"]) => orders::release(world, order),
                (Method::Get, ["servers"]) => servers::list(world, order),
                _ => Err(Refusal::NotFound("no such path")),
            }
        }
        (Method::Get, ["servers", id, what]) => {
            let unit = servers::find(world, key, id)?;
            match *what {
                "console" => servers::console(world, request, unit),
                "quality" => quality::quality(world, unit),
                "checker-reports" => quality::checker_reports(world, request, unit),
                _ => Err(Refusal::NotFound("no such path")),
            }
        }
        _ => Err(Refusal::NotFound("no such path")),
    }
}

/// `current` and `size` of a request.
fn paging(request: &WireRequest) -> Result<(usize, usize), Problem> {
    let current = query_int(request, "current", 1..=1_000_000, Some(1))?;
    let size = query_int(request, "size", 1..=100, Some(50))?;
    let size = usize::try_from(size).unwrap_or(1);
    Ok((usize::try_from(current).unwrap_or(1), size))
}
