//! The `match` of a rule or a promotion: lists of names and ranges become sets.

use std::ops::BitOr;

use tandem_model::gpu::GpuModel;
use tandem_model::id::AccountId;
use tandem_model::network::{Country, NetworkId};
use tandem_model::workload::{Tier, WorkloadClass};

use super::countries::{self, CountrySet};
use super::read::mapping;
use super::selector::{NETWORKS_MAX, Names, Range, Selector, class_bit, grade_bit, tier_bit};
use super::subject::GRADES;
use crate::files::cursor::{Field, Meaning};
use crate::files::problem::Problems;
use crate::files::units;

const MATCH: &[(&str, Meaning)] = &[
    ("class", Meaning::Used),
    ("tier", Meaning::Used),
    ("grade", Meaning::Used),
    ("account", Meaning::Used),
    ("gpu", Meaning::Used),
    ("network", Meaning::Used),
    ("country", Meaning::Used),
    ("gpu_hours", Meaning::Used),
    ("term_seconds", Meaning::Used),
];

/// Reads a selector. A list that is absent means everything; an empty one is a problem.
pub(super) fn read(field: &Field<'_>, names: &mut Names, p: &mut Problems) -> Selector {
    let mut selector = Selector::default();
    let Some(fields) = mapping(field, MATCH, p) else {
        return selector;
    };
    if let Some(field) = fields.get("class") {
        selector.classes = union(items(&field, p, class));
    }
    if let Some(field) = fields.get("tier") {
        selector.tiers = union(items(&field, p, tier));
    }
    if let Some(field) = fields.get("grade") {
        selector.grades = union(items(&field, p, grade));
    }
    if let Some(field) = fields.get("gpu") {
        selector.gpus = union(items(&field, p, |item, p| gpus(item, names, p)));
    }
    if let Some(field) = fields.get("network") {
        selector.networks = union(items(&field, p, |item, p| network(item, names, p)));
    }
    if let Some(field) = fields.get("country") {
        let mut set = CountrySet::default();
        items(&field, p, country)
            .into_iter()
            .for_each(|country| set.insert(country));
        selector.countries = Some(set);
    }
    if let Some(field) = fields.get("account") {
        let mut accounts = items(&field, p, account);
        accounts.sort_unstable();
        accounts.dedup();
        selector.accounts = Some(accounts);
    }
    let mut ranges = |name| fields.get(name).map(|field| items(&field, p, range));
    selector.gpu_hours = ranges("gpu_hours");
    selector.term_seconds = ranges("term_seconds");
    selector
}

/// All bits together.
fn union<T: BitOr<Output = T> + Default>(bits: Vec<T>) -> T {
    bits.into_iter().fold(T::default(), BitOr::bitor)
}

/// Every item of a list, read; an empty list is a problem.
fn items<T>(
    field: &Field<'_>,
    p: &mut Problems,
    mut one: impl FnMut(&Field<'_>, &mut Problems) -> Option<T>,
) -> Vec<T> {
    if !field.is_list() {
        p.invalid(
            field,
            format!("`{}` stands where a list belongs", field.shown()),
        );
        return Vec::new();
    }
    let items = field.list(p);
    if items.is_empty() {
        p.invalid(field, "an empty list; remove the line if all are meant");
    }
    items.iter().filter_map(|item| one(item, p)).collect()
}

fn class(item: &Field<'_>, p: &mut Problems) -> Option<u8> {
    let words = WorkloadClass::ALL.map(WorkloadClass::as_str);
    let class = item.word(&words, p).and_then(WorkloadClass::parse);
    class.map(class_bit)
}

fn tier(item: &Field<'_>, p: &mut Problems) -> Option<u8> {
    let words = Tier::ALL.map(Tier::as_str);
    item.word(&words, p).and_then(Tier::parse).map(tier_bit)
}

fn grade(item: &Field<'_>, p: &mut Problems) -> Option<u8> {
    let word = item.word(&GRADES.map(|(_, name)| name), p)?;
    let found = GRADES.iter().find(|(_, name)| *name == word);
    found.map(|(grade, _)| grade_bit(*grade))
}

/// The cards that a name means; `H100` means every H100.
fn gpus(item: &Field<'_>, names: &Names, p: &mut Problems) -> Option<u128> {
    let cards = GpuModel::matching(item.text(p)?);
    if cards.is_empty() {
        p.invalid(
            item,
            format!("no GPU of the catalogue is called `{}`", item.shown()),
        );
    }
    Some(
        cards
            .into_iter()
            .fold(0, |all, card| all | names.gpu_bit(card)),
    )
}

fn network(item: &Field<'_>, names: &mut Names, p: &mut Problems) -> Option<u64> {
    let text = item.text(p)?;
    let Some(network) = NetworkId::parse(text) else {
        p.invalid(
            item,
            format!(
                "`{}` is no name of a network: 2 to 24 lower-case letters, digits and dashes",
                item.shown()
            ),
        );
        return None;
    };
    let bit = names.name_network(network);
    if bit.is_none() {
        p.too_large(item, format!("more than {NETWORKS_MAX} networks are named"));
    }
    bit
}

fn country(item: &Field<'_>, p: &mut Problems) -> Option<Country> {
    let found = countries::parse(item.text(p)?);
    if found.is_none() {
        p.invalid(
            item,
            format!(
                "no country has the code `{}` (ISO 3166-1 alpha-2)",
                item.shown()
            ),
        );
    }
    found
}

fn account(item: &Field<'_>, p: &mut Problems) -> Option<AccountId> {
    let found = item.text(p)?.parse::<AccountId>();
    if let Err(error) = &found {
        p.invalid(item, error.to_string());
    }
    found.ok()
}

/// `a..b`, `a..`, `..b` or one number; both ends belong to the range.
fn range(item: &Field<'_>, p: &mut Problems) -> Option<Range> {
    let one = |text: &str| u32::try_from(units::whole(&text.replace('_', ""))?).ok();
    let bounds = units::bounds(item.text(p)?, one);
    if bounds.is_none() {
        p.invalid(
            item,
            format!(
                "`{}` is no range such as \"1000..4999\", \"5000..\" or \"..999\", of numbers below 2^32",
                item.shown()
            ),
        );
    }
    bounds.map(|bounds| Range {
        low: bounds.min.map_or(0, u64::from),
        high: bounds.max.map_or(u64::MAX, u64::from),
    })
}
