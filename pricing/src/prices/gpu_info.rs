//! The `GpuInfo` column: the text of a dictionary, often with single quotes, of which only the
//! memory is wanted.

/// The key whose number is the memory.
const KEY: &str = "SizeInMiB";
/// Digits that are read; more is no memory.
const DIGITS_MAX: usize = 12;

/// Memory in MiB; none when the text has none, or two different ones (a machine of two cards).
pub(super) fn memory_mib(text: &str) -> Option<u64> {
    let mut found = None;
    for (at, _) in text.match_indices(KEY) {
        let rest = text[at + KEY.len()..].trim_start_matches(['\'', '"', ' ']);
        let digits = rest.strip_prefix(':')?.trim_start();
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        if end > DIGITS_MAX {
            return None;
        }
        let size = digits[..end].parse().ok()?;
        if found.is_some_and(|before| before != size) {
            return None;
        }
        found = Some(size);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn memory_is_read_from_any_quoting_and_never_guessed() {
        for (text, memory) in [
            (
                "{'Gpus': [{'MemoryInfo': {'SizeInMiB': 81920}}]}",
                Some(81_920),
            ),
            (
                r#"{"Gpus":[{"MemoryInfo":{"SizeInMiB":24564.0}}]}"#,
                Some(24_564),
            ),
            ("{'SizeInMiB': 1}, {'SizeInMiB': 1}", Some(1)),
            ("{'SizeInMiB': 1}, {'SizeInMiB': 2}", None),
            ("{'TotalGpuMemoryInMiB': 5}", None),
            ("SizeInMiB: 9999999999999", None),
            ("SizeInMiB", None),
            ("SizeInMiB: -4", None),
            ("A10", None),
            ("", None),
        ] {
            assert_eq!(memory_mib(text), memory, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(SizeInMiB|[':{} 0-9é]){0,12}") {
            let _ = memory_mib(&text);
        }
    }
}
