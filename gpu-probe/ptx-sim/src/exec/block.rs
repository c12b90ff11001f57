//! A block: its warps take turns until all have ended, and meet at barriers.

use crate::exec::lanes::{LANES, each};
use crate::exec::step::{Env, run_warp};
use crate::exec::warp::{Part, Wait, Warp};
use crate::fault::{Fault, FaultKind, Site};
use crate::inst::{Tally, Truth, Verdict};

/// Barriers of a block.
pub(crate) const BARRIERS: usize = 16;

/// Instructions that a warp runs before it is another's turn.
const TURN_STEPS: u32 = 4096;

/// Who has come to a barrier.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Barrier {
    pub(crate) waiting: u32,
    pub(crate) expected: u32,
    /// Threads whose predicate held, for a barrier that reduces.
    pub(crate) holds: u32,
    pub(crate) tally: Option<(Tally, Verdict, Truth)>,
}

/// Runs a block to its end.
pub(crate) fn run(env: &mut Env<'_>) -> Result<(), Fault> {
    let mut warps = warps(env);
    loop {
        let mut ran = false;
        for warp in &mut warps {
            match run_warp(warp, env, TURN_STEPS) {
                Ok(did) => ran |= did,
                Err(stop) => {
                    return Err(fault(env, warp, stop.line, stop.lane, stop.kind.clone()));
                }
            }
        }
        if warps.iter().all(|warp| warp.parts.is_empty()) {
            return Ok(());
        }
        let released = release(env, &mut warps);
        if !ran && !released {
            return Err(stuck(env, &warps));
        }
    }
}

fn warps(env: &Env<'_>) -> Vec<Warp> {
    let kernel = env.launch.kernel;
    let [width, height, depth] = env.launch.block;
    let threads = width * height * depth;
    (0..threads.div_ceil(LANES as u32))
        .map(|index| {
            let first = index * LANES as u32;
            let present = u32::MAX >> (LANES as u32 - (threads - first).min(LANES as u32));
            Warp {
                index,
                registers: vec![[0; LANES]; kernel.register_masks.len()],
                predicates: vec![0; kernel.predicates],
                carry: 0,
                parts: vec![Part {
                    at: 0,
                    mask: present,
                    wait: Wait::No,
                }],
                present,
                local: vec![0; kernel.local_bytes as usize * LANES],
                copies: Default::default(),
                products: Default::default(),
                thread: std::array::from_fn(|lane| {
                    let thread = first + lane as u32;
                    let row = thread / width;
                    [thread % width, row % height, row / height]
                }),
            }
        })
        .collect()
}

/// Lets go the threads of every barrier that is complete.
fn release(env: &mut Env<'_>, warps: &mut [Warp]) -> bool {
    let ended: u32 = warps
        .iter()
        .map(|warp| (warp.present & !warp.alive()).count_ones())
        .sum();
    let mut any = false;
    for id in 0..BARRIERS {
        let barrier = env.barriers[id];
        let mut come = barrier.waiting;
        if env.launch.config.ended_threads_pass_barriers {
            come += ended;
        }
        if barrier.waiting == 0 || come < barrier.expected {
            continue;
        }
        let told = barrier.tally.map(|(tally, d, _)| {
            let value = match tally {
                Tally::Count => barrier.holds,
                Tally::All => u32::from(barrier.holds == barrier.waiting),
                Tally::Any => u32::from(barrier.holds > 0),
            };
            (tally, d, u64::from(value))
        });
        for warp in warps.iter_mut() {
            warp.release(id as u32, told);
        }
        env.barriers[id] = Barrier::default();
        any = true;
    }
    any
}

/// The fault of a block in which nothing can run.
fn stuck(env: &Env<'_>, warps: &[Warp]) -> Fault {
    for warp in warps {
        for part in &warp.parts {
            let lane = part.mask.trailing_zeros();
            let code = &env.launch.kernel.code;
            match part.wait {
                Wait::Lanes { members } => {
                    let kind = FaultKind::WarpSync {
                        waiting: part.mask,
                        members,
                    };
                    return fault(env, warp, code[part.at as usize].line, lane, kind);
                }
                Wait::Barrier(id) => {
                    let barrier = env.barriers[id as usize];
                    let kind = FaultKind::Barrier {
                        barrier: id,
                        waiting: barrier.waiting,
                        expected: barrier.expected,
                    };
                    return fault(env, warp, code[part.at as usize - 1].line, lane, kind);
                }
                Wait::No => {}
            }
        }
    }
    Fault::of_host(FaultKind::Trap)
}

fn fault(env: &Env<'_>, warp: &Warp, line: u32, lane: u32, kind: FaultKind) -> Fault {
    let lane = each(1_u32.checked_shl(lane).unwrap_or(1))
        .next()
        .unwrap_or(0);
    Fault {
        kernel: env.launch.kernel.name.clone(),
        site: Some(Site {
            line,
            block: env.block,
            thread: warp.thread[lane],
        }),
        kind,
    }
}
