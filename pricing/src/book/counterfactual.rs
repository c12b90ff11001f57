//! What the customer would pay if one thing that he asks were otherwise: '38 % less with an
//! RTX 5090', '12 % less if Canada too'. One constraint at a time is relaxed and the same search
//! is made again; what policy forbids is never relaxed.
//!
//! A constraint with many alternatives needs few searches: with all of them open, the best offer
//! names the best alternative, and the next best is found without that one.

use std::cmp::Reverse;

use tandem_model::gpu::GpuModel;
use tandem_model::money::RatePerGpuHour;
use tandem_model::network::Country;
use tandem_model::time::WorldTime;

use super::ask::Ask;
use super::cards::GpuSet;
use super::outlook::Prices;
use super::rooms::Rooms;
use super::{Book, Hit};

/// Most alternatives that are named of one kind.
pub const ALTERNATIVES_MAX: usize = 3;

/// The one thing that is otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Another card, which has the memory that is needed.
    Gpu(GpuModel),
    /// One more country, which policy allows and the customer excludes.
    Country(Country),
    /// Nodes without a fast link.
    NoFastLink,
}

/// What one change would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counterfactual {
    /// The change.
    pub change: Change,
    /// How much less a useful hour costs than on the best offer as asked, in thousandths rounded
    /// down; none when no offer fits as asked.
    pub saves_permille: Option<u16>,
    /// The customer's price per GPU-hour after the change.
    pub rate: RatePerGpuHour,
    /// The offer.
    pub hit: Hit,
}

/// How far counterfactuals are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Most searches.
    pub tries_max: usize,
    /// Least saving that is worth a word, in thousandths.
    pub saves_permille_min: u16,
    /// Least nominal memory of another card in GB; none means that of the smallest card asked for.
    pub vram_gb_min: Option<u32>,
}

impl Default for Rules {
    /// Eight searches, five percent.
    fn default() -> Self {
        Self {
            tries_max: 8,
            saves_permille_min: 50,
            vram_gb_min: None,
        }
    }
}

/// The search that is made again and again, and how often it still may be.
struct Tries<'a, L> {
    book: &'a Book,
    prices: &'a L,
    rooms: &'a Rooms,
    now: WorldTime,
    best: Option<&'a Hit>,
    rules: Rules,
    left: usize,
    found: Vec<Counterfactual>,
}

impl<L: Prices> Tries<'_, L> {
    /// Searches once, if that is still allowed; the best offer, when it saves enough.
    fn once(&mut self, ask: &Ask) -> Option<(Hit, Option<u16>)> {
        self.left = self.left.checked_sub(1)?;
        let mut ranking = self.book.rank_in(self.rooms, ask, self.prices, self.now);
        let hit = ranking.next()?;
        let Some(best) = self.best else {
            return Some((hit, None));
        };
        let was = i128::from(best.useful_hour_micro_usd.get());
        let less = was - i128::from(hit.useful_hour_micro_usd.get());
        let permille = u16::try_from((less * 1_000).checked_div(was)?).ok()?;
        (less > 0 && permille >= self.rules.saves_permille_min).then_some((hit, Some(permille)))
    }

    fn add(&mut self, change: Change, (hit, saves_permille): (Hit, Option<u16>)) {
        self.found.push(Counterfactual {
            change,
            saves_permille,
            rate: hit.rate,
            hit,
        });
    }

    fn try_one(&mut self, change: Change, relaxed: &Ask) {
        if let Some(better) = self.once(relaxed) {
            self.add(change, better);
        }
    }

    fn try_gpus(&mut self, ask: &Ask) {
        let memory = |gpu: &GpuModel| u32::from(gpu.facts().vram_gb);
        let least = self.rules.vram_gb_min.or(ask.vram_gb_min);
        let least = least.or_else(|| ask.gpus.iter().map(|gpu| memory(&gpu)).min());
        let others = GpuModel::all()
            .filter(|gpu| !ask.gpus.contains(*gpu))
            .filter(|gpu| memory(gpu) >= least.unwrap_or(0));
        let mut relaxed = Ask {
            gpus: others.collect(),
            ..ask.clone()
        };
        for _ in 0..ALTERNATIVES_MAX {
            if relaxed.gpus == GpuSet::EMPTY {
                break;
            }
            let Some(better) = self.once(&relaxed) else {
                break;
            };
            let gpu = self.book.view(better.0.row).aisle().gpu;
            self.add(Change::Gpu(gpu), better);
            relaxed.gpus = relaxed.gpus.without(gpu);
        }
    }

    fn try_countries(&mut self, ask: &Ask) {
        if ask.countries_allowed.is_none() && ask.countries_denied.is_empty() {
            return;
        }
        let mut relaxed = Ask {
            countries_allowed: None,
            countries_denied: Default::default(),
            ..ask.clone()
        };
        for _ in 0..ALTERNATIVES_MAX {
            let Some(better) = self.once(&relaxed) else {
                break;
            };
            let country = self.book.view(better.0.row).country();
            if !ask.excludes(country) {
                break;
            }
            self.add(Change::Country(country), better);
            relaxed.countries_denied.insert(country);
        }
    }
}

/// The changes that would save enough beside the best offer as asked, the greatest saving first.
///
/// `rooms` are those of the ask, and `best` is the first of [`Book::rank_by`] for the same ask, list
/// and time; with none, the changes that would make an offer fit at all, the cheapest useful hour
/// first. At most [`ALTERNATIVES_MAX`] of a kind, found by at most `rules.tries_max` searches: one
/// without the fast link, then countries, then cards.
pub fn counterfactuals<L: Prices>(
    (book, rooms): (&Book, &Rooms),
    ask: &Ask,
    best: Option<&Hit>,
    prices: &L,
    now: WorldTime,
    rules: Rules,
) -> Vec<Counterfactual> {
    let mut tries = Tries {
        book,
        prices,
        rooms,
        now,
        best,
        rules,
        left: rules.tries_max,
        found: Vec::new(),
    };
    if ask.fast_link && ask.nodes > 1 {
        let relaxed = Ask {
            fast_link: false,
            ..ask.clone()
        };
        tries.try_one(Change::NoFastLink, &relaxed);
    }
    tries.try_countries(ask);
    tries.try_gpus(ask);
    let mut found = tries.found;
    found.sort_by_key(|c| (Reverse(c.saves_permille), c.hit.useful_hour_micro_usd));
    found
}
