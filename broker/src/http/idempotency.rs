//! `Idempotency-Key`: the same request twice has one effect and one answer
//! (draft-ietf-httpapi-idempotency-key-header).
//!
//! The answer is stored in the same transaction as the effect and kept for 24 hours. A repeated
//! request gets it again; the same key with another body is refused, and so is a repetition while
//! the first is under way. An answer that holds a secret is sealed by the vault before it is
//! stored.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, LOCATION};
use actix_web::{HttpRequest, HttpResponse};
use tandem_model::error::ErrorCode;
use tandem_model::id::AccountId;
use tandem_model::secret::Secret;

use super::problem::Problem;
use super::server::Shared;
use crate::store::tenants::ReplyRecord;

/// The request header.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Says that an answer was given before.
const REPLAYED: &str = "idempotency-replayed";
/// Longest key in characters.
pub const KEY_CHARS_MAX: usize = 255;
/// When a request whose twin is under way is sent again.
const TWIN_RETRY: Duration = Duration::from_secs(1);

/// The key of a request, when it has one.
pub(super) struct IdempotencyKey(Option<String>);

/// Reads a key: a structured string (RFC 8941 §3.3.3) or bare characters, 1 to 255 visible ones.
fn key_of(text: &str) -> Option<String> {
    let text = text.trim();
    let key = match text.strip_prefix('"') {
        Some(rest) => unquoted(rest.strip_suffix('"')?)?,
        None => text.to_owned(),
    };
    let is_visible = key.bytes().all(|b| b.is_ascii_graphic());
    let fits = (1..=KEY_CHARS_MAX).contains(&key.len());
    (is_visible && fits).then_some(key)
}

fn unquoted(text: &str) -> Option<String> {
    let mut key = String::new();
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => return None,
            '\\' => key.push(characters.next().filter(|c| matches!(c, '"' | '\\'))?),
            other => key.push(other),
        }
    }
    Some(key)
}

fn read(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut all = headers.get_all(IDEMPOTENCY_KEY);
    let Some(first) = all.next() else {
        return Ok(None);
    };
    let key = first.to_str().ok().and_then(key_of);
    match key.filter(|_| all.next().is_none()) {
        Some(key) => Ok(Some(key)),
        None => Err(Problem::field(
            "Idempotency-Key",
            format!("not one text of 1 to {KEY_CHARS_MAX} visible ASCII characters"),
        )),
    }
}

impl IdempotencyKey {
    /// Reads it.
    pub(super) fn of(request: &HttpRequest) -> Result<Self, Problem> {
        read(request.headers()).map(Self)
    }
}

type Slot = (AccountId, &'static str, String);

/// Keys whose first request is under way in this process. Other brokers are kept apart by the
/// store, which takes a key once.
#[derive(Default)]
pub(super) struct InFlight(Arc<Mutex<BTreeSet<Slot>>>);

fn locked(slots: &Mutex<BTreeSet<Slot>>) -> MutexGuard<'_, BTreeSet<Slot>> {
    // A slot is added or removed in one step, so the set is whole whatever panicked.
    slots.lock().unwrap_or_else(PoisonError::into_inner)
}

impl InFlight {
    fn enter(&self, slot: &Slot) -> Result<Flight, Problem> {
        if !locked(&self.0).insert(slot.clone()) {
            let detail = "a request with this Idempotency-Key is under way";
            return Err(
                Problem::new(StatusCode::CONFLICT, ErrorCode::API_IDEMPOTENCY, detail)
                    .retry_after(TWIN_RETRY),
            );
        }
        Ok(Flight {
            slots: Arc::clone(&self.0),
            slot: slot.clone(),
        })
    }
}

/// One request under way; dropping it lets a repetition in.
struct Flight {
    slots: Arc<Mutex<BTreeSet<Slot>>>,
    slot: Slot,
}

impl Drop for Flight {
    fn drop(&mut self) {
        locked(&self.slots).remove(&self.slot);
    }
}

/// Which route asks, and how its answers are kept.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    /// Method and path.
    pub route: &'static str,
    /// Path under which what was made is found; its id is added.
    pub location: &'static str,
    /// Whether the answer holds a secret.
    pub is_secret: bool,
}

/// One request that is to have one effect.
pub(super) struct Once<'s> {
    shared: &'s Shared,
    asked: Asked,
    account: AccountId,
    key: Option<String>,
    body_sha256: [u8; 32],
    _flight: Option<Flight>,
}

