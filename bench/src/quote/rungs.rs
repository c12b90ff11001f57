//! The rungs below the route of quotes: handlers that do a part of what it does, by the same
//! functions, in the same server.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::web::{self, Bytes, Data, Json, Payload, ServiceConfig};
use tandem::api::{QuoteReply, QuoteRequest, Scope};
use tandem::engine::market::Market;
use tandem::http::auth::Caller;
use tandem::http::body::Body;
use tandem::http::problem::Problem;
use tandem::http::server::Shared;
use tandem::http::v1::off_thread;
use tandem::http::v1::quotes::{self, Customer, Decided};
use tandem_model::workload::WorkloadClass;
use tandem_pricing::classify::classify;
use tandem_pricing::files;

/// The rungs from below, each with what it adds to the one before; the last two are the real route.
pub(super) const RUNGS: [(&str, &str); 7] = [
    ("bare handler, body received", "/bench/bare"),
    (
        "+ parse of body and workload, classification",
        "/bench/parse",
    ),
    ("+ API key and account", "/bench/key"),
    ("+ the whole reply serialised", "/bench/serialise"),
    (
        "+ reply rendered and signed: a constant decision",
        "/bench/constant",
    ),
    ("+ decision, asked before: the real route", "/v1/quotes"),
    ("+ decision, the first of its kind", "/v1/quotes"),
];

/// What was decided beforehand, and of which market.
pub(super) struct Constant {
    pub(super) market: Arc<Market>,
    pub(super) decided: Decided,
    pub(super) reply: QuoteReply,
}

/// Registers every rung but the real route.
pub(super) fn configure(config: &mut ServiceConfig, constant: &Arc<Constant>) {
    config
        .app_data(Data::from(Arc::clone(constant)))
        .route("/bench/bare", web::post().to(bare))
        .route("/bench/parse", web::post().to(parse))
        .route("/bench/key", web::post().to(key))
        .route("/bench/serialise", web::post().to(serialise))
        .route("/bench/constant", web::post().to(signed));
}

async fn bare(_: Bytes) -> &'static str {
    "{}"
}

/// Reads the body and what its workload is.
async fn class(request: &HttpRequest, payload: Payload) -> Result<WorkloadClass, Problem> {
    let body: Body<QuoteRequest> = Body::read(request, payload).await?;
    let work = move || {
        let refuse = |errors| Problem::workload(&errors);
        let document = files::look(&body.value.workload).map_err(refuse)?;
        document.submittable().map_err(refuse)?;
        Ok(classify(&document).class)
    };
    off_thread(work).await
}

async fn parse(request: HttpRequest, payload: Payload) -> Result<Json<WorkloadClass>, Problem> {
    class(&request, payload).await.map(Json)
}

/// Who asks.
async fn customer(shared: &Shared, request: &HttpRequest) -> Result<Customer, Problem> {
    let caller = Caller::admit(shared, request, Scope::Quotes).await?;
    let record = shared.state.tenants.account(caller.account).await?;
    Ok(Customer {
        account: caller.account,
        country: record.and_then(|record| record.country),
    })
}

async fn key(
    shared: Data<Shared>,
    request: HttpRequest,
    payload: Payload,
) -> Result<Json<WorkloadClass>, Problem> {
    customer(&shared, &request).await?;
    class(&request, payload).await.map(Json)
}

async fn serialise(
    shared: Data<Shared>,
    constant: Data<Constant>,
    request: HttpRequest,
    payload: Payload,
) -> Result<Json<QuoteReply>, Problem> {
    customer(&shared, &request).await?;
    class(&request, payload).await?;
    Ok(Json(constant.reply.clone()))
}

async fn signed(
    shared: Data<Shared>,
    constant: Data<Constant>,
    request: HttpRequest,
    payload: Payload,
) -> Result<Json<QuoteReply>, Problem> {
    let customer = customer(&shared, &request).await?;
    let body: Body<QuoteRequest> = Body::read(&request, payload).await?;
    let work = move || {
        quotes::reply(
            &shared.state,
            &constant.market,
            &customer,
            &body.value,
            |_| constant.decided.clone(),
        )
    };
    let priced = off_thread(work).await?;
    Ok(Json(priced.reply))
}
