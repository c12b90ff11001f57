//! Which country codes exist, and groups of countries that rules name.
//!
//! Codes: ISO 3166-1 alpha-2, officially assigned (iso.org/obp/ui, as of 2026-07), with `XK`
//! (user-assigned, used by the European Union for Kosovo).

use tandem_model::network::Country;

const ASSIGNED: &str = "\
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS \
BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE \
EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM \
HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC \
LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA \
NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW \
SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO \
TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";

/// Whether a list of codes, divided by spaces, has a country.
pub(super) fn holds(list: &str, country: Country) -> bool {
    list.split_ascii_whitespace()
        .any(|code| code == country.as_str())
}

/// Whether such a country exists.
pub fn is_assigned(country: Country) -> bool {
    holds(ASSIGNED, country)
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

    fn all(list: &str) -> Vec<Country> {
        let codes = list.split_ascii_whitespace();
        codes.map(|code| Country::parse(code).unwrap()).collect()
    }

    #[test]
    fn every_code_is_there_once_and_every_group_is_of_them() {
        let mut codes = all(ASSIGNED);
        assert_eq!(codes.len(), 250);
        codes.dedup();
        assert_eq!(codes.len(), 250);
        assert!(codes.is_sorted());
        for list in [EU, EEA_BEYOND_EU, ADEQUATE] {
            assert!(all(list).into_iter().all(is_assigned));
        }
        assert_eq!((all(EU).len(), all(EEA_BEYOND_EU).len()), (27, 3));
        for unknown in ["ZZ", "AA", "EU", "UK", "XX"] {
            assert!(!is_assigned(Country::parse(unknown).unwrap()), "{unknown}");
        }
    }
}
