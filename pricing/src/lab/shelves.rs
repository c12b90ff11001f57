//! Lanes sorted by price, so that the cheapest with room is found without looking at the others.
//!
//! A lane stands on the shelf of its card and on that of all cards, each three times over: for every
//! lane, for those that can be sold as enterprise, and for the rest. On a shelf, lanes are sorted by
//! the power of two of their room, then by price: for a gang of a power of two the first of each
//! power is enough.

use std::collections::{BTreeMap, BTreeSet};

use tandem_model::gpu::GpuModel;

use super::demand::Need;
use super::history::Lane;

/// Which lanes may serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// Every lane.
    Any,
    /// Those that can be sold as enterprise.
    Enterprise,
    /// The others.
    Rest,
}

/// Powers of two of a room of 32 bits.
const POWERS: u32 = 32;

type Place = (u32, i64, usize);
type Shelf = BTreeSet<Place>;

/// Lanes by card, part, room and price.
#[derive(Debug, Default)]
pub(super) struct Shelves {
    shelves: BTreeMap<(Option<GpuModel>, Part), Shelf>,
}

/// What a lane costs and how much room it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) price: i64,
    pub(super) gpus: u32,
}

impl Shelves {
    /// Puts a lane where its room and price say, after taking it from where it was.
    pub(super) fn put(&mut self, lane: &Lane, index: usize, old: Room, new: Room) {
        if old == new {
            return;
        }
        let place = |room: Room| room.gpus.checked_ilog2().map(|p| (p, room.price, index));
        let part = if lane.is_enterprise() {
            Part::Enterprise
        } else {
            Part::Rest
        };
        for gpu in [None, Some(lane.gpu)] {
            for part in [Part::Any, part] {
                let shelf = self.shelves.entry((gpu, part)).or_default();
                if let Some(place) = place(old) {
                    shelf.remove(&place);
                }
                shelf.extend(place(new));
            }
        }
    }

    /// The cheapest lane that fits and has room for so many GPUs; the first of two at one price.
    pub(super) fn cheapest(
        &self,
        need: &Need,
        part: Part,
        gpus: u32,
        room: impl Fn(usize) -> u32,
    ) -> Option<(i64, usize)> {
        let on = |gpu| self.cheapest_on(self.shelves.get(&(gpu, part))?, gpus, &room);
        match need {
            Need::Any => on(None),
            Need::Named(models) => models.iter().filter_map(|gpu| on(Some(*gpu))).min(),
        }
    }

    fn cheapest_on(
        &self,
        shelf: &Shelf,
        gpus: u32,
        room: &impl Fn(usize) -> u32,
    ) -> Option<(i64, usize)> {
        let lowest = gpus.checked_ilog2()?;
        let of = |power: u32| shelf.range((power, i64::MIN, 0)..(power + 1, i64::MIN, 0));
        let same = of(lowest).find(|(_, _, lane)| room(*lane) >= gpus);
        let larger = (lowest + 1..POWERS).filter_map(|power| of(power).next());
        larger
            .chain(same)
            .map(|(_, price, lane)| (*price, *lane))
            .min()
    }
}
