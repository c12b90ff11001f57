//! The name that was probably meant, for words such as "did you mean".

/// Longest names that are compared, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// The name of which one differs by the fewest changed, added, lost or swapped letters: at most
/// `edits_max` of them, and fewer than half of the name. Of two alike, the first in their own order.
pub fn nearest<'a>(
    wanted: &str,
    names: impl IntoIterator<Item = &'a str>,
    edits_max: usize,
) -> Option<&'a str> {
    if wanted.len() > NAME_BYTES_MAX {
        return None;
    }
    let short = names
        .into_iter()
        .filter(|name| name.len() <= NAME_BYTES_MAX);
    short
        .map(|name| (strsim::damerau_levenshtein(wanted, name), name))
        .filter(|(edits, name)| *edits <= edits_max && edits * 2 < name.len())
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not() {
        let names = ["accelerators", "run", "setup"];
        for (wanted, found) in [
            ("acelerators", Some("accelerators")),
            ("accelreators", Some("accelerators")),
            ("rum", Some("run")),
            ("rnu", Some("run")),
            ("sat", None),
            ("walk", None),
            ("", None),
        ] {
            assert_eq!(nearest(wanted, names, 2), found, "{wanted}");
        }
        assert_eq!(nearest("acelerator", names, 1), None);
        let long = "a".repeat(1_000);
        assert_eq!(nearest(&long, [long.as_str()], 2), None);
    }
}
