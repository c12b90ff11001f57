//! Where work may run, for whom: rules about countries, export classes and kinds of data.
//!
//! These are rules that an operator configures and answers for, with defaults taken from public
//! lists whose source and date stand beside them. They are a careful reading, not legal advice,
//! and they know countries only, not persons: screening of names happens elsewhere. What is not
//! known is denied. A denial names the rule, what it was about and how the rule is changed, and
//! is made to be kept.

pub mod areas;
mod data;
mod denial;
mod digest;
mod export;
mod sanctions;

use crate::countries;
use serde::{Deserialize, Serialize};
use tandem_model::gpu::GpuModel;
use tandem_model::network::{Country, Grade};

pub use data::DataRules;
pub use denial::{Denial, Party, Rule};
pub use digest::{Digest, Digester};
pub use export::{ExportRule, Group};
pub use sanctions::Sanctioned;
pub use tandem_model::workload::DataClass;

/// The day up to which the public lists below are known.
pub const DATED: &str = "2026-07-31";

/// Rules of one installation. The default is the careful one, but that it takes accounts whose
/// country nobody stated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Countries denied beyond the public lists.
    pub denied_also: Vec<Country>,
    /// Countries of the public lists that are not denied, under a licence that the operator has.
    pub licensed: Vec<Country>,
    /// Whether a place in a country with sanctioned regions is denied when its region is unknown.
    pub region_needed: bool,
    /// Whether a customer without a country is denied everything; else the rules about customers
    /// are passed over for him, and those about machines hold.
    pub customer_country_required: bool,
    /// Which cards are denied to which destinations.
    pub export: Vec<ExportRule>,
    /// Where each kind of data may be processed.
    pub data: DataRules,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            denied_also: Vec::new(),
            licensed: Vec::new(),
            region_needed: true,
            customer_country_required: false,
            export: ExportRule::defaults(),
            data: DataRules::default(),
        }
    }
}

/// What is judged: one customer's work on one machine.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Where the customer is established, when that is stated.
    pub customer: Option<Country>,
    /// Countries that the customer allows; empty for any.
    pub allowed: &'a [Country],
    /// Countries that the customer denies.
    pub denied: &'a [Country],
    /// Where the machine stands.
    pub place: Option<Country>,
    /// The region or city there, as the network names it.
    pub region: Option<&'a str>,
    /// The card.
    pub gpu: GpuModel,
    /// The hardware's grade.
    pub grade: Grade,
    /// What the work reads and writes.
    pub data: DataClass,
}

/// Whether the work may run there, or the first rule that denies it.
///
/// Asked in this order: known countries, sanctions (machine, then customer), the customer's own
/// lists, export class, data class.
///
/// # Errors
/// The denial, ready to be stored.
pub fn judge(rules: &Rules, subject: &Subject<'_>) -> Result<(), Denial> {
    let place = known(subject.place, Party::Machine)?;
    let customer = stated(rules, subject.customer)?;
    sanctions::judge(rules, place, subject.region, Party::Machine)?;
    if let Some(customer) = customer {
        sanctions::judge(rules, customer, None, Party::Customer)?;
    }
    own_lists(subject, place)?;
    export::judge(rules, subject.gpu, place, Party::Machine)?;
    if let Some(customer) = customer {
        export::judge(rules, subject.gpu, customer, Party::Customer)?;
    }
    data::judge(&rules.data, subject, place)
}

/// The customer's country; none when it is not stated and need not be.
fn stated(rules: &Rules, customer: Option<Country>) -> Result<Option<Country>, Denial> {
    if customer.is_none() && !rules.customer_country_required {
        return Ok(None);
    }
    known(customer, Party::Customer).map(Some)
}

fn known(country: Option<Country>, party: Party) -> Result<Country, Denial> {
    country
        .filter(|c| countries::is_assigned(*c))
        .ok_or_else(|| {
            let shown = country.map_or("no country".to_owned(), |c| format!("code {c}"));
            Denial::new(
                Rule::CountryUnknown,
                party,
                shown,
                "no rule about countries can be kept for an unknown one",
                match party {
                    Party::Machine => {
                        "only offers with a country are used: ask the network to state it"
                    }
                    Party::Customer => {
                        "work under an account that was made with its country: `tandem account create NAME --country CODE`"
                    }
                },
            )
        })
}

fn own_lists(subject: &Subject<'_>, place: Country) -> Result<(), Denial> {
    let deny = |rule, reason, change| {
        Err(Denial::new(
            rule,
            Party::Machine,
            place.to_string(),
            reason,
            change,
        ))
    };
    if subject.denied.contains(&place) {
        return deny(
            Rule::CustomerDenies,
            "the customer denies this country",
            "take the country out of `countries_denied` of the workload",
        );
    }
    if !subject.allowed.is_empty() && !subject.allowed.contains(&place) {
        return deny(
            Rule::CustomerAllowsOthers,
            "the customer allows other countries only",
            "add the country to `countries_allowed` of the workload",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
