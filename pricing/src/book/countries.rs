//! Sets of countries and of cards as bits, so that a group of offers is tested by a few words.

use std::fmt;

use tandem_model::gpu::GpuModel;
use tandem_model::network::Country;
use tandem_model::workload::GpuNeed;

/// Letters of the alphabet; two of them are a country code.
const LETTERS: u16 = 26;
/// Codes that two letters can make.
pub(super) const CODES: u16 = LETTERS * LETTERS;
/// Words of 64 bits that hold them.
pub(super) const WORDS: usize = CODES.div_ceil(64) as usize;

/// Number of a country's code, from 0 for `AA` to 675 for `ZZ`.
pub(super) fn code_of(country: Country) -> u16 {
    let text = country.as_str().as_bytes();
    let letter = |at: usize| u16::from(text[at].wrapping_sub(b'A')).min(LETTERS - 1);
    letter(0) * LETTERS + letter(1)
}

/// The country with this number.
pub(super) fn country_of(code: u16) -> Country {
    let letter = |n: u16| char::from(b'A' + u8::try_from(n % LETTERS).unwrap_or(0));
    let text: String = [letter(code / LETTERS), letter(code)].into_iter().collect();
    Country::parse(&text).expect("two letters are a country code")
}

/// A set of countries.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
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

    pub(super) fn insert_code(&mut self, code: u16) {
        self.0[usize::from(code / 64)] |= 1 << (code % 64);
    }

    /// Whether a country is in the set.
    pub fn contains(&self, country: Country) -> bool {
        self.contains_code(code_of(country))
    }

    pub(super) fn contains_code(&self, code: u16) -> bool {
        self.0[usize::from(code / 64)] >> (code % 64) & 1 == 1
    }

    /// Whether it holds no country.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
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

    pub(super) fn codes(&self) -> impl Iterator<Item = u16> + use<> {
        let words = self.0;
        (0u16..).zip(words).flat_map(|(at, word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                let bit = u16::try_from(rest.trailing_zeros()).unwrap_or(0);
                (rest != 0).then(|| {
                    rest &= rest - 1;
                    at * 64 + bit
                })
            })
        })
    }

    /// How many of its codes lie before each of its words.
    pub(super) fn ranks(&self) -> [u16; WORDS] {
        let mut before = 0;
        self.0.map(|word| {
            let rank = before;
            before += u16::try_from(word.count_ones()).unwrap_or(0);
            rank
        })
    }

    /// How many of the codes in the same word lie before this one.
    pub(super) fn rank_in_word(&self, code: u16) -> u32 {
        let word = self.0[usize::from(code / 64)];
        (word & ((1 << (code % 64)) - 1)).count_ones()
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

/// Most cards of the catalogue that a set holds.
const CARDS: u8 = 128;

/// A set of cards of the catalogue.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct GpuSet(u128);

impl GpuSet {
    /// No card.
    pub const EMPTY: Self = Self(0);

    /// The cards that a need accepts.
    pub fn accepted(need: &GpuNeed) -> Self {
        GpuModel::all().filter(|m| need.accepts(*m)).collect()
    }

    /// Whether a card is in the set.
    pub fn contains(&self, gpu: GpuModel) -> bool {
        number_of(gpu).is_some_and(|n| self.contains_number(n))
    }

    pub(super) fn contains_number(&self, number: u8) -> bool {
        number < CARDS && self.0 >> number & 1 == 1
    }

    /// The set less one card.
    pub fn without(self, gpu: GpuModel) -> Self {
        Self(self.0 & !std::iter::once(gpu).collect::<Self>().0)
    }

    /// Its cards in the order of the catalogue.
    pub fn iter(&self) -> impl Iterator<Item = GpuModel> {
        let set = *self;
        GpuModel::all()
            .zip(0u8..)
            .filter(move |(_, number)| set.contains_number(*number))
            .map(|(model, _)| model)
    }
}

/// A card's place in the catalogue.
pub(super) fn number_of(gpu: GpuModel) -> Option<u8> {
    let at = GpuModel::all().position(|m| m == gpu)?;
    u8::try_from(at).ok().filter(|n| *n < CARDS)
}

impl FromIterator<GpuModel> for GpuSet {
    fn from_iter<I: IntoIterator<Item = GpuModel>>(gpus: I) -> Self {
        let numbers = gpus.into_iter().filter_map(number_of);
        Self(numbers.fold(0, |set, n| set | 1 << n))
    }
}

impl fmt::Debug for GpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn the_whole_catalogue_fits_a_set() {
        let all: GpuSet = GpuModel::all().collect();
        assert!(all.iter().eq(GpuModel::all()));
        let l4 = GpuModel::by_id("l4").unwrap();
        assert!(all.contains(l4) && !all.without(l4).contains(l4));
        let large = GpuSet::accepted(&GpuNeed::AnyWithVram { vram_gb_min: 80 });
        assert!(!large.contains(l4));
        assert!(large.iter().all(|m| m.facts().vram_gb >= 80));
    }
}
