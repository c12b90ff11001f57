//! Finding words in lower-case text: `_`, `-`, `.` and `/` end a word; `*` lets a word go on.

/// Whether a lower-case text holds a needle as whole words; a trailing `*` matches any ending.
pub(super) fn find(text: &str, needle: &str) -> bool {
    at(text, needle).is_some()
}

/// Where the needle is, as a byte offset.
pub(super) fn at(text: &str, needle: &str) -> Option<usize> {
    let (word, open) = split(needle);
    if word.is_empty() {
        return None;
    }
    let mut from = 0;
    while let Some(found) = text[from..].find(word) {
        let start = from + found;
        let end = start + word.len();
        let before = text[..start].chars().next_back();
        if before.is_none_or(|c| !c.is_alphanumeric()) && ends(text, end, open) {
            return Some(start);
        }
        from = end;
    }
    None
}

/// A needle without its star, and whether it had one.
fn split(needle: &str) -> (&str, bool) {
    match needle.strip_suffix('*') {
        Some(word) => (word, true),
        None => (needle, false),
    }
}

/// Whether a word that goes up to this offset ends there.
fn ends(text: &str, end: usize, open: bool) -> bool {
    open || text[end..]
        .chars()
        .next()
        .is_none_or(|c| !c.is_alphanumeric())
}

/// Many needles looked for in one pass over a text: those that begin with the same byte lie
/// together, and only the beginnings of words are compared.
pub(super) struct Index {
    by_first: Vec<Vec<(&'static str, bool, u16)>>,
}

impl Index {
    /// Needles with the number that each is reported by; they begin with an ASCII letter or digit.
    pub(super) fn new(needles: impl Iterator<Item = (&'static str, u16)>) -> Self {
        Self::of(needles.map(|(needle, id)| (split(needle), id)))
    }

    /// Needles that may go on in any way, as if each had a star.
    pub(super) fn open(needles: impl Iterator<Item = (&'static str, u16)>) -> Self {
        Self::of(needles.map(|(needle, id)| ((needle, true), id)))
    }

    fn of(needles: impl Iterator<Item = ((&'static str, bool), u16)>) -> Self {
        let mut by_first = vec![Vec::new(); 128];
        for ((word, open), id) in needles {
            if let Some(first) = word.bytes().next().filter(u8::is_ascii) {
                by_first[usize::from(first)].push((word, open, id));
            }
        }
        Self { by_first }
    }

    /// Reports every needle that begins at some word of the text: its number, word and offset.
    pub(super) fn scan(&self, text: &str, mut report: impl FnMut(u16, &'static str, usize)) {
        let bytes = text.as_bytes();
        let mut inside = false;
        for (at, byte) in bytes.iter().enumerate() {
            let of_word = byte.is_ascii_alphanumeric() || !byte.is_ascii();
            let begins = of_word && !inside;
            inside = of_word;
            if !begins || !byte.is_ascii() {
                continue;
            }
            for (word, open, id) in &self.by_first[usize::from(*byte)] {
                if bytes[at..].starts_with(word.as_bytes()) && ends(text, at + word.len(), *open) {
                    report(*id, word, at);
                }
            }
        }
    }
}

/// Words of a command line that name programs: scripts, modules, and what stands where a command
/// begins.
pub(super) fn programs(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut begins = true;
    let mut module = false;
    for raw in line.split_whitespace() {
        let token = raw.trim_matches(['"', '\'', '`', '(', ')', ';', '$']);
        let script = [".py", ".sh", ".ipynb", ".exe"]
            .iter()
            .any(|e| token.ends_with(e));
        let assignment = token.contains('=') && !token.starts_with('-');
        if !token.starts_with('-') && (script || begins || module) && !assignment {
            found.push(token);
        }
        module = matches!(token, "-m" | "-c" | "-ec");
        let wraps = [
            "sudo", "exec", "nohup", "time", "env", "then", "else", "do", "if", "srun",
        ];
        begins = raw.ends_with([';', '|']) || raw == "&&" || raw == "||" || raw == "--";
        begins |= assignment || wraps.contains(&token);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NEEDLES: [&str; 6] = ["train*", "train", "vllm serve", "7b", "a", "ab*"];

    #[test]
    fn words_end_at_separators_and_stars_leave_them_open() {
        assert!(find("minivess.flows.train_flow", "train"));
        assert!(!find("trainer.py", "train"));
        assert!(find("trainer.py", "train*"));
        assert!(!find("constrain", "train*"));
        assert!(find("é train", "train"));
        assert!(!find("x", "*"));
    }

    #[test]
    fn programs_are_scripts_modules_and_first_words() {
        let line =
            "FOO=1 python -m axolotl.cli.train x.yml --data train && bash -c \"torchrun a.py\"";
        assert_eq!(
            programs(line),
            ["python", "axolotl.cli.train", "bash", "torchrun", "a.py"]
        );
    }

    proptest! {
        #[test]
        fn one_pass_finds_what_a_search_for_each_needle_finds(
            text in "(train|er|vllm|serve| |_|-|7|b|a|é|ab|\\.){0,12}",
        ) {
            let index = Index::new(NEEDLES.iter().zip(0..).map(|(n, i)| (*n, i)));
            let mut found = [false; NEEDLES.len()];
            index.scan(&text, |id, _, _| found[usize::from(id)] = true);
            for (needle, hit) in NEEDLES.iter().zip(found) {
                prop_assert_eq!(hit, find(&text, needle), "{} in {}", needle, text);
            }
        }
    }
}
