//! The market of a replay as it stands now: what is there, what is taken, and when that ends.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use tandem_model::gpu::GpuModel;
use tandem_model::money::MicroUsd;
use tandem_model::network::Grade;

use super::demand::Need;
use super::history::{History, Lane};
use super::shelves::{Part, Room, Shelves};
use super::tally::Occupancy;

/// Seconds of a day.
pub(super) const DAY_S: u64 = 86_400;

/// A lane and its cost per GPU-hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) lane: usize,
    pub(super) price: MicroUsd,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    price: i64,
    gpus: u32,
    taken: u32,
    pool: usize,
}

impl State {
    const fn list(&self) -> Room {
        Room {
            price: self.price,
            gpus: self.gpus,
        }
    }

    const fn free(&self) -> Room {
        Room {
            price: self.price,
            gpus: self.gpus.saturating_sub(self.taken),
        }
    }
}

/// GPUs that there are and that are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Pool {
    gpus: u64,
    taken: u64,
}

/// When a task ends, on which lane, its GPUs, and whether they are backed by enterprise GPUs.
type End = (u64, usize, u32, bool);

/// Supply at one moment.
#[derive(Debug)]
pub(super) struct Market<'a> {
    history: &'a History,
    next_step: usize,
    now_s: u64,
    states: Vec<State>,
    /// Capacity by card and grade: what utilisation is measured on.
    pools: Vec<Pool>,
    all: Pool,
    free_enterprise: u64,
    backed: u64,
    free: Shelves,
    list: Shelves,
    ends: BinaryHeap<Reverse<End>>,
}

impl<'a> Market<'a> {
    pub(super) fn new(history: &'a History) -> Self {
        let mut pools: BTreeMap<(GpuModel, Grade), usize> = BTreeMap::new();
        let mut states = Vec::with_capacity(history.lanes.len());
        for lane in &history.lanes {
            let next = pools.len();
            states.push(State {
                pool: *pools.entry((lane.gpu, lane.grade)).or_insert(next),
                ..State::default()
            });
        }
        Self {
            history,
            next_step: 0,
            now_s: 0,
            states,
            pools: vec![Pool::default(); pools.len()],
            all: Pool::default(),
            free_enterprise: 0,
            backed: 0,
            free: Shelves::default(),
            list: Shelves::default(),
            ends: BinaryHeap::new(),
        }
    }

