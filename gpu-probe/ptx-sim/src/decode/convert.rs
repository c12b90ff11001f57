//! `cvt` between integers and floats of every width.

use crate::decode::context::{Context, int_type};
use crate::inst::{Conversion, Number, Op};
use crate::number::{self, Format, Round};
use crate::parse::ParseError;

/// What a type suffix of `cvt` names, and whether it is two values in one register.
fn number(name: &str) -> Option<(Number, bool)> {
    let of = |format: Format, pair| Some((Number::Float(format), pair));
    match name {
        "f64" => Some((Number::F64, false)),
        "f32" => of(number::F32, false),
        "tf32" => of(number::TF32, false),
        "f16" => of(number::F16, false),
        "bf16" => of(number::BF16, false),
        "f16x2" => of(number::F16, true),
        "bf16x2" => of(number::BF16, true),
        "e4m3x2" => of(number::E4M3, true),
        "e5m2x2" => of(number::E5M2, true),
        _ => int_type(name).map(|int| (Number::Int(int), false)),
    }
}

pub(crate) fn decode(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    let integral = c.take_one(&[
        ("rni", Round::NearestEven),
        ("rzi", Round::Zero),
        ("rmi", Round::Down),
        ("rpi", Round::Up),
    ]);
    let plain = c.round();
    let flush = c.take("ftz");
    let saturate = c.take("sat");
    let finite = c.take("satfinite");
    let relu = c.take("relu");
    // The result's type stands before the source's.
    let (to, to_pair) = c
        .take_as(number)
        .ok_or_else(|| c.error("no result type that is known"))?;
    let (from, from_pair) = c
        .take_as(number)
        .ok_or_else(|| c.error("no source type that is known"))?;
    let how = Conversion {
        to,
        from,
        round: integral.or(plain).unwrap_or(Round::NearestEven),
        to_integer: integral.is_some(),
        flush,
        saturate,
        finite,
        relu,
    };
    let wide_int = matches!(from, Number::Int(int) if int.bits == 64);
    if wide_int && to == Number::F64 && how.round != Round::NearestEven {
        return Err(c.error("directed rounding of 64-bit integers to .f64"));
    }
    match (to_pair, from_pair) {
        (true, false) => Ok(Op::ConvertPair {
            how,
            d: c.reg(0)?,
            high: c.src(1)?,
            low: c.src(2)?,
        }),
        (true, true) => Ok(Op::ConvertTwo {
            how,
            d: c.reg(0)?,
            a: c.src(1)?,
        }),
        (false, false) => Ok(Op::Convert {
            how,
            d: c.reg(0)?,
            a: c.src(1)?,
        }),
        (false, true) => Err(c.error("from a pair to one value")),
    }
}
