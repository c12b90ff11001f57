//! The trace under which a call is made (W3C Trace Context, level 1, `traceparent` version 00).

use std::fmt;

/// A trace id: 16 bytes, not all zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// From 16 bytes; all zero, which the format forbids, becomes one.
    pub fn new(bytes: [u8; 16]) -> Self {
        match u128::from_be_bytes(bytes) {
            0 => Self(1u128.to_be_bytes()),
            _ => Self(bytes),
        }
    }

    /// The header of one request, sampled, with a span id that is not zero.
    pub fn traceparent(self, span: u64) -> String {
        format!("00-{self}-{:016x}-01", span.max(1))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_has_the_published_form_and_no_zero_ids() {
        let id = TraceId::new([0xab; 16]);
        let expected = "00-abababababababababababababababab-00000000000000ff-01";
        assert_eq!(id.traceparent(255), expected);
        let least = "00-00000000000000000000000000000001-0000000000000001-01";
        assert_eq!(TraceId::new([0; 16]).traceparent(0), least);
    }
}
