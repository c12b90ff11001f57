//! Atomic operations: lane after lane, from the lowest.

use crate::exec::access::slice;
use crate::exec::lanes::each;
use crate::exec::step::{Env, Outcome, stop, values};
use crate::exec::warp::Warp;
use crate::inst::{Atomic, Int, Op, Reg};
use crate::memory::{get, put};

pub(crate) fn run(warp: &mut Warp, env: &mut Env<'_>, active: u32, op: &Op) -> Outcome {
    let Op::Atomic {
        op,
        ty,
        d,
        at,
        a,
        b,
    } = op
    else {
        return Ok(());
    };
    let base = values(warp, env, at.base);
    let a = values(warp, env, *a);
    let b = b.map_or(a, |b| values(warp, env, b));
    let bytes = u64::from(ty.bits / 8);
    for lane in each(active) {
        let address = base[lane].wrapping_add(at.offset);
        let cell = slice(env, &mut warp.local, lane, at.space, address, bytes, true);
        let cell = cell.map_err(|kind| stop(lane, kind))?;
        let old = get(cell);
        put(cell, apply(*op, *ty, old, a[lane], b[lane]));
        if *d != Reg(0) {
            warp.registers[d.0 as usize][lane] = old;
        }
    }
    Ok(())
}

/// The new value of a cell.
pub(crate) fn apply(op: Atomic, ty: Int, old: u64, a: u64, b: u64) -> u64 {
    let low = |x: u64| x & ty.mask();
    match op {
        Atomic::Add => old.wrapping_add(a),
        Atomic::AddF32 => {
            let sum = f32::from_bits(old as u32) + f32::from_bits(a as u32);
            u64::from(sum.to_bits())
        }
        Atomic::AddF64 => (f64::from_bits(old) + f64::from_bits(a)).to_bits(),
        Atomic::Min if ty.signed => (ty.widen(old) as i64).min(ty.widen(a) as i64) as u64,
        Atomic::Max if ty.signed => (ty.widen(old) as i64).max(ty.widen(a) as i64) as u64,
        Atomic::Min => low(old).min(low(a)),
        Atomic::Max => low(old).max(low(a)),
        Atomic::And => old & a,
        Atomic::Or => old | a,
        Atomic::Xor => old ^ a,
        Atomic::Exchange => a,
        Atomic::CompareExchange if low(old) == low(a) => b,
        Atomic::CompareExchange => old,
        Atomic::Increment if low(old) >= low(a) => 0,
        Atomic::Increment => old + 1,
        Atomic::Decrement if low(old) == 0 || low(old) > low(a) => a,
        Atomic::Decrement => old - 1,
    }
}
