//! The points from which two policies are compared.
//!
//! A point is a moment, an account, a country, a volume, a term and a utilisation. Every rule and
//! promotion gives a point that it matches and the neighbours of that in one respect at a time;
//! every pair of which one is new, gone or changed gives a point that both match; and each of these
//! is seen at every utilisation at which a surge table bends. Countries and accounts that no selector
//! tells apart stand for one another.

use std::collections::{BTreeMap, BTreeSet};

use tandem_model::id::AccountId;
use tandem_model::network::Country;
use tandem_model::time::WallTime;

use super::Policy;
use super::condition::{Literal, Variable, Witness};
use super::grid::Base;
use super::selector::{Range, Selector};
use super::subject::Subject;
use super::surge::UTILISATION_MAX;
use crate::countries;

const NEUTRAL_GPU_HOURS: u64 = 100;
const NEUTRAL_UTILISATION: u16 = 500;

/// A rule or a promotion as far as points go.
struct View<'a> {
    selector: &'a Selector,
    /// Values that its condition is likely to accept.
    witness: Option<&'a Witness>,
    /// When it is first looked at.
    at: WallTime,
    /// The other policy does not have it, or not so.
    changed: bool,
}

fn views<'a>(policy: &'a Policy, other: &Policy, at: WallTime) -> Vec<View<'a>> {
    let changed = |kind: &str, id: &str| !policy.entry(kind, id).eq(other.entry(kind, id));
    let rules = policy.rules.iter().map(|rule| View {
        selector: &rule.selector,
        witness: rule.condition.as_ref().map(|c| &c.witness),
        at,
        changed: changed("rules", &rule.id),
    });
    let current = policy.promotions.iter().filter(|p| p.until > at);
    let promotions = current.map(|promotion| View {
        selector: &promotion.selector,
        witness: None,
        at: promotion.from.max(at),
        changed: changed("promotions", &promotion.id),
    });
    rules.chain(promotions).collect()
}

/// Every point for two policies, from a moment on.
pub(super) fn points(at: WallTime, old: &Policy, new: &Policy) -> BTreeSet<Point> {
    let axes = Axes::of([old, new]);
    let neutral = Point {
        at,
        account: None,
        country: axes.countries[0],
        gpu_hours: NEUTRAL_GPU_HOURS,
        term_seconds: new.defaults().term_seconds,
        utilisation_permille: NEUTRAL_UTILISATION,
    };
    let mut views = views(old, new, at);
    views.extend(self::views(new, old, at));
    let mut points = BTreeSet::from([neutral.clone()]);
    for (index, view) in views.iter().enumerate() {
        if let Some(mut from) = neutral.within(&[view.selector], &axes) {
            from.at = view.at;
            axes.around(&from.meeting(view), view.selector, &mut points);
        }
        for second in &views[..index] {
            if (view.changed || second.changed)
                && let Some(mut both) = neutral.within(&[view.selector, second.selector], &axes)
            {
                both.at = view.at.max(second.at);
                points.insert(both.meeting(second).meeting(view));
            }
        }
    }
    let mut bent = Vec::new();
    for utilisation_permille in axes.utilisations {
        bent.extend(points.iter().map(|point| Point {
            utilisation_permille,
            ..point.clone()
        }));
    }
    points.extend(bent);
    points
}

/// From where it is seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Point {
    pub(super) at: WallTime,
    account: Option<AccountId>,
    country: Country,
    gpu_hours: u64,
    term_seconds: u32,
    utilisation_permille: u16,
}

impl Point {
    pub(super) fn subject<'a>(&'a self, base: &Base<'a>) -> Subject<'a> {
        Subject {
            class: base.class,
            tier: base.tier,
            grade: base.grade,
            account: self.account.as_ref(),
            gpu: base.gpu,
            network: base.network,
            country: self.country,
            gpu_hours: self.gpu_hours,
            term_seconds: self.term_seconds,
            utilisation_permille: self.utilisation_permille,
        }
    }

    /// The same, moved into all of these selectors where it lies outside; none when they have no
    /// point in common.
    fn within(&self, selectors: &[&Selector], axes: &Axes) -> Option<Self> {
        let in_country = |country: &Country| {
            let mut sets = selectors.iter().filter_map(|s| s.countries.as_ref());
            sets.all(|set| set.contains(*country))
        };
        let in_account = |account: &Option<AccountId>| {
            let mut lists = selectors.iter().filter_map(|s| s.accounts.as_ref());
            lists.all(|list| account.is_some_and(|a| list.binary_search(&a).is_ok()))
        };
        let in_hours = |value: &u64| {
            let mut ranges = selectors.iter().filter_map(|s| s.gpu_hours.as_ref());
            ranges.all(|ranges| contain(ranges, *value))
        };
        let in_term = |value: &u32| {
            let mut ranges = selectors.iter().filter_map(|s| s.term_seconds.as_ref());
            ranges.all(|ranges| contain(ranges, u64::from(*value)))
        };
        let accounts = axes.accounts.iter().copied().map(Some);
        Some(Self {
            country: pick(self.country, axes.countries.iter().copied(), in_country)?,
            account: pick(self.account, accounts, in_account)?,
            gpu_hours: pick(self.gpu_hours, axes.gpu_hours.iter().copied(), in_hours)?,
            term_seconds: pick(self.term_seconds, axes.terms(), in_term)?,
            ..self.clone()
        })
    }

