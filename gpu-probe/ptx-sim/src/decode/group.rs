//! `wgmma`: products of a group of four warps, with both factors in shared memory.

use crate::decode::context::Context;
use crate::decode::matrix;
use crate::inst::{Elements, GroupMultiply, Op};
use crate::parse::{Operand, ParseError};

pub(crate) fn decode(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    c.take("sync");
    c.take("aligned");
    if c.take("fence") {
        return Ok(Op::Nothing);
    }
    if c.take("commit_group") {
        return Ok(Op::GroupCommit);
    }
    if c.take("wait_group") {
        let Operand::Number(left) = c.operand(0)? else {
            return Err(c.error("the number of groups must be a number"));
        };
        return Ok(Op::GroupWait {
            left: (*left).try_into().unwrap_or(u32::MAX),
        });
    }
    if !c.take("mma_async") {
        return Err(c.error("unknown instruction"));
    }
    multiply(c)
}

fn multiply(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    let shape = c.take_as(|m| {
        let (n, k) = m.strip_prefix("m64n")?.split_once('k')?;
        Some((n.parse::<usize>().ok()?, k.parse::<usize>().ok()?))
    });
    let (n, k) = shape.ok_or_else(|| c.error("no shape that is known"))?;
    let saturate = c.take("satfinite");
    if matrix::accumulator(c)? {
        return Err(c.error("sums in FP16"));
    }
    let elements = matrix::elements(c, saturate)?;
    let d = c.regs(0)?;
    let bits = elements.bits() as usize;
    if n % 8 != 0 || n == 0 || n > 256 || k * bits != 256 || d.len() != n / 2 {
        return Err(c.error("this shape does not go with these types or operands"));
    }
    // What follows: whether d is added to, the signs of a and b, and for 16 bits which are turned.
    let mut ones = c.operands.iter().skip(4).take(2);
    let mut turned = c.operands.iter().skip(6);
    let plain = ones.all(|o| *o == Operand::Number(1)) && turned.all(|o| *o == Operand::Number(0));
    let right_count = match elements {
        Elements::Int8 { .. } => 4,
        Elements::Float { .. } if bits == 8 => 6,
        Elements::Float { .. } => 8,
    };
    if !plain || c.operands.len() != right_count {
        return Err(c.error("only factors with k running fastest, as they are"));
    }
    Ok(Op::GroupMultiply(Box::new(GroupMultiply {
        n,
        elements,
        d,
        a: c.src(1)?,
        b: c.src(2)?,
        add: c.truth(3)?,
    })))
}
