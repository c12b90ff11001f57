//! `GET /v1/ledger/balances`: the books of the installation, for operators.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json};

use crate::api::{BalanceView, BalancesReply, ProblemView, Scope};
use crate::http::auth::Caller;
use crate::http::problem::Problem;
use crate::http::server::Shared;

/// Gives all balances
///
/// Only with the scope `admin`.
#[utoipa::path(
    get,
    path = "/v1/ledger/balances",
    operation_id = "ledger_balances",
    tag = "ledger",
    responses(
        (status = 200, description = "By ledger account and currency", body = BalancesReply),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub(in crate::http) async fn balances(
    shared: Data<Shared>,
    request: HttpRequest,
) -> Result<Json<BalancesReply>, Problem> {
    Caller::admit(&shared, &request, Scope::Admin).await?;
    let balances = shared.state.store.balances().await?;
    Ok(Json(BalancesReply {
        items: balances.iter().map(BalanceView::from).collect(),
    }))
}
