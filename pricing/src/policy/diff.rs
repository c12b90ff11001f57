//! What changes between two policies: entries by their id, fields by their text, and prices.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::grid::Grid;
use super::tally::{self, PriceChanges};
use super::{Policy, PolicyDigest};

/// What changes from one policy to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// Digest of the policy before.
    pub old: PolicyDigest,
    /// Digest of the policy after.
    pub new: PolicyDigest,
    /// Fields outside rules and promotions.
    pub fields: Vec<FieldChange>,
    /// Rules by id.
    pub rules: EntryChanges,
    /// Promotions by id.
    pub promotions: EntryChanges,
    /// Prices, over the grid.
    pub prices: PriceChanges,
}

/// A field whose text differs. Lists are compared sorted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// Its path, from the entry where it belongs to one.
    pub field: String,
    /// Its text before.
    pub old: Option<String>,
    /// Its text after.
    pub new: Option<String>,
}

/// Entries with an id that came, went or changed; their order in the file means nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct EntryChanges {
    /// Ids that only the new policy has.
    pub added: Vec<String>,
    /// Ids that only the old policy has.
    pub removed: Vec<String>,
    /// Ids of both whose fields differ.
    pub changed: Vec<Changed>,
}

/// An entry that both policies have, and how it differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// Its id.
    pub id: String,
    /// Its fields that differ.
    pub fields: Vec<FieldChange>,
}

/// Compares two policies as documents and by their prices over a grid.
pub fn diff(old: &Policy, new: &Policy, grid: &Grid) -> Diff {
    let (before, after) = (Sections::of(old), Sections::of(new));
    Diff {
        old: old.digest(),
        new: new.digest(),
        fields: fields(&before.rest, &after.rest),
        rules: entries(&before.rules, &after.rules),
        promotions: entries(&before.promotions, &after.promotions),
        prices: tally::compare(old, new, grid),
    }
}

type Fields<'a> = BTreeMap<&'a str, &'a str>;
type Entries<'a> = BTreeMap<&'a str, Fields<'a>>;

/// A document's fields by where they belong.
#[derive(Default)]
struct Sections<'a> {
    rest: Fields<'a>,
    rules: Entries<'a>,
    promotions: Entries<'a>,
}

impl<'a> Sections<'a> {
    fn of(policy: &'a Policy) -> Self {
        let mut sections = Self::default();
        for (path, text) in &policy.texts {
            let mut parts = path.splitn(3, '.');
            let entries = match parts.next() {
                Some("rules") => &mut sections.rules,
                Some("promotions") => &mut sections.promotions,
                _ => {
                    sections.rest.insert(path, text);
                    continue;
                }
            };
            if let (Some(id), Some(field)) = (parts.next(), parts.next()) {
                entries.entry(id).or_default().insert(field, text);
            }
        }
        sections
    }
}

fn fields(old: &Fields<'_>, new: &Fields<'_>) -> Vec<FieldChange> {
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let text = |fields: &Fields<'_>, name: &str| fields.get(name).map(|t| (*t).to_owned());
    names
        .into_iter()
        .filter(|name| old.get(**name) != new.get(**name))
        .map(|name| FieldChange {
            field: (*name).to_owned(),
            old: text(old, name),
            new: text(new, name),
        })
        .collect()
}

fn entries(old: &Entries<'_>, new: &Entries<'_>) -> EntryChanges {
    let only = |here: &Entries<'_>, there: &Entries<'_>| {
        let ids = here.keys().filter(|id| !there.contains_key(**id));
        ids.map(|id| (*id).to_owned()).collect()
    };
    let both = old
        .iter()
        .filter_map(|(id, before)| Some((id, before, new.get(id)?)));
    let changed = both.map(|(id, before, after)| Changed {
        id: (*id).to_owned(),
        fields: fields(before, after),
    });
    EntryChanges {
        added: only(new, old),
        removed: only(old, new),
        changed: changed.filter(|c| !c.fields.is_empty()).collect(),
    }
}
