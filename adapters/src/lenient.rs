//! Tolerant reading of JSON from networks: a field that is absent, null or of a wrong type is
//! treated as not said, where the answer makes sense without it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::decimal::Decimal;

/// None for null and for a wrong type. Use with `default`.
pub(crate) fn optional<'de, D, T>(d: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let raw = Box::<RawValue>::deserialize(d)?;
    Ok(serde_json::from_str(raw.get()).ok())
}

/// A whole number that may be written as a string or with a fraction, which is cut off; none for
/// null, negative numbers and what is no number. Use with `default`.
pub(crate) fn whole<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u32>, D::Error> {
    let text: Option<Decimal> = optional(d)?;
    let micro = text.and_then(|t| t.usd().ok()).map(|m| m.get());
    Ok(micro.and_then(|m| u32::try_from(m.div_euclid(1_000_000)).ok()))
}

/// The elements of a list as JSON text each, so that one bad element spoils only itself; empty for
/// null. Anything else than a list is an error, and so is its absence.
pub(crate) fn elements<'de, D>(d: D) -> Result<Vec<Box<RawValue>>, D::Error>
where
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(d)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Sample {
        #[serde(default, deserialize_with = "optional")]
        text: Option<String>,
        #[serde(default, deserialize_with = "whole")]
        number: Option<u32>,
        #[serde(deserialize_with = "elements")]
        list: Vec<Box<RawValue>>,
    }

    #[test]
    fn wrong_types_are_not_said_and_numbers_come_in_many_forms() {
        let read = |json: &str| serde_json::from_str::<Sample>(json).unwrap();
        let empty = read(r#"{"list":null}"#);
        assert!(empty.text.is_none() && empty.number.is_none() && empty.list.is_empty());
        assert!(read(r#"{"text":{"a":1},"list":null}"#).text.is_none());
        for (json, number) in [
            ("7", Some(7)),
            ("\"7\"", Some(7)),
            ("7.9", Some(7)),
            ("-1", None),
            ("\"x\"", None),
            ("[]", None),
        ] {
            assert_eq!(
                read(&format!(r#"{{"number":{json},"list":[]}}"#)).number,
                number,
                "{json}"
            );
        }
        for bad in [r#"{"list":7}"#, "{}"] {
            assert!(serde_json::from_str::<Sample>(bad).is_err(), "{bad}");
        }
    }
}
