//! A rule's condition: an expression of the Common Expression Language that narrows the rule.
//!
//! An expression is taken apart three times before it is ever evaluated: `lex.rs` lets only plain
//! words of bounded number and nesting reach the language's own parser, which recurses; `types.rs`
//! then allows a small part of the language (no lists but behind `in`, no macros, no loops, whole
//! numbers and texts alone) and checks the types. What is left ends after as many steps as it has
//! words. At run time only arithmetic can fail: a division by zero, or a result beyond 64 bits.
//! Language: <https://github.com/google/cel-spec/blob/master/doc/langdef.md>.

mod lex;
mod types;

use std::sync::{Arc, LazyLock};

use cel::common::types::{CelInt, CelString};
use cel::common::value::CowVal;
use cel::context::VariableResolver;
use cel::{Context, Env, Program, Value};

use super::subject::{Subject, grade_name};
pub(super) use types::{Literal, Witness};

/// Longest expression in bytes.
pub(super) const CONDITION_BYTES_MAX: usize = 512;

/// The language without macros and without optional values.
static LANGUAGE: LazyLock<Arc<Env>> =
    LazyLock::new(|| Arc::new(Env::default().with_optional_support(false).with_stdlib()));

/// A checked expression.
#[derive(Debug)]
pub(super) struct Condition {
    program: Program,
    /// Values that are likely to satisfy it.
    pub(super) witness: Witness,
}

/// Names and meanings that an expression can use; the order is that of [`VARIABLES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Variable {
    Account,
    Class,
    Country,
    Gpu,
    GpuHours,
    Grade,
    Network,
    TermSeconds,
    Tier,
    UtilisationPermille,
    VramGb,
}

/// Every name, and whether it is a text (else a whole number).
pub(super) const VARIABLES: [(&str, Variable, bool); 11] = [
    ("account", Variable::Account, true),
    ("class", Variable::Class, true),
    ("country", Variable::Country, true),
    ("gpu", Variable::Gpu, true),
    ("gpu_hours", Variable::GpuHours, false),
    ("grade", Variable::Grade, true),
    ("network", Variable::Network, true),
    ("term_seconds", Variable::TermSeconds, false),
    ("tier", Variable::Tier, true),
    ("utilisation_permille", Variable::UtilisationPermille, false),
    ("vram_gb", Variable::VramGb, false),
];

fn variable(name: &str) -> Option<(Variable, bool)> {
    let found = VARIABLES.iter().find(|(known, _, _)| *known == name)?;
    Some((found.1, found.2))
}

impl Condition {
    /// Compiles and checks an expression, once.
    ///
    /// Fails with what is wrong, in words that name the character.
    pub(super) fn compile(text: &str) -> Result<Self, String> {
        if text.len() > CONDITION_BYTES_MAX {
            return Err(format!(
                "an expression of {} bytes; at most {CONDITION_BYTES_MAX}",
                text.len()
            ));
        }
        lex::check(text)?;
        let program = LANGUAGE.compile(text).map_err(|errors| {
            let first = errors.errors.first();
            first.map_or("not an expression".to_owned(), |error| {
                let (_, column) = error.pos;
                format!("not an expression, at character {column}: {}", error.msg)
            })
        })?;
        let witness = types::check(program.expression())?;
        Ok(Self { program, witness })
    }

    /// Whether it names one of these variables.
    pub(super) fn names(&self, variables: &[Variable]) -> bool {
        let references = self.program.references();
        let named = |v: &Variable| {
            let entry = VARIABLES.iter().find(|(_, known, _)| known == v);
            entry.is_some_and(|(name, _, _)| references.has_variable(name))
        };
        variables.iter().any(named)
    }

    /// Whether its answer may depend on where an offer stands.
    pub(super) fn looks_at_country(&self) -> bool {
        self.names(&[Variable::Country])
    }

    /// Whether the expression holds for a subject, or why it could not be told.
    pub(super) fn holds(&self, subject: &Subject<'_>) -> Result<bool, String> {
        let scope = Scope {
            subject,
            account: subject.account.map(ToString::to_string).unwrap_or_default(),
        };
        let mut context = Context::with_env(Arc::clone(&LANGUAGE));
        context.set_variable_resolver(&scope);
        match self.program.execute(&context) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(format!("gave {other:?}, which is neither true nor false")),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// What the names of an expression mean for one subject.
struct Scope<'a> {
    subject: &'a Subject<'a>,
    account: String,
}

impl VariableResolver for Scope<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        let subject = self.subject;
        let text = |text: &'b str| Some(CowVal::owned(CelString::from(text)));
        let number = |number: i64| Some(CowVal::owned(CelInt::from(number)));
        match variable(name)?.0 {
            Variable::Account => text(&self.account),
            Variable::Class => text(subject.class.as_str()),
            Variable::Country => text(subject.country.as_str()),
            Variable::Gpu => text(subject.gpu.id()),
            Variable::GpuHours => number(i64::try_from(subject.gpu_hours).unwrap_or(i64::MAX)),
            Variable::Grade => text(grade_name(subject.grade)),
            Variable::Network => text(subject.network.as_str()),
            Variable::TermSeconds => number(i64::from(subject.term_seconds)),
            Variable::Tier => text(subject.tier.as_str()),
            Variable::UtilisationPermille => number(i64::from(subject.utilisation_permille)),
            Variable::VramGb => number(i64::from(subject.gpu.facts().vram_gb)),
        }
    }
}

#[cfg(test)]
mod tests;
