//! The subjects on which two policies are compared: every class, tier, grade, card and network that
//! can be sold, seen from points that the policies themselves single out.
//!
//! A point is a moment, an account, a country, a volume, a term and a utilisation. Every rule and
//! promotion of both policies gives points that it matches, and their neighbours in one respect at a
//! time; countries and accounts that no selector tells apart stand for one another.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use tandem_model::gpu::GpuModel;
use tandem_model::id::AccountId;
use tandem_model::money::MicroUsd;
use tandem_model::network::{Country, Grade, NetworkId};
use tandem_model::time::WallTime;
use tandem_model::workload::{Tier, WorkloadClass};

use super::condition::{Literal, Variable, Witness};
use super::countries::{self, CountryBit};
use super::selector::{Names, Range, Selector};
use super::subject::Subject;
use super::{Policy, rule::Rule};

/// A stand-in for the cost of a card per GPU-hour where no market is at hand: two cents for each GB
/// of its memory. It is no price; it only sets the scale against which floors and ceilings act.
pub const REFERENCE_COST_MICRO_USD_PER_GB: i64 = 20_000;

const NEUTRAL_GPU_HOURS: u64 = 100;
const NEUTRAL_UTILISATION: u16 = 500;

/// What a comparison looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    /// The moment of the comparison; promotions that begin later are also looked at when they do.
    pub at: WallTime,
    /// The networks that sell.
    pub networks: Vec<NetworkId>,
    /// Costs per GPU-hour; a card may stand here several times, and one that does not is left out.
    pub costs: Vec<(GpuModel, MicroUsd)>,
}

impl Grid {
    /// Every card of the catalogue at [`REFERENCE_COST_MICRO_USD_PER_GB`]. With a market at hand, put
    /// its costs in.
    pub fn standard(at: WallTime, networks: &[NetworkId]) -> Self {
        let cost = |gpu: GpuModel| {
            let vram_gb = i64::from(gpu.facts().vram_gb);
            MicroUsd::new(vram_gb * REFERENCE_COST_MICRO_USD_PER_GB)
        };
        Self {
            at,
            networks: networks.to_vec(),
            costs: GpuModel::all().map(|gpu| (gpu, cost(gpu))).collect(),
        }
    }

    /// What is sold: enterprise only on data-centre hardware, A100 or better. Of those that no
    /// selector and no condition of two policies tells apart, one stands for all.
    pub(super) fn bases(&self, old: &Policy, new: &Policy) -> Vec<Base<'_>> {
        let mut costs: BTreeMap<GpuModel, Vec<MicroUsd>> = BTreeMap::new();
        for (gpu, cost) in &self.costs {
            costs.entry(*gpu).or_default().push(*cost);
        }
        let apart = Apart::of([old, new]);
        let mut bases: Vec<Base<'_>> = Vec::new();
        for (gpu, costs) in &costs {
            let mut kinds = BTreeMap::new();
            for (class, tier, grade, network) in self.sold_on(*gpu) {
                let base = Base {
                    class,
                    tier,
                    grade,
                    gpu: *gpu,
                    network,
                    costs: costs.clone(),
                    stands_for: 1,
                };
                match kinds.entry(apart.kind(&base)) {
                    Entry::Vacant(vacant) => {
                        vacant.insert(bases.len());
                        bases.push(base);
                    }
                    Entry::Occupied(known) => bases[*known.get()].stands_for += 1,
                }
            }
        }
        bases
    }

    fn sold_on(
        &self,
        gpu: GpuModel,
    ) -> impl Iterator<Item = (WorkloadClass, Tier, Grade, &NetworkId)> {
        let grades = [Grade::Datacenter, Grade::Consumer].into_iter();
        let hardware = grades.flat_map(|grade| Tier::ALL.map(|tier| (grade, tier)));
        let sold = hardware.filter(move |(grade, tier)| {
            *tier != Tier::Enterprise || *grade == Grade::Datacenter && gpu.is_a100_or_better()
        });
        sold.flat_map(move |(grade, tier)| {
            self.networks.iter().flat_map(move |network| {
                WorkloadClass::ALL.map(|class| (class, tier, grade, network))
            })
        })
    }

    /// From where it is seen, for two policies.
    pub(super) fn points(&self, old: &Policy, new: &Policy) -> BTreeSet<Point> {
        let axes = Axes::of([old, new]);
        let neutral = Point {
            at: self.at,
            account: None,
            country: axes.countries[0],
            gpu_hours: NEUTRAL_GPU_HOURS,
            term_seconds: new.defaults().term_seconds,
            utilisation_permille: NEUTRAL_UTILISATION,
        };
        let mut points = BTreeSet::from([neutral.clone()]);
        for policy in [old, new] {
            for rule in &policy.rules {
                let from = neutral.within(&rule.selector, &axes);
                let from = from.meeting(rule.condition.as_ref().map(|c| &c.witness));
                axes.around(&from, &rule.selector, &mut points);
                points.extend(bends(rule).map(|utilisation_permille| Point {
                    utilisation_permille,
                    ..from.clone()
                }));
            }
            for promotion in policy.promotions.iter().filter(|p| p.until > self.at) {
                let start = Point {
                    at: promotion.from.max(self.at),
                    ..neutral.clone()
                };
                let from = start.within(&promotion.selector, &axes);
                axes.around(&from, &promotion.selector, &mut points);
            }
        }
        points
    }
}

