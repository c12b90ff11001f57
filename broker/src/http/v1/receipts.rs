//! `/v1/jobs/{id}/receipt` and `/.well-known/jwks.json`: what was agreed, signed, and with what it is
//! checked.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path};
use tandem_model::id::JobId;

use super::{job_of, job_view};
use crate::api::described::JobIdText;
use crate::api::{ProblemView, ReceiptKeys, ReceiptReply, Scope};
use crate::engine::message::JobSpec;
use crate::http::auth::Caller;
use crate::http::problem::Problem;
use crate::http::server::Shared;
use crate::http::state::ApiState;
use crate::vault::receipt::Receipt;

/// Shows a receipt
///
/// What was agreed when the job was accepted, signed: the price with its lines, what it was chosen
/// from, the workload's SHA-256. The same text each time.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/receipt",
    operation_id = "show_receipt",
    tag = "jobs",
    params(("id" = JobIdText, Path, description = "The job")),
    responses(
        (status = 200, description = "The receipt", body = ReceiptReply),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["jobs:read"])),
)]
pub(in crate::http) async fn show(
    shared: Data<Shared>,
    id: Path<String>,
    request: HttpRequest,
) -> Result<Json<ReceiptReply>, Problem> {
    let caller = Caller::admit(&shared, &request, Scope::JobsRead).await?;
    let record = job_of(&shared, caller.account, &id).await?;
    let spec = job_view::spec(&record)?;
    Ok(Json(ReceiptReply {
        receipt: sign(&shared.state, record.id, spec),
    }))
}

fn sign(state: &ApiState, job: JobId, spec: JobSpec) -> String {
    state.vault.receipt(&Receipt {
        version: Receipt::VERSION,
        installation: state.installation,
        job,
        account: spec.account,
        quote: spec.quote,
        workload_sha256: spec.terms.workload_sha256,
        class: spec.classification.class,
        policy_version: spec.terms.policy_version,
        considered: spec.terms.considered,
        accepted_at: spec.accepted_at,
    })
}

/// Lists the keys of receipts
///
/// Public: who holds a receipt checks it with these, without asking the broker again.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "list_receipt_keys",
    tag = "service",
    responses((status = 200, description = "A JSON Web Key Set", body = ReceiptKeys)),
)]
pub(in crate::http) async fn keys(shared: Data<Shared>) -> Json<ReceiptKeys> {
    Json(ReceiptKeys {
        keys: vec![shared.state.vault.receipt_key()],
    })
}