/// Whether the effect is still to be had.
pub(super) enum Begun<'s> {
    /// It is: do it, and keep the answer.
    First(Once<'s>),
    /// It was had: this is the answer.
    Again(HttpResponse),
}

impl<'s> Once<'s> {
    /// Finds out whether a request was answered before.
    pub(super) async fn begin(
        shared: &'s Shared,
        asked: Asked,
        account: AccountId,
        key: IdempotencyKey,
        body_sha256: [u8; 32],
    ) -> Result<Begun<'s>, Problem> {
        let flight = key
            .0
            .as_ref()
            .map(|key| shared.in_flight.enter(&(account, asked.route, key.clone())))
            .transpose()?;
        let once = Self {
            shared,
            asked,
            account,
            key: key.0,
            body_sha256,
            _flight: flight,
        };
        match once.earlier().await? {
            Some(answer) => Ok(Begun::Again(answer)),
            None => Ok(Begun::First(once)),
        }
    }

    /// The answer that was given before, if any.
    pub(super) async fn earlier(&self) -> Result<Option<HttpResponse>, Problem> {
        let Some(key) = &self.key else {
            return Ok(None);
        };
        let state = &self.shared.state;
        let route = self.asked.route.to_owned();
        let kept = state
            .tenants
            .reply(self.account, key.clone(), route, state.clock.wall())
            .await?;
        let Some(kept) = kept else {
            return Ok(None);
        };
        if kept.body_sha256 != self.body_sha256 {
            let detail = "this Idempotency-Key was used for another body within 24 hours";
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return Err(Problem::new(status, ErrorCode::API_IDEMPOTENCY, detail));
        }
        let body = if self.asked.is_secret {
            let opened = state.vault.open_answer(&self.whose(), &kept.body);
            Secret::clone(&opened.map_err(|error| Problem::defect(&error))?)
        } else {
            Secret::new(kept.body)
        };
        let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
        let mut answer = self.answer(status, &body);
        answer.headers_mut().insert(
            actix_web::http::header::HeaderName::from_static(REPLAYED),
            actix_web::http::header::HeaderValue::from_static("true"),
        );
        Ok(Some(answer))
    }

    fn whose(&self) -> Vec<u8> {
        let key = self.key.as_deref().unwrap_or_default();
        format!("{} {} {key}", self.account, self.asked.route).into_bytes()
    }

    /// What to store with the effect, so that the answer can be given again.
    pub(super) fn record(&self, status: StatusCode, body: &Secret) -> Option<ReplyRecord> {
        let key = self.key.clone()?;
        let state = &self.shared.state;
        Some(ReplyRecord {
            account: self.account,
            key,
            route: self.asked.route.to_owned(),
            body_sha256: self.body_sha256.to_vec(),
            status: status.as_u16(),
            body: if self.asked.is_secret {
                state.vault.seal_answer(&self.whose(), body)
            } else {
                body.expose().to_owned()
            },
            at: state.clock.wall(),
        })
    }

    /// The answer itself.
    pub(super) fn answer(&self, status: StatusCode, body: &Secret) -> HttpResponse {
        let mut response = HttpResponse::build(status);
        let made: Option<serde_json::Value> = serde_json::from_str(body.expose()).ok();
        let id = made.as_ref().and_then(|made| made["id"].as_str());
        if let Some(id) = id {
            response.insert_header((LOCATION, format!("{}/{id}", self.asked.location)));
        }
        response
            .content_type("application/json")
            .body(body.expose().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_is_a_structured_string_or_bare_visible_characters() {
        let read = |text: &str| key_of(text);
        assert_eq!(read("abc-1").as_deref(), Some("abc-1"));
        assert_eq!(read("\"abc-1\"").as_deref(), Some("abc-1"), "the same key");
        assert_eq!(read(r#""a\"b\\""#).as_deref(), Some(r#"a"b\"#));
        assert_eq!(read(&"x".repeat(255)).map(|k| k.len()), Some(255));
        for bad in [
            "",
            "\"\"",
            "\"",
            "\"a",
            "a b",
            "a\tb",
            "é",
            r#""\x""#,
            &"x".repeat(256),
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_the_reader_panic(text in ".{0,300}") {
            if let Some(key) = key_of(&text) {
                prop_assert!((1..=KEY_CHARS_MAX).contains(&key.len()));
            }
        }

        #[test]
        fn every_visible_key_comes_back_from_its_structured_form(key in "[!-~]{1,255}") {
            let quoted = key.replace('\\', "\\\\").replace('"', "\\\"");
            prop_assert_eq!(key_of(&format!("\"{quoted}\"")), Some(key));
        }
    }
}
