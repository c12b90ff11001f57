//! A day of the calendar, written `2026-05-20`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tandem_model::time::WallTime;

/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;

/// A day of the Gregorian calendar from 1970 to 9999, in days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(u32);

/// Days before each month of a year that is not a leap year.
const BEFORE_MONTH: [u32; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Days from 1970-01-01 to the first of January of a year from 1970.
fn days_before(year: u32) -> u32 {
    let leaps = |y: u32| y / 4 - y / 100 + y / 400;
    (year - 1970) * 365 + leaps(year - 1) - leaps(1969)
}

impl Date {
    /// Reads `2026-05-20`; none for anything else and for days that do not exist.
    pub fn parse(text: &str) -> Option<Self> {
        let shaped = text.len() == 10
            && text.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        let part = |from: usize, to: usize| -> Option<u32> { text.get(from..to)?.parse().ok() };
        let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
        let before = *BEFORE_MONTH.get(usize::try_from(month.checked_sub(1)?).ok()?)?;
        let leap_day = is_leap(year);
        let length = match month {
            2 => 28 + u32::from(leap_day),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let exists = shaped && year >= 1970 && (1..=length).contains(&day);
        exists.then(|| {
            let after_february = u32::from(leap_day && month > 2);
            Self(days_before(year) + before + after_february + day - 1)
        })
    }

    /// The day of a moment, in UTC; the first day of 1970 for what lies before.
    pub fn of(moment: WallTime) -> Self {
        Self(u32::try_from(moment.micros() / DAY_US).unwrap_or(0))
    }

    /// Whole days from `earlier` to this day; 0 when `earlier` lies ahead.
    pub fn days_since(self, earlier: Self) -> u32 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut year = 1970 + self.0 / 366;
        while days_before(year + 1) <= self.0 {
            year += 1;
        }
        let day_of_year = self.0 - days_before(year);
        let leap = u32::from(is_leap(year));
        let start = |month: usize| BEFORE_MONTH[month] + if month > 1 { leap } else { 0 };
        let month = (0..12)
            .rev()
            .find(|m| start(*m) <= day_of_year)
            .unwrap_or(0);
        let day = day_of_year - start(month) + 1;
        f.pad(&format!("{year:04}-{:02}-{day:02}", month + 1))
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a day such as 2026-05-20"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn days_are_counted_and_written_as_the_calendar_has_them() {
        for (text, days) in [
            ("1970-01-01", Some(0)),
            ("1970-12-31", Some(364)),
            ("2000-02-29", Some(11_016)),
            ("2024-03-01", Some(19_783)),
            ("2026-05-20", Some(20_593)),
            ("2026-02-29", None),
            ("1900-01-01", None),
            ("2026-13-01", None),
            ("2026-00-01", None),
            ("2026-04-31", None),
            ("2026-4-30", None),
            ("+026-04-30", None),
            ("", None),
        ] {
            let date = Date::parse(text);
            assert_eq!(date.map(|d| d.0), days, "{text}");
            if let Some(date) = date {
                assert_eq!(date.to_string(), text);
            }
        }
        let of = Date::of(WallTime::from_micros(1_787_304_600_000_000));
        assert_eq!(of.to_string(), "2026-08-21");
        assert_eq!(
            Date::of(WallTime::from_micros(-1)).to_string(),
            "1970-01-01"
        );
    }

    proptest! {
        #[test]
        fn every_day_is_read_as_it_is_written_and_follows_the_day_before(days in 0u32..2_900_000) {
            let date = Date(days);
            prop_assert_eq!(Date::parse(&date.to_string()), Some(date));
            prop_assert!(date.to_string() < Date(days + 1).to_string());
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,12}") {
            let _ = Date::parse(&text);
        }
    }
}
