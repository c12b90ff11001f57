//! Integer arithmetic over lanes. Values are widened to 64 bits where the operation needs it; results
//! are cut to the register's width when they are written.

use crate::exec::lanes::{LANES, Lanes, map1, map2, map3, mask_of};
use crate::exec::step::{Env, values};
use crate::exec::warp::Warp;
use crate::inst::{Binary, Int, Op, Part, Permute, Ternary, Unary};

pub(crate) fn run(warp: &mut Warp, env: &Env<'_>, active: u32, op: &Op) {
    let get = |src| values(warp, env, src);
    let (d, out) = match op {
        Op::Binary { op, ty, d, a, b } => (*d, binary(*op, *ty, &get(*a), &get(*b))),
        Op::Unary { op, ty, d, a } => (*d, unary(*op, *ty, &get(*a))),
        Op::Multiply {
            part,
            ty,
            d,
            a,
            b,
            add,
        } => {
            let product = multiply(*part, *ty, &get(*a), &get(*b));
            let out = match add {
                None => product,
                Some(add) => map2(&product, &get(*add), u64::wrapping_add),
            };
            (*d, out)
        }
        Op::Ternary { op, ty, d, a, b, c } => (*d, ternary(*op, *ty, &get(*a), &get(*b), &get(*c))),
        Op::InsertBits {
            ty,
            d,
            a,
            b,
            start,
            length,
        } => {
            let (a, b, start, length) = (get(*a), get(*b), get(*start), get(*length));
            let out = std::array::from_fn(|i| insert(*ty, a[i], b[i], start[i], length[i]));
            (*d, out)
        }
        _ => return carry(warp, env, active, op),
    };
    warp.set(d, &env.launch.kernel.register_masks, active, &out);
}

fn binary(op: Binary, ty: Int, a: &Lanes, b: &Lanes) -> Lanes {
    let wide = |f: fn(u64, u64) -> u64| map2(a, b, |x, y| f(ty.widen(x), ty.widen(y)));
    let signed = |f: fn(i64, i64) -> i64| {
        map2(a, b, |x, y| {
            f(ty.widen(x) as i64, ty.widen(y) as i64) as u64
        })
    };
    let clamp = |value: i64| value.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as u64;
    match (op, ty.signed) {
        (Binary::Add, _) => map2(a, b, u64::wrapping_add),
        (Binary::Sub, _) => map2(a, b, u64::wrapping_sub),
        (Binary::AddSaturated, _) => map1(&signed(i64::wrapping_add), |x| clamp(x as i64)),
        (Binary::SubSaturated, _) => map1(&signed(i64::wrapping_sub), |x| clamp(x as i64)),
        (Binary::And, _) => map2(a, b, |x, y| x & y),
        (Binary::Or, _) => map2(a, b, |x, y| x | y),
        (Binary::Xor, _) => map2(a, b, |x, y| x ^ y),
        // A division by zero gives all ones, as the hardware's does; the language leaves it open.
        (Binary::Div, false) => wide(|x, y| x.checked_div(y).unwrap_or(u64::MAX)),
        (Binary::Div, true) => signed(|x, y| if y == 0 { -1 } else { x.wrapping_div(y) }),
        (Binary::Rem, false) => wide(|x, y| x.checked_rem(y).unwrap_or(x)),
        (Binary::Rem, true) => signed(|x, y| if y == 0 { x } else { x.wrapping_rem(y) }),
        (Binary::Min, false) => wide(u64::min),
        (Binary::Min, true) => signed(i64::min),
        (Binary::Max, false) => wide(u64::max),
        (Binary::Max, true) => signed(i64::max),
        // The amount is an unsigned number of 32 bits; more than the width shifts everything out.
        (Binary::ShiftLeft, _) => map2(a, b, |x, n| {
            x.checked_shl(n as u32)
                .filter(|_| (n as u32) < ty.bits)
                .unwrap_or(0)
        }),
        (Binary::ShiftRight, false) => {
            map2(a, b, |x, n| ty.widen(x).checked_shr(n as u32).unwrap_or(0))
        }
        (Binary::ShiftRight, true) => map2(a, b, |x, n| {
            (ty.widen(x) as i64 >> (n as u32).min(63)) as u64
        }),
    }
}

