//! Reading typed values from the tree; each failure is collected with its path and place.

use tandem_model::near::nearest;

use super::problem::Problems;
use super::tree::{Body, Key, Node, Place};
use super::{TEXT_MAX, units};

/// A value together with the path that leads to it.
#[derive(Debug, Clone)]
pub(crate) struct Field<'a> {
    pub(crate) node: &'a Node,
    pub(crate) path: String,
    pub(crate) place: Place,
}

/// A mapping together with the path that leads to it.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    entries: &'a [(Key, Node)],
    path: String,
}

/// What a format's field means here.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Meaning {
    /// Read into the workload.
    Used,
    /// Accepted; has no effect, for this reason.
    Note(&'static str),
    /// Refused: why, and what to use instead.
    Refused(&'static str, &'static str),
}

/// A format's fields at one place.
pub(crate) type Table = &'static [(&'static str, Meaning)];

impl<'a> Field<'a> {
    pub(crate) fn root(node: &'a Node) -> Self {
        Self {
            node,
            path: String::new(),
            place: node.place,
        }
    }

    fn child(&self, suffix: &str, node: &'a Node, place: Place) -> Self {
        Self {
            node,
            path: format!("{}{suffix}", self.path),
            place,
        }
    }

    /// A short form of the value for messages, without control characters.
    pub(crate) fn shown(&self) -> String {
        let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        match &self.node.body {
            Body::Scalar(s) if s.text.chars().count() > 40 => {
                s.text.chars().take(40).map(plain).chain(['…']).collect()
            }
            Body::Scalar(s) => s.text.chars().map(plain).collect(),
            Body::List(_) => "a list".into(),
            Body::Map(_) => "a mapping".into(),
        }
    }

    pub(crate) fn is_map(&self) -> bool {
        matches!(self.node.body, Body::Map(_))
    }

    pub(crate) fn is_list(&self) -> bool {
        matches!(self.node.body, Body::List(_))
    }

    /// A scalar's text, or a complaint.
    pub(crate) fn text(&self, p: &mut Problems) -> Option<&'a str> {
        let Body::Scalar(scalar) = &self.node.body else {
            p.invalid(
                self,
                format!("{} stands where a text belongs", self.shown()),
            );
            return None;
        };
        if scalar.text.len() > TEXT_MAX {
            p.too_large(self, format!("longer than {TEXT_MAX} bytes"));
            return None;
        }
        if scalar.text.contains('\0') {
            p.invalid(self, "holds a zero byte");
            return None;
        }
        Some(&scalar.text)
    }

    /// A whole number in a range, or a complaint.
    pub(crate) fn integer(&self, min: u64, max: u64, p: &mut Problems) -> Option<u64> {
        let text = self.text(p)?;
        match units::whole(&text.replace('_', "")) {
            Some(n) if (min..=max).contains(&n) => Some(n),
            _ => {
                p.invalid(
                    self,
                    format!(
                        "`{}` is not a whole number from {min} to {max}",
                        self.shown()
                    ),
                );
                None
            }
        }
    }

    /// YAML 1.1 and 1.2 truth values, or a complaint.
    pub(crate) fn boolean(&self, p: &mut Problems) -> Option<bool> {
        match self.text(p)?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => {
                p.invalid(
                    self,
                    format!("`{}` is neither true nor false", self.shown()),
                );
                None
            }
        }
    }

    /// One of the given words, or a complaint that lists them.
    pub(crate) fn word(&self, allowed: &[&'static str], p: &mut Problems) -> Option<&'static str> {
        let text = self.text(p)?;
        let found = allowed.iter().find(|w| w.eq_ignore_ascii_case(text));
        if found.is_none() {
            p.invalid(
                self,
                format!("`{}` is not one of {}", self.shown(), allowed.join(", ")),
            );
        }
        found.copied()
    }

    /// The items of a list, or a complaint.
    pub(crate) fn list(&self, p: &mut Problems) -> Vec<Field<'a>> {
        let Body::List(items) = &self.node.body else {
            p.invalid(
                self,
                format!("`{}` stands where a list belongs", self.shown()),
            );
            return Vec::new();
        };
        items
            .iter()
            .enumerate()
            .map(|(i, node)| self.child(&format!("[{i}]"), node, node.place))
            .collect()
    }

    /// A list, or one item standing for a list of one.
    pub(crate) fn list_or_one(&self, p: &mut Problems) -> Vec<Field<'a>> {
        if self.is_list() {
            self.list(p)
        } else {
            vec![self.clone()]
        }
    }

    /// The fields of a mapping, or a complaint.
    pub(crate) fn map(&self, p: &mut Problems) -> Option<Fields<'a>> {
        let Body::Map(entries) = &self.node.body else {
            p.invalid(
                self,
                format!("`{}` stands where a mapping belongs", self.shown()),
            );
            return None;
        };
        Some(Fields {
            entries,
            path: self.path.clone(),
        })
    }
}

impl<'a> Fields<'a> {
    fn field(&self, key: &Key, node: &'a Node) -> Field<'a> {
        let dot = if self.path.is_empty() { "" } else { "." };
        Field {
            node,
            path: format!("{}{dot}{}", self.path, key.text),
            place: key.place,
        }
    }

    /// Every field, null ones too.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'a str, Field<'a>)> {
        self.entries
            .iter()
            .map(|(key, node)| (key.text.as_str(), self.field(key, node)))
    }

    /// A field that is there and not null.
    pub(crate) fn get(&self, name: &str) -> Option<Field<'a>> {
        self.iter()
            .find(|(key, field)| *key == name && !field.node.is_null())
            .map(|(_, field)| field)
    }

    /// Looks every field up: unknown ones, refused ones and those without effect are reported.
    pub(crate) fn check(&self, table: &[(&'static str, Meaning)], p: &mut Problems) {
        for (key, field) in self.iter() {
            match table.iter().find(|(name, _)| *name == key) {
                None => p.unknown(&field, near(key, table)),
                Some((_, Meaning::Used)) => {}
                Some(_) if field.node.is_null() => {}
                Some((_, Meaning::Note(text))) => p.note(&field, *text),
                Some((_, Meaning::Refused(text, instead))) => p.unsupported(&field, text, instead),
            }
        }
    }
}

/// Most letters in which a field's name may differ from the one that was probably meant.
const EDITS_MAX: usize = 2;

/// The known name that was probably meant; `-` and `_` are one.
fn near(key: &str, table: &[(&'static str, Meaning)]) -> Option<&'static str> {
    let plain = |name: &str| name.to_ascii_lowercase().replace('-', "_");
    let names: Vec<String> = table.iter().map(|(name, _)| plain(name)).collect();
    let found = nearest(&plain(key), names.iter().map(String::as_str), EDITS_MAX)?;
    let known = table.iter().zip(&names).find(|(_, name)| *name == found);
    known.map(|((name, _), _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        let table: Table = &[("accelerators", Meaning::Used), ("run", Meaning::Used)];
        assert_eq!(near("acelerators", table), Some("accelerators"));
        assert_eq!(near("Accelerator", table), Some("accelerators"));
        assert_eq!(near("rum", table), Some("run"));
        assert_eq!(near("walk", table), None);
    }
}
