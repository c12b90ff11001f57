//! Operands as they are written, before names are looked up.

use crate::parse::ParseError;
use crate::parse::cursor::{Cursor, number};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operand<'t> {
    /// A register, special register, variable or label, and what is added to it.
    Name(&'t str, u64),
    /// `!%p`
    Not(&'t str),
    Number(u64),
    /// `[name+offset]`, or `[offset]` without a name.
    Address(Option<&'t str>, u64),
    /// `{a, b}`
    List(Vec<Operand<'t>>),
    /// `%p|%q`
    Pair(&'t str, &'t str),
}

/// Reads the operands of an instruction, up to and with its `;`.
pub(crate) fn operands<'t>(cursor: &mut Cursor<'t>) -> Result<Vec<Operand<'t>>, ParseError> {
    let mut out = Vec::new();
    if cursor.take(";") {
        return Ok(out);
    }
    loop {
        out.push(operand(cursor)?);
        if cursor.take(";") {
            return Ok(out);
        }
        cursor.expect(",")?;
    }
}

fn operand<'t>(cursor: &mut Cursor<'t>) -> Result<Operand<'t>, ParseError> {
    if cursor.take("{") {
        let mut parts = Vec::new();
        while !cursor.take("}") {
            parts.push(simple(cursor)?);
            if !cursor.is("}") {
                cursor.expect(",")?;
            }
        }
        return Ok(Operand::List(parts));
    }
    if cursor.take("[") {
        let (name, offset) = match simple(cursor)? {
            Operand::Name(name, offset) => (Some(name), offset),
            Operand::Number(offset) => (None, offset),
            _ => return Err(cursor.error("an address that is no name and no number")),
        };
        cursor.expect("]")?;
        return Ok(Operand::Address(name, offset));
    }
    simple(cursor)
}

fn simple<'t>(cursor: &mut Cursor<'t>) -> Result<Operand<'t>, ParseError> {
    if cursor.take("!") {
        return Ok(Operand::Not(cursor.word()?));
    }
    let literal = cursor.is("-") || cursor.peek().is_some_and(|t| number(t.text).is_some());
    if literal {
        return Ok(Operand::Number(cursor.number()?));
    }
    let name = cursor.word()?;
    if cursor.take("|") {
        return Ok(Operand::Pair(name, cursor.word()?));
    }
    let offset = if cursor.take("+") || cursor.is("-") {
        cursor.number()?
    } else {
        0
    };
    Ok(Operand::Name(name, offset))
}
