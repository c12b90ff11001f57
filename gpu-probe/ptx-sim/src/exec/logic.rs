//! Comparisons, selection, moves, and logic on predicates.

use crate::exec::control::truth;
use crate::exec::float;
use crate::exec::lanes::{Lanes, mask_of};
use crate::exec::step::{Env, values};
use crate::exec::warp::Warp;
use crate::inst::{Compare, Compared, Int, Logic, Op};

pub(crate) fn run(warp: &mut Warp, env: &Env<'_>, active: u32, op: &Op) {
    let get = |src| values(warp, env, src);
    let masks = &env.launch.kernel.register_masks;
    match op {
        Op::Compare {
            compare,
            of,
            d,
            opposite,
            a,
            b,
            with,
        } => {
            let holds = compared(*compare, *of, &get(*a), &get(*b));
            let combine = |holds: u32| match with {
                None => holds,
                Some((logic, test)) => combined(*logic, holds, warp.lanes_of(*test)),
            };
            let (first, second) = (combine(holds), combine(!holds));
            warp.set_predicate(*d, active, first);
            if let Some(opposite) = opposite {
                warp.set_predicate(*opposite, active, second);
            }
        }
        Op::Logic { op, d, a, b } => {
            let lanes = combined(*op, truth(warp, *a), truth(warp, *b));
            warp.set_predicate(*d, active, lanes);
        }
        Op::Select { d, a, b, test } => {
            let (a, b, lanes) = (get(*a), get(*b), warp.lanes_of(*test));
            let out = std::array::from_fn(|i| if lanes >> i & 1 == 1 { a[i] } else { b[i] });
            warp.set(*d, masks, active, &out);
        }
        Op::Move { d, a } => {
            let out = get(*a);
            warp.set(*d, masks, active, &out);
        }
        Op::Pack { bits, d, parts } => {
            let low = Int::new(*bits, false);
            let mut out = [0; 32];
            for (at, part) in parts.iter().enumerate() {
                let part = get(*part);
                for (to, value) in out.iter_mut().zip(part) {
                    *to |= low.widen(value) << (*bits * at as u32);
                }
            }
            warp.set(*d, masks, active, &out);
        }
        Op::Unpack { bits, parts, a } => {
            let a = get(*a);
            let low = Int::new(*bits, false);
            for (at, part) in parts.iter().enumerate() {
                let out = a.map(|value| low.widen(value >> (*bits * at as u32)));
                warp.set(*part, masks, active, &out);
            }
        }
        _ => {}
    }
}

fn combined(logic: Logic, a: u32, b: u32) -> u32 {
    match logic {
        Logic::And => a & b,
        Logic::Or => a | b,
        Logic::Xor => a ^ b,
    }
}

/// The lanes in which the comparison holds.
fn compared(compare: Compare, of: Compared, a: &Lanes, b: &Lanes) -> u32 {
    match of {
        Compared::Int(ty) if ty.signed => mask_of(|i| {
            relation(
                compare,
                false,
                &(ty.widen(a[i]) as i64),
                &(ty.widen(b[i]) as i64),
            )
        }),
        Compared::Int(ty) => {
            mask_of(|i| relation(compare, false, &ty.widen(a[i]), &ty.widen(b[i])))
        }
        Compared::Float {
            ty,
            unordered,
            flush,
        } => mask_of(|i| {
            let (a, b) = (float::value(ty, flush, a[i]), float::value(ty, flush, b[i]));
            relation(compare, unordered, &a, &b)
        }),
    }
}

/// A comparison; `unordered` is the answer where there is no order.
fn relation<T: PartialOrd>(compare: Compare, unordered: bool, a: &T, b: &T) -> bool {
    use std::cmp::Ordering;
    let Some(order) = a.partial_cmp(b) else {
        return unordered;
    };
    match compare {
        Compare::Equal => order == Ordering::Equal,
        Compare::NotEqual => order != Ordering::Equal,
        Compare::Less => order == Ordering::Less,
        Compare::LessEqual => order != Ordering::Greater,
        Compare::Greater => order == Ordering::Greater,
        Compare::GreaterEqual => order != Ordering::Less,
        Compare::Number => true,
        Compare::NotANumber => false,
    }
}
