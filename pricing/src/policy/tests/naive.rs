//! Overlap and terms against evaluators that are too simple to be wrong.

use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;
use crate::cost::Curve;

const CLASSES: [WorkloadClass; 2] = [WorkloadClass::Rendering, WorkloadClass::Interactive];
const TIERS: [Tier; 2] = [Tier::Consumer, Tier::Enterprise];
const GRADES: [(&str, Grade); 2] = [
    ("consumer", Grade::Consumer),
    ("datacenter", Grade::Datacenter),
];
/// Names in files, and the cards that they mean.
const GPUS: [(&str, &[&str]); 3] = [
    ("RTX4090", &["rtx4090"]),
    ("h100-nvl-94gb", &["h100-nvl-94gb"]),
    (
        "H100",
        &["h100-pcie-80gb", "h100-sxm5-80gb", "h100-nvl-94gb"],
    ),
];
const CARDS: [&str; 4] = ["rtx4090", "h100-nvl-94gb", "h100-pcie-80gb", "l4"];
static NETWORKS: [NetworkId; 3] = [
    NetworkId::from_static("ionet"),
    NetworkId::from_static("aethir"),
    NetworkId::from_static("other"),
];
const COUNTRIES: [&str; 3] = ["DE", "FR", "US"];
const HOURS_MAX: u64 = 4;
const TERMS_MAX: u32 = 2;

type Ranges = Vec<(u64, u64)>;