    /// The same with the values that a condition is likely to accept.
    fn meeting(mut self, view: &View<'_>) -> Self {
        for (variable, value) in view.witness.into_iter().flatten() {
            match (variable, value) {
                (Variable::GpuHours, Literal::Number(n)) => {
                    self.gpu_hours = u64::try_from(*n).unwrap_or(0);
                }
                (Variable::TermSeconds, Literal::Number(n)) => {
                    self.term_seconds = u32::try_from(*n).unwrap_or(0);
                }
                (Variable::UtilisationPermille, Literal::Number(n)) => {
                    self.utilisation_permille = u16::try_from(*n).unwrap_or(0).min(1_000);
                }
                (Variable::Country, Literal::Text(text)) => {
                    self.country = countries::parse(text).unwrap_or(self.country);
                }
                (Variable::Account, Literal::Text(text)) => {
                    self.account = text.parse().ok().or(self.account);
                }
                _ => {}
            }
        }
        self
    }
}

/// The values that two policies tell apart.
struct Axes {
    /// One country of each kind; the first is one that no selector names, where there is one.
    countries: Vec<Country>,
    accounts: Vec<AccountId>,
    gpu_hours: BTreeSet<u64>,
    term_seconds: BTreeSet<u64>,
    /// Where a surge table bends, and full use.
    utilisations: BTreeSet<u16>,
}

impl Axes {
    fn of(policies: [&Policy; 2]) -> Self {
        let selectors = policies.into_iter().flat_map(Policy::selectors);
        let selectors: Vec<&Selector> = selectors.collect();
        let rules = policies.into_iter().flat_map(|policy| &policy.rules);
        let surges = rules.filter_map(|rule| rule.effects.surge.as_ref());
        let bends = surges.flat_map(|surge| surge.bends().chain([UTILISATION_MAX]));
        let mut kinds = BTreeMap::new();
        let familiar = ["US", "DE"].into_iter().filter_map(Country::parse);
        for country in familiar.chain(countries::all()) {
            let sets = selectors.iter().filter_map(|s| s.countries.as_ref());
            let kind: Vec<bool> = sets.map(|set| set.contains(country)).collect();
            kinds.entry(kind).or_insert(country);
        }
        let lists: Vec<_> = selectors
            .iter()
            .filter_map(|s| s.accounts.as_ref())
            .collect();
        let named: BTreeSet<AccountId> = lists.iter().copied().flatten().copied().collect();
        let mut accounts = BTreeMap::new();
        for account in named {
            let kind = |list: &&Vec<AccountId>| list.binary_search(&account).is_ok();
            let kind: Vec<bool> = lists.iter().map(kind).collect();
            accounts.entry(kind).or_insert(account);
        }
        Self {
            countries: kinds.into_values().collect(),
            accounts: accounts.into_values().collect(),
            gpu_hours: edges(selectors.iter().filter_map(|s| s.gpu_hours.as_ref())),
            term_seconds: edges(selectors.iter().filter_map(|s| s.term_seconds.as_ref())),
            utilisations: bends.collect(),
        }
    }

    /// A point and those beside it, in one respect at a time, that a selector still matches.
    fn around(&self, from: &Point, selector: &Selector, points: &mut BTreeSet<Point>) {
        points.insert(from.clone());
        if let Some(set) = &selector.countries {
            let inside = self.countries.iter().filter(|c| set.contains(**c));
            points.extend(inside.map(|country| Point {
                country: *country,
                ..from.clone()
            }));
        }
        if let Some(list) = &selector.accounts {
            let inside = self
                .accounts
                .iter()
                .filter(|a| list.binary_search(a).is_ok());
            points.extend(inside.map(|account| Point {
                account: Some(*account),
                ..from.clone()
            }));
        }
        if let Some(ranges) = &selector.gpu_hours {
            let inside = self.gpu_hours.iter().filter(|v| contain(ranges, **v));
            points.extend(inside.map(|value| Point {
                gpu_hours: *value,
                ..from.clone()
            }));
        }
        if let Some(ranges) = &selector.term_seconds {
            let inside = self.terms().filter(|v| contain(ranges, u64::from(*v)));
            points.extend(inside.map(|term_seconds| Point {
                term_seconds,
                ..from.clone()
            }));
        }
    }

    fn terms(&self) -> impl Iterator<Item = u32> {
        let values = self.term_seconds.iter();
        values.filter_map(|value| u32::try_from(*value).ok())
    }
}

fn contain(ranges: &[Range], value: u64) -> bool {
    let mut ranges = ranges.iter();
    ranges.any(|range| (range.low..=range.high).contains(&value))
}

/// The value itself if it is allowed, or the first candidate that is.
fn pick<T>(
    value: T,
    mut candidates: impl Iterator<Item = T>,
    allowed: impl Fn(&T) -> bool,
) -> Option<T> {
    if allowed(&value) {
        Some(value)
    } else {
        candidates.find(allowed)
    }
}

/// Where ranges begin, and the first values behind them.
fn edges<'a>(ranges: impl Iterator<Item = &'a Vec<Range>>) -> BTreeSet<u64> {
    ranges
        .flatten()
        .flat_map(|range| [Some(range.low), range.high.checked_add(1)])
        .flatten()
        .collect()
}
