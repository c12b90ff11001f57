//! Money as integers: USD in micro-dollars, tokens in base units. No float, no silent overflow.

use std::fmt;

use serde::{Deserialize, Serialize};

/// GPU-microseconds in one GPU-hour.
pub const GPU_MICROSECONDS_PER_GPU_HOUR: i128 = 3_600_000_000;

/// The sum left the range of the type. Nothing was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an amount of money left its range")]
pub struct AmountOutOfRange;

/// An amount in millionths of a US dollar; may be negative (a refund).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct MicroUsd(i64);

impl MicroUsd {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// From millionths of a dollar.
    pub const fn new(micro_usd: i64) -> Self {
        Self(micro_usd)
    }

    /// From cents. Any `i32` of cents fits.
    pub const fn from_cents(cents: i32) -> Self {
        Self(cents as i64 * 10_000)
    }

    /// Millionths of a dollar.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The sum, or an error when it leaves the range.
    pub fn plus(self, other: Self) -> Result<Self, AmountOutOfRange> {
        self.0
            .checked_add(other.0)
            .map(Self)
            .ok_or(AmountOutOfRange)
    }

    /// The difference, or an error when it leaves the range.
    pub fn minus(self, other: Self) -> Result<Self, AmountOutOfRange> {
        self.0
            .checked_sub(other.0)
            .map(Self)
            .ok_or(AmountOutOfRange)
    }

    /// Parses a decimal number of dollars such as `2.49` or `1e-3`, rounded half away from zero
    /// to a micro-dollar, from its text and never through a float.
    ///
    /// Fails on anything but digits, one dot, one sign and an exponent of at most two digits, and
    /// on amounts beyond about nine trillion dollars.
    pub fn parse_decimal_usd(text: &str) -> Result<Self, AmountOutOfRange> {
        decimal_to_scaled(text, 6)
            .and_then(|n| i64::try_from(n).ok())
            .map(Self)
            .ok_or(AmountOutOfRange)
    }
}

/// Reads a decimal text as an integer of `scale` decimals, rounding half away from zero.
fn decimal_to_scaled(text: &str, scale: i32) -> Option<i128> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((m, e)) if e.trim_start_matches(['+', '-']).len() <= 2 => (m, e.parse::<i32>().ok()?),
        Some(_) => return None,
        None => (digits, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = [whole, fraction].concat();
    if all.is_empty() || all.len() > 30 || !all.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value: i128 = all.parse().ok()?;
    let shift = scale + exponent - i32::try_from(fraction.len()).ok()?;
    let scaled = if shift >= 0 {
        value.checked_mul(10i128.checked_pow(shift.unsigned_abs())?)?
    } else {
        match 10i128.checked_pow(shift.unsigned_abs()) {
            Some(divisor) => (value + divisor / 2) / divisor,
            None => 0,
        }
    };
    Some(if negative { -scaled } else { scaled })
}

impl fmt::Display for MicroUsd {
    /// Dollars with at least two and at most six decimals: `$2.49`, `-$0.000001`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        let fraction = format!("{:06}", magnitude % 1_000_000);
        let kept = fraction.trim_end_matches('0').len().max(2);
        f.pad(&format!(
            "{sign}${}.{}",
            magnitude / 1_000_000,
            &fraction[..kept]
        ))
    }
}

/// A price per GPU-hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RatePerGpuHour(MicroUsd);

impl RatePerGpuHour {
    /// A rate of `price` for one GPU for one hour.
    pub const fn new(price: MicroUsd) -> Self {
        Self(price)
    }

    /// The price of one GPU for one hour.
    pub const fn price(self) -> MicroUsd {
        self.0
    }

    /// The charge so far: `floor(rate x GPU-microseconds / 3.6e9)`.
    ///
    /// Charges are posted as differences of this figure, so that no rounding adds up.
    pub fn charge_for(self, gpu_microseconds: u64) -> Result<MicroUsd, AmountOutOfRange> {
        let product = i128::from(self.0.get()) * i128::from(gpu_microseconds);
        let charge = product.div_euclid(GPU_MICROSECONDS_PER_GPU_HOUR);
        i64::try_from(charge)
            .map(MicroUsd)
            .map_err(|_| AmountOutOfRange)
    }
}

/// A token that a network is paid in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Token {
    /// IO: SPL token on Solana, mint `BZLbGTNCSFfoth2GYDtwr7e4imWzpR5jqcUuGEwr646K`, 8 decimals.
    Io,
    /// ATH: ERC-20 on Arbitrum One, `0xc87B37a581ec3257B734886d9d3a581F5A9d056c`, 18 decimals.
    Ath,
}

