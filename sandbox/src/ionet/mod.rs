//! io.net's API as its official client speaks it: containers (CaaS) and virtual machines (VMaaS).
//!
//! Sources of every shape: the official Python client 0.4.1 first, then the published OpenAPI
//! fragments, then a second client in Go. Unknown fields of a deploy are refused, as the service
//! does; extra query parameters are ignored.

mod accounts;
mod answer;
mod caas;
mod catalogue;
mod deploy;
mod logs;
mod price;
mod update;
mod views;
mod vm_views;
mod vmaas;

use tandem_adapters::adapter::{Answer, TransportFault};
use tandem_adapters::wire::{Method, WireRequest, WireResponse};

use crate::world::{Network, Product, Unread, World};
pub(crate) use accounts::State;
pub(crate) use accounts::{balances, credit, is_account, refund};
pub(crate) use answer::json_answer;
pub(crate) use logs::{COMPLETE, LogCursor};

/// Path prefixes of the container API: the enterprise one, and the public one of a second client.
const CAAS_PREFIXES: [&str; 2] = ["/enterprise/v1/io-cloud/caas", "/v1/io-cloud/caas"];
const VMAAS_PREFIX: &str = "/enterprise/v1/io-cloud/vmaas";

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Caller {
    /// No key at all.
    Anonymous,
    /// A good key's account.
    Account(String),
}

/// Answers one request.
pub(crate) fn handle(world: &mut World, request: &WireRequest) -> Answer {
    let path = request.path.trim_end_matches('/');
    let Some((product, rest)) = split(path) else {
        return Ok(answer::detail(404, "Not Found"));
    };
    let caller = match accounts::admit(world, request) {
        Ok(caller) => caller,
        Err(refusal) => return Ok(refusal),
    };
    let Some(broken) = crate::control::before(world, Network::Ionet, request) else {
        return Ok(route(world, request, &caller, product, rest));
    };
    if broken.is_done {
        let _lost = route(world, request, &caller, product, rest);
    }
    if broken.is_cut {
        return Err(TransportFault::MaybeSent);
    }
    Ok(answer::business(500, "Internal error"))
}

/// The answer to a request that cannot be taken in.
pub(crate) fn refuse_unread(why: Unread) -> WireResponse {
    let (status, words) = why.status_and_words();
    answer::detail(status, words)
}

fn split(path: &str) -> Option<(Product, &str)> {
    if let Some(rest) = path.strip_prefix(VMAAS_PREFIX) {
        return rest.strip_prefix('/').map(|rest| (Product::Vmaas, rest));
    }
    let rest = CAAS_PREFIXES.iter().find_map(|p| path.strip_prefix(p))?;
    rest.strip_prefix('/').map(|rest| (Product::Caas, rest))
}

fn route(
    world: &mut World,
    request: &WireRequest,
    caller: &Caller,
    product: Product,
    rest: &str,
) -> WireResponse {
    let parts: Vec<&str> = rest.split('/').collect();
    let method = request.method;
    match (method, parts.as_slice()) {
        (Method::Get, ["hardware"]) => return catalogue::hardware(world, request, product),
        (Method::Get, ["hardware", "max-gpus-per-container" | "max-gpus-per-vm"]) => {
            return catalogue::max_gpus(world, product);
        }
        (Method::Get, ["available-replicas" | "available-vms"]) => {
            return catalogue::available(world, request, product);
        }
        (Method::Get, ["price"]) => return price::price(world, request, product),
        _ => {}
    }
    let Caller::Account(account) = caller else {
        return answer::detail(401, "Missing API key");
    };
    match (method, parts.as_slice()) {
        (Method::Get, ["node-pools"]) => answer::data(serde_json::json!([])),
        (Method::Post, ["deploy"]) if product == Product::Caas => {
            caas::deploy(world, request, account)
        }
        (Method::Post, ["deploy"]) => vmaas::deploy(world, request, account),
        (Method::Get, ["deployments"]) => views::list(world, request, account, product),
        (_, ["deployment", id, tail @ ..]) => match views::find(world, account, product, id) {
            Some(rental) => of_deployment(world, request, product, rental, tail),
            None => answer::business(404, "Deployment not found"),
        },
        (_, ["deploy" | "deployments" | "hardware" | "price" | "node-pools"]) => {
            answer::detail(405, "Method Not Allowed")
        }
        _ => answer::detail(404, "Not Found"),
    }
}

fn of_deployment(
    world: &mut World,
    request: &WireRequest,
    product: Product,
    rental: u32,
    tail: &[&str],
) -> WireResponse {
    let (units, jobs) = match product {
        Product::Vmaas => ("vms", "vms-jobs"),
        _ => ("containers", "containers-jobs"),
    };
    match (request.method, tail) {
        (Method::Get, []) => answer::data(views::details(world, rental)),
        (Method::Delete, []) => accounts::delete(world, rental),
        (Method::Patch, []) if product == Product::Caas => update::update(world, request, rental),
        (Method::Post, ["extend"]) => price::extend(world, request, rental),
        (Method::Get, [word]) if *word == units => views::workers(world, request, rental),
        (Method::Get, [word, id]) if *word == jobs => views::jobs(world, request, rental, id),
        (Method::Get, ["log", id]) if product == Product::Caas => {
            logs::log(world, request, rental, id)
        }
        (_, [] | ["extend"]) => answer::detail(405, "Method Not Allowed"),
        _ => answer::detail(404, "Not Found"),
    }
}

/// Where a log request reads, for a shell that streams; none when [`handle`] must answer.
pub(crate) fn log_cursor(world: &World, request: &WireRequest) -> Option<LogCursor> {
    logs::cursor(world, request)
}
