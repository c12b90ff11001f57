//! Figures as people read them: dollars, shares, thousands parted by commas.

use super::bootstrap::{Estimate, Metric};
use crate::fixed::BILLION;

const MICRO: u128 = 1_000_000;
/// From this many dollars on, cents are left out.
const WHOLE_FROM_USD: u128 = 1_000;

/// A whole number with its thousands parted.
pub fn whole(number: i128) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

/// Dollars of micro-dollars: with cents below a thousand.
pub fn dollars(micro_usd: i128) -> String {
    let sign = if micro_usd < 0 { "-" } else { "" };
    let magnitude = micro_usd.unsigned_abs();
    if magnitude >= WHOLE_FROM_USD * MICRO {
        let rounded = (magnitude + MICRO / 2) / MICRO;
        return format!("{sign}${}", whole(signed(rounded)));
    }
    let cents = (magnitude + 5_000) / 10_000;
    format!("{sign}${}.{:02}", cents / 100, cents % 100)
}

/// Percent of millionths, with one decimal.
pub fn percent(ppm: i128) -> String {
    let sign = if ppm < 0 { "-" } else { "" };
    let tenths = (ppm.unsigned_abs() + 500) / 1_000;
    format!("{sign}{}.{} %", tenths / 10, tenths % 10)
}

/// Hundredths of a count in billionths.
fn count(ppb: i128) -> String {
    let sign = if ppb < 0 { "-" } else { "" };
    let hundredths = (ppb.unsigned_abs() + u128::from(BILLION) / 200) * 100 / u128::from(BILLION);
    format!("{sign}{}.{:02}", hundredths / 100, hundredths % 100)
}

fn signed(number: u128) -> i128 {
    i128::try_from(number).unwrap_or(i128::MAX)
}

/// GPU-hours of GPU-seconds, rounded down.
pub fn gpu_hours(gpu_seconds: u128) -> String {
    whole(signed(gpu_seconds / 3_600))
}

/// A part of a whole in percent; a dash where there is no whole.
pub fn share(part: u128, of: u128) -> String {
    match (part * 1_000_000).checked_div(of) {
        Some(ppm) => percent(signed(ppm)),
        None => "-".to_owned(),
    }
}

impl Metric {
    /// Its name for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::RevenueMicroUsd => "revenue",
            Self::CostMicroUsd => "cost",
            Self::MarginMicroUsd => "margin",
            Self::ExpectedCreditMicroUsd => "expected credit",
            Self::MarginAfterCreditMicroUsd => "margin after credit",
            Self::ExpectedBreachesPpb => "expected breaches",
            Self::Accepted => "tasks sold",
            Self::AcceptancePpm => "tasks sold of those asked",
            Self::UtilisationPpm => "utilisation",
        }
    }

    /// A value of it for people.
    pub fn shown(self, value: i128) -> String {
        match self {
            Self::RevenueMicroUsd
            | Self::CostMicroUsd
            | Self::MarginMicroUsd
            | Self::ExpectedCreditMicroUsd
            | Self::MarginAfterCreditMicroUsd => dollars(value),
            Self::ExpectedBreachesPpb => count(value),
            Self::Accepted => whole(value),
            Self::AcceptancePpm | Self::UtilisationPpm => percent(value),
        }
    }

    /// A difference for people: with its sign, and shares in percentage points.
    pub fn shown_change(self, value: i128) -> String {
        let plus = if value > 0 { "+" } else { "" };
        let text = format!("{plus}{}", self.shown(value));
        match self {
            Self::AcceptancePpm | Self::UtilisationPpm => text.replace('%', "pp"),
            _ => text,
        }
    }

    /// The interval of an estimate, `low to high`.
    pub fn shown_interval(self, estimate: &Estimate, change: bool) -> String {
        let shown = |value| match change {
            true => self.shown_change(value),
            false => self.shown(value),
        };
        format!("{} to {}", shown(estimate.low), shown(estimate.high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_rounded_and_parted_as_people_write_them() {
        for (micro, text) in [
            (0, "$0.00"),
            (4_999, "$0.00"),
            (5_000, "$0.01"),
            (-1_500_000, "-$1.50"),
            (999_999_999, "$1000.00"),
            (1_234_567_500_000, "$1,234,568"),
            (-1_000_000_000, "-$1,000"),
        ] {
            assert_eq!(dollars(micro), text);
        }
        assert_eq!(percent(123_456), "12.3 %");
        assert_eq!(percent(-50_000), "-5.0 %");
        assert_eq!(whole(-1_234_567), "-1,234,567");
        assert_eq!((whole(12), whole(123)), ("12".into(), "123".into()));
        assert_eq!((share(1, 3), share(1, 0)), ("33.3 %".into(), "-".into()));
        assert_eq!(Metric::AcceptancePpm.shown_change(21_000), "+2.1 pp");
        assert_eq!(Metric::ExpectedBreachesPpb.shown(1_236_000_000), "1.24");
    }
}
