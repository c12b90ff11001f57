//! Floating-point arithmetic and functions.

use crate::decode::context::{Context, half_type};
use crate::inst::{Float, Float1, Float2, FloatMode, Op};
use crate::number::Round;
use crate::parse::ParseError;

/// Uses up a float type.
pub(crate) fn float(c: &mut Context<'_, '_>) -> Result<Float, ParseError> {
    let find = |name: &str| match name {
        "f32" => Some(Float::F32),
        "f64" => Some(Float::F64),
        _ => half_type(name).map(|(format, pair)| Float::Half { format, pair }),
    };
    c.take_as(find)
        .ok_or_else(|| c.error("no float type that is known"))
}

fn mode(c: &mut Context<'_, '_>) -> Result<FloatMode, ParseError> {
    let round = c.round().unwrap_or(Round::NearestEven);
    let ty = float(c)?;
    let mode = FloatMode {
        ty,
        round,
        flush: c.take("ftz"),
        saturate: c.take("sat"),
    };
    if mode.flush && ty != Float::F32 {
        return Err(c.error("flushed subnormals are known for .f32 alone"));
    }
    if round != Round::NearestEven && ty != Float::F32 {
        return Err(c.error("directed rounding is known for .f32 alone"));
    }
    Ok(mode)
}

pub(crate) fn decode(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    // Approximate division is done as the exact one: closer than the limit that the language sets.
    if c.name == "div" {
        let _ = c.take("approx") || c.take("full");
    }
    let mode = mode(c)?;
    let op = match c.name {
        "neg" | "abs" => {
            return Ok(Op::Float1 {
                op: if c.name == "neg" {
                    Float1::Negate
                } else {
                    Float1::Abs
                },
                mode,
                d: c.reg(0)?,
                a: c.src(1)?,
            });
        }
        "fma" | "mad" => {
            return Ok(Op::Fma {
                mode,
                d: c.reg(0)?,
                a: c.src(1)?,
                b: c.src(2)?,
                c: c.src(3)?,
            });
        }
        "add" => Float2::Add,
        "sub" => Float2::Sub,
        "mul" => Float2::Mul,
        "div" => Float2::Div,
        "min" => Float2::Min,
        "max" => Float2::Max,
        _ => return Err(c.error("not for floats")),
    };
    Ok(Op::Float2 {
        op,
        mode,
        d: c.reg(0)?,
        a: c.src(1)?,
        b: c.src(2)?,
    })
}

pub(crate) fn function(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    // Approximations are computed closer than the language asks for; their last bits are not a GPU's.
    let approximate = c.take("approx");
    let mode = mode(c)?;
    let op = match c.name {
        "sqrt" => Float1::Sqrt,
        "rcp" => Float1::Reciprocal,
        "rsqrt" => Float1::ReciprocalSqrt,
        "ex2" => Float1::Exp2,
        "lg2" => Float1::Log2,
        "sin" => Float1::Sin,
        "cos" => Float1::Cos,
        "tanh" => Float1::Tanh,
        _ => {
            return Ok(Op::Float2 {
                op: Float2::CopySign,
                mode,
                d: c.reg(0)?,
                a: c.src(1)?,
                b: c.src(2)?,
            });
        }
    };
    if !approximate && !matches!(op, Float1::Sqrt | Float1::Reciprocal) {
        return Err(c.error("needs .approx"));
    }
    Ok(Op::Float1 {
        op,
        mode,
        d: c.reg(0)?,
        a: c.src(1)?,
    })
}
