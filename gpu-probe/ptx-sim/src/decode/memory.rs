//! Loads, stores, atomics, asynchronous copies and addresses.

use crate::decode::context::{Context, int_type};
use crate::inst::{Atomic, Int, Op, Space};
use crate::parse::{Operand, ParseError};

/// The state space, generic where none is named.
fn space(c: &mut Context<'_, '_>) -> Space {
    c.take_one(&[
        ("global", Space::Global),
        ("const", Space::Global),
        ("shared", Space::Shared),
        ("shared::cta", Space::Shared),
        ("local", Space::Local),
        ("param", Space::Param),
        ("param::entry", Space::Param),
    ])
    .unwrap_or(Space::Generic)
}

/// Cache operators, memory order and scope: the interpreter has no caches and one order of memory.
fn is_order(modifier: &str) -> bool {
    let known = [
        "ca", "cg", "cs", "lu", "cv", "wb", "wt", "nc", "weak", "volatile", "relaxed", "acquire",
        "release", "acq_rel", "cta", "cluster", "gpu", "sys",
    ];
    known.contains(&modifier) || modifier.starts_with("L1::") || modifier.starts_with("L2::")
}

/// The element of a load or store: bits and whether it is signed.
fn element(c: &mut Context<'_, '_>) -> Result<Int, ParseError> {
    c.take_as(|m| match m {
        "f32" => Some(Int::new(32, false)),
        "f64" => Some(Int::new(64, false)),
        _ => int_type(m),
    })
    .ok_or_else(|| c.error("no type that is known"))
}

pub(crate) fn decode(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    match c.name {
        "cp" => return copy(c),
        "prefetch" | "prefetchu" | "discard" => {
            c.drop_all(|_| true);
            return Ok(Op::Nothing);
        }
        _ => {}
    }
    let space = space(c);
    c.drop_all(is_order);
    match c.name {
        "ld" | "ldu" => {
            let (count, ty) = (vector(c), element(c)?);
            let parts = c.regs(0)?;
            if parts.len() != count {
                return Err(c.error("the list has another length"));
            }
            Ok(Op::Load {
                bytes: ty.bits / 8,
                signed: ty.signed,
                parts,
                at: c.address(1, space)?,
            })
        }
        "st" => {
            let (count, ty) = (vector(c), element(c)?);
            let parts = c.srcs(1)?;
            if parts.len() != count {
                return Err(c.error("the list has another length"));
            }
            Ok(Op::Store {
                bytes: ty.bits / 8,
                parts,
                at: c.address(0, space)?,
            })
        }
        _ => atomic(c, space),
    }
}

fn vector(c: &mut Context<'_, '_>) -> usize {
    c.take_one(&[("v2", 2), ("v4", 4), ("v8", 8)]).unwrap_or(1)
}

fn atomic(c: &mut Context<'_, '_>, space: Space) -> Result<Op, ParseError> {
    let float = c.take_one(&[("f32", 32), ("f64", 64)]);
    let op = c.take_one(&Atomic::REDUCTIONS).or_else(|| {
        c.take_one(&[
            ("exch", Atomic::Exchange),
            ("cas", Atomic::CompareExchange),
            ("inc", Atomic::Increment),
            ("dec", Atomic::Decrement),
        ])
    });
    let op = op.ok_or_else(|| c.error("no operation that is known"))?;
    let (op, ty) = match float {
        None => (op, c.int()?),
        Some(32) if op == Atomic::Add => (Atomic::AddF32, Int::new(32, false)),
        Some(64) if op == Atomic::Add => (Atomic::AddF64, Int::new(64, false)),
        Some(_) => return Err(c.error("floats are only added")),
    };
    if ty.bits < 32 {
        return Err(c.error("no atomics of fewer than 32 bits"));
    }
    let first = usize::from(c.name == "atom");
    Ok(Op::Atomic {
        op,
        ty,
        d: if first == 1 {
            c.reg(0)?
        } else {
            crate::inst::Reg(0)
        },
        at: c.address(first, space)?,
        a: c.src(first + 1)?,
        b: if op == Atomic::CompareExchange {
            Some(c.src(first + 2)?)
        } else {
            None
        },
    })
}

/// `cp.async` with its groups.
fn copy(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    if !c.take("async") {
        return Err(c.error("unknown instruction"));
    }
    if c.take("commit_group") {
        return Ok(Op::CopyCommit);
    }
    if c.take("wait_all") {
        return Ok(Op::CopyWait { left: None });
    }
    if c.take("wait_group") {
        let Operand::Number(left) = c.operand(0)? else {
            return Err(c.error("the number of groups must be a number"));
        };
        return Ok(Op::CopyWait {
            left: Some((*left).try_into().unwrap_or(u32::MAX)),
        });
    }
    let spaces = (c.take("shared") || c.take("shared::cta")) && c.take("global");
    let cached = c.take("ca");
    c.drop_all(is_order);
    let Operand::Number(bytes) = c.operand(2)? else {
        return Err(c.error("the size must be a number"));
    };
    let right_size = *bytes == 16 || (cached && (*bytes == 4 || *bytes == 8));
    if !spaces || !right_size {
        return Err(c.error("copies 4, 8 or 16 bytes (.cg: 16) from .global to .shared"));
    }
    Ok(Op::CopyAsync {
        to: c.address(0, Space::Shared)?,
        from: c.address(1, Space::Global)?,
        bytes: *bytes as u32,
        given: if c.operands.len() > 3 {
            Some(c.src(3)?)
        } else {
            None
        },
    })
}

/// `cvta` and `isspacep`.
pub(crate) fn address(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    let to = c.take("to");
    let space = space(c);
    if space == Space::Generic {
        return Err(c.error("no state space"));
    }
    if c.name == "isspacep" {
        return Ok(Op::IsSpace {
            space,
            d: c.pred(0)?,
            a: c.src(1)?,
        });
    }
    c.int()?;
    let (d, a) = (c.reg(0)?, c.src(1)?);
    Ok(if to {
        Op::FromGeneric { space, d, a }
    } else {
        Op::ToGeneric { space, d, a }
    })
}
