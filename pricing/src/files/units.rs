//! Sizes, durations, counts and ranges as the three formats write them, without floats.

/// A size or count range; open ends are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) min: Option<u32>,
    pub(crate) max: Option<u32>,
}

/// Largest size accepted, in GB: one exabyte is surely a slip.
const SIZE_GB_MAX: u64 = 1_000_000;

/// Splits a decimal number from its unit: `1.5TB` -> (1, "5", "TB").
fn number_and_unit(text: &str) -> Option<(u64, &str, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let octal = whole.len() > 1 && whole.starts_with('0');
    if fraction.contains('.') || fraction.len() > 3 || whole.len() > 9 || octal {
        return None;
    }
    Some((whole.parse().ok()?, fraction, unit.trim()))
}

/// A size in GB, rounded up; a bare number is GB. Understands MB, GB, TB and the binary spellings.
pub(super) fn size_gb(text: &str) -> Option<u32> {
    let (whole, fraction, unit) = number_and_unit(text)?;
    let thousandths: u64 = format!("{fraction:0<3}").parse().ok()?;
    let value = whole * 1_000 + thousandths;
    let gb_thousandths = match unit.to_ascii_lowercase().trim_end_matches('b') {
        "" | "g" | "gi" => value,
        "m" | "mi" => value.div_ceil(1_024),
        "k" | "ki" => value.div_ceil(1_024 * 1_024),
        "t" | "ti" => value * 1_024,
        "p" | "pi" => value * 1_024 * 1_024,
        _ => return None,
    };
    let gb = gb_thousandths.div_ceil(1_000);
    (1..=SIZE_GB_MAX)
        .contains(&gb)
        .then(|| u32::try_from(gb).ok())
        .flatten()
}

/// A whole number in decimal digits. A leading zero is refused: some loaders read `010` as eight.
pub(crate) fn whole(text: &str) -> Option<u64> {
    let text = text.trim();
    let decimal =
        text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| decimal)
}

/// A whole number up to a million.
pub(super) fn count(text: &str) -> Option<u32> {
    let n = whole(text)?;
    u32::try_from(n).ok().filter(|n| *n <= 1_000_000)
}

/// `a..b`, `a..`, `..b`, `a+` or a single value, each part read by `one`.
pub(crate) fn bounds(text: &str, one: impl Fn(&str) -> Option<u32>) -> Option<Bounds> {
    let text = text.trim();
    if let Some(at_least) = text.strip_suffix('+') {
        let min = Some(one(at_least)?);
        return Some(Bounds { min, max: None });
    }
    let Some((low, high)) = text.split_once("..") else {
        let exact = Some(one(text)?);
        return Some(Bounds {
            min: exact,
            max: exact,
        });
    };
    let part = |t: &str| match t.trim() {
        "" => Some(None),
        t => one(t).map(Some),
    };
    let found = Bounds {
        min: part(low)?,
        max: part(high)?,
    };
    let ordered = match (found.min, found.max) {
        (None, None) => false,
        (Some(a), Some(b)) => a <= b,
        _ => true,
    };
    ordered.then_some(found)
}

/// Seconds of `90`, `30s`, `10m`, `2h`, `1d`, `1w` or a sum such as `1h30m`.
pub(super) fn seconds(text: &str) -> Option<u32> {
    let text = text.trim().to_ascii_lowercase();
    let mut rest = text.as_str();
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let value: u64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let factor = match &rest[..letters] {
            "" | "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 604_800,
            _ => return None,
        };
        rest = rest[letters..].trim_start();
        total = total.checked_add(value.checked_mul(factor)?)?;
    }
    (!text.is_empty())
        .then(|| u32::try_from(total).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_up_to_gb_and_nonsense_is_refused() {
        for (text, gb) in [
            ("24", 24),
            ("24GB", 24),
            ("1TB", 1_024),
            ("512MB", 1),
            ("35Gi", 35),
            ("1.5 TB", 1_536),
            ("0.5GB", 1),
        ] {
            assert_eq!(size_gb(text), Some(gb), "{text}");
        }
        for bad in [
            "",
            "GB",
            "-1",
            "NaN",
            "1e999",
            "0",
            "24XB",
            "99999999999",
            "1.2.3",
            "inf",
            "010GB",
        ] {
            assert_eq!(size_gb(bad), None, "{bad}");
        }
    }

    #[test]
    fn ranges_need_an_end_and_an_order() {
        let of = |t| bounds(t, size_gb).map(|b| (b.min, b.max));
        assert_eq!(of("24GB.."), Some((Some(24), None)));
        assert_eq!(of("..80GB"), Some((None, Some(80))));
        assert_eq!(of("25GB..50GB"), Some((Some(25), Some(50))));
        assert_eq!(of("32+"), Some((Some(32), None)));
        assert_eq!(of("16"), Some((Some(16), Some(16))));
        for bad in ["..", "50..25", "a..b", "+", ""] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_leading_zero_is_no_decimal_number() {
        assert_eq!((whole("0"), whole(" 10 ")), (Some(0), Some(10)));
        for bad in [
            "010",
            "00",
            "+1",
            "-1",
            "",
            "0x10",
            "1e3",
            "99999999999999999999999",
        ] {
            assert_eq!(whole(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_are_seconds() {
        assert_eq!(seconds("90"), Some(90));
        assert_eq!(seconds("1h30m"), Some(5_400));
        assert_eq!(seconds("2d"), Some(172_800));
        for bad in ["", "h", "1x", "-5m", "99999999999999999999", "1e9"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
