//! What an answer means before its body is understood: the one place that turns transport faults
//! and HTTP statuses into outcomes, for every network.
//!
//! The rule: a read that fails is [`Outcome::Failed`], because nothing was done. An act that may
//! have arrived and has no clear answer is [`Outcome::Unknown`]; only an answer below 500, or the
//! certainty that nothing was sent, makes it failed.

use std::time::Duration;

use serde::de::DeserializeOwned;
use tandem_model::error::ErrorCode;
use tandem_model::secret::Secret;
use tandem_model::time::WallTime;

use crate::adapter::{Answer, TransportFault};
use crate::command::{Failure, FailureKind, Outcome};
use crate::wire::WireResponse;

/// Most characters kept of a network's own words.
const DETAIL_CHARS_MAX: usize = 200;
/// Longest wait that a network is believed to ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// What is lost when the answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Nothing: asking changes nothing.
    Reading,
    /// An effect that may have happened.
    Acting,
}

/// Reads answers of one network.
pub(crate) struct Reader<'a> {
    /// Finds the network's own words in an answer that means no.
    pub(crate) words: fn(&WireResponse) -> Option<String>,
    /// Never repeated in a detail, should the network echo it.
    pub(crate) secret: &'a Secret,
    /// Against which a `Retry-After` date is counted.
    pub(crate) wall: WallTime,
}

impl Reader<'_> {
    /// The response when it is a 2xx, else what came out.
    pub(crate) fn accept<'r>(
        &self,
        answer: &'r Answer,
        doing: Doing,
    ) -> Result<&'r WireResponse, Outcome> {
        let response = answer
            .as_ref()
            .map_err(|fault| after_fault(*fault, doing))?;
        match response.status {
            200..=299 => Ok(response),
            _ => Err(self.refusal(response, doing)),
        }
    }

    /// A JSON body; one that cannot be read is unknown after an act.
    pub(crate) fn json<T: DeserializeOwned>(
        &self,
        response: &WireResponse,
        doing: Doing,
    ) -> Result<T, Outcome> {
        serde_json::from_slice(&response.body)
            .map_err(|error| self.not_understood(doing, &error.to_string()))
    }

    /// The network answered something that has no meaning for us.
    pub(crate) fn not_understood(&self, doing: Doing, why: &str) -> Outcome {
        let detail = self.shorten(&format!("the answer could not be understood: {why}"));
        match doing {
            Doing::Reading => failed(
                FailureKind::NetworkFault,
                ErrorCode::NETWORK_ANSWER_INVALID,
                detail,
            ),
            Doing::Acting => Outcome::Unknown {
                code: ErrorCode::NETWORK_ANSWER_INVALID,
                detail,
            },
        }
    }

    fn refusal(&self, response: &WireResponse, doing: Doing) -> Outcome {
        let status = response.status;
        let words = (self.words)(response).unwrap_or_default();
        let detail = self.shorten(&format!("HTTP {status}: {words}"));
        let kind = match status {
            401 | 403 => FailureKind::Credentials,
            402 => FailureKind::NoCredit,
            404 => FailureKind::NotFound,
            409 => FailureKind::Conflict,
            410 => FailureKind::NoCapacity,
            429 => FailureKind::RateLimited,
            // A timeout at the network's own gateway says nothing of the effect.
            400..=407 | 411..=428 | 430..=499 => FailureKind::Refused,
            _ if doing == Doing::Acting => {
                return Outcome::Unknown {
                    code: ErrorCode::NETWORK_UNREACHABLE,
                    detail,
                };
            }
            _ => FailureKind::NetworkFault,
        };
        let code = match kind {
            FailureKind::Credentials => ErrorCode::NETWORK_CREDENTIALS,
            FailureKind::RateLimited => ErrorCode::NETWORK_RATE_LIMITED,
            FailureKind::NetworkFault => ErrorCode::NETWORK_UNREACHABLE,
            _ => ErrorCode::NETWORK_REFUSED,
        };
        let retry_after = retry_after(response, self.wall);
        Outcome::Failed(Failure {
            kind,
            code,
            detail,
            retry_after,
        })
    }

    /// One line of at most `DETAIL_CHARS_MAX` characters without our secret.
    fn shorten(&self, text: &str) -> String {
        let secret = self.secret.expose();
        let clean = match secret.is_empty() {
            true => text.to_owned(),
            false => text.replace(secret, "[secret]"),
        };
        let line = clean.chars().map(|c| if c.is_control() { ' ' } else { c });
        line.take(DETAIL_CHARS_MAX)
            .collect::<String>()
            .trim_end()
            .to_owned()
    }
}

