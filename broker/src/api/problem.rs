//! What every refusal looks like (RFC 9457).

use serde::{Deserialize, Serialize};
use tandem_model::placement::Epoch;
use utoipa::ToSchema;

use super::QuoteReply;

/// A refusal: `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ProblemView {
    /// Where the code's page is served.
    #[serde(rename = "type")]
    pub kind: String,
    /// Title of the code.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Stable code (`TDM-1003`).
    pub code: String,
    /// What was refused, for which subject.
    pub detail: String,
    /// What would help, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Every field that is wrong, when the body could be read and was refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// The job's live attempt, when that is why an agent was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>)]
    pub live_epoch: Option<Epoch>,
    /// What the same workload costs now, when the capacity that was quoted is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fresh_quote: Option<Box<QuoteReply>>,
    /// Names this request in the logs; also in the header `X-Request-Id`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub request_id: String,
}

/// One field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct FieldProblem {
    /// Which field: a JSON pointer into the body (RFC 6901), a query parameter or a header.
    pub field: String,
    /// Path inside the workload file, when the field is one (`resources.gpu`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Stable code of its own, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What is wrong.
    pub detail: String,
    /// What to write instead, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Line of the workload file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column of the workload file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
}