fn bends(rule: &Rule) -> impl Iterator<Item = u16> {
    rule.effects.surge.iter().flat_map(|surge| surge.bends())
}

/// Something that is sold, and what it costs.
#[derive(Debug, Clone)]
pub(super) struct Base<'a> {
    class: WorkloadClass,
    tier: Tier,
    grade: Grade,
    gpu: GpuModel,
    network: &'a NetworkId,
    pub(super) costs: Vec<MicroUsd>,
    /// How many it stands for, itself among them.
    pub(super) stands_for: u64,
}

/// What two policies tell apart about what is sold.
struct Apart<'a> {
    selectors: Vec<(&'a Names, &'a Selector)>,
    /// A condition names the class, the tier, the grade or the network.
    by_condition: bool,
}

impl<'a> Apart<'a> {
    fn of(policies: [&'a Policy; 2]) -> Self {
        const NAMED: [Variable; 4] = [
            Variable::Class,
            Variable::Tier,
            Variable::Grade,
            Variable::Network,
        ];
        let selectors = policies.into_iter().flat_map(|policy| {
            let all = policy.selectors();
            all.map(|selector| (&policy.names, selector))
        });
        let rules = policies.into_iter().flat_map(|policy| &policy.rules);
        let mut conditions = rules.filter_map(|rule| rule.condition.as_ref());
        Self {
            selectors: selectors.collect(),
            by_condition: conditions.any(|condition| condition.names(&NAMED)),
        }
    }

    /// Two of one card and one kind are the same to both policies.
    fn kind(&self, base: &Base<'_>) -> (Vec<bool>, Option<Identity>) {
        let admitted = self.selectors.iter().map(|(names, selector)| {
            let subject = names.names_of(base.class, base.tier, base.grade, base.network);
            selector.names.admits(subject)
        });
        let network = base.network.clone();
        let identity = (base.class, base.tier, base.grade, network);
        (admitted.collect(), self.by_condition.then_some(identity))
    }
}

type Identity = (WorkloadClass, Tier, Grade, NetworkId);

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

    /// The same, moved into a selector where it lies outside.
    fn within(&self, selector: &Selector, axes: &Axes) -> Self {
        let mut point = self.clone();
        if let Some(set) = &selector.countries
            && let Some(country) = axes
                .countries
                .iter()
                .find(|c| set.contains(CountryBit::of(**c)))
        {
            point.country = *country;
        }
        if let Some(accounts) = &selector.accounts {
            point.account = accounts.first().copied();
        }
        if let Some(first) = selector
            .gpu_hours
            .as_ref()
            .and_then(|ranges| ranges.first())
        {
            point.gpu_hours = first.low;
        }
        if let Some(first) = selector
            .term_seconds
            .as_ref()
            .and_then(|ranges| ranges.first())
        {
            point.term_seconds = u32::try_from(first.low).unwrap_or(u32::MAX);
        }
        point
    }

    /// The same with the values that a condition is likely to accept.
    fn meeting(mut self, witness: Option<&Witness>) -> Self {
        for (variable, value) in witness.into_iter().flatten() {
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
}

impl Axes {
    fn of(policies: [&Policy; 2]) -> Self {
        let selectors: Vec<&Selector> = policies.into_iter().flat_map(Policy::selectors).collect();
        let mut kinds = BTreeMap::new();
        let familiar = ["US", "DE"].into_iter().filter_map(Country::parse);
        for country in familiar.chain(countries::all()) {
            let sets = selectors.iter().filter_map(|s| s.countries.as_ref());
            let kind: Vec<bool> = sets
                .map(|set| set.contains(CountryBit::of(country)))
                .collect();
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
        }
    }

    /// A point and those beside it, in one respect at a time, that a selector still matches.
    fn around(&self, from: &Point, selector: &Selector, points: &mut BTreeSet<Point>) {
        points.insert(from.clone());
        if let Some(set) = &selector.countries {
            let inside = self
                .countries
                .iter()
                .filter(|c| set.contains(CountryBit::of(**c)));
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
        let within = |ranges: &Option<Vec<Range>>, value: u64| {
            let mut ranges = ranges.iter().flatten();
            ranges.any(|range| (range.low..=range.high).contains(&value))
        };
        let hours = self.gpu_hours.iter();
        let hours = hours.filter(|value| within(&selector.gpu_hours, **value));
        points.extend(hours.map(|value| Point {
            gpu_hours: *value,
            ..from.clone()
        }));
        let terms = self.term_seconds.iter();
        let terms = terms.filter(|value| within(&selector.term_seconds, **value));
        points.extend(terms.filter_map(|value| {
            Some(Point {
                term_seconds: u32::try_from(*value).ok()?,
                ..from.clone()
            })
        }));
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
