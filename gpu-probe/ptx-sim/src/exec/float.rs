//! Floating-point arithmetic over lanes. FP32 and FP64 to nearest are the host's own; everything else
//! is computed in `f64`, rounded to odd, and rounded once more to the format.

use crate::exec::lanes::{map1, map2, map3};
use crate::exec::step::{Env, values};
use crate::exec::warp::Warp;
use crate::inst::{Float, Float1, Float2, FloatMode, Op};
use crate::number::{F32, Format, Round, add_to_odd, divide_to_odd, sqrt_to_odd};

/// What every NaN of FP32 arithmetic is.
const NAN_F32: u32 = 0x7fff_ffff;

pub(crate) fn run(warp: &mut Warp, env: &Env<'_>, active: u32, op: &Op) {
    let get = |src| values(warp, env, src);
    let (d, out) = match op {
        Op::Float1 { op, mode, d, a } => (*d, map1(&get(*a), |x| one(*op, *mode, x))),
        Op::Float2 { op, mode, d, a, b } => {
            (*d, map2(&get(*a), &get(*b), |x, y| two(*op, *mode, x, y)))
        }
        Op::Fma { mode, d, a, b, c } => {
            let (a, b, c) = (get(*a), get(*b), get(*c));
            (*d, map3(&a, &b, &c, |x, y, z| fma(*mode, x, y, z)))
        }
        _ => return,
    };
    warp.set(d, &env.launch.kernel.register_masks, active, &out);
}

/// The value of a register's bits.
pub(crate) fn value(ty: Float, flush: bool, bits: u64) -> f64 {
    match ty {
        Float::F32 => f64::from(input(flush, bits)),
        Float::F64 => f64::from_bits(bits),
        Float::Half { format, .. } => format.decode(bits),
    }
}

fn input(flush: bool, bits: u64) -> f32 {
    let value = f32::from_bits(bits as u32);
    if flush && value.is_subnormal() {
        0_f32.copysign(value)
    } else {
        value
    }
}

/// The bits of an FP32 result: flushed, clamped, and with the one NaN that there is.
fn output(mode: FloatMode, value: f32) -> u64 {
    let value = if mode.flush && value.is_subnormal() {
        0_f32.copysign(value)
    } else {
        value
    };
    let value = match mode.saturate {
        true if value.is_nan() => 0.0,
        true => value.clamp(0.0, 1.0),
        false => value,
    };
    u64::from(if value.is_nan() {
        NAN_F32
    } else {
        value.to_bits()
    })
}

/// The bits of a result that was computed in `f64` and rounded to odd.
fn from_odd(mode: FloatMode, format: Format, value: f64) -> u64 {
    if mode.saturate && value.is_nan() {
        return 0;
    }
    let value = if mode.saturate {
        value.clamp(0.0, 1.0)
    } else {
        value
    };
    let bits = format.encode(value, mode.round, false);
    if mode.ty == Float::F32 {
        output(mode, f32::from_bits(bits as u32))
    } else {
        bits
    }
}

/// Applies `f` to both halves of a pair, or to the one value.
fn halves(pair: bool, f: impl Fn(u32) -> u64) -> u64 {
    if pair { f(0) | f(16) << 16 } else { f(0) }
}

fn one(op: Float1, mode: FloatMode, x: u64) -> u64 {
    match (mode.ty, op) {
        (Float::F32, Float1::Negate) => u64::from((-input(mode.flush, x)).to_bits()),
        (Float::F32, Float1::Abs) => u64::from(input(mode.flush, x).abs().to_bits()),
        (Float::F64, Float1::Negate) => x ^ (1 << 63),
        (Float::F64, Float1::Abs) => x & !(1 << 63),
        (Float::Half { pair, .. }, Float1::Negate) => x ^ if pair { 0x8000_8000 } else { 0x8000 },
        (Float::Half { pair, .. }, Float1::Abs) => x & if pair { 0x7fff_7fff } else { 0x7fff },
        (Float::F32, _) => from_odd(mode, F32, function(op, f64::from(input(mode.flush, x)))),
        (Float::F64, Float1::Sqrt) => f64::from_bits(x).sqrt().to_bits(),
        (Float::F64, Float1::Reciprocal) => (1.0 / f64::from_bits(x)).to_bits(),
        (Float::F64, _) => function(op, f64::from_bits(x)).to_bits(),
        (Float::Half { format, pair }, _) => halves(pair, |at| {
            from_odd(mode, format, function(op, format.decode(x >> at)))
        }),
    }
}

