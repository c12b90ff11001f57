//! Moments as the networks write them.

use jiff::Timestamp;
use tandem_model::time::WorldTime;

fn timestamp(at: WorldTime) -> Timestamp {
    Timestamp::from_microsecond(at.micros()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// `2026-11-22T13:00:00.25Z`.
pub(crate) fn rfc3339(at: WorldTime) -> String {
    timestamp(at).to_string()
}

/// `2026-11-22 13:00:00`, UTC.
pub(crate) fn plain(at: WorldTime) -> String {
    timestamp(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `2026-11-22`, UTC.
pub(crate) fn date(at: WorldTime) -> String {
    timestamp(at).strftime("%Y-%m-%d").to_string()
}

/// Milliseconds since 1970, never negative.
pub(crate) fn unix_ms(at: WorldTime) -> u64 {
    u64::try_from(at.micros() / 1_000).unwrap_or(0)
}
