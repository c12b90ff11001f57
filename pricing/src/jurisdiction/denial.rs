//! The record of a denial: which rule, about what, why, and how the rule is changed.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::DATED;

/// The rule that denied. Its code is the variant in snake case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// A country is not known.
    CountryUnknown,
    /// The country is under a comprehensive embargo or denied with those that are.
    CountrySanctioned,
    /// The region is sanctioned, its country is not.
    RegionSanctioned,
    /// The country has sanctioned regions and the region is not known.
    RegionUnknown,
    /// The operator denies the country.
    OperatorDenies,
    /// The customer denies the country.
    CustomerDenies,
    /// The customer allows only other countries.
    CustomerAllowsOthers,
    /// The card's export class is denied to this destination.
    ExportClass,
    /// This kind of data may not be processed there.
    DataPlace,
    /// This kind of data may not be processed on hardware of this grade.
    DataGrade,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 10] = [
        Self::CountryUnknown,
        Self::CountrySanctioned,
        Self::RegionSanctioned,
        Self::RegionUnknown,
        Self::OperatorDenies,
        Self::CustomerDenies,
        Self::CustomerAllowsOthers,
        Self::ExportClass,
        Self::DataPlace,
        Self::DataGrade,
    ];

    /// The name in JSON, columns and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CountryUnknown => "country_unknown",
            Self::CountrySanctioned => "country_sanctioned",
            Self::RegionSanctioned => "region_sanctioned",
            Self::RegionUnknown => "region_unknown",
            Self::OperatorDenies => "operator_denies",
            Self::CustomerDenies => "customer_denies",
            Self::CustomerAllowsOthers => "customer_allows_others",
            Self::ExportClass => "export_class",
            Self::DataPlace => "data_place",
            Self::DataGrade => "data_grade",
        }
    }
}

/// Whose country it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// Where the machine stands.
    Machine,
    /// Where the customer is established.
    Customer,
}

impl Party {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Machine, Self::Customer];

    /// The name in JSON and columns.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Customer => "customer",
        }
    }
}

/// A denial, to be kept as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// The rule.
    pub rule: Rule,
    /// Whose country decided.
    pub party: Party,
    /// What was judged: a country, a region, a card and a country.
    pub about: String,
    /// Why, with the public source where there is one.
    pub reason: String,
    /// How the rule is changed, by whom it can be.
    pub change: String,
    /// The day of the public lists that were applied.
    pub lists_dated: String,
}

impl Denial {
    pub(super) fn new(
        rule: Rule,
        party: Party,
        about: impl Into<String>,
        reason: impl Into<String>,
        change: impl Into<String>,
    ) -> Self {
        Self {
            rule,
            party,
            about: about.into(),
            reason: reason.into(),
            change: change.into(),
            lists_dated: DATED.to_owned(),
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let party = match self.party {
            Party::Machine => "machine in",
            Party::Customer => "customer in",
        };
        write!(f, "{party} {}: {}", self.about, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rules_and_parties_are_their_json() {
        for rule in Rule::ALL {
            assert_eq!(serde_json::to_value(rule).unwrap(), rule.as_str());
        }
        for party in Party::ALL {
            assert_eq!(serde_json::to_value(party).unwrap(), party.as_str());
        }
    }
}
