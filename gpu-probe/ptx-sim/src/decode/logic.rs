//! Comparisons, selection, moves, and logic on predicates.

use crate::decode::context::Context;
use crate::decode::float::float;
use crate::inst::{Compare, Compared, Logic, Op, Truth};
use crate::parse::{Operand, ParseError};

pub(crate) fn decode(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    match c.name {
        "setp" => compare(c),
        "selp" => {
            c.drop_all(|m| m.len() == 3 && "bsuf".contains(&m[..1]));
            Ok(Op::Select {
                d: c.reg(0)?,
                a: c.src(1)?,
                b: c.src(2)?,
                test: c.test(3)?,
            })
        }
        _ => mov(c),
    }
}

fn logic(c: &mut Context<'_, '_>) -> Option<Logic> {
    c.take_one(&[("and", Logic::And), ("or", Logic::Or), ("xor", Logic::Xor)])
}

/// The comparison by its name; true where a NaN makes it true, and true where signs are left aside.
fn relation(name: &str) -> Option<(Compare, bool, bool)> {
    Some(match name {
        "eq" => (Compare::Equal, false, false),
        "ne" => (Compare::NotEqual, false, false),
        "lt" => (Compare::Less, false, false),
        "le" => (Compare::LessEqual, false, false),
        "gt" => (Compare::Greater, false, false),
        "ge" => (Compare::GreaterEqual, false, false),
        "lo" => (Compare::Less, false, true),
        "ls" => (Compare::LessEqual, false, true),
        "hi" => (Compare::Greater, false, true),
        "hs" => (Compare::GreaterEqual, false, true),
        "equ" => (Compare::Equal, true, false),
        "neu" => (Compare::NotEqual, true, false),
        "ltu" => (Compare::Less, true, false),
        "leu" => (Compare::LessEqual, true, false),
        "gtu" => (Compare::Greater, true, false),
        "geu" => (Compare::GreaterEqual, true, false),
        "num" => (Compare::Number, false, false),
        "nan" => (Compare::NotANumber, true, false),
        _ => return None,
    })
}

fn compare(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    let (compare, unordered, unsigned) = c
        .take_as(relation)
        .ok_or_else(|| c.error("no comparison that is known"))?;
    let with = logic(c);
    let of = if c.has_float() {
        Compared::Float {
            ty: float(c)?,
            unordered,
            flush: c.take("ftz"),
        }
    } else {
        let mut ty = c.int()?;
        ty.signed &= !unsigned;
        Compared::Int(ty)
    };
    let (d, opposite) = match c.operand(0)? {
        Operand::Pair(first, second) => {
            let no = || c.error("the results are no predicates");
            (
                c.pred_named(first).ok_or_else(no)?,
                Some(c.pred_named(second).ok_or_else(no)?),
            )
        }
        _ => (c.pred(0)?, None),
    };
    Ok(Op::Compare {
        compare,
        of,
        d,
        opposite,
        a: c.src(1)?,
        b: c.src(2)?,
        with: match with {
            Some(logic) => Some((logic, c.test(3)?)),
            None => None,
        },
    })
}

/// `and.pred`, `or.pred`, `xor.pred`, `not.pred`, and `mov.pred`.
pub(crate) fn of_predicates(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    c.take("pred");
    let (op, b) = match c.name {
        "and" => (Logic::And, c.truth(2)?),
        "or" => (Logic::Or, c.truth(2)?),
        "xor" => (Logic::Xor, c.truth(2)?),
        "not" => (Logic::Xor, Truth::Constant(true)),
        "mov" => (Logic::Or, Truth::Constant(false)),
        _ => return Err(c.error("not for predicates")),
    };
    Ok(Op::Logic {
        op,
        d: c.pred(0)?,
        a: c.truth(1)?,
        b,
    })
}

fn mov(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    if c.has("pred") {
        return of_predicates(c);
    }
    let bits: u32 = c
        .take_as(|m| m.get(1..)?.parse().ok())
        .ok_or_else(|| c.error("no type that is known"))?;
    if bits > 64 {
        return Err(c.error("no moves of more than 64 bits"));
    }
    match (c.operand(0)?, c.operand(1)?) {
        (Operand::List(parts), _) => Ok(Op::Unpack {
            bits: bits / parts.len().max(1) as u32,
            parts: c.regs(0)?,
            a: c.src(1)?,
        }),
        (_, Operand::List(parts)) => Ok(Op::Pack {
            bits: bits / parts.len().max(1) as u32,
            d: c.reg(0)?,
            parts: c.srcs(1)?,
        }),
        _ => Ok(Op::Move {
            d: c.reg(0)?,
            a: c.src(1)?,
        }),
    }
}
