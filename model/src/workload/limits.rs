//! What the customer demands beyond hardware: limits on money, time and place, and what the data
//! are, which says where they may go.

use serde::{Deserialize, Serialize};

use crate::money::MicroUsd;
use crate::network::Country;

/// What the work reads and writes, mildest first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum DataClass {
    /// Published, or made to be.
    Public,
    /// The customer's own, without persons.
    #[default]
    Internal,
    /// About persons (Article 4(1) of Regulation (EU) 2016/679).
    Personal,
    /// What the customer guards most.
    Restricted,
}

impl DataClass {
    /// Every class, mildest first.
    pub const ALL: [Self; 4] = [
        Self::Public,
        Self::Internal,
        Self::Personal,
        Self::Restricted,
    ];

    /// The name in files, JSON and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Personal => "personal",
            Self::Restricted => "restricted",
        }
    }

    /// The class with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == name)
    }
}

/// Where users are, and how far from them the work may run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Near {
    /// At least one country; the work must be near enough to each.
    pub countries: Vec<Country>,
    /// Longest round trip between them and the work, in milliseconds.
    pub round_trip_ms: u32,
}

/// The customer's own limits on money, time and place. What a stored workload does not name is as
/// in a file that does not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Highest price per GPU-hour in micro-dollars.
    pub max_price_micro_usd: Option<MicroUsd>,
    /// Give up when not started after this many seconds.
    pub start_by_seconds: Option<u32>,
    /// Stop after this many seconds of running.
    pub max_duration_seconds: Option<u32>,
    /// Only these countries, when not empty.
    pub countries_allowed: Vec<Country>,
    /// Never these countries.
    pub countries_denied: Vec<Country>,
    /// Must have ended so many seconds after it was submitted.
    pub finish_by_seconds: Option<u32>,
    /// Most that the whole work may cost in micro-dollars.
    pub budget_micro_usd: Option<MicroUsd>,
    /// How long the work takes on its GPUs, as the customer estimates, in seconds.
    pub expected_seconds: Option<u32>,
    /// What the work sends out of its place, in GB.
    pub egress_gb: Option<u64>,
    /// Near whom it must run.
    pub near: Option<Near>,
    /// What it reads and writes.
    pub data: DataClass,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_data_classes_are_their_json() {
        for data in DataClass::ALL {
            assert_eq!(serde_json::to_value(data).unwrap(), data.as_str());
            assert_eq!(DataClass::parse(data.as_str()), Some(data));
        }
    }

    #[test]
    fn limits_kept_before_there_were_more_are_read_with_nothing_more_asked() {
        let kept = r#"{"max_price_micro_usd": 7, "start_by_seconds": null,
            "max_duration_seconds": 60, "countries_allowed": ["DE"], "countries_denied": []}"#;
        let limits: Limits = serde_json::from_str(kept).unwrap();
        let asked = Limits {
            max_price_micro_usd: Some(MicroUsd::new(7)),
            max_duration_seconds: Some(60),
            countries_allowed: Country::parse("DE").into_iter().collect(),
            ..Limits::default()
        };
        assert_eq!(limits, asked);
        assert_eq!(limits.data, DataClass::Internal);
    }
}
