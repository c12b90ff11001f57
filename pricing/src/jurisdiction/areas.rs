//! Groups of countries that rules name.

use tandem_model::network::Country;

/// Whether a list of codes, divided by spaces, has a country.
pub(super) fn holds(list: &str, country: Country) -> bool {
    list.split_ascii_whitespace()
        .any(|code| code == country.as_str())
}

/// The member states of the European Union (european-union.europa.eu, as of 2026-07).
pub const EU: &str =
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK";

/// The other states of the European Economic Area (EEA Agreement, Annex XI: Regulation 2016/679).
pub const EEA_BEYOND_EU: &str = "IS LI NO";

/// Countries with a decision that their protection of personal data is adequate for any recipient
/// or, for Canada, for commercial ones (Article 45 of Regulation (EU) 2016/679; Commission's list,
/// as of 2026-07, with Brazil by Decision (EU) 2026/179). The United States are not among them: the
/// decision of 2023 covers only organisations that certified themselves; add the country where
/// that is so.
pub const ADEQUATE: &str = "AD AR BR CA CH FO GB GG IL IM JE JP KR NZ UY";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::countries::is_assigned;

    fn all(list: &str) -> Vec<Country> {
        let codes = list.split_ascii_whitespace();
        codes.map(|code| Country::parse(code).unwrap()).collect()
    }

    #[test]
    fn every_group_is_of_countries_that_exist() {
        for list in [EU, EEA_BEYOND_EU, ADEQUATE] {
            assert!(all(list).into_iter().all(is_assigned));
        }
        assert_eq!((all(EU).len(), all(EEA_BEYOND_EU).len()), (27, 3));
        for unknown in ["ZZ", "AA", "EU", "UK", "XX"] {
            assert!(!is_assigned(Country::parse(unknown).unwrap()), "{unknown}");
        }
    }
}
