//! Decimal numbers as their text, so that no amount of money ever passes through a float.
//!
//! Networks write the same amount as a JSON number or as a string; both are kept as text here and
//! read into integers by `tandem_model::money`.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use tandem_model::money::{AmountOutOfRange, MicroUsd, Token, TokenAmount};

/// Longest text that is taken for a number.
const DECIMAL_BYTES_MAX: usize = 64;

/// A decimal number as the network wrote it. Written to JSON as a string.
///
/// Reads a JSON number or a string, from JSON text only: inside a flattened or untagged serde
/// container the text is gone. That the text is a number is checked when it is used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decimal(String);

impl Decimal {
    /// From text such as `12.5`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As dollars; fails on what is no number and on amounts out of range.
    pub fn usd(&self) -> Result<MicroUsd, AmountOutOfRange> {
        MicroUsd::parse_decimal_usd(&self.0)
    }

    /// As an amount of a token; fails on what is no number and on negative amounts.
    pub fn token(&self, token: Token) -> Result<TokenAmount, AmountOutOfRange> {
        TokenAmount::parse_decimal(token, &self.0)
    }

    /// As hundredths, rounded half away from zero: a percentage in basis points.
    pub fn hundredths(&self) -> Option<i64> {
        let millionths = self.usd().ok()?.get();
        let half = if millionths < 0 { -5_000 } else { 5_000 };
        Some(millionths.checked_add(half)? / 10_000)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(d)?;
        let text = raw.get();
        let is_number = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        let text = match text.starts_with('"') {
            true => serde_json::from_str::<String>(text).map_err(D::Error::custom)?,
            false if is_number => text.to_owned(),
            false => return Err(D::Error::custom("expected a number or a decimal string")),
        };
        if text.len() > DECIMAL_BYTES_MAX {
            return Err(D::Error::custom("the number is too long"));
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_strings_keep_every_digit() {
        for (json, micro) in [
            ("2.49", 2_490_000),
            ("\"2.49\"", 2_490_000),
            ("0.1", 100_000),
            ("9007199254740.993001", 9_007_199_254_740_993_001),
            ("\"-3\"", -3_000_000),
            ("1e-3", 1_000),
        ] {
            let read: Decimal = serde_json::from_str(json).unwrap();
            assert_eq!(read.usd().unwrap().get(), micro, "{json}");
        }
    }

    #[test]
    fn other_json_is_refused_and_other_text_is_no_amount() {
        for json in [
            "null",
            "true",
            "{}",
            "[1]",
            &format!("\"{}\"", "1".repeat(65)),
        ] {
            assert!(serde_json::from_str::<Decimal>(json).is_err(), "{json}");
        }
        assert!(Decimal::new("free").usd().is_err());
        assert_eq!(Decimal::new("0.255").hundredths(), Some(26));
    }
}
