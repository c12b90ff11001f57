//! How many offers of each aisle have room for a shape of work in the places where it may run: the
//! same on every tier and at every price, so the searches of one request count them once.

use std::cell::OnceCell;
use std::rc::Rc;

use super::Book;
use super::ask::{Ask, Forbidden};
use super::masks::{Masks, of_class, of_every_class};
use super::shelf::level_of;
use super::stock::{Stock, numbered};
use crate::countries::CountrySet;

/// What of an ask the counts depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shape {
    gpus_per_node: u16,
    nodes: u16,
    fast_link: bool,
    forbidden: Forbidden,
    countries_allowed: Option<CountrySet>,
    countries_denied: CountrySet,
    near: Option<CountrySet>,
    priced_apart: CountrySet,
}

/// Counts of a book's aisles, each made when it is asked for.
#[derive(Debug, Clone)]
pub struct Rooms {
    /// Where the counts of the book's aisles lie in memory: no two books share it while they live.
    book: usize,
    shape: Shape,
    masks: Rc<[Masks; 3]>,
    /// The same by the numbers of the book's countries.
    numbered: [Numbered; 3],
    /// By the number of the aisle: of all nodes, and of those of which no more GPUs must be rented
    /// than are needed.
    counted: [Box<[OnceCell<Option<Roomy>>]>; 2],
}

/// The sets of [`Masks`] by the numbers that the book gives its countries.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Numbered {
    out: CountrySet,
    inside: CountrySet,
    forbidden: CountrySet,
    far: CountrySet,
    apart: CountrySet,
}

impl Numbered {
    fn of(book: &Book, masks: &Masks) -> Self {
        if !masks.has_out {
            return Self::default();
        }
        let of = |set| numbered(&book.places, set);
        let (out, forbidden) = (of(&masks.out), of(&masks.forbidden));
        let rest = |set| match masks.is_only_forbidden {
            true => CountrySet::EMPTY,
            false => of(set),
        };
        Self {
            out,
            forbidden,
            inside: match masks.is_mostly_out {
                true => of(&masks.inside),
                false => CountrySet::EMPTY,
            },
            far: rest(&masks.far),
            apart: rest(&masks.apart),
        }
    }
}

/// What the counts of an aisle say, up to the price function.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Roomy {
    pub(super) too_few_gpus: u64,
    pub(super) whole_nodes: u32,
    pub(super) too_few_nodes: u32,
    pub(super) no_fast_link: u32,
    pub(super) forbidden: u32,
    pub(super) excluded: u32,
    pub(super) far: u32,
    /// Offers that are left.
    pub(super) inside: u32,
    /// Whether they are all active rows of the places where the work may run.
    pub(super) is_all: bool,
    /// Whether some place of the aisle is none of these.
    has_outside: bool,
}

impl Rooms {
    pub(super) fn of(book: &Book, ask: &Ask) -> Self {
        let none = || book.stocks.iter().map(|_| OnceCell::new()).collect();
        let masks = of_every_class(book, ask);
        Self {
            book: book.stocks.as_ptr().addr(),
            shape: Shape::of(ask),
            numbered: [0, 1, 2].map(|class| Numbered::of(book, &masks[class])),
            masks: Rc::new(masks),
            counted: [none(), none()],
        }
    }

    /// Whether they are those of a book and an ask.
    pub(super) fn are_of(&self, book: &Book, ask: &Ask) -> bool {
        self.book == book.stocks.as_ptr().addr() && self.shape == Shape::of(ask)
    }

    pub(super) fn masks(&self) -> &Rc<[Masks; 3]> {
        &self.masks
    }

    /// Counts an aisle as far as the price function; none when its shelves must be looked at.
    pub(super) fn roomy(
        &self,
        book: &Book,
        (aisle, stock): (u32, &Stock),
        exact_nodes: bool,
    ) -> Option<&Roomy> {
        // Of nodes that can be split no more GPUs are rented than are needed.
        let exact_nodes = exact_nodes && stock.is_divisible != Some(true);
        let counted = &self.counted[usize::from(exact_nodes)][aisle as usize];
        let count = || {
            let masks = (of_class(&self.masks, stock.export), self.numbered(stock));
            self.shape.count(book, masks, stock, exact_nodes)
        };
        counted.get_or_init(count).as_ref()
    }

