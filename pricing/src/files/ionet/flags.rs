//! `args` of a recipe as flags of a command line.

use crate::files::cursor::Field;
use crate::files::problem::Problems;

/// `key: value` is `--key=value`, true alone `--key`, false and null nothing, and a list follows
/// its flag word by word.
pub(super) fn of(field: Option<&Field<'_>>, p: &mut Problems) -> Vec<String> {
    let mut flags = Vec::new();
    let Some(fields) = field.and_then(|f| f.map(p)) else {
        return flags;
    };
    for (key, f) in fields.iter() {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if key.is_empty() || !key.chars().all(plain) {
            p.invalid(&f, "not the name of a flag (letters, digits, -, _ and .)");
        } else if f.node.is_null() {
        } else if f.is_list() {
            flags.push(format!("--{key}"));
            let items = f.list(p);
            flags.extend(items.iter().filter_map(|f| f.text(p)).map(str::to_owned));
        } else {
            match f.text(p) {
                Some("true") => flags.push(format!("--{key}")),
                Some("false") | None => {}
                Some(text) => flags.push(format!("--{key}={text}")),
            }
        }
    }
    flags
}

/// Words as text for a POSIX shell; a zero byte, which the reader refuses, cannot be in them.
pub(super) fn shell(words: &[String]) -> String {
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_default()
}
