//! Problem documents (RFC 9457) for everything that is not a success.

use actix_web::http::StatusCode;
use actix_web::http::header::{ContentType, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use tandem_model::error::ErrorCode;
use tandem_model::placement::Epoch;

/// A refusal as sent.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    /// Page of the code, relative to the documentation.
    #[serde(rename = "type")]
    pub kind: String,
    /// Title of the code.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Stable code.
    pub code: String,
    /// What was refused, for which subject.
    pub detail: String,
    /// The job's live attempt, when that is why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live_epoch: Option<Epoch>,
}

impl Problem {
    /// A problem with a code of ours.
    pub fn new(status: StatusCode, code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("errors/{code}.md"),
            title: code.title().to_owned(),
            status: status.as_u16(),
            code: code.as_str().to_owned(),
            detail: detail.into(),
            live_epoch: None,
        }
    }

    /// The response that carries it.
    pub fn into_response(self) -> HttpResponse {
        self.error_response()
    }
}

impl From<gpu_probe::protocol::Problem> for Problem {
    fn from(problem: gpu_probe::protocol::Problem) -> Self {
        Self {
            kind: format!("errors/{}.md", problem.code),
            title: problem.title,
            status: problem.status,
            code: problem.code,
            detail: problem.detail,
            live_epoch: problem.live_epoch,
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if self.status == StatusCode::UNAUTHORIZED.as_u16() {
            // RFC 9110 §11.6.1 demands it.
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        response.insert_header(ContentType(mime())).json(self)
    }
}

fn mime() -> actix_web::mime::Mime {
    "application/problem+json"
        .parse()
        .unwrap_or(actix_web::mime::APPLICATION_JSON)
}
