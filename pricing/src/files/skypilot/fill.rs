//! `$VAR` and `${VAR}` in fields that SkyPilot fills before it reads them.
//!
//! `setup` and `run` are left alone: a shell expands them on the machine.

use std::collections::BTreeMap;

use crate::files::cursor::Field;
use crate::files::problem::Problems;
use crate::files::tree::{Body, Node};

const FILLED: [&str; 5] = ["workdir", "resources", "file_mounts", "service", "volumes"];

/// Replaces references to known variables; a reference to one without value is refused.
pub(super) fn fill(
    root: &mut Node,
    env: &BTreeMap<String, String>,
    open: &[String],
    p: &mut Problems,
) {
    let Body::Map(entries) = &mut root.body else {
        return;
    };
    for (key, node) in entries {
        if FILLED.contains(&key.text.as_str()) {
            fill_node(node, &key.text, env, open, p);
        }
    }
}

fn fill_node(
    node: &mut Node,
    path: &str,
    env: &BTreeMap<String, String>,
    open: &[String],
    p: &mut Problems,
) {
    let copy = node.clone();
    match &mut node.body {
        Body::Scalar(scalar) if scalar.text.contains('$') => {
            let (text, missing) = replace(&scalar.text, env, open);
            for name in missing {
                let field = Field {
                    node: &copy,
                    path: path.to_owned(),
                    place: copy.place,
                };
                p.invalid(
                    &field,
                    format!("`{name}` has no value: give it in `envs` or beside the file"),
                );
            }
            scalar.text = text;
        }
        Body::Scalar(_) => {}
        Body::List(items) => {
            for (i, item) in items.iter_mut().enumerate() {
                fill_node(item, &format!("{path}[{i}]"), env, open, p);
            }
        }
        Body::Map(entries) => {
            for (key, value) in entries {
                key.text = replace(&key.text, env, open).0;
                fill_node(value, &format!("{path}.{}", key.text), env, open, p);
            }
        }
    }
}

/// The text with known variables replaced, and the names of those left open.
fn replace(text: &str, env: &BTreeMap<String, String>, open: &[String]) -> (String, Vec<String>) {
    let mut out = String::with_capacity(text.len());
    let mut missing = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        let (name, used) = match tail.strip_prefix('{').and_then(|t| t.split_once('}')) {
            Some((name, _)) => (name, name.len() + 2),
            None => {
                let end = tail
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .unwrap_or(tail.len());
                (&tail[..end], end)
            }
        };
        match env.get(name) {
            Some(value) => out.push_str(value),
            None => {
                if open.iter().any(|o| o == name) {
                    missing.push(name.to_owned());
                }
                out.push('$');
                out.push_str(&tail[..used]);
            }
        }
        rest = &tail[used..];
    }
    out.push_str(rest);
    (out, missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_are_replaced_and_others_stay() {
        let env = BTreeMap::from([("A".to_owned(), "x".to_owned())]);
        let open = ["B".to_owned()];
        let (text, missing) = replace("s3://${A}/$A-$B${C}$$A${", &env, &open);
        assert_eq!(text, "s3://x/x-$B${C}$x${");
        assert_eq!(missing, ["B"]);
    }
}
