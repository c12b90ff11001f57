//! Quantities as Kubernetes writes them, which Akash's SDL takes over: `500m`, `1.5`, `16Gi`, `8G`;
//! a size without a suffix is in bytes
//! (kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity).

use super::cursor::Field;
use super::problem::Problems;

/// Most CPUs of a node.
const CPUS_MAX: u64 = 1_024;
/// Largest size in GB.
const SIZE_GB_MAX: u64 = 1_000_000;
/// Most digits before and after the decimal point.
const DIGITS_MAX: (usize, usize) = (15, 6);

/// A number in millionths, and its suffix.
fn millionths(text: &str) -> Option<(u128, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fits = whole.len() <= DIGITS_MAX.0 && fraction.len() <= DIGITS_MAX.1;
    if !fits || whole.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: u128 = whole.parse().ok()?;
    let fraction: u128 = format!("{fraction:0<6}").parse().ok()?;
    Some((whole * 1_000_000 + fraction, suffix))
}

/// Virtual CPUs, rounded up, from 1 to 1,024; a complaint for anything else.
pub(super) fn cpus(field: &Field<'_>, p: &mut Problems) -> Option<u16> {
    let text = field.text(p)?;
    let value = match millionths(text) {
        Some((n, "")) => Some(n),
        Some((n, "m")) => Some(n / 1_000),
        _ => None,
    };
    let whole = value.map(|n| n.div_ceil(1_000_000).max(1));
    match whole.filter(|n| *n <= u128::from(CPUS_MAX)) {
        Some(n) => u16::try_from(n).ok(),
        None => {
            p.invalid(
                field,
                format!(
                    "`{}` is not a number of CPUs up to {CPUS_MAX}",
                    field.shown()
                ),
            );
            None
        }
    }
}

/// A size in binary gigabytes, rounded up; none when it is zero, a complaint when it is no size.
pub(super) fn gigabytes(field: &Field<'_>, p: &mut Problems) -> Option<u32> {
    let text = field.text(p)?;
    let bytes = millionths(text).and_then(|(n, suffix)| {
        let factor: u128 = match suffix {
            "" => 1,
            "m" => return Some(0),
            "k" => 1_000,
            "Ki" => 1 << 10,
            "M" => 1_000_000,
            "Mi" => 1 << 20,
            "G" => 1_000_000_000,
            "Gi" => 1 << 30,
            "T" => 1_000_000_000_000,
            "Ti" => 1 << 40,
            "P" => 1_000_000_000_000_000,
            "Pi" => 1 << 50,
            _ => return None,
        };
        Some(n.checked_mul(factor)? / 1_000_000)
    });
    let gb = bytes.map(|n| n.div_ceil(1 << 30));
    match gb.filter(|n| *n <= u128::from(SIZE_GB_MAX)) {
        Some(0) => None,
        Some(n) => u32::try_from(n).ok(),
        None => {
            p.invalid(
                field,
                format!("`{}` is not a size such as 16Gi", field.shown()),
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::tree::{Body, Node, Place, Scalar};

    fn with<T>(text: &str, read: impl Fn(&Field<'_>, &mut Problems) -> Option<T>) -> Option<T> {
        let scalar = Scalar {
            text: text.into(),
            plain: true,
            block: false,
        };
        let node = Node {
            place: Place { line: 1, column: 1 },
            body: Body::Scalar(scalar),
        };
        let mut p = Problems::default();
        let found = read(&Field::root(&node), &mut p);
        assert!(found.is_some() || text.starts_with('0') || !p.errors.is_empty());
        found
    }

    #[test]
    fn suffixes_follow_kubernetes_and_a_bare_size_is_in_bytes() {
        for (text, gb) in [
            ("16Gi", Some(16)),
            ("8G", Some(8)),
            ("16Mi", Some(1)),
            ("1.5Ti", Some(1_536)),
            ("2147483648", Some(2)),
            ("0", None),
            ("1Xi", None),
            ("-1Gi", None),
            ("99999999999999999999Ti", None),
            ("1e9", None),
        ] {
            assert_eq!(with(text, gigabytes), gb, "{text}");
        }
        for (text, n) in [
            ("500m", Some(1)),
            ("1.5", Some(2)),
            ("64", Some(64)),
            ("4096", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(with(text, cpus), n, "{text}");
        }
    }
}