    pub(super) fn lane(&self, lane: usize) -> &'a Lane {
        &self.history.lanes[lane]
    }

    /// Moves on to a moment: steps of the history, then ends of tasks, each in their order.
    pub(super) fn advance(&mut self, to_s: u64, days: &mut [Occupancy]) {
        loop {
            let step = self.history.steps.get(self.next_step).map(|s| s.at_s);
            let end = self.ends.peek().map(|end| end.0.0);
            let next = [step, end].into_iter().flatten().min();
            let Some(at_s) = next.filter(|at_s| *at_s <= to_s) else {
                break;
            };
            self.wait(at_s, days);
            if step == Some(at_s) {
                self.step();
            } else if let Some(Reverse((_, lane, gpus, backed))) = self.ends.pop() {
                self.change(lane, |state| state.taken -= gpus);
                self.backed -= if backed { u64::from(gpus) } else { 0 };
            }
        }
        self.wait(to_s, days);
    }

    fn step(&mut self) {
        let step = self.history.steps[self.next_step];
        self.next_step += 1;
        self.change(step.lane, |state| {
            state.price = step.price.get();
            state.gpus = step.gpus;
        });
    }

    /// Lets time pass, and adds up what is there and what is taken by day.
    fn wait(&mut self, to_s: u64, days: &mut [Occupancy]) {
        while self.now_s < to_s {
            let day = self.now_s / DAY_S;
            let until = to_s.min((day + 1) * DAY_S);
            let seconds = u128::from(until - self.now_s);
            let day = usize::try_from(day).ok().and_then(|day| days.get_mut(day));
            self.now_s = match day {
                Some(day) => {
                    day.supply_gpu_seconds += u128::from(self.all.gpus) * seconds;
                    day.taken_gpu_seconds += u128::from(self.all.taken) * seconds;
                    until
                }
                None => to_s,
            };
        }
    }

    fn change(&mut self, lane: usize, change: impl FnOnce(&mut State)) {
        let old = self.states[lane];
        change(&mut self.states[lane]);
        let new = self.states[lane];
        let key = &self.history.lanes[lane];
        self.free.put(key, lane, old.free(), new.free());
        self.list.put(key, lane, old.list(), new.list());
        // Work that runs stays on a lane whose GPUs were withdrawn: they count until it ends.
        let there = |state: State| u64::from(state.gpus.max(state.taken));
        for pool in [&mut self.pools[old.pool], &mut self.all] {
            pool.gpus = pool.gpus + there(new) - there(old);
            pool.taken = pool.taken + u64::from(new.taken) - u64::from(old.taken);
        }
        if key.is_enterprise() {
            let (old, new) = (u64::from(old.free().gpus), u64::from(new.free().gpus));
            self.free_enterprise = self.free_enterprise + new - old;
        }
    }

    /// The cheapest lane with so many free GPUs.
    pub(super) fn free(&self, need: &Need, part: Part, gpus: u32) -> Option<Found> {
        let room = |lane: usize| self.states[lane].free().gpus;
        found(self.free.cheapest(need, part, gpus, room))
    }

    /// The cheapest lane with so many GPUs, taken or free.
    pub(super) fn list(&self, need: &Need, part: Part, gpus: u32) -> Option<Found> {
        let room = |lane: usize| self.states[lane].gpus;
        found(self.list.cheapest(need, part, gpus, room))
    }

    /// Whether so many more GPUs can be backed when that share of the free enterprise GPUs may be.
    pub(super) fn can_back(&self, gpus: u32, share_permille: u32) -> bool {
        let allowed = u128::from(self.free_enterprise) * u128::from(share_permille);
        u128::from(self.backed + u64::from(gpus)) * 1_000 <= allowed
    }

    /// How much of the capacity of a lane's card and grade is taken, in permille.
    pub(super) fn utilisation_permille(&self, lane: usize) -> u16 {
        let pool = self.pools[self.states[lane].pool];
        let share = (pool.taken * 1_000).checked_div(pool.gpus).unwrap_or(0);
        u16::try_from(share).unwrap_or(1_000)
    }

    /// Takes GPUs of a lane that has them, until a moment.
    pub(super) fn take(&mut self, lane: usize, gpus: u32, until_s: u64, backed: bool) {
        self.change(lane, |state| state.taken += gpus);
        self.backed += if backed { u64::from(gpus) } else { 0 };
        self.ends.push(Reverse((until_s, lane, gpus, backed)));
    }

    /// Whether what is kept in sums agrees with what the lanes say, and no lane gave what it lacks.
    #[cfg(test)]
    pub(super) fn is_sound(&self) -> bool {
        let mut pools = vec![Pool::default(); self.pools.len()];
        let mut free_enterprise = 0;
        let mut running = vec![0u32; self.states.len()];
        for Reverse((_, lane, gpus, _)) in &self.ends {
            running[*lane] += gpus;
        }
        for (state, lane) in self.states.iter().zip(&self.history.lanes) {
            pools[state.pool].gpus += u64::from(state.gpus.max(state.taken));
            pools[state.pool].taken += u64::from(state.taken);
            if lane.is_enterprise() {
                free_enterprise += u64::from(state.free().gpus);
            }
        }
        let taken: Vec<u32> = self.states.iter().map(|state| state.taken).collect();
        pools == self.pools && running == taken && free_enterprise == self.free_enterprise
    }

    #[cfg(test)]
    pub(super) fn free_gpus(&self, lane: usize) -> u32 {
        self.states[lane].free().gpus
    }
}

fn found(cheapest: Option<(i64, usize)>) -> Option<Found> {
    cheapest.map(|(price, lane)| Found {
        lane,
        price: MicroUsd::new(price),
    })
}