fn unary(op: Unary, ty: Int, a: &Lanes) -> Lanes {
    let bits = ty.bits;
    let low = Int::new(bits, false);
    let highest = |x: u64| {
        // For a negative number the highest bit that differs from the sign.
        let x = if ty.signed && (ty.widen(x) as i64) < 0 {
            low.widen(!x)
        } else {
            low.widen(x)
        };
        x.checked_ilog2()
    };
    map1(a, |x| match op {
        Unary::Not => !x,
        Unary::LogicalNot => u64::from(low.widen(x) == 0),
        Unary::Negate => x.wrapping_neg(),
        Unary::Abs => (ty.widen(x) as i64).unsigned_abs(),
        Unary::CountOnes => u64::from(low.widen(x).count_ones()),
        Unary::LeadingZeros => u64::from(low.widen(x).leading_zeros() - (64 - bits)),
        Unary::Reverse => x.reverse_bits() >> (64 - bits),
        Unary::FindHighest => highest(x).map_or(u64::MAX, u64::from),
        Unary::FindHighestShift => highest(x).map_or(u64::MAX, |at| u64::from(bits - 1 - at)),
    })
}

/// The kept part of a product.
fn multiply(part: Part, ty: Int, a: &Lanes, b: &Lanes) -> Lanes {
    match part {
        Part::Low => map2(a, b, u64::wrapping_mul),
        Part::Wide => map2(a, b, |x, y| ty.widen(x).wrapping_mul(ty.widen(y))),
        Part::High => map2(a, b, |x, y| high(ty, x, y)),
    }
}

fn high(ty: Int, x: u64, y: u64) -> u64 {
    let (x, y) = (ty.widen(x), ty.widen(y));
    if ty.signed {
        ((i128::from(x as i64) * i128::from(y as i64)) >> ty.bits) as u64
    } else {
        ((u128::from(x) * u128::from(y)) >> ty.bits) as u64
    }
}

fn ternary(op: Ternary, ty: Int, a: &Lanes, b: &Lanes, c: &Lanes) -> Lanes {
    match op {
        Ternary::ExtractBits => map3(a, b, c, |x, start, length| extract(ty, x, start, length)),
        Ternary::Logic(table) => map3(a, b, c, |x, y, z| logic3(table, x, y, z)),
        Ternary::FunnelLeft { wrap } => map3(a, b, c, |low, high, n| {
            (pair(low, high) << amount(n, wrap)) >> 32
        }),
        Ternary::FunnelRight { wrap } => {
            map3(a, b, c, |low, high, n| pair(low, high) >> amount(n, wrap))
        }
        Ternary::Permute(mode) => map3(a, b, c, |x, y, s| permute(mode, x, y, s)),
        Ternary::Dot4 { a_signed, b_signed } => map3(a, b, c, |x, y, z| {
            let byte = |v: u64, i: u32, signed| Int::new(8, signed).widen(v >> (8 * i));
            (0..4).fold(z, |sum, i| {
                sum.wrapping_add(byte(x, i, a_signed).wrapping_mul(byte(y, i, b_signed)))
            })
        }),
        Ternary::AbsoluteDifference => map3(a, b, c, |x, y, z| {
            let (x, y) = (ty.widen(x), ty.widen(y));
            let less = if ty.signed {
                (x as i64) < (y as i64)
            } else {
                x < y
            };
            let difference = if less {
                y.wrapping_sub(x)
            } else {
                x.wrapping_sub(y)
            };
            z.wrapping_add(difference)
        }),
    }
}

fn pair(low: u64, high: u64) -> u64 {
    (low & 0xffff_ffff) | (high << 32)
}

fn amount(n: u64, wrap: bool) -> u64 {
    let n = n & 0xffff_ffff;
    if wrap { n & 31 } else { n.min(32) }
}

