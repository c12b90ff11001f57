//! YAML (and so JSON) as a tree whose every node knows its line and column; `build.rs` makes it.
//!
//! Scalars keep their text as written; `3.10` and `1e-6` are not turned into numbers.

use saphyr_parser::Span;

/// Where a node starts, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Place {
    pub(super) fn of(span: Span) -> Self {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            line: number(span.start.line()).max(1),
            column: number(span.start.col()).saturating_add(1),
        }
    }
}

/// A node of the tree.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) body: Body,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A scalar as written.
#[derive(Debug, Clone)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Neither quoted nor a block.
    pub(crate) plain: bool,
    /// A `|` or `>` block; the node's place is that of its first line of text.
    pub(crate) block: bool,
}

/// A key of a mapping.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) place: Place,
}

impl Node {
    /// Whether the node is YAML's null.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.body, Body::Scalar(s)
            if s.plain && matches!(s.text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The value of a key when the node is a mapping that has it.
    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        match &self.body {
            Body::Map(entries) => entries.iter().find(|(k, _)| k.text == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The text when the node is a scalar that is not null.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.body {
            Body::Scalar(s) if !self.is_null() => Some(&s.text),
            _ => None,
        }
    }

    pub(super) fn size(&self) -> Size {
        let mut size = Size::default();
        let mut open = vec![self];
        while let Some(node) = open.pop() {
            match &node.body {
                Body::Scalar(s) => size.add(Size::of_text(&s.text)),
                Body::List(items) => {
                    size.nodes += 1;
                    open.extend(items);
                }
                Body::Map(entries) => {
                    size.nodes += 1;
                    for (key, value) in entries {
                        size.add(Size::of_text(&key.text));
                        open.push(value);
                    }
                }
            }
        }
        size
    }
}

/// What a tree holds, aliases followed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    pub(super) nodes: usize,
    pub(super) bytes: usize,
    pub(super) lines: usize,
}

impl Size {
    pub(super) fn of_text(text: &str) -> Self {
        Self {
            nodes: 1,
            bytes: text.len(),
            lines: text.bytes().filter(|b| *b == b'\n').count(),
        }
    }

    pub(super) fn add(&mut self, more: Self) {
        self.nodes += more.nodes;
        self.bytes += more.bytes;
        self.lines += more.lines;
    }
}
