//! The `match` of a rule or a promotion: lists of names and ranges become sets.

use tandem_model::gpu::GpuModel;
use tandem_model::id::AccountId;
use tandem_model::network::{Country, NetworkId};
use tandem_model::workload::{Tier, WorkloadClass};

use super::read::mapping;
use super::selector::{
    Bits, Kind, NETWORKS_MAX, Names, Range, Selector, class_bit, gpu_bit, grade_bit, tier_bit,
};
use super::subject::GRADES;
use crate::countries::{self, CountrySet};
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
pub(super) fn read(field: &Field<'_>, known: &mut Names, p: &mut Problems) -> Selector {
    let mut selector = Selector::default();
    let Some(fields) = mapping(field, MATCH, p) else {
        return selector;
    };
    let mut names = |kind, name, one: &mut dyn FnMut(&Field<'_>, &mut Problems) -> Option<Bits>| {
        if let Some(field) = fields.get(name) {
            let admitted = items(&field, p, one);
            let admitted = admitted.into_iter().fold(Bits::NONE, Bits::with);
            selector.names = selector.names.set(kind, admitted);
        }
    };
    names(Kind::CLASS, "class", &mut class);
    names(Kind::TIER, "tier", &mut tier);
    names(Kind::GRADE, "grade", &mut grade);
    names(Kind::GPU, "gpu", &mut |item, p| gpus(item, p));
    names(Kind::NETWORK, "network", &mut |item, p| {
        network(item, known, p)
    });
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

fn class(item: &Field<'_>, p: &mut Problems) -> Option<Bits> {
    let words = WorkloadClass::ALL.map(WorkloadClass::as_str);
    let class = item.word(&words, p).and_then(WorkloadClass::parse);
    class.map(class_bit)
}

fn tier(item: &Field<'_>, p: &mut Problems) -> Option<Bits> {
    let words = Tier::ALL.map(Tier::as_str);
    item.word(&words, p).and_then(Tier::parse).map(tier_bit)
}

fn grade(item: &Field<'_>, p: &mut Problems) -> Option<Bits> {
    let word = item.word(&GRADES.map(|(_, name)| name), p)?;
    let found = GRADES.iter().find(|(_, name)| *name == word);
    found.map(|(grade, _)| grade_bit(*grade))
}

/// The cards that a name means; `H100` means every H100.
fn gpus(item: &Field<'_>, p: &mut Problems) -> Option<Bits> {
    let cards = GpuModel::matching(item.text(p)?);
    if cards.is_empty() {
        p.invalid(
            item,
            format!("no GPU of the catalogue is called `{}`", item.shown()),
        );
    }
    let bits = cards.into_iter().map(gpu_bit);
    Some(bits.fold(Bits::NONE, Bits::with))
}

fn network(item: &Field<'_>, names: &mut Names, p: &mut Problems) -> Option<Bits> {
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
    let bit = names.name_network(network, item.place.into());
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
