//! The terms of a job that has no limit of time: until when its rate is firm, the rates that were
//! agreed for later, and when it stops because none was.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tandem_model::money::RatePerGpuHour;
use tandem_model::quote::Quote;
use tandem_model::time::WorldTime;
use tandem_settlement::rates::{RateFrom, Rates, Stretch};

use super::attempt::Attempt;
use super::job::Job;
use super::message::JobSpec;

/// Longest time of work between the notice of a new rate, or of the stop, and that moment.
const NOTICE_MAX: Duration = Duration::from_secs(3_600);
/// The same as a part of the quote's term, where that is shorter.
const NOTICE_PART: u32 = 4;

/// What follows the term of the quote. Times are times of work over all attempts, in microseconds:
/// what the quote's term is measured in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewals {
    /// How many terms were agreed after that of the quote.
    pub count: u32,
    /// Until when the rate is firm; the quote's term while there is no other.
    #[serde(default)]
    pub firm_until_us: Option<u64>,
    /// Rates from the ends of terms on, where they change; those yet to come, too.
    #[serde(default)]
    pub rates: Vec<RateFrom>,
    /// The dearest rates at which a replacement may cost us, by the same times, where they change.
    #[serde(default)]
    pub replacement_rates_max: Vec<RateFrom>,
    /// When it stops, because no rate was agreed.
    #[serde(default)]
    pub stops_at_us: Option<u64>,
    /// When a price was last asked for in vain.
    #[serde(default)]
    pub asked_at: Option<WorldTime>,
}

/// How long before a new rate, or the stop, a job of this quote is told, in time of work.
pub fn notice(spec: &JobSpec) -> Duration {
    let term = Duration::from_secs(spec.quote.term_seconds.into());
    NOTICE_MAX.min(term / NOTICE_PART)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Time of work that the agents of attempts proved, in microseconds.
pub fn worked_us<'a>(attempts: impl Iterator<Item = &'a Attempt>) -> u64 {
    let worked = attempts.map(|attempt| micros(attempt.proved));
    worked.fold(0, u64::saturating_add)
}

impl Renewals {
    /// Until which time of work the rate is firm.
    pub fn firm_until_us(&self, quote: &Quote) -> u64 {
        let term = Duration::from_secs(quote.term_seconds.into());
        self.firm_until_us.unwrap_or(micros(term))
    }

    /// The rates by time of work.
    pub fn rates(&self, quote: &Quote) -> Rates<'_> {
        Rates {
            first: quote.rate,
            later: &self.rates,
        }
    }
}

impl Job {
    /// Time of work that the agents of all attempts proved, in microseconds.
    pub fn worked_us(&self) -> u64 {
        worked_us(self.attempts.iter())
    }

    /// Its rates by time of work.
    pub fn rates(&self) -> Rates<'_> {
        self.doc.renewals.rates(&self.spec.quote)
    }

    /// The dearest rate at which a replacement may cost us now.
    pub fn replacement_rate_max(&self) -> RatePerGpuHour {
        let bounds = Rates {
            first: self.spec.quote.replacement_rate_max,
            later: &self.doc.renewals.replacement_rates_max,
        };
        bounds.at(self.worked_us())
    }

    /// Where the work of an attempt lies in that of the job, and for how many GPUs it is charged.
    pub fn stretch(&self, index: usize) -> Stretch {
        Stretch {
            from_us: worked_us(self.attempts[..index].iter()),
            gpus: self.spec.gpus_charged(&self.attempts[index].offer),
        }
    }
}
