//! The gate that every offer passes before it is ranked, quoted or placed on.
//!
//! Price data in the wild are wrong in the same ways everywhere: free machines, cents for dollars,
//! one name for two cards, a machine's figure for a GPU's. An offer that passed has a price per
//! GPU-hour that is plausible for exactly one card of the catalogue, in a country. Whatever was
//! refused or corrected has a [`Finding`] with a stable code (`docs/offer-gate.md`). Amounts are
//! integers from the text to the answer.

pub mod bands;
mod card;
mod defect;
mod live;
pub(crate) mod price;

use std::time::Duration;

use tandem_model::gpu::GpuModel;
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::Country;

pub use card::{Form, Named, memory_habit};
pub use defect::{Defect, Finding};
pub use live::{Screened, admit_live, screen};

use crate::countries;

/// What a figure counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// One GPU.
    Gpu,
    /// The whole machine.
    Machine,
}

/// Whether a mix-up of machine and GPU price may be corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corrections {
    /// Yes: the offers are compared, not bought.
    Allowed,
    /// No: the network will charge what it wrote, so a guess may cost money.
    Refused,
}

/// What the gate holds offers against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Oldest offer that passes.
    pub age_max: Duration,
    /// How far in the future an offer may lie, for clocks that differ.
    pub skew_max: Duration,
    /// Whether prices may be corrected.
    pub corrections: Corrections,
}

impl Rules {
    /// For offers that a network delivers and that will be bought: at most 10 minutes old.
    pub const LIVE: Self = Self {
        age_max: Duration::from_secs(600),
        skew_max: Duration::from_secs(120),
        corrections: Corrections::Refused,
    };

    /// For price catalogues, which are published every few hours: at most 7 days old.
    pub const CATALOGUE: Self = Self {
        age_max: Duration::from_secs(7 * 86_400),
        skew_max: Duration::from_secs(86_400),
        corrections: Corrections::Allowed,
    };
}

/// How the offer's card is given.
#[derive(Debug, Clone, Copy)]
pub enum Card<'a> {
    /// As one card of the catalogue.
    Known(GpuModel),
    /// By a name that may mean several.
    Named(Named<'a>),
}

/// When an offer was seen, against now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// So long ago.
    Past(Duration),
    /// So far in the future.
    Future(Duration),
    /// Nobody says.
    Unknown,
}

/// Where the offer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// As written.
    pub text: &'a str,
    /// The country, where it could be read.
    pub country: Option<Country>,
    /// Whether the place within the country was left empty.
    pub city_missing: bool,
}

/// An offer as it came in.
#[derive(Debug, Clone, Copy)]
pub struct Raw<'a> {
    /// The card.
    pub card: Card<'a>,
    /// GPUs of the machine.
    pub gpus: u16,
    /// Price per hour.
    pub price: MicroUsd,
    /// What that price buys.
    pub price_basis: Basis,
    /// What it buys by the source's other rows of the card, where they say it.
    pub price_habit: Option<Basis>,
    /// Whether it is a spot price.
    pub spot: bool,
    /// The on-demand price of the same machine and basis, for a spot price.
    pub on_demand: Option<MicroUsd>,
    /// Where it stands.
    pub place: Place<'a>,
    /// How old it is.
    pub age: Age,
}

/// An offer that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// The one card that it is.
    pub gpu: GpuModel,
    /// GPUs of the machine, from 1 up.
    pub gpus: u16,
    /// Price per GPU-hour, rounded up to a micro-dollar.
    pub rate: RatePerGpuHour,
    /// Where it stands.
    pub country: Country,
    /// What was corrected on the way; empty for an offer without a defect.
    pub corrections: Vec<Finding>,
}

/// An offer that did not pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    /// Why.
    pub reason: Finding,
    /// What else was found.
    pub others: Vec<Finding>,
}

