//! Loads, stores and addresses: each access is checked for its bounds and its alignment.

use crate::exec::lanes::{LANES, each, map1, mask_of};
use crate::exec::step::{Env, Outcome, stop, values};
use crate::exec::warp::Warp;
use crate::fault::FaultKind;
use crate::inst::{Int, Op, Space};
use crate::memory::{LOCAL_WINDOW, PARAM_WINDOW, SHARED_WINDOW, WINDOW_BYTES, get, put, range};

pub(crate) fn run(warp: &mut Warp, env: &mut Env<'_>, active: u32, op: &Op) -> Outcome {
    let masks = &env.launch.kernel.register_masks;
    match op {
        Op::Load {
            bytes,
            signed,
            parts,
            at,
        } => {
            if matches!(at.space, Space::Global | Space::Generic) {
                env.cycles += env.launch.config.cycles_per_load;
            }
            let base = values(warp, env, at.base);
            let all = u64::from(*bytes) * parts.len() as u64;
            let ty = Int::new(bytes * 8, *signed);
            for lane in each(active) {
                let address = base[lane].wrapping_add(at.offset);
                let from = slice(env, &mut warp.local, lane, at.space, address, all, false);
                let from = from.map_err(|kind| stop(lane, kind))?;
                for (part, bytes) in parts.iter().zip(from.chunks_exact(*bytes as usize)) {
                    let at = part.0 as usize;
                    warp.registers[at][lane] = ty.widen(get(bytes)) & masks[at];
                }
            }
        }
        Op::Store { bytes, parts, at } => {
            let base = values(warp, env, at.base);
            let all = u64::from(*bytes) * parts.len() as u64;
            for (index, part) in parts.iter().enumerate() {
                let content = values(warp, env, *part);
                for lane in each(active) {
                    let address = base[lane].wrapping_add(at.offset);
                    let to = slice(env, &mut warp.local, lane, at.space, address, all, true);
                    let to = to.map_err(|kind| stop(lane, kind))?;
                    let size = *bytes as usize;
                    put(&mut to[index * size..][..size], content[lane]);
                }
            }
        }
        Op::ToGeneric { space, d, a } => {
            let out = map1(&values(warp, env, *a), |x| x.wrapping_add(window(*space)));
            warp.set(*d, masks, active, &out);
        }
        Op::FromGeneric { space, d, a } => {
            let out = map1(&values(warp, env, *a), |x| x.wrapping_sub(window(*space)));
            warp.set(*d, masks, active, &out);
        }
        Op::IsSpace { space, d, a } => {
            let a = values(warp, env, *a);
            let lanes = mask_of(|i| resolve(a[i]).0 == *space);
            warp.set_predicate(*d, active, lanes);
        }
        _ => {}
    }
    Ok(())
}

/// Where a space begins among the generic addresses.
fn window(space: Space) -> u64 {
    match space {
        Space::Shared => SHARED_WINDOW,
        Space::Local => LOCAL_WINDOW,
        Space::Param => PARAM_WINDOW,
        Space::Generic | Space::Global => 0,
    }
}

/// The space that a generic address belongs to, and the address there.
fn resolve(address: u64) -> (Space, u64) {
    for space in [Space::Shared, Space::Local, Space::Param] {
        let offset = address.wrapping_sub(window(space));
        if offset < WINDOW_BYTES {
            return (space, offset);
        }
    }
    (Space::Global, address)
}

/// The bytes that a lane reads or writes.
pub(crate) fn slice<'m>(
    env: &'m mut Env<'_>,
    local: &'m mut [u8],
    lane: usize,
    space: Space,
    address: u64,
    bytes: u64,
    writes: bool,
) -> Result<&'m mut [u8], FaultKind> {
    let (space, address) = match space {
        Space::Generic => resolve(address),
        named => (named, address),
    };
    if address & (bytes - 1) != 0 {
        return Err(FaultKind::Misaligned { address, bytes });
    }
    let (name, memory) = match space {
        Space::Shared => ("shared", &mut env.shared[..]),
        Space::Local => {
            let size = local.len() / LANES;
            ("local", &mut local[lane * size..][..size])
        }
        Space::Param if writes => return Err(FaultKind::ReadOnly),
        Space::Param => ("param", &mut env.params[..]),
        Space::Generic | Space::Global => return env.memory.slice(address, bytes),
    };
    range(memory, address, bytes).ok_or(FaultKind::OutOfBounds {
        space: name,
        address,
        bytes,
    })
}
