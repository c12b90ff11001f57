//! One request over HTTP: sent once, read within limits.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, Url};
use tokio::time::{Instant, timeout, timeout_at};

use crate::adapter::{Answer, TransportFault};
use crate::wire::{Method, WireRequest, WireResponse};

/// Largest body of a response in bytes.
pub const BODY_BYTES_MAX: usize = 8 << 20;
/// Most bytes kept of a stream.
pub const STREAM_BYTES_MAX: usize = 1 << 20;
/// A stream that is silent for so long has told what it has to tell for now.
const STREAM_IDLE_MAX: Duration = Duration::from_secs(2);

/// The URL of a request below a base; none when it would leave the base's host.
pub(super) fn url(base: &Url, request: &WireRequest) -> Option<Url> {
    if !request.path.starts_with('/') {
        return None;
    }
    let text = format!("{}{}", base.as_str().trim_end_matches('/'), request.path);
    let mut url = Url::parse(&text).ok()?;
    if url.origin() != base.origin() || url.username() != "" || url.password().is_some() {
        return None;
    }
    if !request.query.is_empty() {
        url.query_pairs_mut().extend_pairs(&request.query);
    }
    Some(url)
}

/// Headers of a request; values that may hold credentials are marked, so that they never print.
pub(super) fn headers(request: &WireRequest, traceparent: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let mut value = HeaderValue::from_str(value).ok()?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    headers.insert("traceparent", HeaderValue::from_str(traceparent).ok()?);
    Some(headers)
}

/// Sends once and reads the answer.
pub(super) async fn send(
    client: &Client,
    url: Url,
    headers: HeaderMap,
    request: &WireRequest,
    deadline: Instant,
) -> Answer {
    let method = match request.method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    };
    let mut builder = client.request(method, url).headers(headers);
    if !request.body.is_empty() {
        builder = builder.body(request.body.clone());
    }
    match timeout_at(deadline, builder.send()).await {
        Ok(Ok(response)) => read(response, request.streams, deadline).await,
        Ok(Err(error)) if error.is_connect() || error.is_builder() => Err(TransportFault::NotSent),
        Ok(Err(_)) | Err(_) => Err(TransportFault::MaybeSent),
    }
}

async fn read(mut response: Response, streams: bool, deadline: Instant) -> Answer {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response.headers().iter();
    let headers = headers
        .map(|(name, value)| (name.as_str().to_owned(), text(value)))
        .collect();
    let status = response.status().as_u16();
    let body = match streams {
        true => read_stream(&mut response, deadline).await,
        false => read_whole(&mut response, deadline).await?,
    };
    Ok(WireResponse {
        status,
        headers,
        body,
    })
}

async fn read_whole(response: &mut Response, deadline: Instant) -> Result<Vec<u8>, TransportFault> {
    let announced = response.content_length().unwrap_or(0);
    if announced > BODY_BYTES_MAX as u64 {
        return Err(TransportFault::TooLarge);
    }
    let mut body = Vec::new();
    loop {
        match timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
            Ok(Ok(None)) => return Ok(body),
            Ok(Err(_)) | Err(_) => return Err(TransportFault::MaybeSent),
        }
        if body.len() > BODY_BYTES_MAX {
            return Err(TransportFault::TooLarge);
        }
    }
}

/// A stream is read until it ends, breaks, falls silent, is too long or its time is up; what came
/// until then is the answer.
async fn read_stream(response: &mut Response, deadline: Instant) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < STREAM_BYTES_MAX {
        let next = timeout_at(deadline, timeout(STREAM_IDLE_MAX, response.chunk())).await;
        let Ok(Ok(Ok(Some(chunk)))) = next else { break };
        body.extend_from_slice(&chunk);
    }
    body.truncate(STREAM_BYTES_MAX);
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{RateClass, Repeat};

    #[test]
    fn no_path_leaves_the_base() {
        let base = Url::parse("http://127.0.0.1:7070/aethir/").unwrap();
        let request = |path: &str| WireRequest {
            method: Method::Get,
            path: path.to_owned(),
            query: vec![("a".to_owned(), "b c&d".to_owned())],
            headers: Vec::new(),
            body: Vec::new(),
            repeat: Repeat::Safe,
            rate: RateClass::Any,
            streams: false,
        };
        let made = |path: &str| url(&base, &request(path)).map(|url| url.to_string());
        assert_eq!(
            made("/x").unwrap(),
            "http://127.0.0.1:7070/aethir/x?a=b+c%26d"
        );
        assert!(
            made("//evil.example/x")
                .unwrap()
                .starts_with("http://127.0.0.1:7070/aethir//evil")
        );
        assert_eq!(made("@evil.example/x"), None);
        assert_eq!(made(""), None);
    }
}
