//! An opcode with its modifiers and operands to an [`Op`]. A modifier that nobody asks for is an
//! error: an instruction is never run as if a part of it did not stand there.

mod context;
mod control;
mod convert;
mod float;
mod group;
mod integer;
mod logic;
mod matrix;
mod memory;
mod special;
mod warp;

use crate::inst::Op;
use crate::parse::{Names, Operand, ParseError};
use context::Context;

/// Families that are read and not interpreted, by the start of their opcodes.
const REFUSED: &[&str] = &[
    "tcgen05.",
    "cp.async.bulk.",
    "cp.reduce.",
    "mbarrier.",
    "tensormap.",
    "barrier.cluster.",
    "mapa.",
    "getctarank.",
    "setmaxnreg.",
    "createpolicy.",
    "clusterlaunchcontrol.",
    "multimem.",
    "wmma.",
    "tex.",
    "tld4.",
    "suld.",
    "sust.",
    "surf.",
    "griddepcontrol.",
];

/// Whether the opcode belongs to a family that is read, and refused when it is run.
pub(crate) fn is_refused(opcode: &str) -> bool {
    REFUSED.iter().any(|start| opcode.starts_with(start))
}

/// Resolves one instruction.
pub(crate) fn decode(
    opcode: &str,
    operands: &[Operand<'_>],
    names: &mut Names,
    line: u32,
) -> Result<Op, ParseError> {
    let mut context = Context::new(opcode, operands, names, line);
    let op = by_name(&mut context)?;
    context.finish()?;
    Ok(op)
}

fn by_name(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    match c.name {
        "add" | "sub" | "mul" | "mad" | "fma" | "div" | "rem" | "min" | "max" | "neg" | "abs"
        | "not" | "cnot" | "popc" | "clz" | "brev" | "bfind" | "bfe" | "bfi" | "prmt" | "lop3"
        | "shf" | "dp4a" | "sad" | "addc" | "subc" | "madc" | "shl" | "shr" | "and" | "or"
        | "xor" => arithmetic(c),
        "sqrt" | "rcp" | "rsqrt" | "ex2" | "lg2" | "sin" | "cos" | "tanh" | "copysign" => {
            float::function(c)
        }
        "setp" | "selp" | "mov" => logic::decode(c),
        "cvt" => convert::decode(c),
        "cvta" | "isspacep" => memory::address(c),
        "ld" | "ldu" | "st" | "atom" | "red" | "cp" | "prefetch" | "prefetchu" | "discard" => {
            memory::decode(c)
        }
        "ldmatrix" | "mma" => matrix::decode(c),
        "wgmma" => group::decode(c),
        "shfl" | "vote" | "match" | "redux" | "activemask" => warp::decode(c),
        "bra" | "brx" | "ret" | "exit" | "trap" | "bar" | "barrier" | "membar" | "fence"
        | "nanosleep" | "pmevent" | "brkpt" => control::decode(c),
        _ => Err(c.error("unknown instruction")),
    }
}

/// Opcodes that integers, floats and predicates share: the type tells.
fn arithmetic(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    if c.has("pred") {
        logic::of_predicates(c)
    } else if c.has_float() {
        float::decode(c)
    } else {
        integer::decode(c)
    }
}
