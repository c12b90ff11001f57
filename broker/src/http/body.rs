//! Reading bodies: within a limit, in time, as JSON of a known shape, or refused with the field.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{BytesMut, Payload};
use actix_web::{HttpMessage, HttpRequest};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tandem_model::error::ErrorCode;

use super::problem::Problem;
use crate::api::BODY_BYTES_MAX;

/// Longest time for a body to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// How a body is read, and under which codes it is refused.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    /// Longest body in bytes.
    pub bytes_max: usize,
    /// Code for a body that cannot be read.
    pub unreadable: ErrorCode,
    /// Code for a field that is refused.
    pub refused: ErrorCode,
}

const V1: Reading = Reading {
    bytes_max: BODY_BYTES_MAX,
    unreadable: ErrorCode::API_BODY,
    refused: ErrorCode::API_FIELD,
};

/// A JSON body of `/v1`, and the SHA-256 of its bytes.
pub struct Body<T> {
    /// What it says.
    pub value: T,
    /// Tells whether a repeated request is the same.
    pub sha256: [u8; 32],
}

impl<T: DeserializeOwned> Body<T> {
    /// Reads it.
    ///
    /// # Errors
    /// The problem of a body that is too long, too slow, no JSON, or of another shape.
    pub async fn read(request: &HttpRequest, payload: Payload) -> Result<Self, Problem> {
        let bytes = read(request, payload, &V1).await?;
        Ok(Self {
            value: parse(&bytes, &V1)?,
            sha256: Sha256::digest(&bytes).into(),
        })
    }
}

/// Reads a body of another part of the API.
pub(super) async fn json<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: Payload,
    reading: &Reading,
) -> Result<T, Problem> {
    let bytes = read(request, payload, reading).await?;
    parse(&bytes, reading)
}

async fn read(
    request: &HttpRequest,
    mut payload: Payload,
    reading: &Reading,
) -> Result<BytesMut, Problem> {
    if !is_json(request) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            reading.unreadable,
            "send the body as `Content-Type: application/json`",
        ));
    }
    let too_long = || {
        let detail = format!(
            "the body is longer than the limit of {} bytes",
            reading.bytes_max
        );
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, reading.unreadable, detail)
    };
    let declared = request.headers().get(CONTENT_LENGTH);
    let declared = declared.and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > reading.bytes_max) {
        return Err(too_long());
    }
    let collect = async {
        let mut bytes = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|error| unreadable(reading, &error))?;
            if bytes.len() + chunk.len() > reading.bytes_max {
                return Err(too_long());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    };
    tokio::time::timeout(BODY_TIMEOUT, collect)
        .await
        .unwrap_or_else(|_| {
            let detail = format!(
                "the body did not arrive within {} s",
                BODY_TIMEOUT.as_secs()
            );
            let status = StatusCode::REQUEST_TIMEOUT;
            Err(Problem::new(status, reading.unreadable, detail))
        })
}

fn is_json(request: &HttpRequest) -> bool {
    request.headers().contains_key(CONTENT_TYPE)
        && request.mime_type().ok().flatten().is_some_and(|mime| {
            mime.type_() == "application"
                && (mime.subtype() == "json" || mime.suffix().is_some_and(|s| s == "json"))
        })
}

fn unreadable(reading: &Reading, why: &dyn std::fmt::Display) -> Problem {
    let detail = format!("the body cannot be read: {why}");
    Problem::new(StatusCode::BAD_REQUEST, reading.unreadable, detail)
}

fn parse<T: DeserializeOwned>(bytes: &[u8], reading: &Reading) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().clone();
        let error = error.into_inner();
        if !error.is_data() {
            return unreadable(reading, &error);
        }
        Problem::field(pointer(&path, &error.to_string()), without_place(&error))
            .code(reading.refused)
    })?;
    json.end().map_err(|error| unreadable(reading, &error))?;
    Ok(value)
}

/// What is wrong, without the line and column of the JSON text, which nobody wrote by hand, and
/// without the value, which may be a secret in the wrong place.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = &text[..text.rfind(" at line ").unwrap_or(text.len())];
    for kind in ["invalid type: ", "invalid value: "] {
        let Some((found, expected)) = text
            .strip_prefix(kind)
            .and_then(|rest| rest.rsplit_once(", expected "))
        else {
            continue;
        };
        let found = found.split([' ', '`', '"']).next().unwrap_or_default();
        return format!("{kind}{found}, expected {expected}");
    }
    text.to_owned()
}

/// The place as a JSON pointer (RFC 6901). A field that is missing is named by the message only.
fn pointer(path: &serde_path_to_error::Path, message: &str) -> String {
    use serde_path_to_error::Segment;
    let escape = |name: &str| name.replace('~', "~0").replace('/', "~1");
    let mut pointer = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Map { key } => pointer.push_str(&format!("/{}", escape(key))),
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    let named = message
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split('`').next());
    if let Some(name) = named {
        pointer.push_str(&format!("/{}", escape(name)));
    }
    pointer
}