fn function(op: Float1, x: f64) -> f64 {
    match op {
        Float1::Negate => -x,
        Float1::Abs => x.abs(),
        Float1::Sqrt => sqrt_to_odd(x),
        Float1::Reciprocal => divide_to_odd(1.0, x),
        Float1::ReciprocalSqrt => 1.0 / x.sqrt(),
        Float1::Exp2 => x.exp2(),
        Float1::Log2 => x.log2(),
        Float1::Sin => x.sin(),
        Float1::Cos => x.cos(),
        Float1::Tanh => x.tanh(),
    }
}

fn two(op: Float2, mode: FloatMode, x: u64, y: u64) -> u64 {
    match mode.ty {
        Float::F32 if mode.round == Round::NearestEven => {
            let (x, y) = (input(mode.flush, x), input(mode.flush, y));
            let out = match op {
                Float2::Add => x + y,
                Float2::Sub => x - y,
                Float2::Mul => x * y,
                Float2::Div => x / y,
                Float2::Min => smaller(f64::from(x), f64::from(y)) as f32,
                Float2::Max => -smaller(-f64::from(x), -f64::from(y)) as f32,
                Float2::CopySign => y.copysign(x),
            };
            output(mode, out)
        }
        Float::F32 => {
            let (x, y) = (input(mode.flush, x), input(mode.flush, y));
            from_odd(mode, F32, odd(op, mode.round, f64::from(x), f64::from(y)))
        }
        Float::F64 => {
            let (x, y) = (f64::from_bits(x), f64::from_bits(y));
            let out = match op {
                Float2::Add => x + y,
                Float2::Sub => x - y,
                Float2::Mul => x * y,
                Float2::Div => x / y,
                Float2::Min => smaller(x, y),
                Float2::Max => -smaller(-x, -y),
                Float2::CopySign => y.copysign(x),
            };
            out.to_bits()
        }
        Float::Half { format, pair } => halves(pair, |at| {
            let (x, y) = (format.decode(x >> at), format.decode(y >> at));
            from_odd(mode, format, odd(op, mode.round, x, y))
        }),
    }
}

/// The lesser of two; the other one where one is NaN; -0 below +0.
fn smaller(x: f64, y: f64) -> f64 {
    if x.is_nan() || (y < x) || (y == x && y.is_sign_negative()) {
        y
    } else {
        x
    }
}

fn odd(op: Float2, round: Round, x: f64, y: f64) -> f64 {
    match op {
        Float2::Add => sum(round, x, y),
        Float2::Sub => sum(round, x, -y),
        Float2::Mul => x * y,
        Float2::Div => divide_to_odd(x, y),
        Float2::Min => smaller(x, y),
        Float2::Max => -smaller(-x, -y),
        Float2::CopySign => y.copysign(x),
    }
}

/// A sum rounded to odd. Opposite numbers give -0 when rounding down.
fn sum(round: Round, x: f64, y: f64) -> f64 {
    let sum = add_to_odd(x, y);
    if sum == 0.0 && round == Round::Down && (x.is_sign_negative() || y.is_sign_negative()) {
        -0.0
    } else {
        sum
    }
}

fn fma(mode: FloatMode, x: u64, y: u64, z: u64) -> u64 {
    match mode.ty {
        Float::F32 if mode.round == Round::NearestEven => {
            let [x, y, z] = [x, y, z].map(|bits| input(mode.flush, bits));
            output(mode, x.mul_add(y, z))
        }
        Float::F32 => {
            let [x, y, z] = [x, y, z].map(|bits| f64::from(input(mode.flush, bits)));
            from_odd(mode, F32, sum(mode.round, x * y, z))
        }
        Float::F64 => {
            let [x, y, z] = [x, y, z].map(f64::from_bits);
            x.mul_add(y, z).to_bits()
        }
        Float::Half { format, pair } => halves(pair, |at| {
            let [x, y, z] = [x, y, z].map(|bits| format.decode(bits >> at));
            from_odd(mode, format, sum(mode.round, x * y, z))
        }),
    }
}
