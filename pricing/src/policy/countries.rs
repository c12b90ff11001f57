//! Which countries exist, and sets of them.
//!
//! The codes are those that ISO 3166-1 assigns, and `XK`, which is not assigned and is what
//! addresses in Kosovo carry. A code of two letters that no country has is a slip of the pen.

use tandem_model::network::Country;

const ASSIGNED: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ \
    BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ \
    DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP \
    GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI \
    KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP \
    MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM \
    PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX \
    SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU \
    WF WS XK YE YT ZA ZM ZW";

/// Every country, in the order of its code.
pub(super) fn all() -> impl Iterator<Item = Country> {
    ASSIGNED.split_ascii_whitespace().filter_map(Country::parse)
}

/// The country with this code in either case; none when no country has it.
pub(super) fn parse(code: &str) -> Option<Country> {
    let wanted = Country::parse(code)?;
    all().find(|country| *country == wanted)
}

const LETTERS: usize = 26;
const WORDS: usize = (LETTERS * LETTERS).div_ceil(64);

/// A set of countries: one bit for every pair of letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct CountrySet([u64; WORDS]);

/// A country as the bit of such a set.
#[derive(Debug, Clone, Copy)]
pub(super) struct CountryBit {
    word: usize,
    mask: u64,
}

impl CountryBit {
    pub(super) fn of(country: Country) -> Self {
        let index = country.as_str().bytes().fold(0, |sum, letter| {
            sum * LETTERS + usize::from(letter.saturating_sub(b'A')) % LETTERS
        });
        Self {
            word: index / 64,
            mask: 1 << (index % 64),
        }
    }
}

impl CountrySet {
    pub(super) fn insert(&mut self, country: CountryBit) {
        self.0[country.word] |= country.mask;
    }

    pub(super) fn contains(&self, country: CountryBit) -> bool {
        self.0[country.word] & country.mask != 0
    }

    pub(super) fn intersects(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).any(|(a, b)| a & b != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_country_stands_alone_in_its_set() {
        let countries: Vec<_> = all().collect();
        assert_eq!(countries.len(), 250);
        assert!(countries.is_sorted());
        for country in &countries {
            let mut set = CountrySet::default();
            set.insert(CountryBit::of(*country));
            let members: Vec<_> = countries
                .iter()
                .filter(|c| set.contains(CountryBit::of(**c)))
                .collect();
            assert_eq!(members, [country]);
            assert!(set.intersects(&set) && !set.intersects(&CountrySet::default()));
        }
    }

    #[test]
    fn two_letters_that_no_country_has_are_none() {
        assert_eq!(parse("de"), Country::parse("DE"));
        for code in ["XX", "UK", "EU", "ZZ", "D", ""] {
            assert_eq!(parse(code), None, "{code}");
        }
    }
}