impl Raw<'_> {
    fn price_field(&self) -> &'static str {
        if self.spot { "SpotPrice" } else { "Price" }
    }

    /// Whether the price says nothing at all, before any card is looked at.
    fn no_price(&self) -> Option<Finding> {
        let field = self.price_field();
        let find =
            |code, reason: &str| Some(Finding::new(code, field, self.price.to_string(), reason));
        match (self.price.get(), self.spot) {
            (0, true) => find(Defect::SpotPriceZero, "spot is not offered"),
            (0, false) => find(Defect::ZeroPrice, "nothing is sold for nothing"),
            (..0, _) => find(Defect::NegativePrice, "a price is above 0"),
            _ => {
                let on_demand = self.on_demand.filter(|_| self.spot)?;
                if on_demand.get() > 0 && self.price >= on_demand {
                    let reason = format!("not below the on-demand price of {on_demand}");
                    return find(Defect::SpotNotBelowOnDemand, &reason);
                }
                None
            }
        }
    }

    fn rate(
        &self,
        gpu: GpuModel,
        rules: &Rules,
    ) -> Result<(RatePerGpuHour, Vec<Finding>), Finding> {
        let asked = price::Asked {
            amount: self.price,
            basis: self.price_basis,
            gpus: self.gpus,
            habit: self.price_habit,
            spot: self.spot,
            field: self.price_field(),
        };
        let (rate, correction) = price::per_gpu(asked, bands::of(gpu), rules.corrections)?;
        Ok((RatePerGpuHour::new(rate), correction.into_iter().collect()))
    }

    fn country(&self) -> Result<Country, Finding> {
        let known = self.place.country.filter(|c| countries::is_assigned(*c));
        known.ok_or_else(|| {
            Finding::new(
                Defect::MissingCountry,
                "Region",
                self.place.text,
                "no country can be read from it, so no rule about countries can be kept",
            )
        })
    }

    fn is_stale(&self, rules: &Rules) -> Option<Finding> {
        let (text, limit) = match self.age {
            Age::Past(age) if age > rules.age_max => (
                format!("{} s ago", age.as_secs()),
                format!("older than {} s", rules.age_max.as_secs()),
            ),
            Age::Future(ahead) if ahead > rules.skew_max => (
                format!("in {} s", ahead.as_secs()),
                "in the future: a clock is wrong".to_owned(),
            ),
            _ => return None,
        };
        Some(Finding::new(Defect::Stale, "observed_at", text, limit))
    }
}

/// What is found while an offer is looked at.
#[derive(Default)]
struct Found {
    refusals: Vec<Finding>,
    corrections: Vec<Finding>,
}

impl Found {
    /// Keeps what came of one question.
    fn keep<T>(&mut self, answer: Result<(T, Vec<Finding>), Finding>) -> Option<T> {
        match answer {
            Ok((value, corrections)) => {
                self.corrections.extend(corrections);
                Some(value)
            }
            Err(refusal) => {
                self.refusals.push(refusal);
                None
            }
        }
    }
}

/// Lets an offer pass, corrected where its own figures explain the error, or refuses it with the
/// reason. Every defect is looked for even after the first, so that a report is complete.
pub fn admit(raw: &Raw<'_>, rules: &Rules) -> Result<Admitted, Refused> {
    let mut found = Found::default();
    let has_gpus = match raw.gpus {
        0 => Err(Finding::new(
            Defect::GpuCountInvalid,
            "AcceleratorCount",
            "0",
            "a machine without a GPU",
        )),
        gpus => Ok((gpus, Vec::new())),
    };
    let gpus = found.keep(has_gpus);
    let has_price = found.keep(raw.no_price().map_or(Ok(((), Vec::new())), Err));
    let gpu = found.keep(match raw.card {
        Card::Known(gpu) => Ok((gpu, Vec::new())),
        Card::Named(named) => card::resolve(&named, raw.gpus),
    });
    let rate = match (gpu, has_price) {
        (Some(gpu), Some(())) => found.keep(raw.rate(gpu, rules)),
        _ => None,
    };
    let country = found.keep(raw.country().map(|country| (country, Vec::new())));
    if raw.place.city_missing {
        let reason = "only the country is known";
        let missing = Finding::new(Defect::MissingCity, "Region", raw.place.text, reason);
        found.corrections.push(missing);
    }
    found.refusals.extend(raw.is_stale(rules));
    let Found {
        mut refusals,
        mut corrections,
    } = found;
    if let (Some(gpus), Some(gpu), Some(rate), Some(country), true) =
        (gpus, gpu, rate, country, refusals.is_empty())
    {
        return Ok(Admitted {
            gpu,
            gpus,
            rate,
            country,
            corrections,
        });
    }
    let reason = refusals.remove(0);
    refusals.append(&mut corrections);
    Err(Refused {
        reason,
        others: refusals,
    })
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_cards;
