//! Finding words in lower-case text: `_`, `-`, `.` and `/` end a word; `*` lets a word go on.

/// Whether a lower-case text holds a needle as whole words; a trailing `*` matches any ending.
pub(super) fn find(text: &str, needle: &str) -> bool {
    at(text, needle).is_some()
}

/// Where the needle is, as a byte offset.
pub(super) fn at(text: &str, needle: &str) -> Option<usize> {
    let (word, open) = match needle.strip_suffix('*') {
        Some(word) => (word, true),
        None => (needle, false),
    };
    if word.is_empty() {
        return None;
    }
    let mut from = 0;
    while let Some(found) = text[from..].find(word) {
        let start = from + found;
        let end = start + word.len();
        let before = text[..start].chars().next_back();
        let after = text[end..].chars().next();
        let starts = before.is_none_or(|c| !c.is_alphanumeric());
        let ends = open || after.is_none_or(|c| !c.is_alphanumeric());
        if starts && ends {
            return Some(start);
        }
        from = end;
    }
    None
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
            "sudo", "exec", "nohup", "time", "env", "then", "else", "do", "if",
        ];
        begins = raw.ends_with([';', '|']) || raw == "&&" || raw == "||" || raw == "--";
        begins |= assignment || wraps.contains(&token);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