#[derive(Debug, Clone, Default)]
struct Spec {
    classes: Option<Vec<WorkloadClass>>,
    tiers: Option<Vec<Tier>>,
    grades: Option<Vec<(&'static str, Grade)>>,
    accounts: Option<Vec<u8>>,
    gpus: Option<Vec<(&'static str, &'static [&'static str])>>,
    networks: Option<Vec<NetworkId>>,
    countries: Option<Vec<&'static str>>,
    hours: Option<Ranges>,
    terms: Option<Ranges>,
}

fn some_of<T: Clone + std::fmt::Debug + 'static>(
    all: &'static [T],
) -> impl Strategy<Value = Option<Vec<T>>> {
    option::of(subsequence(all, 1..=all.len()))
}

fn ranges(max: u64) -> impl Strategy<Value = Option<Ranges>> {
    let range = (0..=max, 0..=max).prop_map(|(a, b)| (a.min(b), a.max(b)));
    option::of(vec(range, 1..3))
}

fn spec() -> impl Strategy<Value = Spec> {
    let first = (
        some_of(&CLASSES),
        some_of(&TIERS),
        some_of(&GRADES),
        some_of(&[1u8, 2]),
    );
    let second = (some_of(&GPUS), some_of(&NETWORKS), some_of(&COUNTRIES));
    let third = (ranges(HOURS_MAX), ranges(u64::from(TERMS_MAX)));
    (first, second, third).prop_map(|(a, b, c)| Spec {
        classes: a.0,
        tiers: a.1,
        grades: a.2,
        accounts: a.3,
        gpus: b.0,
        networks: b.1,
        countries: b.2,
        hours: c.0,
        terms: c.1,
    })
}

fn list<T>(name: &str, items: &Option<Vec<T>>, text: impl Fn(&T) -> String) -> Option<String> {
    let items: Vec<_> = items.as_ref()?.iter().map(text).collect();
    Some(format!("{name}: [{}]", items.join(", ")))
}

impl Spec {
    fn yaml(&self) -> String {
        let range = |(low, high): &(u64, u64)| format!("\"{low}..{high}\"");
        let lists = [
            list("class", &self.classes, |c| c.as_str().to_owned()),
            list("tier", &self.tiers, |t| t.as_str().to_owned()),
            list("grade", &self.grades, |g| g.0.to_owned()),
            list("gpu", &self.gpus, |g| g.0.to_owned()),
            list("network", &self.networks, NetworkId::to_string),
            list("country", &self.countries, |c| (*c).to_owned()),
            list("account", &self.accounts, |n| account(*n).to_string()),
            list("gpu_hours", &self.hours, range),
            list("term_seconds", &self.terms, range),
        ];
        let lists: Vec<_> = lists.into_iter().flatten().collect();
        format!("{{{}}}", lists.join(", "))
    }

    fn matches(&self, s: &Subject<'_>) -> bool {
        let inside =
            |ranges: &Ranges, n: u64| ranges.iter().any(|(low, high)| *low <= n && n <= *high);
        self.classes.as_ref().is_none_or(|l| l.contains(&s.class))
            && self.tiers.as_ref().is_none_or(|l| l.contains(&s.tier))
            && self
                .grades
                .as_ref()
                .is_none_or(|l| l.iter().any(|(_, g)| *g == s.grade))
            && self.networks.as_ref().is_none_or(|l| l.contains(s.network))
            && self
                .countries
                .as_ref()
                .is_none_or(|l| l.contains(&s.country.as_str()))
            && self
                .gpus
                .as_ref()
                .is_none_or(|l| l.iter().any(|(_, ids)| ids.contains(&s.gpu.id())))
            && self.hours.as_ref().is_none_or(|l| inside(l, s.gpu_hours))
            && self
                .terms
                .as_ref()
                .is_none_or(|l| inside(l, u64::from(s.term_seconds)))
            && self.accounts.as_ref().is_none_or(|l| {
                s.account
                    .is_some_and(|a| l.iter().any(|n| account(*n) == *a))
            })
    }
}

/// Every subject of the small world.
fn world(mut visit: impl FnMut(&Subject<'_>)) {
    let accounts = [account(1), account(2)];
    let accounts = [None, Some(&accounts[0]), Some(&accounts[1])];
    for class in CLASSES {
        for tier in TIERS {
            for (_, grade) in GRADES {
                for account in accounts {
                    for card in CARDS {
                        for network in &NETWORKS {
                            for code in COUNTRIES {
                                for hours_and_term in 0..(HOURS_MAX + 1) * u64::from(TERMS_MAX + 1)
                                {
                                    visit(&Subject {
                                        class,
                                        tier,
                                        grade,
                                        account,
                                        gpu: gpu(card),
                                        network,
                                        country: country(code),
                                        gpu_hours: hours_and_term % (HOURS_MAX + 1),
                                        term_seconds: (hours_and_term / (HOURS_MAX + 1)) as u32,
                                        utilisation_permille: 500,
                                    });
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[derive(Debug, Clone)]
enum When {
    Always,
    HoursAtLeast(u64),
    Fails,
}

#[derive(Debug, Clone)]
struct RuleSpec {
    spec: Spec,
    when: When,
    margin: Option<u32>,
    surge: Option<u32>,
    rate_risk: Option<u32>,
    floor: Option<i64>,
    ceiling: Option<i64>,
    below_cost: Option<bool>,
}

fn rule() -> impl Strategy<Value = RuleSpec> {
    let when = prop_oneof![
        6 => Just(When::Always),
        2 => (0..=HOURS_MAX).prop_map(When::HoursAtLeast),
        1 => Just(When::Fails),
    ];
    let numbers = (
        option::of(0u32..50),
        option::of(0u32..50),
        option::of(0u32..50),
    );
    let bounds = (
        option::of(1i64..50),
        option::of(50i64..99),
        option::of(any::<bool>()),
    );
    let some = |r: &RuleSpec| r.yaml_set() != "{}";
    let fields = (spec(), when, numbers, bounds);
    fields
        .prop_map(|(spec, when, n, b)| RuleSpec {
            spec,
            when,
            margin: n.0,
            surge: n.1,
            rate_risk: n.2,
            floor: b.0,
            ceiling: b.1,
            below_cost: b.2,
        })
        .prop_filter("a rule sets something", some)
}

impl RuleSpec {
    fn yaml_set(&self) -> String {
        let fields = [
            self.margin.map(|n| format!("margin_basis_points: {n}")),
            self.surge.map(|n| format!("surge: {{500: {n}, 1000: 99}}")),
            self.rate_risk
                .map(|n| format!("rate_risk_basis_points: {n}")),
            self.floor
                .map(|n| format!("floor_micro_usd_per_gpu_hour: {n}")),
            self.ceiling
                .map(|n| format!("ceiling_micro_usd_per_gpu_hour: {n}")),
            self.below_cost.map(|b| format!("allow_below_cost: {b}")),
        ];
        format!(
            "{{{}}}",
            fields.into_iter().flatten().collect::<Vec<_>>().join(", ")
        )
    }

    fn yaml(&self, id: usize, priority: u32) -> String {
        let when = match self.when {
            When::Always => String::new(),
            When::HoursAtLeast(n) => format!("  when: gpu_hours >= {n}\n"),
            When::Fails => "  when: gpu_hours / 0 == 1\n".to_owned(),
        };
        format!(
            "- id: r{id}\n  priority: {priority}\n  match: {}\n{when}  set: {}\n",
            self.spec.yaml(),
            self.yaml_set()
        )
    }

    fn applies(&self, s: &Subject<'_>) -> bool {
        let holds = match self.when {
            When::Always => true,
            When::HoursAtLeast(n) => s.gpu_hours >= n,
            When::Fails => false,
        };
        holds && self.spec.matches(s)
    }
}

/// The value of the highest rule that applies and sets it, with the rule's number.
fn highest<T>(
    rules: &[(u32, RuleSpec)],
    s: &Subject<'_>,
    value: impl Fn(&RuleSpec) -> Option<T>,
) -> Option<(String, T)> {
    let applying = rules
        .iter()
        .enumerate()
        .filter(|(_, (_, rule))| rule.applies(s));
    let setting = applying.filter_map(|(id, (priority, rule))| Some((id, priority, value(rule)?)));
    let best = setting.max_by_key(|(_, priority, _)| **priority)?;
    Some((format!("r{}", best.0), best.2))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn two_rules_overlap_exactly_when_some_subject_is_matched_by_both(a in spec(), b in spec()) {
        let mut shared = false;
        world(|subject| shared |= a.matches(subject) && b.matches(subject));
        let rule = |id: &str, spec: &Spec| {
            let spec = spec.yaml();
            format!("- {{id: {id}, priority: 5, match: {spec}, set: {{margin_basis_points: 1}}}}\n")
        };
        let text = with(&format!("rules:\n{}{}", rule("a", &a), rule("b", &b)));
        let parsed = Policy::parse(&text);
        prop_assert_eq!(parsed.is_err(), shared, "{:?}\n{}", parsed, text);
    }

    #[test]
    fn terms_are_those_of_the_naive_evaluator_for_every_subject(
        rules in vec(rule(), 1..6), priorities in btree_set(0u32..1_000, 6), shuffle in any::<prop::sample::Index>(),
    ) {
        let mut priorities: Vec<_> = priorities.into_iter().collect();
        let turn = shuffle.index(priorities.len());
        priorities.rotate_left(turn);
        let rules: Vec<_> = priorities.into_iter().zip(rules).collect();
        let text: String = rules.iter().enumerate().map(|(id, (p, r))| r.yaml(id, *p)).collect();
        let policy = policy(&format!("rules:\n{text}"));
        let mut wrong = None;
        world(|subject| {
            let terms = policy.terms(subject, WallTime::default());
            let id = |rule: Option<RuleIndex>| rule.and_then(|r| policy.rule_id(r)).map(str::to_owned);
            let margin = highest(&rules, subject, |r| r.margin);
            let surge = highest(&rules, subject, |r| r.surge);
            let risk = highest(&rules, subject, |r| r.rate_risk);
            let floor = highest(&rules, subject, |r| r.floor);
            let ceiling = highest(&rules, subject, |r| r.ceiling);
            let below = highest(&rules, subject, |r| r.below_cost);
            let o = &terms.origins;
            let same = terms.margin_basis_points == margin.as_ref().map_or(1_000, |m| m.1)
                && terms.surge_basis_points == surge.as_ref().map_or(0, |m| m.1)
                && terms.rate_risk_basis_points == risk.as_ref().map_or(100, |m| m.1)
                && terms.floor.map(MicroUsd::get) == floor.as_ref().map(|m| m.1)
                && terms.ceiling.map(MicroUsd::get) == ceiling.as_ref().map(|m| m.1)
                && terms.may_go_below_cost == below.as_ref().is_some_and(|m| m.1)
                && [o.margin, o.surge, o.rate_risk, o.floor, o.ceiling, o.below_cost].map(id)
                    == [margin.map(|m| m.0), surge.map(|m| m.0), risk.map(|m| m.0),
                        floor.map(|m| m.0), ceiling.map(|m| m.0), below.map(|m| m.0)];
            if !same && wrong.is_none() {
                wrong = Some((subject.to_record(), terms));
            }
        });
        prop_assert_eq!(wrong, None, "{}", text);
    }

    #[test]
    fn every_price_lies_within_the_bounds_of_its_buyer_and_none_says_that_a_ceiling_may_hold(
        rules in vec(rule(), 1..4), promoted in spec(), discount in 1u32..3_000, costs in vec(1i64..200, 3),
    ) {
        let text: String = (0..).zip(&rules).map(|(id, r)| r.yaml(id, id as u32)).collect();
        let promotion = format!(
            "promotions:\n- {{id: p, match: {}, discount_basis_points: {discount}, \
             from: 1969-01-01T00:00:00Z, until: 1971-01-01T00:00:00Z}}\n",
            promoted.yaml()
        );
        let policy = policy(&format!("rules:\n{text}{promotion}"));
        let (now, none) = (WallTime::default(), Exhausted::NONE);
        let mut wrong = None;
        world(|subject| {
            let buyer = Buyer {
                class: subject.class,
                tier: subject.tier,
                account: subject.account,
                gpu_hours: subject.gpu_hours,
                term_seconds: subject.term_seconds,
            };
            let bounds = policy.bounds(&buyer, now, none);
            let terms = policy.terms_without(subject, now, none);
            let is_within = |price: i64, cost: i64| bounds.is_none_or(|bounds| {
                let least = Curve::new(&[bounds.least]).unwrap().apply(cost).unwrap();
                let most = Curve::new(&bounds.most).unwrap().apply(cost).unwrap();
                (least..=most).contains(&price)
            });
            let holds = |cost: &i64| match price(MicroUsd::new(*cost), &terms) {
                Ok(priced) => is_within(priced.price.get(), *cost),
                Err(_) => bounds.is_none(),
            };
            let has_ceiling = terms.ceiling.is_some();
            if !(costs.iter().all(holds) && (bounds.is_none() || !has_ceiling)) && wrong.is_none() {
                wrong = Some((subject.to_record(), terms, bounds));
            }
        });
        prop_assert_eq!(wrong, None, "{}{}", text, promotion);
    }
}
