//! A text becomes trees: from the parser's events, without recursion, so that depth, counts, keys and
//! expanded size are checked while the tree grows. A small file of nested aliases cannot become a
//! large tree.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use tandem_model::error::ErrorCode;

use super::problem::FileError;
use super::tree::{Body, Key, Node, Place, Scalar, Size};
use super::{
    DEPTH_MAX, EXPANDED_BYTES_MAX, KEY_BYTES_MAX, LINES_MAX, LIST_MAX, NODES_MAX, PATH_BYTES_MAX,
};

enum Frame {
    List {
        place: Place,
        anchor: usize,
        items: Vec<Node>,
    },
    Map {
        place: Place,
        anchor: usize,
        entries: Vec<(Key, Node)>,
        key: Option<Key>,
    },
}

#[derive(Default)]
struct Builder {
    open: Vec<Frame>,
    roots: Vec<Node>,
    anchors: BTreeMap<usize, Node>,
    size: Size,
}

/// Reads a text into one tree per document; documents without content are left out.
///
/// Fails with the first place that is not YAML, or where a limit is passed.
pub(crate) fn parse(text: &str) -> Result<Vec<Node>, FileError> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|e| {
            let marker = *e.marker();
            let mut error = syntax(Place::of(Span::new(marker, marker)), e.info().to_owned());
            error.field = builder.path();
            error
        })?;
        let path = builder.path();
        builder.take(event, Place::of(span)).map_err(|mut e| {
            if e.field.is_empty() {
                e.field = path;
            }
            e
        })?;
    }
    builder.roots.retain(|root| !root.is_null());
    Ok(builder.roots)
}

fn syntax(place: Place, text: String) -> FileError {
    FileError::at(ErrorCode::WORKLOAD_SYNTAX, "", place, text)
}

fn too_large(place: Place, text: String) -> FileError {
    FileError::at(ErrorCode::WORKLOAD_TOO_LARGE, "", place, text)
}

impl Builder {
    fn take(&mut self, event: Event<'_>, place: Place) -> Result<(), FileError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                core_tag(tag.as_deref(), place)?;
                let scalar = Scalar {
                    text: text.into_owned(),
                    plain: matches!(style, ScalarStyle::Plain),
                    block: matches!(style, ScalarStyle::Literal | ScalarStyle::Folded),
                };
                self.count(place, Size::of_text(&scalar.text))?;
                let body = Body::Scalar(scalar);
                self.finish(Node { place, body }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                core_tag(tag.as_deref(), place)?;
                let items = Vec::new();
                self.enter(Frame::List {
                    place,
                    anchor,
                    items,
                })
            }
            Event::MappingStart(anchor, tag) => {
                core_tag(tag.as_deref(), place)?;
                self.enter(Frame::Map {
                    place,
                    anchor,
                    entries: Vec::new(),
                    key: None,
                })
            }
            Event::SequenceEnd | Event::MappingEnd => self.leave(place),
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    return Err(syntax(
                        place,
                        "an alias names an anchor that is still open".into(),
                    ));
                };
                let size = node.size();
                let node = node.clone();
                self.count(place, size)?;
                self.finish(Node { place, ..node }, 0)
            }
            _ => Ok(()),
        }
    }

    /// Path of the value that is being read.
    fn path(&self) -> String {
        let mut path = String::new();
        for frame in &self.open {
            match frame {
                Frame::List { items, .. } => path.push_str(&format!("[{}]", items.len())),
                Frame::Map { key: None, .. } => {}
                Frame::Map { key: Some(key), .. } => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(&key.text);
                }
            }
        }
        path
    }

    fn count(&mut self, place: Place, more: Size) -> Result<(), FileError> {
        self.size.add(more);
        let limits = [
            (self.size.nodes, NODES_MAX, "values"),
            (self.size.bytes, EXPANDED_BYTES_MAX, "bytes of text"),
            (self.size.lines, LINES_MAX, "lines of text"),
        ];
        match limits.into_iter().find(|(have, max, _)| have > max) {
            Some((_, max, what)) => Err(too_large(
                place,
                format!("more than {max} {what} once aliases are followed"),
            )),
            None => Ok(()),
        }
    }

    fn enter(&mut self, frame: Frame) -> Result<(), FileError> {
        let place = match &frame {
            Frame::List { place, .. } | Frame::Map { place, .. } => *place,
        };
        self.count(
            place,
            Size {
                nodes: 1,
                ..Size::default()
            },
        )?;
        if self.open.len() >= DEPTH_MAX {
            return Err(too_large(
                place,
                format!("nested deeper than {DEPTH_MAX} levels"),
            ));
        }
        self.open.push(frame);
        Ok(())
    }

    fn leave(&mut self, place: Place) -> Result<(), FileError> {
        match self.open.pop() {
            Some(Frame::List {
                place,
                anchor,
                items,
            }) => {
                let body = Body::List(items);
                self.finish(Node { place, body }, anchor)
            }
            Some(Frame::Map {
                place,
                anchor,
                entries,
                ..
            }) => {
                let body = Body::Map(merge(entries)?);
                self.finish(Node { place, body }, anchor)
            }
            None => Err(syntax(place, "a collection ends that never began".into())),
        }
    }

    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), FileError> {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let above = self.path();
        let place = node.place;
        let length = match self.open.last_mut() {
            None => {
                self.roots.push(node);
                0
            }
            Some(Frame::List { items, .. }) => {
                items.push(node);
                items.len()
            }
            Some(Frame::Map { entries, key, .. }) => match key.take() {
                Some(key) => {
                    entries.push((key, node));
                    entries.len()
                }
                None => {
                    *key = Some(as_key(node, entries, &above)?);
                    0
                }
            },
        };
        if length > LIST_MAX {
            return Err(too_large(
                place,
                format!("more than {LIST_MAX} items of a list or fields of a mapping"),
            ));
        }
        Ok(())
    }
}