    fn numbered(&self, stock: &Stock) -> &Numbered {
        of_class(&self.numbered, stock.export)
    }

    /// How many of an aisle's offers that are left cost the network price `cap` or less; none where
    /// only its shelves tell.
    pub(super) fn within(
        &self,
        book: &Book,
        stock: &Stock,
        roomy: &Roomy,
        cap: u32,
    ) -> Option<u32> {
        if !roomy.is_all {
            return None;
        }
        let masks = of_class(&self.masks, stock.export);
        let numbered = self.numbered(stock);
        if roomy.has_outside && masks.is_mostly_out {
            return Some(stock.within_in(book, &numbered.inside, cap));
        }
        let all = stock.prices.start as usize..stock.prices.end as usize;
        let within = book.aisle_prices[all].partition_point(|price| *price <= cap);
        let within = u32::try_from(within).expect("a book has at most OFFERS_MAX rows");
        Some(match roomy.has_outside {
            true => within - stock.within_in(book, &numbered.out, cap),
            false => within,
        })
    }
}

impl Shape {
    fn of(ask: &Ask) -> Self {
        Self {
            gpus_per_node: ask.gpus_per_node,
            nodes: ask.nodes,
            fast_link: ask.fast_link,
            forbidden: ask.forbidden,
            countries_allowed: ask.countries_allowed,
            countries_denied: ask.countries_denied,
            near: ask.near,
            priced_apart: ask.priced_apart,
        }
    }

    /// Counts an aisle as far as the price function; none when its shelves must be looked at.
    fn count(
        &self,
        book: &Book,
        (masks, sets): (&Masks, &Numbered),
        stock: &Stock,
        exact_nodes: bool,
    ) -> Option<Roomy> {
        let nodes = u32::from(self.nodes.max(1));
        let (level, exact) = level_of(nodes);
        let words = book.place_words();
        let has = |set: &CountrySet| {
            let both = stock.numbered.words().iter().zip(set.words());
            both.take(words).any(|(have, chosen)| have & chosen != 0)
        };
        let has_outside = masks.has_out && has(&sets.out);
        let is_counted =
            exact && !stock.steps.is_empty() && (!has_outside || stock.counts_places());
        let is_counted = is_counted && (!exact_nodes || stock.tells_exact_nodes());
        if !is_counted || has_outside && has(&sets.apart) {
            return None;
        }
        let Some(cells) = stock.cells(book, self.gpus_per_node, level) else {
            return Some(Roomy {
                too_few_gpus: stock.valid,
                ..Roomy::default()
            });
        };
        let too_few_gpus = stock.valid - u64::from(cells.valid());
        let all = cells.valid();
        let cells = match exact_nodes {
            true => cells.exact(self.gpus_per_node),
            false => Some(cells),
        };
        let Some(cells) = cells else {
            return Some(Roomy {
                too_few_gpus,
                whole_nodes: all,
                ..Roomy::default()
            });
        };
        let linked = nodes > 1 && self.fast_link;
        let (any, roomy) = (cells.roomy(false), cells.roomy(linked));
        let mut out = Roomy {
            too_few_gpus,
            whole_nodes: all - cells.valid(),
            too_few_nodes: cells.valid() - any,
            no_fast_link: any - roomy,
            inside: roomy,
            is_all: nodes == 1 && cells.is_all_steps(),
            has_outside,
            ..Roomy::default()
        };
        if has_outside {
            out.inside = match masks.is_mostly_out {
                true => cells.roomy_in(&sets.inside, linked),
                false => roomy - cells.roomy_in(&sets.out, linked),
            };
            if masks.is_only_forbidden {
                out.forbidden = roomy - out.inside;
            } else {
                out.forbidden = cells.roomy_in(&sets.forbidden, linked);
                out.far = cells.roomy_in(&sets.far, linked);
                out.excluded = roomy - out.inside - out.forbidden - out.far;
            }
        }
        Some(out)
    }
}
