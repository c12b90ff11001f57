//! Problem documents (RFC 9457) for everything that is not a success.

use std::fmt;
use std::time::Duration;

use actix_web::http::header::{
    ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, ResponseError};
use tandem_model::error::ErrorCode;
use tandem_pricing::files::FileErrors;

use super::context;
use crate::api::{FieldProblem, ProblemView, QuoteReply};
use crate::engine::message::Refused;
use crate::store::StoreError;

/// Media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";
/// Names a request in answers and logs.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// When a broker that cannot answer now is asked again.
const BUSY_RETRY: Duration = Duration::from_secs(1);

/// A refusal as it is sent.
#[derive(Debug, Clone)]
pub struct Problem {
    view: Box<ProblemView>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem with a code of ours.
    pub fn new(status: StatusCode, code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            view: Box::new(ProblemView {
                kind: format!("/errors/{code}"),
                title: code.title().to_owned(),
                status: status.as_u16(),
                code: code.as_str().to_owned(),
                detail: detail.into(),
                request_id: context::request_id(),
                ..ProblemView::default()
            }),
            headers: Vec::new(),
        }
    }

    /// Adds what would help.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.view.hint = Some(hint.into());
        self
    }

    /// Adds what the same workload costs now.
    pub fn fresh_quote(mut self, reply: QuoteReply) -> Self {
        self.view.fresh_quote = Some(Box::new(reply));
        self
    }

    fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// Says when to ask again.
    pub fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.header(RETRY_AFTER, &seconds.max(1).to_string())
    }

    /// Nothing at this address, or nothing that this account may know of: one answer for both.
    pub fn not_found() -> Self {
        let detail = "there is nothing here for this account";
        Self::new(StatusCode::NOT_FOUND, ErrorCode::API_NOT_FOUND, detail)
    }

    /// The address is right, the method is not.
    pub fn method(allowed: &[Method]) -> Self {
        let names: Vec<&str> = allowed.iter().map(Method::as_str).collect();
        let names = names.join(", ");
        let detail = format!("this address takes {names}");
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            ErrorCode::API_METHOD,
            detail,
        )
        .header(ALLOW, &names)
    }

    /// One field of the request is refused.
    pub fn field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::fields(vec![FieldProblem {
            field: field.into(),
            detail: detail.into(),
            ..FieldProblem::default()
        }])
    }

    /// Fields of the request are refused.
    pub fn fields(errors: Vec<FieldProblem>) -> Self {
        let detail = match errors.as_slice() {
            [one] => format!(
                "`{}`: {}",
                one.path.as_ref().unwrap_or(&one.field),
                one.detail
            ),
            many => format!("{} fields are refused", many.len()),
        };
        let mut problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            ErrorCode::API_FIELD,
            detail,
        );
        problem.view.errors = errors;
        problem
    }

    /// The same refusal with a code of its own.
    pub fn code(mut self, code: ErrorCode) -> Self {
        self.view.kind = format!("/errors/{code}");
        self.view.title = code.title().to_owned();
        self.view.code = code.as_str().to_owned();
        self
    }

    /// What is wrong inside the workload file of a body.
    pub fn workload(errors: &FileErrors) -> Self {
        Self::fields(errors.0.iter().map(FieldProblem::of_workload).collect())
    }

    /// The broker cannot answer now. What went wrong is for the log, not for the client.
    pub fn busy(why: &dyn fmt::Display) -> Self {
        tracing::warn!(%why, request_id = context::request_id(), "a request could not be answered");
        let detail = "the broker cannot answer now";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::API_BUSY, detail)
            .retry_after(BUSY_RETRY)
    }

    /// A defect of the broker.
    pub fn defect(what: &dyn fmt::Display) -> Self {
        let request_id = context::request_id();
        tracing::error!(%what, request_id, "defect: a request could not be answered");
        let detail = "the broker has a defect; its log tells more under the request id";
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::API_INTERNAL,
            detail,
        )
    }

    /// Its HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.view.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::busy(&error)
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotFound => Self::not_found(),
            Refused::UsedBefore => Self::new(
                StatusCode::CONFLICT,
                ErrorCode::QUOTE_USED,
                "this quote was accepted before",
            ),
            Refused::Revoked(_) => Self::new(
                StatusCode::GONE,
                ErrorCode::QUOTE_REVOKED,
                refused.to_string(),
            )
            .hint("ask for a new quote"),
            other => Self::busy(&other),
        }
    }
}

impl From<gpu_probe::protocol::Problem> for Problem {
    fn from(problem: gpu_probe::protocol::Problem) -> Self {
        Self {
            view: Box::new(ProblemView {
                kind: format!("/errors/{}", problem.code),
                title: problem.title,
                status: problem.status,
                code: problem.code,
                detail: problem.detail,
                live_epoch: problem.live_epoch,
                request_id: context::request_id(),
                ..ProblemView::default()
            }),
            headers: Vec::new(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.view.code, self.view.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status());
        if self.status() == StatusCode::UNAUTHORIZED {
            // RFC 9110 §11.6.1 demands it.
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        for header in &self.headers {
            response.insert_header(header.clone());
        }
        if !self.view.request_id.is_empty() {
            response.insert_header((X_REQUEST_ID, self.view.request_id.as_str()));
        }
        response
            .insert_header((CONTENT_TYPE, PROBLEM_JSON))
            .json(&self.view)
    }
}
