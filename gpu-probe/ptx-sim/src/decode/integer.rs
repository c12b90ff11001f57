//! Integer arithmetic, logic, shifts and bit fields.

use crate::decode::context::Context;
use crate::inst::{Binary, Int, Op, Part, Permute, Ternary, Unary};
use crate::parse::ParseError;

pub(crate) fn decode(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    match c.name {
        "mul" | "mad" => multiply(c),
        "addc" | "subc" | "madc" => carry(c),
        "add" | "sub" if c.has("cc") => carry(c),
        "neg" | "abs" | "not" | "cnot" | "popc" | "clz" | "brev" | "bfind" => unary(c),
        "bfe" | "prmt" | "lop3" | "shf" | "dp4a" | "sad" => ternary(c),
        "bfi" => Ok(Op::InsertBits {
            ty: c.int()?,
            d: c.reg(0)?,
            a: c.src(1)?,
            b: c.src(2)?,
            start: c.src(3)?,
            length: c.src(4)?,
        }),
        _ => binary(c),
    }
}

fn binary(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    let ty = c.int()?;
    let saturated = ["add", "sub"].contains(&c.name) && c.take("sat");
    let op = match (c.name, saturated) {
        ("add", false) => Binary::Add,
        ("add", true) => Binary::AddSaturated,
        ("sub", false) => Binary::Sub,
        ("sub", true) => Binary::SubSaturated,
        ("div", _) => Binary::Div,
        ("rem", _) => Binary::Rem,
        ("min", _) => Binary::Min,
        ("max", _) => Binary::Max,
        ("and", _) => Binary::And,
        ("or", _) => Binary::Or,
        ("xor", _) => Binary::Xor,
        ("shl", _) => Binary::ShiftLeft,
        ("shr", _) => Binary::ShiftRight,
        _ => return Err(c.error("not for integers")),
    };
    if saturated && ty != Int::new(32, true) {
        return Err(c.error("saturates only for .s32"));
    }
    Ok(Op::Binary {
        op,
        ty,
        d: c.reg(0)?,
        a: c.src(1)?,
        b: c.src(2)?,
    })
}

fn unary(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    let shift = c.name == "bfind" && c.take("shiftamt");
    let op = match c.name {
        "neg" => Unary::Negate,
        "abs" => Unary::Abs,
        "not" => Unary::Not,
        "cnot" => Unary::LogicalNot,
        "popc" => Unary::CountOnes,
        "clz" => Unary::LeadingZeros,
        "brev" => Unary::Reverse,
        _ if shift => Unary::FindHighestShift,
        _ => Unary::FindHighest,
    };
    Ok(Op::Unary {
        op,
        ty: c.int()?,
        d: c.reg(0)?,
        a: c.src(1)?,
    })
}

fn part(c: &mut Context<'_, '_>) -> Result<Part, ParseError> {
    c.take_one(&[("lo", Part::Low), ("hi", Part::High), ("wide", Part::Wide)])
        .ok_or_else(|| c.error("needs .lo, .hi or .wide"))
}

fn multiply(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    if c.name == "mad" && c.has("cc") {
        return carry(c);
    }
    let part = part(c)?;
    let ty = c.int()?;
    if part == Part::Wide && ty.bits == 64 {
        return Err(c.error("no product of 128 bits"));
    }
    Ok(Op::Multiply {
        part,
        ty,
        d: c.reg(0)?,
        a: c.src(1)?,
        b: c.src(2)?,
        add: if c.name == "mad" {
            Some(c.src(3)?)
        } else {
            None
        },
    })
}

/// Extended precision: `add.cc`, `addc`, `sub.cc`, `subc`, `mad.lo.cc`, `madc.hi` and alike.
fn carry(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    let carry_in = c.name.ends_with('c');
    let carry_out = c.take("cc");
    if c.name.starts_with("mad") {
        let part = part(c)?;
        return Ok(Op::CarryMad {
            part,
            carry_in,
            carry_out,
            ty: c.int()?,
            d: c.reg(0)?,
            a: c.src(1)?,
            b: c.src(2)?,
            c: c.src(3)?,
        });
    }
    Ok(Op::CarryAdd {
        subtract: c.name.starts_with("sub"),
        carry_in,
        carry_out,
        ty: c.int()?,
        d: c.reg(0)?,
        a: c.src(1)?,
        b: c.src(2)?,
    })
}

fn ternary(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    let (op, ty) = match c.name {
        "dp4a" => {
            // The types of a and b stand in this order.
            let (a, b) = (c.int()?, c.int()?);
            let op = Ternary::Dot4 {
                a_signed: a.signed,
                b_signed: b.signed,
            };
            (op, Int::new(32, a.signed || b.signed))
        }
        "shf" => (funnel(c)?, c.int()?),
        "prmt" => {
            let mode = c.take_one(&[
                ("f4e", Permute::Forward4),
                ("b4e", Permute::Backward4),
                ("rc8", Permute::Replicate8),
                ("ecl", Permute::EdgeLeft),
                ("ecr", Permute::EdgeRight),
                ("rc16", Permute::Replicate16),
            ]);
            (Ternary::Permute(mode.unwrap_or(Permute::Index)), c.int()?)
        }
        "lop3" => {
            let table = match c.operand(4)? {
                crate::parse::Operand::Number(table) if *table < 256 => *table as u8,
                _ => return Err(c.error("the table must be a number below 256")),
            };
            (Ternary::Logic(table), c.int()?)
        }
        "bfe" => (Ternary::ExtractBits, c.int()?),
        _ => (Ternary::AbsoluteDifference, c.int()?),
    };
    Ok(Op::Ternary {
        op,
        ty,
        d: c.reg(0)?,
        a: c.src(1)?,
        b: c.src(2)?,
        c: c.src(3)?,
    })
}

fn funnel(c: &mut Context<'_, '_>) -> Result<Ternary, ParseError> {
    let left = c
        .take_one(&[("l", true), ("r", false)])
        .ok_or_else(|| c.error("needs .l or .r"))?;
    let wrap = c
        .take_one(&[("wrap", true), ("clamp", false)])
        .ok_or_else(|| c.error("needs .wrap or .clamp"))?;
    Ok(if left {
        Ternary::FunnelLeft { wrap }
    } else {
        Ternary::FunnelRight { wrap }
    })
}
