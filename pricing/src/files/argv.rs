//! `command` and `args` of a container: what formats that describe containers share.
//!
//! Both are lists of words. `command` stands in place of the image's entrypoint, `args` in place of
//! its own arguments, and `$(NAME)` in a word is the container's variable of that name
//! (kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container; Akash
//! hands both to Kubernetes).

use std::collections::BTreeMap;

use tandem_model::workload::Workload;

use super::cursor::Field;
use super::problem::Problems;

/// Longest text in bytes once variables are filled in.
const FILLED_MAX: usize = 32 * 1_024;

/// A part of a word.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

/// Splits a word at `$(NAME)`; `$$` stands for one dollar sign.
fn pieces(word: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = word;
    while let Some(at) = rest.find('$') {
        let tail = &rest[at + 1..];
        let named = tail.strip_prefix('(').and_then(|t| t.split_once(')'));
        let (piece, used) = match named {
            Some((name, _)) => (Piece::Variable(name), name.len() + 2),
            None if tail.starts_with('$') => (Piece::Text("$"), 1),
            None => (Piece::Text("$"), 0),
        };
        found.push(Piece::Text(&rest[..at]));
        found.push(piece);
        rest = &tail[used..];
    }
    found.push(Piece::Text(rest));
    found.retain(|p| *p != Piece::Text(""));
    found
}

/// A text with the plain variables that it names filled in; unknown names stay as written.
pub(super) fn fill(text: &str, env: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    for piece in pieces(text) {
        match piece {
            Piece::Text(part) => out.push_str(part),
            Piece::Variable(name) => match env.get(name) {
                Some(value) => out.push_str(value),
                None => out.push_str(&format!("$({name})")),
            },
        }
        if out.len() > FILLED_MAX {
            break;
        }
    }
    out
}

/// One word for a POSIX shell, its variables left to the shell.
fn shell_word(word: &str, w: &Workload) -> Option<String> {
    let mut out = String::new();
    let mut plain = String::new();
    for piece in pieces(word) {
        match piece {
            Piece::Variable(name) if is_variable(name, w) => {
                if !plain.is_empty() {
                    out.push_str(&shlex::try_quote(&plain).ok()?);
                    plain.clear();
                }
                out.push_str(&format!("\"${{{name}}}\""));
            }
            Piece::Variable(name) => plain.push_str(&format!("$({name})")),
            Piece::Text(part) => plain.push_str(part),
        }
    }
    if !plain.is_empty() || out.is_empty() {
        out.push_str(&shlex::try_quote(&plain).ok()?);
    }
    Some(out)
}

fn is_variable(name: &str, w: &Workload) -> bool {
    w.env.contains_key(name) || w.secrets.iter().any(|s| s == name)
}

/// The words of a list field.
pub(super) fn words<'a>(field: Option<&Field<'a>>, p: &mut Problems) -> Vec<&'a str> {
    let items = field.map(|f| f.list(p)).unwrap_or_default();
    items.iter().filter_map(|f| f.text(p)).collect()
}

/// Sets what runs from a container's `command` and `args`. Variables must be read before.
pub(super) fn entry(
    command: Option<&Field<'_>>,
    args: Option<&Field<'_>>,
    w: &mut Workload,
    p: &mut Problems,
) {
    let mut line = words(command, p);
    let own_entrypoint = line.is_empty();
    line.extend(words(args, p));
    if own_entrypoint {
        if let Some(field) = args {
            image_args(&line, field, w, p);
        }
        return;
    }
    w.run = match script(&line) {
        Some((text, stops)) => {
            let text = fill_variables_for_shell(text, w);
            let stop = if stops { "set -e\n" } else { "" };
            format!("{stop}{text}")
        }
        None => {
            let words: Option<Vec<_>> = line.iter().map(|word| shell_word(word, w)).collect();
            words.unwrap_or_default().join(" ")
        }
    };
}

/// The text of `sh -c TEXT`, and whether it stops at the first failure.
fn script<'a>(line: &[&'a str]) -> Option<(&'a str, bool)> {
    let [shell, flags, text] = line else {
        return None;
    };
    let shell = shell.rsplit('/').next()?;
    let flags = flags.strip_prefix('-')?;
    let known = flags.contains('c') && flags.chars().all(|c| matches!(c, 'c' | 'e' | 'l'));
    (matches!(shell, "sh" | "bash") && known).then_some((*text, flags.contains('e')))
}

/// `$(NAME)` of a known variable means the same as `${NAME}`; of any other it is the shell's own
/// `$(command)`.
fn fill_variables_for_shell(text: &str, w: &Workload) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("$(") {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 2..];
        let name = tail.split(')').next().unwrap_or_default();
        if is_variable(name, w) && tail.len() > name.len() {
            out.push_str(&format!("${{{name}}}"));
            rest = &tail[name.len() + 1..];
        } else {
            out.push_str("$(");
            rest = tail;
        }
    }
    out.push_str(rest);
    out
}

/// Arguments for the image's own entrypoint: no shell sees them, so secrets cannot stand in them.
fn image_args(line: &[&str], field: &Field<'_>, w: &mut Workload, p: &mut Problems) {
    for word in line {
        for piece in pieces(word) {
            if let Piece::Variable(name) = piece
                && w.secrets.iter().any(|s| s == name)
            {
                p.unsupported(
                    field,
                    &format!("the secret `{name}` would stand among the arguments in plain text"),
                    "give `command` too, so that a shell fills it in",
                );
            }
        }
    }
    w.image_args = line.iter().map(|word| fill(word, &w.env)).collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::draft;
    use tandem_model::workload::SourceFormat;

    fn of(line: &[&str]) -> String {
        let mut w = draft::empty(SourceFormat::Kubernetes, "a");
        w.env.insert("A".into(), "x y".into());
        w.secrets.push("TOKEN".into());
        match script(line) {
            Some((text, _)) => fill_variables_for_shell(text, &w),
            None => line
                .iter()
                .map(|word| shell_word(word, &w).unwrap())
                .collect::<Vec<_>>()
                .join(" "),
        }
    }

    #[test]
    fn words_keep_their_borders_and_variables_stay_with_the_shell() {
        assert_eq!(of(&["python", "a b.py"]), "python 'a b.py'");
        assert_eq!(of(&["x", "--m=$(A)/z"]), "x '--m='\"${A}\"/z");
        assert_eq!(of(&["x", "$(B)", "$$(A)", ""]), "x '$(B)' '$(A)' ''");
        assert_eq!(
            of(&["bash", "-c", "echo $(A) $(date)"]),
            "echo ${A} $(date)"
        );
        assert_eq!(of(&["bash", "-c", "a", "b"]), "bash -c a b");
    }

    #[test]
    fn filled_texts_do_not_grow_without_end() {
        let env = BTreeMap::from([("A".to_owned(), "x".repeat(30_000))]);
        assert!(fill(&"$(A)".repeat(1_000), &env).len() < 100_000);
        assert_eq!(fill("a$(A", &env), "a$(A");
    }
}
