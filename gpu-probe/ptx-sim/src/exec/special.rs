//! Special registers, in every lane.

use crate::exec::lanes::{LANES, Lanes};
use crate::exec::step::Env;
use crate::exec::timer_ns;
use crate::exec::warp::Warp;
use crate::inst::{Order, Special};

pub(crate) fn values(warp: &Warp, env: &Env<'_>, special: Special) -> Lanes {
    let launch = env.launch;
    let one = |value: u32| [u64::from(value); LANES];
    let timer = || timer_ns(&launch.config, env.cycles);
    match special {
        Special::ThreadIndex(axis) => {
            std::array::from_fn(|i| u64::from(warp.thread[i][axis as usize]))
        }
        Special::BlockSize(axis) => one(launch.block[axis as usize]),
        Special::BlockIndex(axis) => one(env.block[axis as usize]),
        Special::GridSize(axis) => one(launch.grid[axis as usize]),
        Special::Lane => std::array::from_fn(|i| i as u64),
        Special::Warp => one(warp.index),
        Special::WarpCount => one(launch.block.iter().product::<u32>().div_ceil(LANES as u32)),
        Special::Sm => one(env.sm),
        Special::SmCount => one(launch.config.sm_count),
        Special::GridId => [launch.number; LANES],
        Special::Clock => [env.cycles; LANES],
        Special::ClockHigh => [env.cycles >> 32; LANES],
        Special::Timer | Special::TimerLow => [timer(); LANES],
        Special::TimerHigh => [timer() >> 32; LANES],
        Special::LaneMask(order) => std::array::from_fn(|i| u64::from(lane_mask(order, i))),
        Special::WarpSize => one(LANES as u32),
        Special::DynamicShared => [launch.dynamic_shared; LANES],
        Special::TotalShared => [env.shared.len() as u64; LANES],
    }
}

fn lane_mask(order: Order, lane: usize) -> u32 {
    let own = 1_u32 << lane;
    let below = own - 1;
    match order {
        Order::Equal => own,
        Order::Less => below,
        Order::LessEqual => below | own,
        Order::Greater => !(below | own),
        Order::GreaterEqual => !below,
    }
}
