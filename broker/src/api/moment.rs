//! A moment as JSON text.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tandem_model::time::{WallTime, WorldTime};
use utoipa::ToSchema;

/// Header with the world time at which an answer was made, where that is not the wall's: with emulated
/// networks that run fast.
pub const WORLD_TIME: &str = "tandem-world-time";

/// A moment in UTC, written as RFC 3339 with microseconds (`2026-08-21T09:30:00.000000Z`).
///
/// Whether it is wall time or world time is said where it stands; outside the sandbox they are the
/// same. Where they are not, the header `tandem-world-time` says how late it is in the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-08-21T09:30:00.000000Z")]
pub struct Moment(i64);

impl Moment {
    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }
}

impl From<WorldTime> for Moment {
    fn from(time: WorldTime) -> Self {
        Self(time.micros())
    }
}

impl From<WallTime> for Moment {
    fn from(time: WallTime) -> Self {
        Self(time.micros())
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nearest = if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        };
        let time = jiff::Timestamp::from_microsecond(self.0).unwrap_or(nearest);
        write!(f, "{time:.6}")
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let time: jiff::Timestamp = text.parse().map_err(serde::de::Error::custom)?;
        Ok(Self(time.as_microsecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_survives_its_text_and_any_number_has_one() {
        for us in [0, 1, 1_787_304_600_000_001, -1] {
            let moment = Moment(us);
            let text = serde_json::to_string(&moment).unwrap();
            assert_eq!(
                serde_json::from_str::<Moment>(&text).unwrap(),
                moment,
                "{text}"
            );
        }
        assert_eq!(Moment(0).to_string(), "1970-01-01T00:00:00.000000Z");
        assert!(!Moment(i64::MAX).to_string().is_empty());
        assert!(serde_json::from_str::<Moment>("\"yesterday\"").is_err());
    }
}
