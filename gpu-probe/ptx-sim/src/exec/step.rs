//! One instruction of a part of a warp.

use crate::exec::block::{BARRIERS, Barrier};
use crate::exec::lanes::{LANES, Lanes};
use crate::exec::warp::Warp;
use crate::exec::{
    Launch, access, atomic, control, convert, copies, exchange, float, integer, logic, matrix,
    special,
};
use crate::fault::FaultKind;
use crate::inst::{Op, Src};
use crate::memory::Memory;

/// What a block runs in.
pub(crate) struct Env<'a> {
    pub(crate) launch: &'a Launch<'a>,
    pub(crate) memory: &'a mut Memory,
    pub(crate) shared: Vec<u8>,
    pub(crate) params: Vec<u8>,
    pub(crate) block: [u32; 3],
    pub(crate) sm: u32,
    /// The SM's clock.
    pub(crate) cycles: u64,
    pub(crate) steps: u64,
    pub(crate) instructions: u64,
    pub(crate) barriers: [Barrier; BARRIERS],
}

/// A fault before its place is known in full.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) kind: FaultKind,
    pub(crate) lane: u32,
    pub(crate) line: u32,
}

pub(crate) type Outcome = Result<(), Box<Stop>>;

/// A fault of one lane; the line is filled in by [`run_warp`].
pub(crate) fn stop(lane: usize, kind: FaultKind) -> Box<Stop> {
    Box::new(Stop {
        kind,
        lane: lane as u32,
        line: 0,
    })
}

/// Runs a warp until it ends, waits, or has run `turn` instructions. Tells whether it ran any.
pub(crate) fn run_warp(warp: &mut Warp, env: &mut Env<'_>, turn: u32) -> Result<bool, Box<Stop>> {
    for done in 0..turn {
        let Some(part) = warp.next_part() else {
            return Ok(done > 0);
        };
        if let Err(mut stop) = step(warp, env, part) {
            stop.line = line_of(warp, env, stop.line);
            return Err(stop);
        }
    }
    Ok(true)
}

/// The line of the instruction at `at`, which [`step`] leaves in its place.
fn line_of(_: &Warp, env: &Env<'_>, at: u32) -> u32 {
    let inst = env.launch.kernel.code.get(at as usize);
    inst.map_or(0, |inst| inst.line)
}

fn step(warp: &mut Warp, env: &mut Env<'_>, part: usize) -> Outcome {
    let kernel = env.launch.kernel;
    let at = warp.parts[part].at;
    let mask = warp.parts[part].mask;
    let inst = &kernel.code[at as usize];
    let active = inst.guard.map_or(mask, |guard| mask & warp.lanes_of(guard));
    env.steps += 1;
    env.cycles += env.launch.config.cycles_per_instruction;
    env.instructions += u64::from(active.count_ones());
    let outcome = if env.steps > env.launch.config.steps_max {
        let lane = mask.trailing_zeros() as usize;
        Err(stop(
            lane,
            FaultKind::StepLimit(env.launch.config.steps_max),
        ))
    } else if control::changes_course(&inst.op) {
        control::run(warp, env, part, active, &inst.op)
    } else {
        let outcome = if active == 0 {
            Ok(())
        } else {
            execute(warp, env, active, &inst.op)
        };
        warp.go(part, at + 1);
        outcome
    };
    outcome.map_err(|mut stop| {
        stop.line = at;
        stop
    })
}

/// Runs an instruction after which every lane goes on to the next one.
pub(crate) fn execute(warp: &mut Warp, env: &mut Env<'_>, active: u32, op: &Op) -> Outcome {
    match op {
        Op::Binary { .. }
        | Op::Unary { .. }
        | Op::Multiply { .. }
        | Op::CarryAdd { .. }
        | Op::CarryMad { .. }
        | Op::Ternary { .. }
        | Op::InsertBits { .. } => integer::run(warp, env, active, op),
        Op::Float1 { .. } | Op::Float2 { .. } | Op::Fma { .. } => {
            float::run(warp, env, active, op);
        }
        Op::Compare { .. }
        | Op::Logic { .. }
        | Op::Select { .. }
        | Op::Move { .. }
        | Op::Pack { .. }
        | Op::Unpack { .. } => logic::run(warp, env, active, op),
        Op::Convert { .. } | Op::ConvertPair { .. } | Op::ConvertTwo { .. } => {
            convert::run(warp, env, active, op);
        }
        Op::Load { .. }
        | Op::Store { .. }
        | Op::ToGeneric { .. }
        | Op::FromGeneric { .. }
        | Op::IsSpace { .. } => return access::run(warp, env, active, op),
        Op::Atomic { .. } => return atomic::run(warp, env, active, op),
        Op::CopyAsync { .. } | Op::CopyCommit | Op::CopyWait { .. } => {
            return copies::run(warp, env, active, op);
        }
        Op::LoadMatrix { .. } => return matrix::load(warp, env, op),
        Op::MatrixMultiply(multiply) => matrix::multiply(warp, env, multiply),
        Op::Shuffle { .. }
        | Op::Vote { .. }
        | Op::MatchAny { .. }
        | Op::Reduce { .. }
        | Op::ActiveMask { .. } => exchange::run(warp, env, active, op),
        Op::Sleep { ns } => sleep(warp, env, active, *ns),
        Op::Refused(name) => {
            let lane = active.trailing_zeros() as usize;
            return Err(stop(lane, FaultKind::Unsupported(name.to_string())));
        }
        // The rest changes course, and is done elsewhere.
        _ => {}
    }
    Ok(())
}

/// `nanosleep`: the clock goes on by the longest time that a lane names.
fn sleep(warp: &Warp, env: &mut Env<'_>, active: u32, ns: Src) {
    let ns = values(warp, env, ns);
    let longest = crate::exec::lanes::each(active).map(|lane| ns[lane]).max();
    let cycles = longest
        .unwrap_or(0)
        .saturating_mul(env.launch.config.clock_mhz)
        / 1000;
    env.cycles = env.cycles.saturating_add(cycles);
}

/// The values of an operand in all lanes.
#[inline]
pub(crate) fn values(warp: &Warp, env: &Env<'_>, src: Src) -> Lanes {
    match src {
        Src::Reg(reg) => warp.registers[reg.0 as usize],
        Src::Value(value) => [value; LANES],
        Src::Module(offset) => [env.launch.module_base.wrapping_add(offset); LANES],
        Src::Special(special) => special::values(warp, env, special),
    }
}
