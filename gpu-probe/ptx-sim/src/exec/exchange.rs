//! What the lanes of a warp tell each other: shuffles, votes, matches, reductions.

use crate::exec::atomic::apply;
use crate::exec::control::truth;
use crate::exec::lanes::{LANES, Lanes, each, mask_of};
use crate::exec::step::{Env, values};
use crate::exec::warp::Warp;
use crate::inst::{Op, Shuffle, Src, Verdict, Vote};

pub(crate) fn run(warp: &mut Warp, env: &Env<'_>, active: u32, op: &Op) {
    let masks = &env.launch.kernel.register_masks;
    match op {
        Op::Shuffle {
            mode,
            d,
            valid,
            a,
            b,
            c,
            ..
        } => {
            let [a, b, c] = [*a, *b, *c].map(|src| values(warp, env, src));
            let sources: [(usize, bool); LANES] =
                std::array::from_fn(|lane| source(*mode, lane, b[lane], c[lane]));
            let out = std::array::from_fn(|lane| a[sources[lane].0]);
            warp.set(*d, masks, active, &out);
            warp.set_predicate(*valid, active, mask_of(|lane| sources[lane].1));
        }
        Op::Vote {
            mode,
            d,
            test,
            members,
        } => vote(warp, env, active, *mode, *d, (truth(warp, *test), *members)),
        Op::MatchAny { ty, d, a, members } => {
            let (a, members) = (values(warp, env, *a), values(warp, env, *members));
            let out = std::array::from_fn(|lane| {
                let same = mask_of(|i| ty.widen(a[i]) == ty.widen(a[lane]));
                u64::from(same & active & members[lane] as u32)
            });
            warp.set(*d, masks, active, &out);
        }
        Op::Reduce {
            op,
            ty,
            d,
            a,
            members,
        } => {
            let (a, members) = (values(warp, env, *a), values(warp, env, *members));
            let out = std::array::from_fn(|lane| {
                each(active & members[lane] as u32)
                    .map(|i| a[i])
                    .reduce(|x, y| apply(*op, *ty, x, y, 0))
                    .unwrap_or(0)
            });
            warp.set(*d, masks, active, &out);
        }
        Op::ActiveMask { d } => {
            let out = [u64::from(active); LANES];
            warp.set(*d, masks, active, &out);
        }
        _ => {}
    }
}

/// The lane that a lane reads in a shuffle, and whether it lies within the segment. `c` holds the
/// clamp in its low byte and the mask of the segment above.
fn source(mode: Shuffle, lane: usize, b: u64, c: u64) -> (usize, bool) {
    let lane = lane as i64;
    let (b, clamp) = ((b & 31) as i64, (c & 31) as i64);
    let segment = ((c >> 8) & 31) as i64;
    let max = (lane & segment) | (clamp & !segment);
    let min = lane & segment;
    let (from, valid) = match mode {
        Shuffle::Up => (lane - b, lane - b >= max),
        Shuffle::Down => (lane + b, lane + b <= max),
        Shuffle::Butterfly => (lane ^ b, lane ^ b <= max),
        Shuffle::Index => {
            let from = min | (b & !segment);
            (from, from <= max)
        }
    };
    if valid {
        ((from & 31) as usize, true)
    } else {
        (lane as usize, false)
    }
}

fn vote(
    warp: &mut Warp,
    env: &Env<'_>,
    active: u32,
    mode: Vote,
    d: Verdict,
    (holds, members): (u32, Option<Src>),
) {
    let members = members.map_or([u64::from(active); LANES], |src| values(warp, env, src));
    let voters = |lane: usize| members[lane] as u32 & active;
    let answer: Lanes = std::array::from_fn(|lane| {
        let (all, yes) = (voters(lane), voters(lane) & holds);
        match mode {
            Vote::All => u64::from(yes == all),
            Vote::Any => u64::from(yes != 0),
            Vote::Uniform => u64::from(yes == all || yes == 0),
            Vote::Ballot => u64::from(yes),
        }
    });
    match d {
        Verdict::Reg(d) => warp.set(d, &env.launch.kernel.register_masks, active, &answer),
        Verdict::Pred(d) => warp.set_predicate(d, active, mask_of(|lane| answer[lane] != 0)),
    }
}
