//! Requests and responses as plain data, the same for a socket and for a world in memory.

use std::time::Duration;

/// HTTP methods in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
}

impl Method {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// Whether a request may be sent again when its fate is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Repeat {
    /// Reading, or an effect that the network deduplicates by a key in the request.
    Safe,
    /// A second copy could act twice: sent again only when the first certainly did not leave.
    Unsafe,
}

/// Which of a network's rate limits a request counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RateClass {
    /// Every request.
    Any,
    /// Bulk reads.
    Bulk,
}

/// At most `requests` of a class in `per`, for one credential over all brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Which requests count.
    pub class: RateClass,
    /// How many.
    pub requests: u32,
    /// In which time.
    pub per: Duration,
}

/// A request, without host: the transport knows the base URL.
#[derive(Clone, PartialEq, Eq)]
pub struct WireRequest {
    /// Method.
    pub method: Method,
    /// Path from the base URL, starting with `/`, already percent-encoded.
    pub path: String,
    /// Query pairs, not yet encoded.
    pub query: Vec<(String, String)>,
    /// Headers, names in lower case. May hold credentials, so `Debug` shows names only.
    pub headers: Vec<(String, String)>,
    /// Body; empty for none.
    pub body: Vec<u8>,
    /// Whether it may be sent again.
    pub repeat: Repeat,
    /// Its rate class.
    pub rate: RateClass,
    /// The response is a stream of server-sent events, read until it ends or the deadline.
    pub streams: bool,
}

impl std::fmt::Debug for WireRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("WireRequest")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("query", &self.query)
            .field("headers", &names)
            .field("body_bytes", &self.body.len())
            .field("repeat", &self.repeat)
            .finish_non_exhaustive()
    }
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WireResponse {
    /// HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl WireResponse {
    /// The first header of this name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Percent-encodes one segment of a path: everything but unreserved characters (RFC 3986 §2.3).
///
/// Nothing, and dots alone, cannot stand in a path: URL parsers resolve them away, encoded or not.
/// They become U+FFFD, which names nothing at any network.
pub fn encode_segment(segment: &str) -> String {
    if segment.bytes().all(|b| b == b'.') {
        return "%EF%BF%BD".to_owned();
    }
    let mut encoded = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~' | b'.') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_leave_its_place_in_a_path() {
        assert_eq!(encode_segment("5b1e-A_z~1.2"), "5b1e-A_z~1.2");
        assert_eq!(encode_segment(".."), "%EF%BF%BD");
        assert_eq!(encode_segment(""), "%EF%BF%BD");
        assert_eq!(encode_segment("../x?y#z é"), "..%2Fx%3Fy%23z%20%C3%A9");
    }

    #[test]
    fn debug_shows_neither_header_values_nor_the_body() {
        let request = WireRequest {
            method: Method::Get,
            path: "/a".to_owned(),
            query: Vec::new(),
            headers: vec![("x-api-key".to_owned(), "hunter2".to_owned())],
            body: b"hunter2".to_vec(),
            repeat: Repeat::Safe,
            rate: RateClass::Any,
            streams: false,
        };
        let shown = format!("{request:?} {request:#?}");
        assert!(
            shown.contains("x-api-key") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
