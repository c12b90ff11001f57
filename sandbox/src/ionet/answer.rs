//! io.net's answers: JSON, and its three forms of error.

use serde::Serialize;
use serde_json::{Value, json};
use tandem_adapters::wire::WireResponse;

use crate::fields::Problem;

/// A JSON answer.
pub(crate) fn json_answer(status: u16, body: &impl Serialize) -> WireResponse {
    WireResponse {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: serde_json::to_vec(body).unwrap_or_default(),
    }
}

/// A reading: everything lies under `data`.
pub(super) fn data(value: Value) -> WireResponse {
    json_answer(200, &json!({ "data": value }))
}

/// Credentials, unknown paths, wrong methods.
pub(super) fn detail(status: u16, text: &str) -> WireResponse {
    json_answer(status, &json!({ "detail": text }))
}

/// What the business refuses.
pub(super) fn business(status: u16, text: &str) -> WireResponse {
    json_answer(status, &json!({ "status": "failed", "error": text }))
}

/// Wrong fields.
pub(super) fn unprocessable(problems: &[Problem]) -> WireResponse {
    let detail: Vec<Value> = problems
        .iter()
        .map(|p| json!({ "loc": p.loc, "msg": p.msg, "type": p.kind }))
        .collect();
    json_answer(422, &json!({ "detail": detail }))
}

/// The rate limit.
pub(super) fn too_many(retry_after_seconds: u64) -> WireResponse {
    let mut answer = detail(429, "Rate limit exceeded");
    let header = ("retry-after".to_owned(), retry_after_seconds.to_string());
    answer.headers.push(header);
    answer
}

/// Dollars as the JSON number that io.net sends.
#[expect(
    clippy::cast_precision_loss,
    reason = "the wire format is a JSON number; amounts stay far below 2^53 micro-dollars"
)]
pub(super) fn dollars(micro_usd: i64) -> f64 {
    micro_usd as f64 / 1e6
}
