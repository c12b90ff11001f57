//! `POST /v1/quotes`: firm prices on every tier. Nothing is written, so it needs no idempotency
//! key; the quote travels with the customer, under a MAC.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Payload};
use tandem_model::id::{AccountId, QuoteId};
use tandem_model::launch::AgentMode;
use tandem_model::network::{Country, NetworkId};
use tandem_model::workload::{Checkpoints, Tier, Workload};
use tandem_pricing::book::Counterfactual;
use tandem_pricing::classify::{self, Classification};
use tandem_pricing::files;
use tandem_pricing::jurisdiction::Denial;
use tandem_pricing::policy::Live;
use tandem_pricing::quote::{Considered, Desk, Pricing, QuoteReport, TierReport};
use tandem_sla::promise;

use super::{off_thread, startable};
use crate::api::{
    CandidateView, ClassificationReply, CounterfactualView, NoQuoteView, ProblemView, ProductView,
    QuoteReply, QuoteRequest, QuoteView, ReferenceView, Scope, TierView,
};
use crate::denials;
use crate::engine::market::Market;
use crate::http::auth::Caller;
use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::http::server::Shared;
use crate::http::state::{ApiState, sha256_hex};
use crate::ids::fresh;
use crate::vault::quote_token::Promise;

/// Oldest observation of an offer that a price is made from.
pub const OFFER_AGE_MAX: Duration = Duration::from_secs(600);

/// Quotes a workload
///
/// Every tier gets a firm price with its lines, or the reasons why there is none. A price is taken
/// with `POST /v1/jobs` and its `quote_token` until `expires_at`.
#[utoipa::path(
    post,
    path = "/v1/quotes",
    operation_id = "quote",
    tag = "quotes",
    request_body = QuoteRequest,
    responses(
        (status = 200, description = "Prices", body = QuoteReply),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["quotes"])),
)]
pub(in crate::http) async fn quote(
    shared: Data<Shared>,
    request: HttpRequest,
    payload: Payload,
) -> Result<Json<QuoteReply>, Problem> {
    let caller = Caller::admit(&shared, &request, Scope::Quotes).await?;
    let body: Body<QuoteRequest> = Body::read(&request, payload).await?;
    let account = caller.account;
    let request = body.value;
    let record = shared.state.tenants.account(account).await?;
    let customer = Customer {
        account,
        country: record.and_then(|record| record.country),
    };
    let state = shared.clone();
    let priced = off_thread(move || prices(&state.state, &customer, &request)).await?;
    Ok(Json(recorded(&shared.state, account, priced).await?))
}

/// The answer, once what rules about places denied is on record.
pub(super) async fn recorded(
    state: &ApiState,
    account: AccountId,
    priced: Priced,
) -> Result<QuoteReply, Problem> {
    let (sha256, denied) = (&priced.workload_sha256, priced.denials);
    denials::record(&*state.tenants, account, sha256, denied, state.clock.wall()).await?;
    Ok(priced.reply)
}

/// The answer, and what rules about places denied.
#[derive(Debug, Clone)]
pub struct Priced {
    /// The answer.
    pub reply: QuoteReply,
    /// SHA-256 of the workload's text, 64 hex digits.
    pub workload_sha256: String,
    /// What was denied, with how many offers each denial refused.
    pub denials: Vec<(Denial, usize)>,
}

/// Who asks, and where he is established.
#[derive(Debug, Clone, Copy)]
pub struct Customer {
    /// The account.
    pub account: AccountId,
    /// Its country, when it is stated.
    pub country: Option<Country>,
}

/// What is to be decided: the workload, and where it could start.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What is to run.
    pub workload: &'a Workload,
    /// What was found of its file.
    pub found: &'a Classification,
    /// Where it could start.
    pub products: &'a [ProductView],
}

/// Prices of every tier that is asked for, each with its token.
pub(super) fn prices(
    state: &ApiState,
    customer: &Customer,
    request: &QuoteRequest,
) -> Result<Priced, Problem> {
    let market = state.engine.market();
    reply(state, &market, customer, request, |asked| {
        decide(state, &market, customer, asked)
    })
}

/// Asks for a tier, where the file itself does not ask for another one.
fn ask_for(workload: &mut Workload, tier: Option<Tier>) -> Result<(), Problem> {
    if tier.is_some() && workload.tier.is_some_and(|own| Some(own) != tier) {
        let detail = "the file itself asks for another tier";
        return Err(Problem::field("/tier", detail));
    }
    workload.tier = tier.or(workload.tier);
    Ok(())
}

