//! `ldmatrix` and `mma.sync`.

use crate::decode::context::Context;
use crate::inst::{Elements, MatrixMultiply, Op, Space};
use crate::number::{self, Format};
use crate::parse::ParseError;

pub(crate) fn decode(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    c.take("sync");
    c.take("aligned");
    if c.name == "mma" {
        return multiply(c);
    }
    let transposed = c.take("trans");
    let count = c.take_one(&[("x1", 1), ("x2", 2), ("x4", 4)]);
    let shared = c.take("shared") || c.take("shared::cta");
    if !c.take("m8n8") || !c.take("b16") {
        return Err(c.error("only .m8n8 of .b16 is known"));
    }
    let parts = c.regs(0)?;
    if count != Some(parts.len()) {
        return Err(c.error("the list has another length"));
    }
    Ok(Op::LoadMatrix {
        transposed,
        parts,
        at: c.address(
            1,
            if shared {
                Space::Shared
            } else {
                Space::Generic
            },
        )?,
    })
}

/// An operand's element: a float format, or a byte and whether it is signed.
#[derive(Clone, Copy)]
enum Element {
    Float(Format),
    Byte(bool),
}

fn multiply(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    let shape = c.take_one(&[
        ("m8n8k4", (8, 4)),
        ("m8n8k16", (8, 16)),
        ("m16n8k8", (16, 8)),
        ("m16n8k16", (16, 16)),
        ("m16n8k32", (16, 32)),
    ]);
    let (m, k) = shape.ok_or_else(|| c.error("no shape that is known"))?;
    let (a_columns, b_columns) = (order(c)?, order(c)?);
    let saturate = c.take("satfinite");
    c.take("kind::f8f6f4");
    // Types of d, a, b, c stand in this order.
    let d_half = accumulator(c)?;
    let elements = elements(c, saturate)?;
    let c_half = accumulator(c)?;
    let per_register = 32 / elements.bits() as usize;
    let quads = if (m, k) == (8, 4) { 4 } else { 1 };
    let words = |elements: usize, per: usize| elements * quads / 32 / per;
    let op = MatrixMultiply {
        m,
        k,
        elements,
        c_half,
        d_half,
        a_columns,
        b_columns,
        d: c.regs(0)?,
        a: c.srcs(1)?,
        b: c.srcs(2)?,
        c: c.srcs(3)?,
    };
    let fits = op.a.len() == words(m * k, per_register)
        && op.b.len() == words(k * 8, per_register)
        && op.c.len() == words(m * 8, 1 + usize::from(c_half))
        && op.d.len() == words(m * 8, 1 + usize::from(d_half));
    if !fits || !known(&op) {
        return Err(c.error("this shape does not go with these types or operands"));
    }
    Ok(Op::MatrixMultiply(Box::new(op)))
}

/// Whether the shape is one that the language has for the types.
fn known(op: &MatrixMultiply) -> bool {
    let normal_order = !op.a_columns && op.b_columns;
    match (op.elements, op.m, op.k) {
        (Elements::Int8 { .. }, 8, 16) | (Elements::Int8 { .. }, 16, 16 | 32) => normal_order,
        (Elements::Float { a, b }, 8, 4) => a == number::F16 && b == number::F16,
        (Elements::Float { a, b }, 16, 8 | 16) if a.bits() == 16 => normal_order && a == b,
        (Elements::Float { a, b }, 16, 16 | 32) => normal_order && a.bits() == 8 && b.bits() == 8,
        _ => false,
    }
}

fn order(c: &mut Context<'_, '_>) -> Result<bool, ParseError> {
    c.take_as(|m| match m {
        "row" => Some(false),
        "col" => Some(true),
        _ => None,
    })
    .ok_or_else(|| c.error("needs .row or .col for a and b"))
}

/// Uses up the types of a and b.
pub(crate) fn elements(c: &mut Context<'_, '_>, saturate: bool) -> Result<Elements, ParseError> {
    match (element(c)?, element(c)?) {
        (Element::Byte(a_signed), Element::Byte(b_signed)) => Ok(Elements::Int8 {
            a_signed,
            b_signed,
            saturate,
        }),
        (Element::Float(a), Element::Float(b)) if a.bits() == b.bits() => {
            Ok(Elements::Float { a, b })
        }
        _ => Err(c.error("factors of two kinds")),
    }
}

/// Whether the accumulator is FP16; FP32 and 32-bit integers are 32 bits wide.
pub(crate) fn accumulator(c: &mut Context<'_, '_>) -> Result<bool, ParseError> {
    c.take_as(|m| match m {
        "f16" => Some(true),
        "f32" | "s32" => Some(false),
        _ => None,
    })
    .ok_or_else(|| c.error("no accumulator that is known"))
}

fn element(c: &mut Context<'_, '_>) -> Result<Element, ParseError> {
    c.take_as(|m| match m {
        "f16" => Some(Element::Float(number::F16)),
        "bf16" => Some(Element::Float(number::BF16)),
        "e4m3" => Some(Element::Float(number::E4M3)),
        "e5m2" => Some(Element::Float(number::E5M2)),
        "s8" => Some(Element::Byte(true)),
        "u8" => Some(Element::Byte(false)),
        _ => None,
    })
    .ok_or_else(|| c.error("no element type that is known"))
}
