//! From a request to run a job to what was agreed: every check that can be made before the engine
//! is asked.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use gpu_probe::protocol::{BindReply, SECRET_VALUE_LEN_MAX};
use tandem_model::error::ErrorCode;
use tandem_model::id::{AccountId, JobId};
use tandem_model::time::WorldTime;
use tandem_model::workload::Workload;
use tandem_pricing::{classify, files};

use super::quotes::{self, Priced};
use crate::api::{FieldProblem, JobRequest, QuoteReply, QuoteRequest, SecretText};
use crate::engine::message::{JobSpec, QuoteTerms};
use crate::engine::planner::{self, Hardware};
use crate::http::problem::Problem;
use crate::http::state::{ApiState, sha256_hex};
use crate::vault::quote_token::Promise;

/// Most bytes of all secrets of a job: six times as many, the most that JSON makes of them, still
/// fit the agent's answer.
const SECRETS_BYTES_MAX: usize = 128 * 1_024;

/// What is agreed when the request is accepted under this id.
pub(super) fn spec(
    state: &ApiState,
    account: AccountId,
    request: &JobRequest,
    job: JobId,
) -> Result<JobSpec, Problem> {
    let promise = promise(state, account, request)?;
    let refuse = |errors| Problem::workload(&errors);
    let document = files::look(&request.workload).map_err(refuse)?;
    let workload = document.submittable().map_err(refuse)?.clone();
    check_secrets(&workload, &request.secrets)?;
    let seal = |(name, value): (&String, &SecretText)| {
        (name.clone(), state.vault.seal(job, name, &value.0))
    };
    Ok(JobSpec {
        account,
        classification: classify::classify(&document),
        workload,
        quote: promise.quote,
        terms: QuoteTerms {
            workload_sha256: promise.workload_sha256,
            policy_version: promise.policy_version,
            customer_country: promise.customer_country,
            considered: promise.considered,
        },
        secrets: request.secrets.iter().map(seal).collect(),
        accepted_at: state.clock.world(),
    })
}

/// What the workload of a quote costs now, when nothing is left on which its job could run within
/// its agreed cost, or when its promotion gave all that it may. None when the quote is good, and what
/// its promotion gives is taken; and where nothing is left and the workload has no other price, for
/// then the job may wait.
pub(super) fn fresh_quote(
    state: &ApiState,
    spec: &JobSpec,
    workload: &str,
) -> Result<Option<Priced>, Problem> {
    if !has_room(state, spec) {
        let fresh = priced_again(state, spec, workload)?;
        if fresh.reply.tiers.iter().any(|tier| tier.quote.is_some()) {
            return Ok(Some(fresh));
        }
    }
    let policy = &state.policies.current().policy;
    match state.sales.take(policy, &spec.quote) {
        true => Ok(None),
        false => priced_again(state, spec, workload).map(Some),
    }
}

/// What the workload of a quote costs now.
pub(super) fn priced_again(
    state: &ApiState,
    spec: &JobSpec,
    workload: &str,
) -> Result<Priced, Problem> {
    let request = QuoteRequest {
        workload: workload.to_owned(),
        tier: None,
    };
    quotes::prices(state, &customer(spec), &request)
}

fn customer(spec: &JobSpec) -> quotes::Customer {
    quotes::Customer {
        account: spec.account,
        country: spec.terms.customer_country,
    }
}

/// Whether the market has an offer on which a job could be placed within its agreed cost.
fn has_room(state: &ApiState, spec: &JobSpec) -> bool {
    let market = state.engine.market();
    let most = spec.quote.replacement_rate_max;
    let ask = planner::ask(spec, most, &state.places);
    let price = planner::cost_prices(spec, &state.products, &market.supply, Hardware::Any);
    let mut fitting = market.book.rank(&ask, price, WorldTime::default());
    fitting.any(|hit| {
        let offer = market.offer(&market.book.view(hit.row));
        offer.is_some_and(|offer| !planner::is_too_dear(spec, most, offer, &hit))
    })
}

/// The refusal that carries a fresh quote.
pub(super) fn capacity_gone(fresh: QuoteReply) -> Problem {
    let detail = "no offer is left on which the job could run within the cost that was agreed, or what \
                  was promised with it was given to others";
    Problem::new(StatusCode::CONFLICT, ErrorCode::QUOTE_CAPACITY, detail)
        .hint("accept a token of `fresh_quote`, which says what it costs now")
        .fresh_quote(fresh)
}

/// What the quote's token promises, to this account, for this text, now.
fn promise(state: &ApiState, account: AccountId, request: &JobRequest) -> Result<Promise, Problem> {
    let promise = state.vault.promise(&request.quote_token).map_err(|error| {
        Problem::field("/quote_token", error.to_string()).code(ErrorCode::QUOTE_INVALID)
    })?;
    if promise.account != account {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            ErrorCode::QUOTE_INVALID,
            "this quote was made for another account",
        ));
    }
    if promise.workload_sha256 != sha256_hex(request.workload.as_bytes()) {
        let detail = "not the text that was quoted, byte for byte";
        return Err(Problem::field("/workload", detail)
            .code(ErrorCode::QUOTE_WORKLOAD)
            .hint("ask for a quote for this text"));
    }
    if state.clock.wall() >= promise.quote.expires_at {
        let expired = Problem::new(
            StatusCode::GONE,
            ErrorCode::QUOTE_EXPIRED,
            "the quote's time is over",
        );
        return Err(expired.hint("ask for a new quote and accept it before it expires"));
    }
    Ok(promise)
}

/// Every secret that the workload names is there, no other, and each can reach its agent.
fn check_secrets(workload: &Workload, given: &BTreeMap<String, SecretText>) -> Result<(), Problem> {
    let refuse = |name: &str, detail: String| FieldProblem {
        field: format!("/secrets/{}", name.replace('~', "~0").replace('/', "~1")),
        detail,
        ..FieldProblem::default()
    };
    let missing = workload.secrets.iter().filter(|n| !given.contains_key(*n));
    let missing = missing.map(|n| refuse(n, "the workload names it, and no value is given".into()));
    let extra = given.keys().filter(|name| !workload.secrets.contains(name));
    let extra = extra.map(|n| refuse(n, "the workload does not name it".into()));
    let bad = given.iter().filter_map(|(name, value)| {
        let why = unsendable(name, value)?;
        Some(refuse(name, why))
    });
    let errors: Vec<_> = missing.chain(extra).chain(bad).collect();
    if !errors.is_empty() {
        return Err(Problem::fields(errors));
    }
    let bytes: usize = given
        .iter()
        .map(|(n, v)| n.len() + v.0.expose().len())
        .sum();
    if bytes > SECRETS_BYTES_MAX {
        let detail = format!("{bytes} bytes in all; at most {SECRETS_BYTES_MAX}");
        return Err(Problem::field("/secrets", detail));
    }
    Ok(())
}

/// Why an agent would refuse a secret: the same check that it makes.
fn unsendable(name: &str, value: &SecretText) -> Option<String> {
    let reply = BindReply {
        lease_ttl_ms: 2,
        heartbeat_interval_ms: 1,
        orphan_ttl_ms: 1,
        exclusive: false,
        secrets: BTreeMap::from([(name.to_owned(), value.0.clone())]),
        restore: None,
        checkpoint_store: None,
        probe: None,
    };
    let refused = reply.check().err()?;
    Some(format!(
        "{}; a value has at most {SECRET_VALUE_LEN_MAX} bytes",
        refused.reason
    ))
}