/// Everything of the answer but the decision: reads the file, has `decide` price it on `market`, and
/// signs and renders what it says.
///
/// # Errors
/// The problem of a file that cannot be submitted, or that asks for another tier.
pub fn reply(
    state: &ApiState,
    market: &Market,
    customer: &Customer,
    request: &QuoteRequest,
    decide: impl FnOnce(Asked<'_>) -> Decided,
) -> Result<Priced, Problem> {
    let refuse = |errors| Problem::workload(&errors);
    let document = files::look(&request.workload).map_err(refuse)?;
    let mut workload = document.submittable().map_err(refuse)?.clone();
    ask_for(&mut workload, request.tier)?;
    let found = classify::classify(&document);
    let products = startable::products(&workload, &state.products);
    let decided = decide(Asked {
        workload: &workload,
        found: &found,
        products: &products,
    });
    let workload_sha256 = sha256_hex(request.workload.as_bytes());
    let report = &decided.report;
    let promise = |tier: &TierReport| {
        let mut quote = tier.quote.clone()?;
        let objectives =
            promise::objectives(&state.windows, &workload, quote.tier, state.are_probed);
        quote.objectives = Some(objectives);
        state.metrics.quotes.inc();
        let sales = &state.sales;
        sales.quoted(&quote, found.class, report.policy_version);
        let mut view = QuoteView::from(&quote);
        let gpu = market.book.view(tier.ranked.first()?.row).aisle().gpu;
        view.reference = ReferenceView::beside(gpu, quote.rate);
        view.quote_token = Some(state.vault.quote_token(&Promise {
            tier: quote.tier,
            quote,
            account: customer.account,
            customer_country: customer.country,
            workload_sha256: workload_sha256.clone(),
            policy_version: report.policy_version,
            considered: Considered::of(&market.book, report, tier),
        }));
        Some(view)
    };
    let tiers = report.tiers.iter().zip(&decided.counterfactuals);
    let tiers = tiers.map(|(tier, others)| view(market, tier, promise(tier), others));
    let reply = QuoteReply {
        tiers: tiers.collect(),
        name: workload.name,
        classification: ClassificationReply::of(&document, &found),
        secrets: workload.secrets,
        agent: AgentMode::Wrapped,
        unfenced: workload.checkpoints == Checkpoints::Customer,
        probe_while_running: workload.probe_while_running,
        offers: report.offers,
        policy_version: report.policy_version,
        products,
    };
    Ok(Priced {
        reply,
        workload_sha256,
        denials: decided.denials,
    })
}

/// What pricing decided.
#[derive(Debug, Clone)]
pub struct Decided {
    /// Every tier.
    pub report: QuoteReport,
    /// What a change would save, by tier in the order of the report.
    pub counterfactuals: Vec<Vec<Counterfactual>>,
    /// What rules about places denied.
    pub denials: Vec<(Denial, usize)>,
}

/// What pricing says of the market.
pub fn decide(state: &ApiState, market: &Market, customer: &Customer, asked: Asked<'_>) -> Decided {
    at_desk(state, market, customer, asked, |desk, live| {
        let report = desk.quote(|| fresh(state.clock.as_ref(), QuoteId::from_parts));
        let bases = report.tiers.iter().filter_map(|tier| tier.basis.as_ref());
        state.policies.observe(live, bases, state.clock.wall());
        let counterfactuals = report.tiers.iter().map(|tier| desk.counterfactuals(tier));
        Decided {
            counterfactuals: counterfactuals.collect(),
            denials: desk.denials(&report, &state.places),
            report,
        }
    })
}

/// What comes of a request for prices under the policy in force.
pub(super) fn at_desk<T>(
    state: &ApiState,
    market: &Market,
    customer: &Customer,
    asked: Asked<'_>,
    work: impl FnOnce(&Desk<'_>, &Live) -> T,
) -> T {
    let Asked {
        workload,
        found,
        products,
    } = asked;
    let can_start = |network: &NetworkId, product: &str| {
        let of_offer = |p: &&ProductView| p.network == *network && p.product == product;
        products.iter().find(of_offer).is_some_and(|p| p.can_start)
    };
    let places = state.places.digest(customer.country, workload.limits.data);
    let live = state.policies.current();
    let pricing = Pricing {
        policy: &live.policy,
        policy_version: live.version.number,
        exhausted: state.sales.exhausted(&live.policy),
        account: Some(&customer.account),
        supply: &market.supply,
        tax_country: customer.country,
        token_rates: &state.token_rates,
        places: &places,
        can_start: &can_start,
        age_max: Some(OFFER_AGE_MAX),
        now: state.clock.wall(),
        world_now: state.clock.world(),
    };
    work(&Desk::new(workload, found, &market.book, pricing), &live)
}

fn view(
    market: &Market,
    tier: &TierReport,
    quote: Option<QuoteView>,
    others: &[Counterfactual],
) -> TierView {
    let name = |reason| {
        let name = serde_json::to_value(reason).ok();
        name.and_then(|v| v.as_str().map(str::to_owned))
            .unwrap_or_default()
    };
    TierView {
        tier: tier.tier,
        quote,
        no_quote: tier.no_quote.as_ref().map(NoQuoteView::from),
        fitting: tier.fitting,
        refused: tier.refused.iter().map(|(r, n)| (name(r), *n)).collect(),
        ranked: tier
            .ranked
            .iter()
            .map(|hit| CandidateView::of(&market.book, hit))
            .collect(),
        counterfactuals: others.iter().map(CounterfactualView::from).collect(),
    }
}
