//! Branches, ends, barriers, and instructions for which the lanes of a warp must come together.

use crate::exec::block::BARRIERS;
use crate::exec::group;
use crate::exec::lanes::each;
use crate::exec::step::{Env, Outcome, execute, stop, values};
use crate::exec::warp::{Wait, Warp};
use crate::fault::FaultKind;
use crate::inst::{Op, Src, Tally, Truth, Verdict};

/// What lanes an instruction needs together.
enum Needs {
    /// Each lane names them.
    Named(Src),
    /// All 32.
    All,
    Nothing,
}

fn needs(op: &Op) -> Needs {
    match op {
        Op::Shuffle { members, .. } | Op::Vote { members, .. } => {
            members.map_or(Needs::Nothing, Needs::Named)
        }
        Op::MatchAny { members, .. } | Op::Reduce { members, .. } | Op::WarpBarrier { members } => {
            Needs::Named(*members)
        }
        Op::LoadMatrix { .. }
        | Op::MatrixMultiply(_)
        | Op::GroupMultiply(_)
        | Op::GroupCommit
        | Op::GroupWait { .. } => Needs::All,
        _ => Needs::Nothing,
    }
}

/// Whether the instruction is one for [`run`].
pub(crate) fn changes_course(op: &Op) -> bool {
    let jumps = matches!(
        op,
        Op::Branch { .. } | Op::BranchTable { .. } | Op::Exit | Op::Trap | Op::Barrier { .. }
    );
    jumps || !matches!(needs(op), Needs::Nothing)
}

pub(crate) fn run(
    warp: &mut Warp,
    env: &mut Env<'_>,
    part: usize,
    active: u32,
    op: &Op,
) -> Outcome {
    let at = warp.parts[part].at;
    let mask = warp.parts[part].mask;
    if active == 0 {
        warp.go(part, at + 1);
        return Ok(());
    }
    match op {
        Op::Branch { target } => {
            if active == mask {
                warp.go(part, *target);
            } else {
                warp.go(part, at + 1);
                let rest = warp.parts.iter().position(|p| p.mask & active != 0);
                warp.detach(rest.unwrap_or(part), active, *target, Wait::No);
            }
            Ok(())
        }
        Op::BranchTable { index, targets } => {
            branch_table(warp, env, part, active, (*index, targets))
        }
        Op::Exit => end(warp, env, part, active, at),
        Op::Trap => Err(stop(active.trailing_zeros() as usize, FaultKind::Trap)),
        Op::Barrier { id, threads, tally } => arrive(warp, env, active, (*id, *threads, *tally))
            .map(|id| {
                leave_behind(warp, part, active, at);
                let part = part_of(warp, active);
                warp.detach(part, active, at + 1, Wait::Barrier(id));
            }),
        _ => together(warp, env, part, active, op),
    }
}

/// The part that holds these lanes.
fn part_of(warp: &Warp, lanes: u32) -> usize {
    let found = warp.parts.iter().position(|p| p.mask & lanes != 0);
    found.unwrap_or(0)
}

/// Sends lanes whose guard does not hold on to the next instruction.
fn leave_behind(warp: &mut Warp, part: usize, active: u32, at: u32) {
    let others = warp.parts[part].mask & !active;
    if others != 0 {
        warp.detach(part, others, at + 1, Wait::No);
    }
}

fn end(warp: &mut Warp, env: &mut Env<'_>, part: usize, active: u32, at: u32) -> Outcome {
    crate::exec::copies::finish(warp, env, active)?;
    leave_behind(warp, part, active, at);
    let part = part_of(warp, active);
    warp.parts.swap_remove(part);
    Ok(())
}

fn branch_table(
    warp: &mut Warp,
    env: &Env<'_>,
    part: usize,
    active: u32,
    (index, targets): (Src, &[u32]),
) -> Outcome {
    let at = warp.parts[part].at;
    let index = values(warp, env, index);
    leave_behind(warp, part, active, at);
    let mut left = active;
    while left != 0 {
        let lane = left.trailing_zeros() as usize;
        let same = crate::exec::lanes::mask_of(|i| index[i] == index[lane]) & left;
        let Some(target) = targets.get(index[lane] as usize) else {
            return Err(stop(lane, FaultKind::Trap));
        };
        // Lanes already moved may have joined a part at the same place; take them by their part.
        let from = warp
            .parts
            .iter()
            .position(|p| p.mask & same == same && p.at == at);
        warp.detach(from.unwrap_or(0), same, *target, Wait::No);
        left &= !same;
    }
    Ok(())
}

/// Counts the lanes at a barrier of the block.
fn arrive(
    warp: &Warp,
    env: &mut Env<'_>,
    active: u32,
    (id, threads, tally): (Src, Option<Src>, Option<(Tally, Verdict, Truth)>),
) -> Result<u32, Box<crate::exec::step::Stop>> {
    let first = active.trailing_zeros() as usize;
    let all = env.launch.block.iter().product::<u32>();
    let ids = values(warp, env, id);
    let expected = threads.map_or([u64::from(all); 32], |src| values(warp, env, src));
    let (id, threads) = (ids[first], expected[first]);
    let uniform = each(active).all(|i| ids[i] == id && expected[i] == threads);
    let whole = threads == u64::from(all) || (threads > 0 && threads % 32 == 0);
    if id >= BARRIERS as u64 || threads > u64::from(all) || !uniform || !whole {
        let kind = FaultKind::BarrierOperand {
            barrier: id,
            threads,
        };
        return Err(stop(first, kind));
    }
    let barrier = &mut env.barriers[id as usize];
    barrier.waiting += active.count_ones();
    barrier.expected = threads as u32;
    if let Some((_, _, test)) = tally {
        barrier.holds += (truth(warp, test) & active).count_ones();
        barrier.tally = tally;
    }
    Ok(id as u32)
}

/// The lanes for which a predicate operand holds.
pub(crate) fn truth(warp: &Warp, truth: Truth) -> u32 {
    match truth {
        Truth::Test(test) => warp.lanes_of(test),
        Truth::Constant(true) => u32::MAX,
        Truth::Constant(false) => 0,
    }
}

/// Runs an instruction when all the lanes that it names have come to it; until then they wait.
fn together(warp: &mut Warp, env: &mut Env<'_>, part: usize, active: u32, op: &Op) -> Outcome {
    let at = warp.parts[part].at;
    leave_behind(warp, part, active, at);
    let alive = warp.alive();
    let mut missing = None;
    let members = match needs(op) {
        Needs::Named(members) => values(warp, env, members),
        _ => [u64::from(u32::MAX); 32],
    };
    for lane in each(active) {
        let named = members[lane] as u32;
        if named >> lane & 1 == 0 {
            return Err(stop(lane, FaultKind::MemberMask { members: named }));
        }
        let wanted = match needs(op) {
            Needs::All => named,
            _ => named & alive,
        };
        if wanted & !active != 0 {
            missing = Some(named);
        }
    }
    let part = part_of(warp, active);
    if let Some(members) = missing {
        warp.parts[part].wait = Wait::Lanes { members };
        return Ok(());
    }
    let outcome = match op {
        Op::GroupMultiply(_) | Op::GroupCommit | Op::GroupWait { .. } => {
            group::run(warp, env, at, op)
        }
        _ => execute(warp, env, active, op),
    };
    warp.go(part, at + 1);
    outcome
}
