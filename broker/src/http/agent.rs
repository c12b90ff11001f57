//! `/agent/v1`: what agents ask. Every decision is the session's; this finds the job, checks the
//! token, and rings the engine.

use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse};
use gpu_probe::protocol::{
    BindReply, BindRequest, CheckpointReply, CheckpointRequest, FieldRefused, HeartbeatReply,
    HeartbeatRequest, ResultReply, ResultReport,
};
use tandem_model::error::ErrorCode;
use tandem_model::secret::Secret;

use super::problem::Problem;
use super::server::AgentSide;
use crate::engine::message::{AgentReply, AgentRequest, Refused};

/// A body with a field out of its limits.
fn refused(field: FieldRefused) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::AGENT_REQUEST,
        field.to_string(),
    )
}

/// Checks the token of the epoch and passes on what the agent says.
async fn ask(
    side: &AgentSide,
    request: &HttpRequest,
    said: AgentRequest,
) -> Result<AgentReply, Problem> {
    let (id, epoch) = said.names();
    // One answer for an unknown job and for a wrong token: ids cannot be tried out.
    let unknown = || {
        let detail = format!("no epoch {epoch} of {id} for this agent token");
        Problem::new(StatusCode::UNAUTHORIZED, ErrorCode::AGENT_TOKEN, detail)
    };
    let header = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let token = header
        .and_then(|value| value.strip_prefix("Bearer "))
        .map(Secret::new)
        .ok_or_else(unknown)?;
    if side.vault.agent_token(id, epoch) != token {
        return Err(unknown());
    }
    let away = |why: Refused| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::AGENT_REQUEST,
            why.to_string(),
        )
    };
    match side.engine.agent(said).await.map_err(away)? {
        AgentReply::Refused(problem) => Err(problem.into()),
        reply => Ok(reply),
    }
}

fn another() -> Problem {
    let detail = "the engine answered another question";
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::AGENT_REQUEST,
        detail,
    )
}

/// `POST /agent/v1/bind`
pub async fn bind(
    side: Data<AgentSide>,
    request: HttpRequest,
    body: Json<BindRequest>,
) -> Result<Json<BindReply>, Problem> {
    body.check().map_err(refused)?;
    let said = AgentRequest::Bind(body.into_inner());
    match ask(&side, &request, said).await? {
        AgentReply::Bound { mut reply, .. } => {
            reply.checkpoint_store.clone_from(&side.checkpoint_store);
            Ok(Json(reply))
        }
        _ => Err(another()),
    }
}

/// `POST /agent/v1/heartbeats`
pub async fn heartbeat(
    side: Data<AgentSide>,
    request: HttpRequest,
    body: Json<HeartbeatRequest>,
) -> Result<Json<HeartbeatReply>, Problem> {
    body.check().map_err(refused)?;
    let said = AgentRequest::Heartbeat(body.into_inner());
    match ask(&side, &request, said).await? {
        AgentReply::Heartbeat(reply) => Ok(Json(reply)),
        _ => Err(another()),
    }
}

/// `POST /agent/v1/checkpoints`
pub async fn checkpoint(
    side: Data<AgentSide>,
    request: HttpRequest,
    body: Json<CheckpointRequest>,
) -> Result<Json<CheckpointReply>, Problem> {
    body.check().map_err(refused)?;
    let said = AgentRequest::Checkpoint(body.into_inner());
    match ask(&side, &request, said).await? {
        AgentReply::Checkpoint(reply) => Ok(Json(reply)),
        _ => Err(another()),
    }
}

/// `POST /agent/v1/results`
pub async fn result(
    side: Data<AgentSide>,
    request: HttpRequest,
    body: Json<ResultReport>,
) -> Result<Json<ResultReply>, Problem> {
    body.check().map_err(refused)?;
    let said = AgentRequest::Result(body.into_inner());
    match ask(&side, &request, said).await? {
        AgentReply::Result(reply) => Ok(Json(reply)),
        _ => Err(another()),
    }
}

/// `GET /agent/v1/binary`: the agent itself, for the start scripts, which know its SHA-256.
pub async fn binary(side: Data<AgentSide>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/octet-stream")
        .body(side.agent.bytes.clone())
}
