//! The part of the language that is allowed, with its types; and values that may satisfy it.

use std::collections::BTreeMap;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, LiteralValue, operators};

use super::{VARIABLES, Variable, variable};

/// A constant of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::policy) enum Literal {
    Number(i64),
    Text(String),
}

/// For some variables a value that their first comparison accepts. Together they satisfy a plain
/// conjunction of comparisons; for other expressions they are a guess.
pub(in crate::policy) type Witness = BTreeMap<Variable, Literal>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Truth,
    Number,
    Text,
}

impl Type {
    const fn name(self) -> &'static str {
        match self {
            Self::Truth => "true or false",
            Self::Number => "a whole number",
            Self::Text => "a text",
        }
    }
}

/// Checks a whole expression: it must be true or false.
pub(super) fn check(expression: &IdedExpr) -> Result<Witness, String> {
    let mut witness = Witness::new();
    expect(expression, Type::Truth, &mut witness)?;
    Ok(witness)
}

fn expect(e: &IdedExpr, wanted: Type, witness: &mut Witness) -> Result<(), String> {
    let found = type_of(e, witness)?;
    if found == wanted {
        return Ok(());
    }
    Err(format!(
        "{} stands where {} belongs",
        found.name(),
        wanted.name()
    ))
}

/// The type of an expression. Each part is looked at once, so the work grows with the words.
fn type_of(e: &IdedExpr, witness: &mut Witness) -> Result<Type, String> {
    match &e.expr {
        Expr::Literal(LiteralValue::Boolean(_)) => Ok(Type::Truth),
        Expr::Literal(LiteralValue::Int(_)) => Ok(Type::Number),
        Expr::Literal(LiteralValue::String(_)) => Ok(Type::Text),
        Expr::Ident(name) => match variable(name) {
            Some((_, true)) => Ok(Type::Text),
            Some((_, false)) => Ok(Type::Number),
            None => Err(unknown(name)),
        },
        Expr::Call(call) => of_call(call, witness),
        Expr::List(_) => Err("a list can only stand behind `in`".into()),
        _ => Err(
            "only names, whole numbers, texts, operators and lists behind `in` are allowed".into(),
        ),
    }
}

fn unknown(name: &str) -> String {
    let known: Vec<_> = VARIABLES.iter().map(|(known, _, _)| *known).collect();
    let shown: String = name.chars().take(64).collect();
    format!(
        "`{shown}` is not known here; known are {}",
        known.join(", ")
    )
}

fn of_call(call: &CallExpr, witness: &mut Witness) -> Result<Type, String> {
    use operators::{
        ADD, CONDITIONAL, DIVIDE, EQUALS, GREATER, GREATER_EQUALS, IN, LESS, LESS_EQUALS,
        LOGICAL_AND, LOGICAL_NOT, LOGICAL_OR, MODULO, MULTIPLY, NEGATE, NOT_EQUALS, SUBSTRACT,
    };
    let name = call.func_name.as_str();
    match (name, call.target.as_deref(), call.args.as_slice()) {
        (LOGICAL_AND | LOGICAL_OR, None, [a, b]) => both(a, b, Type::Truth, Type::Truth, witness),
        (LOGICAL_NOT, None, [a]) => {
            expect(a, Type::Truth, witness)?;
            Ok(Type::Truth)
        }
        (NEGATE, None, [a]) => {
            expect(a, Type::Number, witness)?;
            Ok(Type::Number)
        }
        (ADD | SUBSTRACT | MULTIPLY | DIVIDE | MODULO, None, [a, b]) => {
            both(a, b, Type::Number, Type::Number, witness)
        }
        (LESS | LESS_EQUALS | GREATER | GREATER_EQUALS, None, [a, b]) => {
            remember(name, a, b, witness);
            both(a, b, Type::Number, Type::Truth, witness)
        }
        (EQUALS | NOT_EQUALS, None, [a, b]) => {
            remember(name, a, b, witness);
            let wanted = type_of(a, witness)?;
            expect(b, wanted, witness)?;
            Ok(Type::Truth)
        }
        (CONDITIONAL, None, [when, a, b]) => {
            expect(when, Type::Truth, witness)?;
            let wanted = type_of(a, witness)?;
            expect(b, wanted, witness)?;
            Ok(wanted)
        }
        (IN, None, [a, list]) => {
            let Expr::List(items) = &list.expr else {
                return Err("a list such as [\"DE\", \"FR\"] belongs behind `in`".into());
            };
            if let Some(first) = items.elements.first() {
                remember(EQUALS, a, first, witness);
            }
            let wanted = type_of(a, witness)?;
            for item in &items.elements {
                expect(item, wanted, witness)?;
            }
            Ok(Type::Truth)
        }
        ("startsWith" | "endsWith" | "contains", Some(a), [b]) => {
            both(a, b, Type::Text, Type::Truth, witness)
        }
        _ => Err(format!(
            "`{}` is no operator or function that is allowed, or not with these operands",
            name.chars().take(64).collect::<String>()
        )),
    }
}

fn both(
    a: &IdedExpr,
    b: &IdedExpr,
    operands: Type,
    result: Type,
    witness: &mut Witness,
) -> Result<Type, String> {
    expect(a, operands, witness)?;
    expect(b, operands, witness)?;
    Ok(result)
}

/// Notes a value that satisfies `variable op constant`, the first time the variable is compared.
fn remember(op: &str, a: &IdedExpr, b: &IdedExpr, witness: &mut Witness) {
    let (name, constant, turned) = match (&a.expr, &b.expr) {
        (Expr::Ident(name), Expr::Literal(constant)) => (name, constant, false),
        (Expr::Literal(constant), Expr::Ident(name)) => (name, constant, true),
        _ => return,
    };
    let Some((variable, _)) = variable(name) else {
        return;
    };
    let step = match (op, turned) {
        (operators::GREATER, false) | (operators::LESS, true) | (operators::NOT_EQUALS, _) => 1,
        (operators::LESS, false) | (operators::GREATER, true) => -1,
        _ => 0,
    };
    let value = match constant {
        LiteralValue::Int(number) => Literal::Number(number.inner().saturating_add(step)),
        LiteralValue::String(text) if step == 0 => Literal::Text(text.inner().to_owned()),
        _ => return,
    };
    witness.entry(variable).or_insert(value);
}
