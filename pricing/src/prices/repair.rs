//! Rows whose commas are not quoted: put back together when there is exactly one way to do it.
//!
//! A row with more fields than columns is split too often. Every way to join neighbouring fields
//! is weighed against what the columns may hold; one way left is a repair, several are a guess.

use crate::gate::{Defect, Finding};

use super::columns::{Columns, Kind};
use super::regions;

/// Most fields that a row may have too many.
const EXTRA_MAX: usize = 16;

/// The row's values, one a column.
///
/// # Errors
/// Too few fields, too many, no way to join them, or several.
pub(super) fn repair(fields: &[&str], kinds: &[Kind]) -> Result<Vec<String>, String> {
    let (have, want) = (fields.len(), kinds.len());
    let Some(extra) = have.checked_sub(want) else {
        return Err(format!("{have} values for {want} columns"));
    };
    if extra > EXTRA_MAX {
        return Err(format!("{extra} values too many for {want} columns"));
    }
    // A region that is known leaves fewer ways; only when there is none may it be any word.
    match joined(fields, kinds, extra, true) {
        Err(Ways::None) => joined(fields, kinds, extra, false),
        found => found,
    }
    .map_err(|ways| match ways {
        Ways::None => "no way to join the values fits the columns".into(),
        Ways::Several => "several ways to join the values fit the columns".into(),
    })
}

/// How many ways there are, when it is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ways {
    None,
    Several,
}

fn joined(
    fields: &[&str],
    kinds: &[Kind],
    extra: usize,
    strict: bool,
) -> Result<Vec<String>, Ways> {
    let want = kinds.len();
    // ways[column][spare]: ways to fill the columns from here on with `spare` joins left, up to 2.
    let mut ways = vec![vec![0u8; extra + 1]; want + 1];
    ways[want][0] = 1;
    for column in (0..want).rev() {
        for spare in 0..=extra {
            let start = column + (extra - spare);
            let count = (0..=spare)
                .filter(|joins| fits(kinds[column], &fields[start..=start + joins], strict))
                .map(|joins| ways[column + 1][spare - joins])
                .fold(0u8, u8::saturating_add);
            ways[column][spare] = count.min(2);
        }
    }
    match ways[0][extra] {
        0 => return Err(Ways::None),
        1 => {}
        _ => return Err(Ways::Several),
    }
    let mut values = Vec::with_capacity(want);
    let mut spare = extra;
    for column in 0..want {
        let start = column + (extra - spare);
        let joins = (0..=spare)
            .find(|joins| {
                ways[column + 1][spare - joins] == 1
                    && fits(kinds[column], &fields[start..=start + joins], strict)
            })
            .expect("one way was counted");
        values.push(fields[start..=start + joins].join(","));
        spare -= joins;
    }
    Ok(values)
}

/// What is said of a repaired row.
pub(super) fn finding(record: &csv::StringRecord, columns: &Columns) -> Finding {
    let (have, want) = (record.len(), columns.len());
    let last: Vec<&str> = record.iter().skip(want.saturating_sub(1)).collect();
    Finding::new(
        Defect::UnquotedComma,
        "row",
        last.join(","),
        format!("{have} values for {want} columns, joined in the only way that fits"),
    )
}

/// Whether fields, joined, may be a value of this kind.
fn fits(kind: Kind, fields: &[&str], strict: bool) -> bool {
    let single = match fields {
        [only] => Some(only.trim()),
        _ => None,
    };
    match kind {
        Kind::Free => true,
        Kind::Word => single.is_some_and(|word| !is_number(word) || word.is_empty()),
        Kind::Number => single.is_some_and(|text| text.is_empty() || is_number(text)),
        Kind::Info => match single {
            Some(word) if !word.starts_with(['{', '[']) => word.is_empty() || !is_number(word),
            _ => is_dictionary(&fields.join(",")),
        },
        Kind::Region => match single {
            Some(word) if strict => regions::read(word).country.is_some(),
            Some(word) => !word.is_empty() && !is_number(word),
            None => regions::is_place(&fields.join(",")),
        },
    }
}

fn is_number(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_digit())
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'))
}

/// Whether a text is in braces that all close.
fn is_dictionary(text: &str) -> bool {
    let text = text.trim();
    let ends = text.starts_with(['{', '[']) && text.ends_with(['}', ']']);
    let mut open = 0i32;
    for byte in text.bytes() {
        match byte {
            b'{' | b'[' => open += 1,
            b'}' | b']' => open -= 1,
            _ => {}
        }
        if open < 0 {
            return false;
        }
    }
    ends && open == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KINDS: [Kind; 5] = [
        Kind::Word,
        Kind::Info,
        Kind::Number,
        Kind::Region,
        Kind::Free,
    ];

    fn split(line: &str) -> Vec<&str> {
        line.split(',').collect()
    }

    #[test]
    fn a_row_is_repaired_only_when_one_way_fits() {
        for (line, wanted) in [
            ("a,T4,1.5,eastus,V1,V2", Ok("V1,V2")),
            ("a,T4,1.5,newland9,V1,V2", Ok("V1,V2")),
            ("a,T4,1.5,, CA, NA,x", Ok("x")),
            ("a,{'x': 1, 'y': [1, 2]},1.5,eastus,V1", Ok("V1")),
            ("a,{'x': 1, 'y': 2},1.5,Oregon, US, NA,V1,V2", Ok("V1,V2")),
            ("a,T4,1.5,eastus", Err("4 values for 5 columns")),
            (
                "a,b,T4,1.5,eastus,V1",
                Err("no way to join the values fits the columns"),
            ),
            (
                "a,T4,1.5,US, US, NA,x",
                Err("several ways to join the values fit the columns"),
            ),
        ] {
            let found = repair(&split(line), &KINDS);
            let last = found.as_ref().map(|v| v[4].as_str());
            assert_eq!(last.map_err(String::as_str), wanted, "{line}");
        }
    }

    #[test]
    fn many_commas_are_given_up_at_once() {
        let line = format!("a,T4,1,eastus{}", ",V1".repeat(200));
        assert!(repair(&split(&line), &KINDS).is_err());
    }

    /// Every way to cut the fields into as many runs as there are columns.
    fn brute_force(fields: &[&str], kinds: &[Kind], strict: bool) -> Vec<Vec<String>> {
        let Some((kind, rest)) = kinds.split_first() else {
            return if fields.is_empty() {
                vec![Vec::new()]
            } else {
                Vec::new()
            };
        };
        (1..=fields.len())
            .filter(|n| fits(*kind, &fields[..*n], strict))
            .flat_map(|n| {
                let tails = brute_force(&fields[n..], rest, strict);
                tails.into_iter().map(move |mut tail| {
                    tail.insert(0, fields[..n].join(","));
                    tail
                })
            })
            .collect()
    }

    proptest! {
        #[test]
        fn the_repair_is_the_one_that_trying_everything_finds(
            fields in prop::collection::vec(
                prop::sample::select(vec!["", "a", "1", "{", "}", " US", "NA", "V1", "{}"]), 5..9),
        ) {
            let mut all = brute_force(&fields, &KINDS, true);
            if all.is_empty() {
                all = brute_force(&fields, &KINDS, false);
            }
            let found = repair(&fields, &KINDS);
            prop_assert_eq!(found.ok(), (all.len() == 1).then(|| all[0].clone()));
        }
    }
}
