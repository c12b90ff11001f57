//! The envelope, pages, and refusals with their codes and HTTP statuses.

use serde::Serialize;
use tandem_adapters::aethir::wire::{
    CODE_BUSY, CODE_CONFLICT, CODE_CREDENTIALS, CODE_FIELD, CODE_NO_CAPACITY, CODE_NOT_FOUND,
    CODE_OK, CODE_RATE_LIMIT, CODE_WALLET, Envelope, Page,
};
use tandem_adapters::wire::WireResponse;
use tandem_model::time::WorldTime;

use crate::clock::plain;
use crate::fields::Problem;
use crate::ionet::json_answer;

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    /// A field is missing or wrong.
    Field(String),
    /// Unknown key, wrong or used token.
    Credentials,
    /// The wallet holds too little.
    Wallet,
    /// No such thing.
    NotFound(&'static str),
    /// The state does not allow it.
    Conflict(&'static str),
    /// No free server.
    NoCapacity,
    /// Too soon; seconds to wait.
    RateLimit(u64),
    /// Broken by a fault.
    Busy,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let field = problem.loc.get(1..).unwrap_or_default().join(".");
        Self::Field(format!("{field}: {}", problem.msg))
    }
}

impl Refusal {
    /// The answer that says so.
    pub(super) fn answer(self, now: WorldTime) -> WireResponse {
        let (status, code, msg) = match &self {
            Self::Field(text) => (400, CODE_FIELD, text.as_str()),
            Self::Credentials => (401, CODE_CREDENTIALS, "credentials refused"),
            Self::Wallet => (402, CODE_WALLET, "the wallet holds too little ATH"),
            Self::NotFound(text) => (404, CODE_NOT_FOUND, *text),
            Self::Conflict(text) => (409, CODE_CONFLICT, *text),
            Self::NoCapacity => (
                410,
                CODE_NO_CAPACITY,
                "no free server of this specification",
            ),
            Self::RateLimit(_) => (429, CODE_RATE_LIMIT, "too many requests"),
            Self::Busy => (500, CODE_BUSY, "busy"),
        };
        let mut answer = json_answer(
            status,
            &Envelope::<()> {
                code,
                msg: msg.to_owned(),
                data: None,
                time: plain(now),
            },
        );
        if let Self::RateLimit(seconds) = self {
            let header = ("retry-after".to_owned(), seconds.to_string());
            answer.headers.push(header);
        }
        answer
    }
}

/// A good answer.
pub(super) fn ok(now: WorldTime, data: impl Serialize) -> Result<WireResponse, Refusal> {
    let envelope = Envelope {
        code: CODE_OK,
        msg: "OK".to_owned(),
        data: Some(data),
        time: plain(now),
    };
    Ok(json_answer(200, &envelope))
}

/// One page of everything.
pub(super) fn page<T>(all: impl Iterator<Item = T>, (current, size): (usize, usize)) -> Page<T> {
    let mut records = Vec::new();
    let mut total = 0_usize;
    let first = (current - 1).saturating_mul(size);
    for (position, record) in all.enumerate() {
        if position >= first && records.len() < size {
            records.push(record);
        }
        total += 1;
    }
    let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Page {
        records,
        current: narrow(current),
        size: narrow(size),
        total: total as u64,
        pages: narrow(total.div_ceil(size)),
    }
}
