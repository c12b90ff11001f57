//! `cvt`: from any number to any other.

use crate::exec::lanes::{map1, map2};
use crate::exec::step::{Env, values};
use crate::exec::warp::Warp;
use crate::inst::{Conversion, Int, Number, Op};
use crate::number::{self, Format, Round, integer_to_odd, to_integral};

pub(crate) fn run(warp: &mut Warp, env: &Env<'_>, active: u32, op: &Op) {
    let get = |src| values(warp, env, src);
    let (d, out) = match op {
        Op::Convert { how, d, a } => (*d, map1(&get(*a), |x| convert(*how, x))),
        Op::ConvertPair { how, d, high, low } => {
            let shift = half_bits(how.to);
            let out = map2(&get(*high), &get(*low), |high, low| {
                convert(*how, high) << shift | convert(*how, low)
            });
            (*d, out)
        }
        Op::ConvertTwo { how, d, a } => {
            let (from, to) = (half_bits(how.from), half_bits(how.to));
            let out = map1(&get(*a), |x| {
                convert(*how, x >> from) << to | convert(*how, x)
            });
            (*d, out)
        }
        _ => return,
    };
    warp.set(d, &env.launch.kernel.register_masks, active, &out);
}

/// Bits of one value of a pair.
fn half_bits(number: Number) -> u32 {
    match number {
        Number::Float(format) => format.bits(),
        Number::Int(int) => int.bits,
        Number::F64 => 0,
    }
}

/// Converts the low bits of `x`; an integer result is extended to 64 bits by its own sign.
fn convert(how: Conversion, x: u64) -> u64 {
    match (how.from, how.to) {
        (Number::Int(from), Number::Int(to)) => to.widen(integers(from, to, how.saturate, x)),
        (Number::Int(from), _) => from_integer(how, from, x),
        (_, Number::Int(to)) => to_integer(how, to, float(how, x)),
        _ => floats(how, float(how, x)),
    }
}

fn integers(from: Int, to: Int, saturate: bool, x: u64) -> u64 {
    let wide = from.widen(x);
    if !saturate {
        return wide;
    }
    let value = if from.signed {
        i128::from(wide as i64)
    } else {
        i128::from(wide)
    };
    let (low, high) = limits(to);
    value.clamp(low, high) as u64
}

/// The least and greatest value of an integer type.
fn limits(ty: Int) -> (i128, i128) {
    if ty.signed {
        (-(1 << (ty.bits - 1)), (1 << (ty.bits - 1)) - 1)
    } else {
        (0, (1 << ty.bits) - 1)
    }
}

fn from_integer(how: Conversion, from: Int, x: u64) -> u64 {
    let wide = from.widen(x);
    let negative = from.signed && (wide as i64) < 0;
    match how.to {
        Number::Float(format) => {
            let size = if negative { wide.wrapping_neg() } else { wide };
            let odd = integer_to_odd(size);
            format.encode(if negative { -odd } else { odd }, how.round, how.finite)
        }
        // Up to 32 bits every rounding is exact; 64 bits are rounded to nearest.
        _ if from.signed => (wide as i64 as f64).to_bits(),
        _ => (wide as f64).to_bits(),
    }
}

fn float(how: Conversion, x: u64) -> f64 {
    match how.from {
        Number::F64 => f64::from_bits(x),
        Number::Float(format) => flushed(how, format, format.decode(x)),
        Number::Int(_) => 0.0,
    }
}

fn flushed(how: Conversion, format: Format, value: f64) -> f64 {
    if how.flush && format == number::F32 && value.abs() < f64::from(f32::MIN_POSITIVE) {
        0_f64.copysign(value)
    } else {
        value
    }
}

fn to_integer(how: Conversion, to: Int, value: f64) -> u64 {
    if value.is_nan() {
        // The language's own table: zero for the small types, the topmost bit for the others.
        let wide = to.bits == 64 || how.from == Number::F64;
        return if wide { 1 << (to.bits - 1) } else { 0 };
    }
    let (low, high) = limits(to);
    // A float turned into an i128 saturates by itself.
    (to_integral(value, how.round) as i128).clamp(low, high) as u64
}

fn floats(how: Conversion, value: f64) -> u64 {
    let value = if how.to_integer {
        to_integral(value, how.round)
    } else {
        value
    };
    let value = match (how.saturate, how.relu) {
        (true, _) if value.is_nan() => 0.0,
        (true, _) => value.clamp(0.0, 1.0),
        (false, true) if value < 0.0 => 0.0,
        _ => value,
    };
    match how.to {
        Number::Float(format) => {
            let bits = format.encode(value, how.round, how.finite);
            if how.flush && format == number::F32 {
                let rounded = flushed(how, format, format.decode(bits));
                format.encode(rounded, Round::NearestEven, how.finite)
            } else {
                bits
            }
        }
        _ if value.is_nan() => f64::NAN.to_bits(),
        _ => value.to_bits(),
    }
}