/// `lop3`: bit `4x + 2y + z` of the table for each bit of the operands.
fn logic3(table: u8, x: u64, y: u64, z: u64) -> u64 {
    (0..8_u32)
        .filter(|i| table >> i & 1 == 1)
        .fold(0, |out, i| {
            let term = |v: u64, bit: u32| if i & bit != 0 { v } else { !v };
            out | (term(x, 4) & term(y, 2) & term(z, 1))
        })
}

/// `bfe`: start and length are bytes; bits beyond the value are its sign, or zero.
fn extract(ty: Int, x: u64, start: u64, length: u64) -> u64 {
    let (start, length) = ((start & 0xff) as u32, (length & 0xff) as u32);
    if length == 0 {
        return 0;
    }
    let wide = ty.widen(x);
    let shifted = if ty.signed {
        (wide as i64 >> start.min(63)) as u64
    } else {
        wide.checked_shr(start).unwrap_or(0)
    };
    if length >= ty.bits {
        return shifted;
    }
    let field = Int::new(length, ty.signed);
    // A field that runs over the top ends there: its sign is the value's.
    if ty.signed && start + length > ty.bits {
        return shifted;
    }
    field.widen(shifted)
}

/// `bfi`: the low bits of `a` at `start` of `b`.
fn insert(ty: Int, a: u64, b: u64, start: u64, length: u64) -> u64 {
    let (start, length) = ((start & 0xff) as u32, (length & 0xff) as u32);
    if start >= ty.bits || length == 0 {
        return b;
    }
    let field = if length >= 64 {
        u64::MAX
    } else {
        (1 << length) - 1
    };
    let field = field << start;
    (b & !field) | ((a << start) & field)
}

fn permute(mode: Permute, x: u64, y: u64, selector: u64) -> u64 {
    let bytes = pair(x, y).to_le_bytes();
    let n = (selector & 3) as usize;
    let index = |i: usize| match mode {
        Permute::Index => (selector >> (4 * i)) as usize & 7,
        Permute::Forward4 => n + i,
        Permute::Backward4 => (n + 8 - i) % 8,
        Permute::Replicate8 => n,
        Permute::EdgeLeft => n.max(i),
        Permute::EdgeRight => n.min(i),
        Permute::Replicate16 => (n & 1) * 2 + (i & 1),
    };
    (0..4).fold(0, |out, i| {
        let byte = bytes[index(i)];
        let sign = mode == Permute::Index && selector >> (4 * i + 3) & 1 == 1;
        let byte = match sign {
            true => ((byte as i8) >> 7) as u8,
            false => byte,
        };
        out | u64::from(byte) << (8 * i)
    })
}

/// Additions and products that take or give a carry.
fn carry(warp: &mut Warp, env: &Env<'_>, active: u32, op: &Op) {
    let get = |src| values(warp, env, src);
    let (ty, d, x, y, subtract, takes, gives) = match op {
        Op::CarryAdd {
            subtract,
            carry_in,
            carry_out,
            ty,
            d,
            a,
            b,
        } => (*ty, *d, get(*a), get(*b), *subtract, *carry_in, *carry_out),
        Op::CarryMad {
            part,
            carry_in,
            carry_out,
            ty,
            d,
            a,
            b,
            c,
        } => {
            let product = multiply(*part, *ty, &get(*a), &get(*b));
            (*ty, *d, product, get(*c), false, *carry_in, *carry_out)
        }
        _ => return,
    };
    let low = Int::new(ty.bits, false);
    let sums: [i128; LANES] = std::array::from_fn(|i| {
        let carry = i128::from(takes && warp.carry >> i & 1 == 1);
        let (x, y) = (i128::from(low.widen(x[i])), i128::from(low.widen(y[i])));
        if subtract {
            x - y - carry
        } else {
            x + y + carry
        }
    });
    if gives {
        let out = mask_of(|i| sums[i] < 0 || sums[i] >> ty.bits != 0);
        warp.carry = (warp.carry & !active) | (out & active);
    }
    let out = std::array::from_fn(|i| sums[i] as u64);
    warp.set(d, &env.launch.kernel.register_masks, active, &out);
}
