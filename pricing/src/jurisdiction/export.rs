//! Export class of the card against the destination.
//!
//! Export Administration Regulations of the United States: items of ECCN 3A090 and 4A090 (15 CFR
//! 774, Supplement No. 1) need a licence to destinations of Country Groups D:1, D:4 and D:5 (15 CFR
//! 740, Supplement No. 1) that are not also in A:5 or A:6, and to Macau (15 CFR 742.6(a)(6)(iii)).
//! Hong Kong is no destination of its own since 2020-12-23 (85 FR 83765): it is part of China, and
//! so stands in every group that has China.
//! Whether remote use is an export, and whether an exception applies, is for counsel: the default
//! here simply denies. [`tandem_model::gpu::ExportClass`] sorts the cards.

use serde::{Deserialize, Serialize};
use tandem_model::gpu::{ExportClass, GpuModel};
use tandem_model::network::Country;

use super::{Denial, Party, Rule, Rules, areas};

/// A group of destinations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Controlled for national security.
    D1,
    /// Controlled for missile technology.
    D4,
    /// Under an arms embargo of the United States, and Macau.
    D5,
}

/// Country Group D:1 (15 CFR 740, Supplement No. 1, as of 2026-07).
const D1: &str = "AM AZ BY CN GE HK IQ KG KH KP KZ LA LY MD MM MN MO NI RU TJ TM UZ VE VN YE";
/// Country Group D:4, without Israel, which is in A:6.
const D4: &str = "AE BH BY CN EG HK IQ IR JO KP KW LB LY MO OM PK QA RU SA SY VE YE";
/// Country Group D:5, with Macau, which the rules for 3A090 put beside it.
const D5: &str = "AF BY CD CF CN CU ER HK HT IQ IR KP LB LY MM MO NI RU SD SO SS SY VE ZW";

impl Group {
    /// Whether a country is in it.
    pub fn holds(self, country: Country) -> bool {
        let list = match self {
            Self::D1 => D1,
            Self::D4 => D4,
            Self::D5 => D5,
        };
        areas::holds(list, country)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::D1 => "Country Group D:1",
            Self::D4 => "Country Group D:4",
            Self::D5 => "Country Group D:5 or Macau",
        }
    }
}

/// Denies cards from an export class up to a group of destinations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportRule {
    /// The mildest class that is denied.
    pub from_class: ExportClass,
    /// To whom.
    pub group: Group,
    /// Whether it is about the machine's place or the customer's.
    pub party: Party,
}

impl ExportRule {
    /// Controlled cards stand in no country of D:1, D:4 or D:5 and serve no customer of D:5; cards
    /// that need a notification do neither in D:5.
    pub fn defaults() -> Vec<Self> {
        let rule = |from_class, group, party| Self {
            from_class,
            group,
            party,
        };
        vec![
            rule(ExportClass::Notify, Group::D5, Party::Machine),
            rule(ExportClass::Notify, Group::D5, Party::Customer),
            rule(ExportClass::Controlled, Group::D1, Party::Machine),
            rule(ExportClass::Controlled, Group::D4, Party::Machine),
        ]
    }
}

/// The rule that denies cards of a class to a country, if one does.
pub(super) fn denying(
    rules: &Rules,
    class: ExportClass,
    country: Country,
    party: Party,
) -> Option<&ExportRule> {
    let denies = |rule: &&ExportRule| {
        rule.party == party && class >= rule.from_class && rule.group.holds(country)
    };
    let mut all = rules.export.iter();
    all.find(denies)
        .filter(|_| !rules.licensed.contains(&country))
}

pub(super) fn judge(
    rules: &Rules,
    gpu: GpuModel,
    country: Country,
    party: Party,
) -> Result<(), Denial> {
    let class = gpu.export_class();
    let Some(rule) = denying(rules, class, country, party) else {
        return Ok(());
    };
    let eccn = match class {
        ExportClass::Controlled => "sorted as ECCN 3A090.a or 4A090.a",
        _ => "sorted as needing a notification under 15 CFR 740.8 or a licence",
    };
    Err(Denial::new(
        Rule::ExportClass,
        party,
        format!("{country} and {gpu}"),
        format!(
            "the card is {eccn}; the country is in {} (15 CFR 740, Supplement No. 1)",
            rule.group.name()
        ),
        "choose a card of a milder class or another country; with a licence, the operator adds the country to `licensed` or changes `export`",
    ))
}