impl Token {
    /// Decimals of the base unit.
    pub const fn decimals(self) -> u32 {
        match self {
            Self::Io => 8,
            Self::Ath => 18,
        }
    }

    /// The ticker.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Io => "IO",
            Self::Ath => "ATH",
        }
    }
}

/// An amount of a token in base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenAmount {
    /// Which token.
    pub token: Token,
    /// How many base units.
    pub base_units: u128,
}

impl TokenAmount {
    /// Parses a decimal number of whole tokens, as networks write it (`12.5`).
    ///
    /// Fails on a negative number, on more digits than the token has decimals allow to represent
    /// within 30 digits, and on text that is no number. Digits beyond the base unit are rounded.
    pub fn parse_decimal(token: Token, text: &str) -> Result<Self, AmountOutOfRange> {
        let scale = i32::try_from(token.decimals()).map_err(|_| AmountOutOfRange)?;
        let scaled = decimal_to_scaled(text, scale).ok_or(AmountOutOfRange)?;
        let base_units = u128::try_from(scaled).map_err(|_| AmountOutOfRange)?;
        Ok(Self { token, base_units })
    }
}

impl fmt::Display for TokenAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10u128.pow(self.token.decimals());
        let width = self.token.decimals() as usize;
        let fraction = format!("{:0width$}", self.base_units % unit);
        let kept = fraction.trim_end_matches('0');
        let whole = self.base_units / unit;
        let dot = if kept.is_empty() { "" } else { "." };
        f.pad(&format!("{whole}{dot}{kept} {}", self.token.symbol()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_rate_times_one_hour_is_the_rate() {
        let rate = RatePerGpuHour::new(MicroUsd::new(1_999_999));
        assert_eq!(rate.charge_for(3_600_000_000).unwrap().get(), 1_999_999);
    }

    #[test]
    fn a_microsecond_of_a_cheap_gpu_is_floored_to_nothing() {
        let rate = RatePerGpuHour::new(MicroUsd::from_cents(30));
        assert_eq!(rate.charge_for(1).unwrap(), MicroUsd::ZERO);
    }

    #[test]
    fn decimal_texts_are_read_without_a_float() {
        for (text, micro) in [
            ("2.49", 2_490_000),
            ("0.3", 300_000),
            ("39.92", 39_920_000),
            ("-1", -1_000_000),
            ("0.0000005", 1),
            ("0.00000049", 0),
            ("1e-3", 1_000),
            ("1.5E2", 150_000_000),
            ("+7", 7_000_000),
        ] {
            assert_eq!(
                MicroUsd::parse_decimal_usd(text).unwrap().get(),
                micro,
                "{text}"
            );
        }
        for text in [
            "",
            ".",
            "abc",
            "1.2.3",
            "1e999",
            "NaN",
            "99999999999999999999",
            "0x10",
            "--1",
        ] {
            assert!(MicroUsd::parse_decimal_usd(text).is_err(), "{text}");
        }
    }

    #[test]
    fn dollars_and_tokens_print_as_people_write_them() {
        assert_eq!(MicroUsd::new(2_490_000).to_string(), "$2.49");
        assert_eq!(MicroUsd::new(-1).to_string(), "-$0.000001");
        assert_eq!(
            MicroUsd::new(i64::MIN).to_string(),
            "-$9223372036854.775808"
        );
        let io = TokenAmount::parse_decimal(Token::Io, "12.5").unwrap();
        assert_eq!(
            (io.base_units, io.to_string()),
            (1_250_000_000, "12.5 IO".to_owned())
        );
        assert!(TokenAmount::parse_decimal(Token::Ath, "-1").is_err());
    }

    proptest! {
        #[test]
        fn charges_grow_with_time_and_differences_add_up(
            price in 0i64..100_000_000, a in 0u64..1 << 48, b in 0u64..1 << 48,
        ) {
            let rate = RatePerGpuHour::new(MicroUsd::new(price));
            let first = rate.charge_for(a).unwrap();
            let total = rate.charge_for(a + b).unwrap();
            prop_assert!(total >= first);
            let difference = total.minus(first).unwrap();
            prop_assert_eq!(first.plus(difference).unwrap(), total);
        }

        #[test]
        fn printing_then_parsing_gives_the_amount(micro in any::<i64>()) {
            let text = MicroUsd::new(micro).to_string().replace('$', "");
            prop_assert_eq!(MicroUsd::parse_decimal_usd(&text).unwrap().get(), micro);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,60}") {
            let _ = MicroUsd::parse_decimal_usd(&text);
            let _ = TokenAmount::parse_decimal(Token::Ath, &text);
        }
    }
}
