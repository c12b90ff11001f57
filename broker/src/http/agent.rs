//! `/agent/v1`: what agents ask. The engine decides; this checks the token of the attempt before
//! anything else, and adds what only the holder of the vault can add.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload as RawPayload;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Payload};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use gpu_probe::protocol::{
    BindReply, BindRequest, CheckpointReply, CheckpointRequest, FieldRefused, HeartbeatReply,
    HeartbeatRequest, REQUEST_BYTES_MAX, ResultReply, ResultReport,
};
use serde::de::DeserializeOwned;
use tandem_model::error::ErrorCode;
use tandem_model::id::JobId;
use tandem_model::placement::Epoch;
use tandem_model::secret::Secret;

use super::auth::bearer;
use super::body::{self, Reading};
use super::problem::Problem;
use super::server::Shared;
use crate::api::FieldProblem;
use crate::engine::message::{AgentReply, AgentRequest};

const READING: Reading = Reading {
    bytes_max: REQUEST_BYTES_MAX,
    unreadable: ErrorCode::AGENT_REQUEST,
    refused: ErrorCode::AGENT_REQUEST,
};

/// One answer for no token, a wrong one and an unknown job: ids cannot be tried out.
pub(super) fn not_the_agent() -> Problem {
    let detail = "the token is not that of an attempt of this job";
    Problem::new(StatusCode::UNAUTHORIZED, ErrorCode::AGENT_TOKEN, detail)
}

/// A body out of its limits.
pub(super) fn out_of_limits(field: &FieldRefused) -> Problem {
    Problem::fields(vec![FieldProblem {
        field: format!("/{}", field.field),
        path: Some(field.field.to_owned()),
        detail: field.reason.to_owned(),
        ..FieldProblem::default()
    }])
    .code(ErrorCode::AGENT_REQUEST)
}

/// The engine answered another question: a defect.
pub(super) fn unexpected(reply: &AgentReply) -> Problem {
    match reply {
        AgentReply::Refused(problem) => problem.clone().into(),
        // The reply itself may hold what must not be logged.
        _ => Problem::defect(&"the engine answered an agent's other question"),
    }
}

/// A body of an agent, with the token that came with it.
pub(super) struct Said<T> {
    body: T,
    token: Secret,
}

impl<T: DeserializeOwned + 'static> FromRequest for Said<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut RawPayload) -> Self::Future {
        let (request, payload) = (request.clone(), Payload::from_request(request, payload));
        Box::pin(async move {
            let token = bearer(request.headers()).ok_or_else(not_the_agent)?;
            let payload = payload.await.map_err(|error| Problem::defect(&error))?;
            let body = body::json(&request, payload, &READING).await?;
            Ok(Self { body, token })
        })
    }
}

impl<T> Said<T> {
    /// Checks token and limits, then asks the engine.
    async fn ask(
        self,
        shared: &Shared,
        attempt: impl FnOnce(&T) -> (JobId, Epoch),
        check: impl FnOnce(&T) -> Result<(), FieldRefused>,
        request: impl FnOnce(T) -> AgentRequest,
    ) -> Result<AgentReply, Problem> {
        let (job, epoch) = attempt(&self.body);
        let vault = &shared.state.vault;
        if !vault.is_agent_token(self.token.expose(), job, epoch) {
            return Err(not_the_agent());
        }
        check(&self.body).map_err(|field| out_of_limits(&field))?;
        let reply = shared.state.engine.agent(request(self.body)).await?;
        Ok(reply)
    }
}

/// `POST /agent/v1/bind`
pub(super) async fn bind(
    shared: Data<Shared>,
    said: Said<BindRequest>,
) -> Result<Json<BindReply>, Problem> {
    let (job, epoch) = (said.body.job, said.body.epoch);
    let reply = said
        .ask(
            &shared,
            |_| (job, epoch),
            BindRequest::check,
            AgentRequest::Bind,
        )
        .await?;
    match reply {
        AgentReply::Bound { mut reply, trusted } => {
            if let Some(sealed) = trusted {
                reply.secrets = opened(&shared, job, &sealed)?;
                reply.checkpoint_store = shared.state.checkpoint_store.clone();
            }
            Ok(Json(reply))
        }
        other => Err(unexpected(&other)),
    }
}

/// The job's secrets in the clear, for its agent alone.
fn opened(
    shared: &Shared,
    job: JobId,
    sealed: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Secret>, Problem> {
    let open = |(name, text): (&String, &String)| {
        let value = shared.state.vault.open(job, name, text);
        value
            .map(|value| (name.clone(), value))
            .map_err(|error| Problem::defect(&error))
    };
    sealed.iter().map(open).collect()
}

/// `POST /agent/v1/heartbeats`
pub(super) async fn heartbeat(
    shared: Data<Shared>,
    said: Said<HeartbeatRequest>,
) -> Result<Json<HeartbeatReply>, Problem> {
    let attempt = |b: &HeartbeatRequest| (b.job, b.epoch);
    let asked = said.ask(
        &shared,
        attempt,
        HeartbeatRequest::check,
        AgentRequest::Heartbeat,
    );
    match asked.await? {
        AgentReply::Heartbeat(reply) => Ok(Json(reply)),
        other => Err(unexpected(&other)),
    }
}

/// `POST /agent/v1/checkpoints`
pub(super) async fn checkpoint(
    shared: Data<Shared>,
    said: Said<CheckpointRequest>,
) -> Result<Json<CheckpointReply>, Problem> {
    let attempt = |b: &CheckpointRequest| (b.job, b.epoch);
    let asked = said.ask(
        &shared,
        attempt,
        CheckpointRequest::check,
        AgentRequest::Checkpoint,
    );
    match asked.await? {
        AgentReply::Checkpoint(reply) => Ok(Json(reply)),
        other => Err(unexpected(&other)),
    }
}

/// `POST /agent/v1/results`
pub(super) async fn result(
    shared: Data<Shared>,
    said: Said<ResultReport>,
) -> Result<Json<ResultReply>, Problem> {
    let attempt = |b: &ResultReport| (b.job, b.epoch);
    let asked = said.ask(&shared, attempt, ResultReport::check, AgentRequest::Result);
    match asked.await? {
        AgentReply::Result(reply) => Ok(Json(reply)),
        other => Err(unexpected(&other)),
    }
}

/// `GET /agent/v1/binary`: the agent itself, for the start scripts, which know its SHA-256.
pub(super) async fn binary(shared: Data<Shared>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/octet-stream")
        .body(shared.state.agent.bytes.clone())
}
