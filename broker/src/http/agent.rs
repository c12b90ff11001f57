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
use gpu_probe::session::Grants;
use tandem_model::error::ErrorCode;
use tandem_model::id::JobId;
use tandem_model::placement::Epoch;
use tandem_model::secret::Secret;
use tandem_model::time::{Clock, WorldTime};

use super::problem::Problem;
use super::server::AgentSide;
use crate::engine::job::Job;

/// A body with a field out of its limits.
fn refused(field: FieldRefused) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::AGENT_REQUEST,
        field.to_string(),
    )
}

/// Finds the job, checks the token of the epoch, and does one thing with it.
fn with_job<R>(
    side: &AgentSide,
    request: &HttpRequest,
    (id, epoch): (JobId, Epoch),
    act: impl FnOnce(&mut Job, WorldTime) -> Result<R, Problem>,
) -> Result<R, Problem> {
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
    let now = side.engine.clock.world();
    let believed = side.engine.windows.suspect_after;
    let done = side
        .engine
        .board
        .with(id, |job| {
            (job.agent_token(epoch) == token).then(|| {
                let done = act(job, now);
                job.prove(believed);
                done
            })
        })
        .flatten()
        .ok_or_else(unknown)?;
    side.engine.heard.notify_waiters();
    done
}

/// `POST /agent/v1/bind`
pub async fn bind(
    side: Data<AgentSide>,
    request: HttpRequest,
    body: Json<BindRequest>,
) -> Result<Json<BindReply>, Problem> {
    body.check().map_err(refused)?;
    let store = side.checkpoint_store.clone();
    let reply = with_job(&side, &request, (body.job, body.epoch), |job, now| {
        let grants = Grants {
            checkpoint_store: store,
            ..Grants::default()
        };
        Ok(job.session.bind(&body, &grants, now)?)
    })?;
    Ok(Json(reply))
}

/// `POST /agent/v1/heartbeats`
pub async fn heartbeat(
    side: Data<AgentSide>,
    request: HttpRequest,
    body: Json<HeartbeatRequest>,
) -> Result<Json<HeartbeatReply>, Problem> {
    body.check().map_err(refused)?;
    let beat = |job: &mut Job, now| {
        if job.session.is_news(&body) {
            job.keep_log(&body.log_tail);
        }
        Ok(job.session.heartbeat(&body, now))
    };
    with_job(&side, &request, (body.job, body.epoch), beat).map(Json)
}

/// `POST /agent/v1/checkpoints`
pub async fn checkpoint(
    side: Data<AgentSide>,
    request: HttpRequest,
    body: Json<CheckpointRequest>,
) -> Result<Json<CheckpointReply>, Problem> {
    body.check().map_err(refused)?;
    let reply = with_job(&side, &request, (body.job, body.epoch), |job, now| {
        let before = job.session.pointer().map(|p| p.step);
        let reply = job.session.checkpoint(&body, now)?;
        let after = job.session.pointer().map(|p| p.step);
        job.pointer_went_back |= after < before;
        Ok(reply)
    })?;
    Ok(Json(reply))
}

/// `POST /agent/v1/results`
pub async fn result(
    side: Data<AgentSide>,
    request: HttpRequest,
    body: Json<ResultReport>,
) -> Result<Json<ResultReply>, Problem> {
    body.check().map_err(refused)?;
    let record = |job: &mut Job, now| Ok(job.session.result(&body, now)?);
    with_job(&side, &request, (body.job, body.epoch), record).map(Json)
}

/// `GET /agent/v1/binary`: the agent itself, for the start scripts, which know its SHA-256.
pub async fn binary(side: Data<AgentSide>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/octet-stream")
        .body(side.agent.bytes.clone())
}
