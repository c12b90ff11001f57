//! Finding words in lower-case text: `_`, `-`, `.` and `/` end a word; `*` lets a word go on.

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

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// Offsets at which words of a text begin with ASCII.
pub(super) fn beginnings(text: &str) -> impl Iterator<Item = usize> {
    let mut inside = false;
    text.bytes().enumerate().filter_map(move |(at, byte)| {
        let begins = is_of_word(byte) && !inside;
        inside = is_of_word(byte);
        (begins && byte.is_ascii()).then_some(at)
    })
}

/// Whether a needle stands at this beginning of a word.
pub(super) fn stands_at(text: &str, at: usize, needle: &str) -> bool {
    let (word, open) = split(needle);
    text.as_bytes()[at..].starts_with(word.as_bytes()) && ends(text, at + word.len(), open)
}

/// Many needles looked for in one pass over a text: those that begin with the same byte lie
/// together, and only the beginnings of words are compared.
pub(super) struct Index {
    by_first: Vec<Vec<(&'static str, bool, u16)>>,
}

impl Index {
    /// Needles with the number that each is reported by; they begin with an ASCII letter or digit.
    pub(super) fn new(needles: impl Iterator<Item = (&'static str, u16)>) -> Self {
        let mut by_first = vec![Vec::new(); 128];
        for (needle, id) in needles {
            let (word, open) = split(needle);
            if let Some(first) = word.bytes().next().filter(u8::is_ascii) {
                by_first[usize::from(first)].push((word, open, id));
            }
        }
        Self { by_first }
    }

    /// Reports every needle that begins at some word of the text: its number, word and offset.
    pub(super) fn scan(&self, text: &str, mut report: impl FnMut(u16, &'static str, usize)) {
        let bytes = text.as_bytes();
        for at in beginnings(text) {
            for (word, open, id) in &self.by_first[usize::from(bytes[at])] {
                if bytes[at..].starts_with(word.as_bytes()) && ends(text, at + word.len(), *open) {
                    report(*id, word, at);
                }
            }
        }
    }
}

/// Programs whose `-m` names a module, and whose `-c` names a command.
const RUN_MODULES: [&str; 7] = [
    "python",
    "uv",
    "torchrun",
    "accelerate",
    "deepspeed",
    "poetry",
    "coverage",
];
const RUN_COMMANDS: [&str; 4] = ["sh", "bash", "zsh", "dash"];
/// Words that go before a program.
const WRAPPERS: [&str; 11] = [
    "sudo", "exec", "nohup", "time", "env", "then", "else", "do", "if", "srun", "uvx",
];

/// Words of a command line that name programs: scripts, modules, and what stands where a command
/// begins. Of a path, only the last part: the folders say where a program lies, not what it does.
pub(super) fn programs(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut begins = true;
    let mut named = false;
    let mut module = false;
    let mut program = "";
    for raw in line.split_whitespace() {
        let token = raw.trim_matches(['"', '\'', '`', '(', ')', ';', '$']);
        let script = [".py", ".sh", ".ipynb", ".exe"]
            .iter()
            .any(|e| token.ends_with(e));
        let assignment = token.contains('=') && !token.starts_with('-');
        if !token.starts_with('-') && (script || begins || named) && !assignment {
            let last = token.rsplit('/').next().unwrap_or(token);
            let last = match last.rsplit_once('.') {
                Some((_, part)) if module && !script => part,
                _ => last,
            };
            found.push(last);
            if begins || named {
                program = last;
            }
        }
        module = token == "-m" && RUN_MODULES.iter().any(|p| program.starts_with(p));
        named = module || matches!(token, "-c" | "-ec" | "-lc") && RUN_COMMANDS.contains(&program);
        begins = raw.ends_with([';', '|']) || raw == "&&" || raw == "||" || raw == "--";
        begins |= assignment || WRAPPERS.contains(&token);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NEEDLES: [&str; 6] = ["train*", "train", "vllm serve", "7b", "a", "ab*"];

    /// Looks for a needle by searching the whole text.
    fn find(text: &str, needle: &str) -> bool {
        let (word, open) = split(needle);
        let places = text.match_indices(word);
        places.filter(|_| !word.is_empty()).any(|(start, _)| {
            let before = text[..start].chars().next_back();
            before.is_none_or(|c| !c.is_alphanumeric()) && ends(text, start + word.len(), open)
        })
    }

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
            "FOO=1 python -m axolotl.cli.train x.yml --data train && bash -c \"torchrun b/a.py\"";
        assert_eq!(
            programs(line),
            ["python", "train", "bash", "torchrun", "a.py"]
        );
        assert_eq!(
            programs("genai-perf profile -m google/gemma-lora --url x"),
            ["genai-perf"]
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
                let stands = beginnings(&text).any(|at| stands_at(&text, at, needle));
                prop_assert_eq!(stands, hit, "{} in {}", needle, text);
            }
        }
    }
}
