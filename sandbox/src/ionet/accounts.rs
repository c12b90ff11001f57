//! Keys, balances and the rate limit; what a stop gives back.

use std::collections::{BTreeMap, VecDeque};

use serde_json::json;
use tandem_adapters::wire::{WireRequest, WireResponse};
use tandem_model::time::WallTime;

use super::Caller;
use super::answer::{detail, json_answer, too_many};
use crate::world::{Product, Status, World};

/// Requests of one key in [`WINDOW_SECONDS`].
const REQUESTS_MAX: usize = 300;
const WINDOW_SECONDS: u64 = 60;
/// Accounts that a world keeps.
const ACCOUNTS_MAX: usize = 1_000;
/// Characters of an account's name.
const NAME_CHARS_MAX: usize = 32;
/// The account of requests without a key, for the rate limit alone.
const ANONYMOUS: &str = "";
/// A key of another project of io.net, which is refused with 403.
const OTHER_PROJECT: &str = "sandbox-intelligence";

/// What the network keeps of an account.
#[derive(Debug, Default)]
struct Account {
    balance_micro_usd: i64,
    /// Moments of the last requests, oldest first.
    recent: VecDeque<WallTime>,
}

/// What io.net keeps beside rentals.
#[derive(Debug, Default)]
pub(crate) struct State {
    accounts: BTreeMap<String, Account>,
}

/// Lets a request in, or refuses it: unknown key, wrong project, too many requests.
pub(super) fn admit(world: &mut World, request: &WireRequest) -> Result<Caller, WireResponse> {
    let key = request.headers.iter().find(|(name, _)| name == "x-api-key");
    let caller = match key.map(|(_, value)| value.as_str()) {
        None | Some("") => Caller::Anonymous,
        Some(OTHER_PROJECT) => return Err(detail(403, "The key belongs to another project")),
        Some(key) if is_account(key) => Caller::Account(key.to_owned()),
        Some(_) => return Err(detail(401, "Invalid API key")),
    };
    let name = match &caller {
        Caller::Anonymous => ANONYMOUS,
        Caller::Account(name) => name,
    };
    let (wall, is_limited) = (world.wall, world.options.rate_limits);
    let Some(account) = open(world, name) else {
        return Err(detail(401, "Invalid API key"));
    };
    while account
        .recent
        .front()
        .is_some_and(|at| wall.since(*at).as_secs() >= WINDOW_SECONDS)
    {
        account.recent.pop_front();
    }
    if !is_limited {
        return Ok(caller);
    }
    if account.recent.len() >= REQUESTS_MAX {
        let oldest = account.recent.front().copied().unwrap_or(wall);
        let waited = wall.since(oldest).as_secs();
        return Err(too_many(WINDOW_SECONDS.saturating_sub(waited).max(1)));
    }
    account.recent.push_back(wall);
    Ok(caller)
}

/// Whether a key is one of the sandbox: `sandbox`, or `sandbox-<name>`, each an account.
pub(crate) fn is_account(key: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match key.strip_prefix("sandbox") {
        Some("") => true,
        Some(rest) => rest.strip_prefix('-').is_some_and(|name| {
            !name.is_empty() && name.len() <= NAME_CHARS_MAX && name.chars().all(plain)
        }),
        None => false,
    }
}

fn open<'a>(world: &'a mut World, name: &str) -> Option<&'a mut Account> {
    let accounts = &mut world.ionet.accounts;
    if accounts.len() >= ACCOUNTS_MAX && !accounts.contains_key(name) {
        return None;
    }
    let balance_micro_usd = world.options.balance.get();
    Some(accounts.entry(name.to_owned()).or_insert_with(|| Account {
        balance_micro_usd,
        ..Account::default()
    }))
}

/// The account does not hold enough.
#[derive(Debug)]
pub(super) struct TooLittle;

/// Takes an amount from an account.
pub(super) fn charge(world: &mut World, account: &str, micro_usd: i64) -> Result<(), TooLittle> {
    let account = open(world, account).ok_or(TooLittle)?;
    if account.balance_micro_usd < micro_usd {
        return Err(TooLittle);
    }
    account.balance_micro_usd -= micro_usd;
    Ok(())
}

/// Puts an amount on an account; false when there is no room for the account.
pub(crate) fn credit(world: &mut World, account: &str, micro_usd: i64) -> bool {
    let Some(account) = open(world, account) else {
        return false;
    };
    account.balance_micro_usd = account.balance_micro_usd.saturating_add(micro_usd);
    true
}

/// Balances by account, for the truth.
pub(crate) fn balances(world: &World) -> Vec<(&str, i64)> {
    let named = world
        .ionet
        .accounts
        .iter()
        .filter(|(name, _)| *name != ANONYMOUS);
    named
        .map(|(name, a)| (name.as_str(), a.balance_micro_usd))
        .collect()
}

/// `DELETE deployment/{id}`: the teardown follows later.
pub(super) fn delete(world: &mut World, rental: u32) -> WireResponse {
    if world.rentals[rental as usize].status.is_ended() {
        return super::answer::business(409, "Deployment has already ended");
    }
    world.stop_rental(rental);
    let id = &world.rentals[rental as usize].id;
    json_answer(200, &json!({ "status": "success", "deployment_id": id }))
}

/// Gives back what a stopped rental did not use, where the product does.
///
/// Virtual machines: the first hour is kept, the rest is exact to the minute. Containers: the
/// sources disagree, so it is an option, off by default.
pub(crate) fn refund(world: &mut World, index: u32) {
    let now = world.now;
    let rental = &world.rentals[index as usize];
    let kept_minutes = match rental.product {
        Product::Caas if world.options.caas_refunds => rental.minutes_served(now),
        Product::Vmaas => rental.minutes_served(now).max(60),
        Product::Caas | Product::Server => return,
    };
    if rental.status != Status::Destroyed {
        return;
    }
    let unused = i64::from(rental.booked_minutes.saturating_sub(kept_minutes));
    let booked = i64::from(rental.booked_minutes.max(1));
    let back = i128::from(rental.paid_micro_usd) * i128::from(unused) / i128::from(booked);
    let back = i64::try_from(back).unwrap_or(0);
    let account = rental.account.clone();
    world.rentals[index as usize].refunded_micro_usd += back;
    credit(world, &account, back);
}
