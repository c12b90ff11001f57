//! Typed ids with readable prefixes, one registry for all of them.
//!
//! An id is a UUIDv7 (RFC 9562 §5.7) written as `<prefix>_<32 lower-case hex digits>`. Its time and
//! its random part are given by the caller, because this crate reads neither clock nor entropy.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// Why a text is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {prefix}_… id: {reason}")]
pub struct ParseIdError {
    /// The text as given, cut to 64 characters.
    pub text: String,
    /// The prefix that was expected.
    pub prefix: &'static str,
    /// What is wrong with it.
    pub reason: &'static str,
}

fn parse_id(text: &str, prefix: &'static str) -> Result<Uuid, ParseIdError> {
    let refuse = |reason| ParseIdError {
        text: text.chars().take(64).collect(),
        prefix,
        reason,
    };
    let (head, tail) = text
        .split_once('_')
        .ok_or_else(|| refuse("no underscore"))?;
    if head != prefix {
        return Err(refuse("another kind of id"));
    }
    if tail.len() != 32
        || tail
            .bytes()
            .any(|b| !matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    {
        return Err(refuse(
            "32 lower-case hex digits must follow the underscore",
        ));
    }
    Uuid::try_parse(tail).map_err(|_| refuse("not a UUID"))
}

/// Defines the id kinds; a macro because a generic parameter would show in every signature.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $name(Uuid);

            impl $name {
                /// The part before the underscore.
                pub const PREFIX: &'static str = $prefix;

                /// Makes an id from the wall time in milliseconds since 1970 and 10 random bytes.
                pub fn from_parts(unix_ms: u64, random: &[u8; 10]) -> Self {
                    Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, random).into_uuid())
                }

                /// The bare UUID, for formats that want one.
                pub fn uuid(self) -> Uuid {
                    self.0
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, "{}_{}", $prefix, self.0.simple())
                }
            }

            impl fmt::Debug for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    fmt::Display::fmt(self, f)
                }
            }

            impl FromStr for $name {
                type Err = ParseIdError;
                fn from_str(text: &str) -> Result<Self, Self::Err> {
                    parse_id(text, $prefix).map(Self)
                }
            }

            impl Serialize for $name {
                fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                    s.collect_str(self)
                }
            }

            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                    let text = String::deserialize(d)?;
                    text.parse().map_err(serde::de::Error::custom)
                }
            }
        )*

        /// Every prefix in use; no two kinds share one.
        pub const PREFIXES: &[&str] = &[$($prefix),*];
    };
}

ids! {
    /// A tenant.
    AccountId = "acc";
    /// What the customer wants to run.
    WorkloadId = "wl";
    /// A firm price for a workload.
    QuoteId = "qt";
    /// An accepted workload.
    JobId = "job";
    /// One attempt of a job on one offer.
    PlacementId = "pl";
    /// One installation of the broker; tags everything it rents.
    InstallationId = "ins";
    /// One run of an agent process.
    BootId = "boot";
    /// A credential of a tenant.
    ApiKeyId = "key";
    /// One probe of a node's GPUs.
    ProbeId = "prb";
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_two_kinds_share_a_prefix() {
        let mut seen = PREFIXES.to_vec();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), PREFIXES.len());
    }

    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        let early = JobId::from_parts(1_000, &[0xff; 10]);
        let late = JobId::from_parts(1_001, &[0; 10]);
        assert!(early < late);
        assert!(early.to_string() < late.to_string());
    }

    #[test]
    fn another_kind_upper_case_and_short_text_are_refused() {
        let job = JobId::from_parts(1, &[7; 10]).to_string();
        assert!(job.parse::<AccountId>().is_err());
        assert!(job.to_uppercase().parse::<JobId>().is_err());
        assert!(job[..20].parse::<JobId>().is_err());
        assert!("".parse::<JobId>().is_err());
    }

    proptest! {
        #[test]
        fn text_form_round_trips(ms in 0u64..(1 << 48), random: [u8; 10]) {
            let id = PlacementId::from_parts(ms, &random);
            prop_assert_eq!(id.to_string().parse::<PlacementId>().unwrap(), id);
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<PlacementId>(&json).unwrap(), id);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,80}") {
            let _ = text.parse::<JobId>();
        }
    }
}
