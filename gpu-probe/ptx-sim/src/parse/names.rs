//! What the names of a kernel stand for. Braces open a scope that hides outer names: inline assembly
//! declares the same registers and labels again and again.

use std::collections::HashMap;

use crate::inst::{Pred, Reg, Space};
use crate::parse::ParseError;

/// More registers than this in a kernel are refused.
pub const REGISTERS_MAX: u32 = 65_536;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    Register(Reg),
    Predicate(Pred),
    /// A variable: its address in its space; global ones count from the module's first byte.
    Variable(Space, u64),
}

/// A label mentioned in an instruction: where it is looked up when the body is whole.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) scope: usize,
    pub(crate) name: String,
    pub(crate) line: u32,
}

#[derive(Debug)]
pub(crate) struct Names {
    /// Width in bits of every register.
    pub(crate) widths: Vec<u32>,
    pub(crate) predicates: u32,
    scopes: Vec<Scope>,
    current: usize,
    wanted: Vec<Wanted>,
}

#[derive(Debug, Default)]
struct Scope {
    parent: Option<usize>,
    names: HashMap<String, Named>,
    labels: HashMap<String, u32>,
    tables: HashMap<String, Vec<String>>,
}

impl Names {
    pub(crate) fn new() -> Self {
        Self {
            widths: vec![64],
            predicates: 1,
            scopes: vec![Scope::default()],
            current: 0,
            wanted: Vec::new(),
        }
    }

    pub(crate) fn open(&mut self) {
        self.scopes.push(Scope {
            parent: Some(self.current),
            ..Scope::default()
        });
        self.current = self.scopes.len() - 1;
    }

    /// Closes the innermost scope; false for the outermost one.
    pub(crate) fn close(&mut self) -> bool {
        match self.scopes[self.current].parent {
            Some(parent) => {
                self.current = parent;
                true
            }
            None => false,
        }
    }

    pub(crate) fn define(&mut self, name: &str, named: Named) {
        self.scopes[self.current]
            .names
            .insert(name.to_owned(), named);
    }

    /// Declares a register of a type such as `b32` or `pred`.
    pub(crate) fn register(&mut self, ty: &str, name: &str, line: u32) -> Result<(), ParseError> {
        let wrong = || ParseError::new(line, format!("registers of type `.{ty}`"));
        let named = if ty == "pred" {
            self.predicates += 1;
            Named::Predicate(Pred(self.predicates - 1))
        } else {
            let bits = ty.get(1..).and_then(|bits| bits.parse().ok());
            let bits = bits.filter(|bits| [8, 16, 32, 64].contains(bits));
            let bits = bits.ok_or_else(wrong)?;
            self.widths.push(bits);
            Named::Register(Reg(self.widths.len() as u32 - 1))
        };
        if self.widths.len() as u32 + self.predicates > REGISTERS_MAX {
            return Err(ParseError::new(
                line,
                format!("more than {REGISTERS_MAX} registers"),
            ));
        }
        self.define(name, named);
        Ok(())
    }

    pub(crate) fn find(&self, name: &str) -> Option<Named> {
        self.in_scopes(self.current, |scope| scope.names.get(name).copied())
    }

    pub(crate) fn label(&mut self, name: &str, at: u32) -> bool {
        let labels = &mut self.scopes[self.current].labels;
        labels.insert(name.to_owned(), at).is_none()
    }

    pub(crate) fn table(&mut self, name: &str, labels: Vec<String>) {
        self.scopes[self.current]
            .tables
            .insert(name.to_owned(), labels);
    }

    pub(crate) fn find_table(&self, name: &str) -> Option<Vec<String>> {
        self.in_scopes(self.current, |scope| scope.tables.get(name).cloned())
    }

    /// A number that stands for the label until [`Names::target`] tells its place.
    pub(crate) fn want(&mut self, name: &str, line: u32) -> u32 {
        self.wanted.push(Wanted {
            scope: self.current,
            name: name.to_owned(),
            line,
        });
        self.wanted.len() as u32 - 1
    }

    /// The place of a label that was wanted.
    pub(crate) fn target(&self, wanted: u32) -> Result<u32, ParseError> {
        let wanted = &self.wanted[wanted as usize];
        self.in_scopes(wanted.scope, |scope| {
            scope.labels.get(&wanted.name).copied()
        })
        .ok_or_else(|| ParseError::new(wanted.line, format!("unknown label `{}`", wanted.name)))
    }

    fn in_scopes<T>(&self, from: usize, find: impl Fn(&Scope) -> Option<T>) -> Option<T> {
        let mut at = Some(from);
        while let Some(scope) = at {
            if let Some(found) = find(&self.scopes[scope]) {
                return Some(found);
            }
            at = self.scopes[scope].parent;
        }
        None
    }
}
