//! What an ask says of countries and rows, digested once for all shelves.

use std::rc::Rc;

use tandem_model::gpu::ExportClass;
use tandem_model::time::WorldTime;

use super::Book;
use super::ask::Ask;
use crate::countries::CountrySet;

/// The countries of a book as an ask sees them for cards of one export class; no two of the sets
/// overlap.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Masks {
    pub(super) forbidden: CountrySet,
    pub(super) far: CountrySet,
    pub(super) apart: CountrySet,
    /// These, and those that the customer excludes.
    pub(super) out: CountrySet,
    pub(super) has_out: bool,
    /// The others.
    pub(super) inside: CountrySet,
    /// Whether they are fewer than those that are out.
    pub(super) is_mostly_out: bool,
    /// Whether none is out for another reason than that it is forbidden.
    pub(super) is_only_forbidden: bool,
}

/// The masks of every export class.
pub(super) fn of_every_class(book: &Book, ask: &Ask) -> [Masks; 3] {
    let classes = [
        ExportClass::Uncontrolled,
        ExportClass::Notify,
        ExportClass::Controlled,
    ];
    classes.map(|class| Masks::of(&book.place_set, ask, class))
}

/// What is kept for each export class, for one of them.
pub(super) fn of_class<T>(masks: &[T; 3], export: ExportClass) -> &T {
    match export {
        ExportClass::Uncontrolled => &masks[0],
        ExportClass::Notify => &masks[1],
        ExportClass::Controlled => &masks[2],
    }
}

impl Masks {
    fn of(places: &CountrySet, ask: &Ask, class: ExportClass) -> Self {
        let forbidden = ask.forbidden.of(class).and(places);
        let is_free = forbidden.is_empty()
            && ask.countries_allowed.is_none()
            && ask.countries_denied.is_empty()
            && ask.near.is_none()
            && ask.priced_apart.is_empty();
        if is_free {
            return Self::default();
        }
        let not_in = |set: &Option<CountrySet>| match set {
            Some(set) => places.without(set),
            None => CountrySet::EMPTY,
        };
        let excluded = not_in(&ask.countries_allowed).or(&ask.countries_denied.and(places));
        let refused = forbidden.or(&excluded);
        let far = not_in(&ask.near).without(&refused);
        let refused = refused.or(&far);
        let apart = ask.priced_apart.and(places).without(&refused);
        let out = refused.or(&apart);
        let inside = places.without(&out);
        Self {
            forbidden,
            far,
            apart,
            out,
            has_out: !out.is_empty(),
            is_mostly_out: out.len() > inside.len(),
            inside,
            is_only_forbidden: out == forbidden,
        }
    }
}

/// What an ask looks for row by row.
#[derive(Debug, Clone)]
pub(super) struct RowTest {
    pub(super) nodes: u32,
    pub(super) stale_before: Option<i64>,
    masks: Rc<[Masks; 3]>,
}

impl RowTest {
    pub(super) fn of(ask: &Ask, masks: &Rc<[Masks; 3]>, now: WorldTime) -> Self {
        Self {
            nodes: ask.nodes(),
            stale_before: ask.stale_before(now),
            masks: Rc::clone(masks),
        }
    }

    pub(super) fn masks(&self, export: ExportClass) -> &Masks {
        of_class(&self.masks, export)
    }

    pub(super) fn is_stale(&self, observed: i64) -> bool {
        self.stale_before.is_some_and(|cutoff| observed < cutoff)
    }
}
