//! What can be wrong with an offer: stable codes, and one finding of one of them.

use std::fmt;

use serde::Serialize;

/// A kind of defect. The code is the variant's name in snake case and never changes its meaning;
/// `docs/offer-gate.md` has a line for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Defect {
    /// A row has more fields than its header because a comma is not quoted.
    UnquotedComma,
    /// A row or a value of it cannot be read.
    MalformedRow,
    /// The price field is empty although a GPU is offered.
    MissingPrice,
    /// An on-demand price, or the price of a host, of 0.
    ZeroPrice,
    /// A price below 0.
    NegativePrice,
    /// A spot price of 0: the catalogue's way to say that there is no spot offer.
    SpotPriceZero,
    /// A spot price at or above the on-demand price of the same machine: no spot price is known.
    SpotNotBelowOnDemand,
    /// The price is plausible only when it is taken as cents, or as dollars in a field of cents.
    PriceInCents,
    /// The price is plausible only when it is a factor of a million off: micro-dollars for dollars.
    PriceInMicroUsd,
    /// The price is plausible only as the price of a month.
    PricePerMonth,
    /// A machine's price stands where a GPU's price belongs.
    PricePerMachine,
    /// A GPU's price stands where a machine's price belongs.
    PricePerGpu,
    /// The price lies outside the band of the card, and no error of unit explains it.
    PriceOutOfBand,
    /// The price is that of the accelerator alone; the machine around it costs extra.
    HostPriceMissing,
    /// The number of GPUs is no whole number from 1 up.
    GpuCountInvalid,
    /// The accelerator is not in the GPU catalogue.
    UnknownGpu,
    /// The name means several cards.
    OneNameTwoCards,
    /// The memory is not that of the card that is named.
    MemoryMismatch,
    /// The memory of all GPUs of the machine stands where one GPU's memory belongs.
    MemoryPerMachine,
    /// GiB stand where MiB belong.
    MemoryInGib,
    /// The country is not said or does not exist.
    MissingCountry,
    /// The country is said, the place within it is not.
    MissingCity,
    /// The offer was seen too long ago, or in the future.
    Stale,
    /// The network's fee is no share of the price.
    FeeInvalid,
}

impl Defect {
    /// Every defect, in the order of the documentation.
    pub const ALL: [Self; 24] = [
        Self::UnquotedComma,
        Self::MalformedRow,
        Self::MissingPrice,
        Self::ZeroPrice,
        Self::NegativePrice,
        Self::SpotPriceZero,
        Self::SpotNotBelowOnDemand,
        Self::PriceInCents,
        Self::PriceInMicroUsd,
        Self::PricePerMonth,
        Self::PricePerMachine,
        Self::PricePerGpu,
        Self::PriceOutOfBand,
        Self::HostPriceMissing,
        Self::GpuCountInvalid,
        Self::UnknownGpu,
        Self::OneNameTwoCards,
        Self::MemoryMismatch,
        Self::MemoryPerMachine,
        Self::MemoryInGib,
        Self::MissingCountry,
        Self::MissingCity,
        Self::Stale,
        Self::FeeInvalid,
    ];

    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnquotedComma => "unquoted_comma",
            Self::MalformedRow => "malformed_row",
            Self::MissingPrice => "missing_price",
            Self::ZeroPrice => "zero_price",
            Self::NegativePrice => "negative_price",
            Self::SpotPriceZero => "spot_price_zero",
            Self::SpotNotBelowOnDemand => "spot_not_below_on_demand",
            Self::PriceInCents => "price_in_cents",
            Self::PriceInMicroUsd => "price_in_micro_usd",
            Self::PricePerMonth => "price_per_month",
            Self::PricePerMachine => "price_per_machine",
            Self::PricePerGpu => "price_per_gpu",
            Self::PriceOutOfBand => "price_out_of_band",
            Self::HostPriceMissing => "host_price_missing",
            Self::GpuCountInvalid => "gpu_count_invalid",
            Self::UnknownGpu => "unknown_gpu",
            Self::OneNameTwoCards => "one_name_two_cards",
            Self::MemoryMismatch => "memory_mismatch",
            Self::MemoryPerMachine => "memory_per_machine",
            Self::MemoryInGib => "memory_in_gib",
            Self::MissingCountry => "missing_country",
            Self::MissingCity => "missing_city",
            Self::Stale => "stale",
            Self::FeeInvalid => "fee_invalid",
        }
    }

    /// What it means, in a few words.
    pub const fn title(self) -> &'static str {
        match self {
            Self::UnquotedComma => "a comma inside a value is not quoted",
            Self::MalformedRow => "the row or a value cannot be read",
            Self::MissingPrice => "no price",
            Self::ZeroPrice => "a price of 0",
            Self::NegativePrice => "a price below 0",
            Self::SpotPriceZero => "a spot price of 0 means that spot is not offered",
            Self::SpotNotBelowOnDemand => "the spot price is not below the on-demand price",
            Self::PriceInCents => "the price is off by 100: cents and dollars",
            Self::PriceInMicroUsd => "the price is off by a million: micro-dollars and dollars",
            Self::PricePerMonth => "the price is that of a month",
            Self::PricePerMachine => "a machine's price where a GPU's belongs",
            Self::PricePerGpu => "a GPU's price where a machine's belongs",
            Self::PriceOutOfBand => "the price is not plausible for the card",
            Self::HostPriceMissing => "the price of the accelerator without its host",
            Self::GpuCountInvalid => "the number of GPUs is no whole number from 1 up",
            Self::UnknownGpu => "the accelerator is not in the catalogue",
            Self::OneNameTwoCards => "one name for several cards",
            Self::MemoryMismatch => "the memory is not that of the card",
            Self::MemoryPerMachine => "the machine's memory where a GPU's belongs",
            Self::MemoryInGib => "GiB where MiB belong",
            Self::MissingCountry => "no country",
            Self::MissingCity => "a country without a place in it",
            Self::Stale => "seen too long ago, or in the future",
            Self::FeeInvalid => "the fee is no share of the price",
        }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// Longest value that a finding repeats, in characters.
const VALUE_CHARS_MAX: usize = 80;

/// One defect in one offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which defect.
    pub code: Defect,
    /// The field that shows it (`Price`, `country`).
    pub field: &'static str,
    /// The value as it was written, shortened and escaped.
    pub value: String,
    /// What was done about it, or why nothing could be.
    pub reason: String,
}

impl Finding {
    /// A finding; the value is made safe to print.
    pub fn new(
        code: Defect,
        field: &'static str,
        value: impl AsRef<str>,
        reason: impl Into<String>,
    ) -> Self {
        let value = value.as_ref();
        let mut shown: String = value
            .chars()
            .take(VALUE_CHARS_MAX)
            .flat_map(|c| {
                let control = c.is_control();
                let escaped = control.then(|| c.escape_default());
                let plain = (!control).then_some(c);
                escaped.into_iter().flatten().chain(plain)
            })
            .collect();
        if value.chars().nth(VALUE_CHARS_MAX).is_some() {
            shown.push('…');
        }
        Self {
            code,
            field,
            value: shown,
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`: {}", self.field, self.value, self.reason)
    }
}