/// The tags that say no more than the value does.
const CORE_TAGS: [&str; 7] = ["str", "int", "float", "bool", "null", "map", "seq"];

/// Refuses other tags: a loader would build something else for them.
fn core_tag(tag: Option<&Tag>, place: Place) -> Result<(), FileError> {
    match tag {
        Some(tag) if !tag.is_yaml_core_schema() || !CORE_TAGS.contains(&tag.suffix.as_str()) => {
            let shown: String = tag.suffix.chars().take(64).collect();
            Err(syntax(
                place,
                format!(
                    "the tag `{}` is not understood; remove it",
                    shown.escape_debug()
                ),
            ))
        }
        _ => Ok(()),
    }
}

fn as_key(node: Node, entries: &[(Key, Node)], above: &str) -> Result<Key, FileError> {
    let Body::Scalar(scalar) = node.body else {
        return Err(syntax(node.place, "a key must be a plain text".into()));
    };
    let text = scalar.text;
    if text.len() > KEY_BYTES_MAX || above.len() + text.len() > PATH_BYTES_MAX {
        return Err(too_large(
            node.place,
            format!(
                "a key of {} bytes; at most {KEY_BYTES_MAX}, and {PATH_BYTES_MAX} with those around it",
                text.len()
            ),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(syntax(node.place, "a key holds a control character".into()));
    }
    if text != "<<" && entries.iter().any(|(k, _)| k.text == text) {
        let first: String = text.chars().take(64).collect();
        let mut error = syntax(node.place, format!("the key `{first}` appears twice"));
        error.field = if above.is_empty() {
            text
        } else {
            format!("{above}.{text}")
        };
        return Err(error);
    }
    Ok(Key {
        text,
        place: node.place,
    })
}

/// Applies YAML 1.1 merge keys (`<<: *defaults`), which both importers' formats accept.
fn merge(entries: Vec<(Key, Node)>) -> Result<Vec<(Key, Node)>, FileError> {
    if entries.iter().all(|(k, _)| k.text != "<<") {
        return Ok(entries);
    }
    let (merges, mut own): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|(k, _)| k.text == "<<");
    for (key, node) in merges {
        let sources = match node.body {
            Body::Map(_) => vec![node],
            Body::List(items) => items,
            Body::Scalar(_) => vec![node],
        };
        for source in sources {
            let Body::Map(more) = source.body else {
                return Err(syntax(key.place, "`<<` needs a mapping".into()));
            };
            for (k, v) in more {
                if own.iter().all(|(have, _)| have.text != k.text) {
                    own.push((k, v));
                }
            }
        }
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_are_those_of_an_editor() {
        let roots = parse("a: 1\nb:\n  - x\n  - |\n    one\n    two\n").unwrap();
        let list = roots[0].get("b").unwrap();
        let Body::List(items) = &list.body else {
            panic!("a list")
        };
        assert_eq!(items[0].place, Place { line: 3, column: 5 });
        assert_eq!(items[1].place.line, 5);
        assert_eq!(items[1].text(), Some("one\ntwo\n"));
    }

    #[test]
    fn alias_bombs_deep_nesting_and_huge_texts_are_refused_with_a_line() {
        let mut bomb = String::from("a: &a [1,1,1,1,1,1,1,1,1,1]\n");
        for (from, to) in "abcdefg".chars().zip("bcdefgh".chars()) {
            let refs = vec![format!("*{from}"); 10].join(",");
            bomb.push_str(&format!("{to}: &{to} [{refs}]\n"));
        }
        let error = parse(&bomb).unwrap_err();
        assert_eq!(error.code, ErrorCode::WORKLOAD_TOO_LARGE);
        assert!(error.line >= 4, "{error}");
        let deep = "- ".repeat(DEPTH_MAX + 1) + "x";
        assert_eq!(
            parse(&deep).unwrap_err().code,
            ErrorCode::WORKLOAD_TOO_LARGE
        );
        let long = format!(
            "a: &a \"{}\"\nb: [{}]",
            "x".repeat(100_000),
            "*a,".repeat(40)
        );
        assert_eq!(
            parse(&long).unwrap_err().code,
            ErrorCode::WORKLOAD_TOO_LARGE
        );
        assert!(parse(&("[".repeat(200_000))).is_err());
    }

    #[test]
    fn merge_keys_fill_in_and_never_override() {
        let roots = parse("d: &d {x: 1, y: 2}\nm:\n  <<: *d\n  x: 3\n").unwrap();
        let m = roots[0].get("m").unwrap();
        assert_eq!(m.get("x").and_then(Node::text), Some("3"));
        assert_eq!(m.get("y").and_then(Node::text), Some("2"));
        assert!(parse("<<: 1").is_err());
    }

    #[test]
    fn a_key_given_twice_is_refused_where_it_repeats() {
        let error = parse("run: a\nname: b\nrun: c\n").unwrap_err();
        assert_eq!((error.line, error.column), (3, 1));
    }
}
