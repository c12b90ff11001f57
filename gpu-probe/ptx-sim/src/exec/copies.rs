//! `cp.async`: copies are kept until a thread waits for them, so that a kernel which reads too early
//! reads what was there before.

use std::collections::VecDeque;

use crate::exec::access::slice;
use crate::exec::lanes::{LANES, each};
use crate::exec::step::{Env, Outcome, stop, values};
use crate::exec::warp::Warp;
use crate::fault::FaultKind;
use crate::inst::{Op, Space};

/// Copies that a thread may have under way.
const COPIES_MAX: usize = 1 << 16;

#[derive(Debug, Clone, Copy)]
struct Copy {
    group: u32,
    to: u64,
    from: u64,
    bytes: u64,
    given: u64,
}

/// The copies of each lane of a warp.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    under_way: [VecDeque<Copy>; LANES],
    /// The group that the next copy of a lane belongs to.
    group: [u32; LANES],
}

pub(crate) fn run(warp: &mut Warp, env: &mut Env<'_>, active: u32, op: &Op) -> Outcome {
    match op {
        Op::CopyAsync {
            to,
            from,
            bytes,
            given,
        } => {
            let to_base = values(warp, env, to.base);
            let from_base = values(warp, env, from.base);
            let bytes = u64::from(*bytes);
            let given = given.map_or([bytes; LANES], |given| values(warp, env, given));
            for lane in each(active) {
                let copy = Copy {
                    group: warp.copies.group[lane],
                    to: to_base[lane].wrapping_add(to.offset),
                    from: from_base[lane].wrapping_add(from.offset),
                    bytes,
                    given: given[lane].min(bytes),
                };
                check(env, warp, lane, copy)?;
                warp.copies.under_way[lane].push_back(copy);
            }
            Ok(())
        }
        Op::CopyCommit => {
            for lane in each(active) {
                warp.copies.group[lane] += 1;
            }
            Ok(())
        }
        Op::CopyWait { left } => {
            for lane in each(active) {
                let before = match left {
                    Some(left) => warp.copies.group[lane].saturating_sub(*left),
                    None => u32::MAX,
                };
                complete(warp, env, lane, before)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Fails at once for a copy that could not be done.
fn check(env: &mut Env<'_>, warp: &mut Warp, lane: usize, copy: Copy) -> Outcome {
    let fail = |kind| stop(lane, kind);
    let Copy {
        to, from, bytes, ..
    } = copy;
    if warp.copies.under_way[lane].len() >= COPIES_MAX {
        return Err(fail(FaultKind::StepLimit(COPIES_MAX as u64)));
    }
    slice(env, &mut warp.local, lane, Space::Shared, to, bytes, true).map_err(fail)?;
    if copy.given > 0 {
        if from & (bytes - 1) != 0 {
            return Err(fail(FaultKind::Misaligned {
                address: from,
                bytes,
            }));
        }
        env.memory.slice(from, copy.given).map_err(fail)?;
    }
    Ok(())
}

/// Does the copies of the groups below `before`.
fn complete(warp: &mut Warp, env: &mut Env<'_>, lane: usize, before: u32) -> Outcome {
    while let Some(copy) = warp.copies.under_way[lane].front().copied() {
        if copy.group >= before {
            return Ok(());
        }
        warp.copies.under_way[lane].pop_front();
        let fail = |kind| stop(lane, kind);
        let mut content = [0; 16];
        if copy.given > 0 {
            let from = env.memory.slice(copy.from, copy.given).map_err(fail)?;
            content[..from.len()].copy_from_slice(from);
        }
        let to = slice(
            env,
            &mut warp.local,
            lane,
            Space::Shared,
            copy.to,
            copy.bytes,
            true,
        );
        let to = to.map_err(fail)?;
        let length = to.len();
        to.copy_from_slice(&content[..length]);
    }
    Ok(())
}

/// Does all copies of threads that end.
pub(crate) fn finish(warp: &mut Warp, env: &mut Env<'_>, active: u32) -> Outcome {
    for lane in each(active) {
        complete(warp, env, lane, u32::MAX)?;
    }
    Ok(())
}
