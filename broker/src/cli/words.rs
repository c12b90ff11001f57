//! How values are written for a person.

use gpu_probe::report::DeviceUuid;
use serde::Serialize;
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::time::in_words;

use super::output::tell;
use crate::api::{Moment, QuoteView};
use crate::client::Client;

/// The word of a value that is a word in JSON, such as a state.
pub fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => other.map_or_else(|e| e.to_string(), |v| v.to_string()),
    }
}

/// A moment to the second: `2026-08-21 09:30:00Z`.
pub fn moment(at: Moment) -> String {
    let text = at.to_string();
    match text.get(..19) {
        Some(seconds) => format!("{}Z", seconds.replace('T', " ")),
        None => text,
    }
}

/// Says which clock a table's times are of, where that is not the wall's.
pub fn tell_clock(client: &Client) {
    if let Some(now) = client.world_time() {
        let now = moment(now);
        tell(&format!(
            "these times are by the networks' clock, where it is {now}; quotes, policies and keys go by the wall clock"
        ));
    }
}

/// So many things: `1 GPU`, `8 GPUs`.
pub fn counted(n: u64, thing: &str) -> String {
    match n {
        1 => format!("1 {thing}"),
        n => format!("{n} {thing}s"),
    }
}

/// A device of a verdict in a few words.
pub fn device(uuid: DeviceUuid, model: Option<&str>, failed: bool) -> String {
    let model = model.unwrap_or("of no known card");
    let failed = if failed { ", failed" } else { "" };
    format!("{uuid} {model}{failed}")
}

/// What a customer agrees to by `probe_while_running`.
pub const PROBED_WHILE_RUNNING: &str =
    "while it runs, it may be paused now and then for a probe of its GPUs: its file agrees to that";

/// When a probe was made.
pub const fn made(while_running: bool) -> &'static str {
    match while_running {
        true => "while running",
        false => "at the start",
    }
}

/// What several GPUs cost in an hour.
pub fn hourly(rate: RatePerGpuHour, gpus: u32) -> MicroUsd {
    MicroUsd::new(rate.price().get().saturating_mul(i64::from(gpus)))
}

impl QuoteView {
    /// The most that the term costs, and an hour of those after it, where work goes on to them.
    pub fn at_most(&self) -> String {
        let (total, term) = (self.not_to_exceed_micro_usd, self.term_seconds);
        let term = format!("at most {total} in {}", in_words(term.into()));
        match self.renewal_rate_max_micro_usd_per_gpu_hour {
            Some(most) => format!("{term}, then {} an hour at most", hourly(most, self.gpus)),
            None => term,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tandem_model::time::WallTime;

    #[test]
    fn moments_and_states_are_short() {
        let at = Moment::from(WallTime::from_micros(1_787_304_600_123_456));
        assert_eq!(moment(at), "2026-08-21 09:30:00Z");
        assert_eq!(word(&tandem_model::job::JobState::Queued), "queued");
    }
}
