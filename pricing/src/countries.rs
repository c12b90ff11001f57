//! Which countries exist, and sets of them as bits.
//!
//! Codes: ISO 3166-1 alpha-2, officially assigned (iso.org/obp/ui, as of 2026-07), with `XK`
//! (user-assigned, used by the European Union for Kosovo). A code of two letters that no country has
//! is a slip of the pen.

use std::fmt;

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

/// Every country, in the order of its code.
pub fn all() -> impl Iterator<Item = Country> {
    ASSIGNED.split_ascii_whitespace().filter_map(Country::parse)
}

/// The country with this code in either case; none when no country has it.
pub fn parse(code: &str) -> Option<Country> {
    Country::parse(code).filter(|country| is_assigned(*country))
}

/// Whether such a country exists.
pub fn is_assigned(country: Country) -> bool {
    all().any(|assigned| assigned == country)
}

/// Letters of the alphabet; two of them are a country code.
const LETTERS: u16 = 26;
/// Codes that two letters can make.
pub(crate) const CODES: u16 = LETTERS * LETTERS;
/// Words of 64 bits that hold them.
pub(crate) const WORDS: usize = CODES.div_ceil(64) as usize;

/// Number of a country's code, from 0 for `AA` to 675 for `ZZ`.
pub(crate) fn code_of(country: Country) -> u16 {
    let text = country.as_str().as_bytes();
    let letter = |at: usize| u16::from(text[at].wrapping_sub(b'A')).min(LETTERS - 1);
    letter(0) * LETTERS + letter(1)
}

/// The country with this number.
pub(crate) fn country_of(code: u16) -> Country {
    let letter = |n: u16| b'A' + u8::try_from(n % LETTERS).unwrap_or(0);
    let letters = [letter(code / LETTERS), letter(code)];
    Country::from_letters(letters).expect("two letters are a country code")
}

/// A set of countries.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CountrySet([u64; WORDS]);

impl CountrySet {
    /// No country.
    pub const EMPTY: Self = Self([0; WORDS]);

    /// Every code that two letters can make.
    pub const ALL: Self = {
        let mut words = [u64::MAX; WORDS];
        words[WORDS - 1] = (1 << (CODES % 64)) - 1;
        Self(words)
    };

    /// Adds a country.
    pub fn insert(&mut self, country: Country) {
        self.insert_code(code_of(country));
    }

    pub(crate) fn insert_code(&mut self, code: u16) {
        self.0[usize::from(code / 64)] |= 1 << (code % 64);
    }

    /// Whether a country is in the set.
    pub fn contains(&self, country: Country) -> bool {
        self.contains_code(code_of(country))
    }

    pub(crate) fn contains_code(&self, code: u16) -> bool {
        self.0[usize::from(code / 64)] >> (code % 64) & 1 == 1
    }

    /// Whether it holds no country.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Whether a country is in both sets.
    pub fn intersects(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).any(|(a, b)| a & b != 0)
    }

    /// How many countries it holds.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Countries of either set.
    pub fn or(&self, other: &Self) -> Self {
        self.join(other, |a, b| a | b)
    }

    /// Countries of both sets.
    pub fn and(&self, other: &Self) -> Self {
        self.join(other, |a, b| a & b)
    }

    /// Countries of this set that are not in the other.
    pub fn without(&self, other: &Self) -> Self {
        self.join(other, |a, b| a & !b)
    }

    fn join(&self, other: &Self, of: impl Fn(u64, u64) -> u64) -> Self {
        let mut out = Self::EMPTY;
        for (at, word) in out.0.iter_mut().enumerate() {
            *word = of(self.0[at], other.0[at]);
        }
        out
    }

    /// Its countries in the order of their codes.
    pub fn iter(&self) -> impl Iterator<Item = Country> {
        self.codes().map(country_of)
    }

    /// A bit for each code.
    pub(crate) fn words(&self) -> &[u64; WORDS] {
        &self.0
    }

    pub(crate) fn codes(&self) -> Codes {
        Codes {
            words: self.0,
            at: 0,
        }
    }

    /// How many of its codes lie before each of its words.
    pub(crate) fn ranks(&self) -> [u16; WORDS] {
        let mut before = 0;
        self.0.map(|word| {
            let rank = before;
            before += u16::try_from(word.count_ones()).unwrap_or(0);
            rank
        })
    }

    /// How many of the codes in the same word lie before this one.
    pub(crate) fn rank_in_word(&self, code: u16) -> u32 {
        let word = self.0[usize::from(code / 64)];
        (word & ((1 << (code % 64)) - 1)).count_ones()
    }
}

/// The codes of a set, rising.
#[derive(Debug, Clone)]
pub(crate) struct Codes {
    words: [u64; WORDS],
    at: u16,
}

impl Iterator for Codes {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        while let Some(word) = self.words.get_mut(usize::from(self.at)) {
            if *word != 0 {
                let bit = u16::try_from(word.trailing_zeros()).unwrap_or(0);
                *word &= *word - 1;
                return Some(self.at * 64 + bit);
            }
            self.at += 1;
        }
        None
    }
}

impl FromIterator<Country> for CountrySet {
    fn from_iter<I: IntoIterator<Item = Country>>(countries: I) -> Self {
        let mut set = Self::EMPTY;
        countries.into_iter().for_each(|c| set.insert(c));
        set
    }
}

impl fmt::Debug for CountrySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_country_is_there_once_and_stands_alone_in_its_set() {
        let countries: Vec<_> = all().collect();
        assert_eq!(countries.len(), 250);
        assert!(countries.is_sorted());
        for country in &countries {
            let set: CountrySet = std::iter::once(*country).collect();
            assert!(set.iter().eq([*country]));
        }
        let set: CountrySet = countries.iter().copied().collect();
        assert_eq!(set.len(), 250, "none twice");
        let unknown = Country::parse("ZZ").unwrap();
        assert!(!is_assigned(unknown) && is_assigned(countries[0]));
    }

    #[test]
    fn every_code_has_its_number_and_its_rank() {
        let all = CountrySet::ALL;
        assert!(all.codes().eq(0..CODES));
        assert_eq!((all.len(), CountrySet::EMPTY.len()), (676, 0));
        let mut set = CountrySet::EMPTY;
        for (rank, code) in ["AA", "CN", "CU", "DE", "US", "ZZ"].iter().enumerate() {
            let country = Country::parse(code).unwrap();
            assert_eq!(country_of(code_of(country)), country);
            assert!(!set.contains(country));
            set.insert(country);
            let code = code_of(country);
            let before = set.ranks()[usize::from(code / 64)];
            let rank_of = u32::from(before) + set.rank_in_word(code);
            assert_eq!(rank_of as usize, rank);
        }
        let names: Vec<_> = set.iter().map(|c| c.to_string()).collect();
        assert_eq!(names, ["AA", "CN", "CU", "DE", "US", "ZZ"]);
        assert_eq!(all.without(&set).len(), 670);
        assert_eq!(all.without(&set).or(&set), all);
        assert_eq!(all.and(&set), set);
    }
}