/// A certain no.
pub(crate) fn failed(kind: FailureKind, code: ErrorCode, detail: impl Into<String>) -> Outcome {
    Outcome::Failed(Failure {
        kind,
        code,
        detail: detail.into(),
        retry_after: None,
    })
}

/// A command that this product cannot carry out; nothing was sent.
pub(crate) fn unsupported(detail: impl Into<String>) -> Outcome {
    failed(FailureKind::Unsupported, ErrorCode::NETWORK_REFUSED, detail)
}

fn after_fault(fault: TransportFault, doing: Doing) -> Outcome {
    let code = match fault {
        TransportFault::NotSent | TransportFault::MaybeSent => ErrorCode::NETWORK_UNREACHABLE,
        TransportFault::TooLarge => ErrorCode::NETWORK_ANSWER_INVALID,
        TransportFault::CircuitOpen => ErrorCode::NETWORK_CIRCUIT_OPEN,
        TransportFault::RateLimited => ErrorCode::NETWORK_RATE_LIMITED,
    };
    let arrived = matches!(fault, TransportFault::MaybeSent | TransportFault::TooLarge);
    if arrived && doing == Doing::Acting {
        return Outcome::Unknown {
            code,
            detail: fault.to_string(),
        };
    }
    let kind = match fault {
        TransportFault::RateLimited => FailureKind::RateLimited,
        _ => FailureKind::NetworkFault,
    };
    failed(kind, code, fault.to_string())
}

/// How long a response asks us to wait (RFC 9110 §10.2.3: seconds or an HTTP date), at most an
/// hour; none without the header or with one that cannot be read.
pub fn retry_after(response: &WireResponse, wall: WallTime) -> Option<Duration> {
    let text = response.header("retry-after")?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let since_1970 = until.duration_since(std::time::UNIX_EPOCH).ok()?;
    let now = Duration::from_micros(u64::try_from(wall.micros()).ok()?);
    Some(since_1970.saturating_sub(now).min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, headers: &[(&str, &str)]) -> WireResponse {
        let headers = headers
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        WireResponse {
            status,
            headers,
            body: b"no: key-123 \n is wrong".to_vec(),
        }
    }

    fn words(response: &WireResponse) -> Option<String> {
        String::from_utf8(response.body.clone()).ok()
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        // 2026-11-22 00:00:00 UTC.
        let wall = WallTime::from_micros(1_795_305_600_000_000);
        let wait = |value| retry_after(&response(429, &[("retry-after", value)]), wall);
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(
            wait("Sun, 22 Nov 2026 00:00:05 GMT"),
            Some(Duration::from_secs(5))
        );
        assert_eq!(wait("Sat, 21 Nov 2026 00:00:05 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("99999999999"), Some(RETRY_AFTER_MAX));
        assert_eq!(wait("soon"), None);
    }

    #[test]
    fn only_an_act_whose_fate_is_open_is_unknown() {
        let secret = Secret::new("key-123");
        let reader = Reader {
            words,
            secret: &secret,
            wall: WallTime::default(),
        };
        let outcome = |answer: &Answer, doing| reader.accept(answer, doing).unwrap_err();
        for (answer, unknown_after_act) in [
            (Err(TransportFault::NotSent), false),
            (Err(TransportFault::CircuitOpen), false),
            (Err(TransportFault::RateLimited), false),
            (Err(TransportFault::MaybeSent), true),
            (Err(TransportFault::TooLarge), true),
            (Ok(response(302, &[])), true),
            (Ok(response(400, &[])), false),
            (Ok(response(408, &[])), true),
            (Ok(response(429, &[])), false),
            (Ok(response(500, &[])), true),
            (Ok(response(504, &[])), true),
        ] {
            let is_unknown = |o| matches!(o, Outcome::Unknown { .. });
            assert_eq!(
                is_unknown(outcome(&answer, Doing::Acting)),
                unknown_after_act,
                "{answer:?}"
            );
            assert!(!is_unknown(outcome(&answer, Doing::Reading)), "{answer:?}");
        }
    }

    #[test]
    fn the_networks_words_are_one_line_without_our_key() {
        let secret = Secret::new("key-123");
        let reader = Reader {
            words,
            secret: &secret,
            wall: WallTime::default(),
        };
        let outcome = reader
            .accept(&Ok(response(401, &[])), Doing::Acting)
            .unwrap_err();
        let Outcome::Failed(failure) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(failure.kind, FailureKind::Credentials);
        assert_eq!(failure.detail, "HTTP 401: no: [secret]   is wrong");
    }
}
