//! `POST /v1/classifications`: what a file is, what it needs, and why that is thought.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Payload};
use tandem_pricing::{classify, files};

use super::off_thread;
use crate::api::{ClassificationReply, ClassificationRequest, ProblemView, Scope};
use crate::http::auth::Caller;
use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::http::server::Shared;

/// Classifies a file
///
/// Any YAML or JSON file can be classified, also one that cannot be submitted; then `problems`
/// says why not.
#[utoipa::path(
    post,
    path = "/v1/classifications",
    operation_id = "classify",
    tag = "quotes",
    request_body = ClassificationRequest,
    responses(
        (status = 200, description = "What it is", body = ClassificationReply),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["quotes"])),
)]
pub(in crate::http) async fn classify(
    shared: Data<Shared>,
    request: HttpRequest,
    payload: Payload,
) -> Result<Json<ClassificationReply>, Problem> {
    Caller::admit(&shared, &request, Scope::Quotes).await?;
    let body: Body<ClassificationRequest> = Body::read(&request, payload).await?;
    let text = body.value.workload;
    let reply = off_thread(move || {
        let document = files::look(&text).map_err(|errors| Problem::workload(&errors))?;
        let found = classify::classify(&document);
        Ok(ClassificationReply::of(&document, &found))
    });
    reply.await.map(Json)
}
