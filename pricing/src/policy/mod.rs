//! Policies: the operator's pricing rules, as one YAML document that is read whole or refused whole.
//!
//! [`Policy::parse`] checks a document, [`Policy::terms`] says what it means for a subject, and
//! [`price()`] turns a cost and terms into lines that add up. [`diff()`] and [`guard()`] say what a new
//! document would change and whether its guard rails, and those of the document before, allow it;
//! [`apply`] and [`rollback`] make the next [`Version`]. `docs/policies.md` documents the file.

mod apart;
mod bounds;
mod condition;
mod diff;
mod grid;
mod guard;
mod overlap;
mod points;
mod price;
mod problem;
mod read;
mod read_match;
mod read_rules;
mod rule;
mod selector;
mod shadow;
mod subject;
mod surge;
mod tally;
mod terms;
mod version;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use tandem_model::money::MicroUsd;
use tandem_model::network::{Country, NetworkId};
use tandem_model::time::WallTime;

pub use diff::{Changed, Diff, EntryChanges, FieldChange, diff};
pub use grid::{Grid, REFERENCE_COST_MICRO_USD_PER_GB};
pub use guard::{Rail, SetBy, Violation, guard};
pub use price::{Adjustment, NotSold, Priced, Slope, price, slope};
pub use problem::{PolicyProblems, Position, Problem};
pub use read::{BASIS_POINTS_MAX, NAME_LEN_MAX};
pub use read_rules::{DISCOUNT_MAX, PRICE_LIMIT_MAX, PRIORITY_MAX, PROMOTIONS_MAX, RULES_MAX};
pub use rule::{Defaults, Effect, GuardRails};
pub use shadow::{Difference, shadow};
pub use subject::{Subject, SubjectRecord};
pub use tally::{Example, Outcome, PriceChanges};
pub use terms::{Exhausted, Origins, PromotionIndex, RuleIndex, Terms};
pub use version::{Applied, ApplyError, Change, Live, NOTE_BYTES_MAX, Version, apply, rollback};

use crate::countries::{self, CountrySet};
pub(crate) use bounds::{Buyer, PriceBounds};

use apart::Accounts;
use condition::Condition;
use rule::{Promotion, Rule};
use selector::{Names, Selector};
use terms::Gate;

/// The policy that is in force until another is applied: documented, and compiled in.
const STANDARD: &str = include_str!("../../../examples/policies/standard.yaml");

/// A checked policy. It never changes.
#[derive(Debug)]
pub struct Policy {
    name: String,
    defaults: Defaults,
    guard_rails: GuardRails,
    /// In falling priority; rules of one priority in the order of the file.
    rules: Vec<Rule>,
    /// One for each rule, in their order.
    gates: Vec<Gate>,
    promotions: Vec<Promotion>,
    names: Names,
    texts: BTreeMap<String, String>,
    digest: PolicyDigest,
    /// Countries that a rule or a promotion looks at.
    countries_apart: CountrySet,
    accounts: Accounts,
}

/// SHA-256 of a policy's document, byte for byte: what `sha256sum FILE` prints.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyDigest([u8; 32]);

impl PolicyDigest {
    /// The digest of a document.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 lower-case hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for PolicyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PolicyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for PolicyDigest {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PolicyDigest {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not 64 lower-case hex digits"))
    }
}

/// Which rule or promotion gave each part of a subject's terms, by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Effect and the rule that set it; effects of the defaults are not listed.
    pub rules: Vec<(Effect, String)>,
    /// The promotion of the discount.
    pub promotion: Option<String>,
    /// How many rules were passed over because their condition failed.
    pub conditions_failed: u16,
    /// The first of them.
    pub first_failed: Option<String>,
}

impl Policy {
    /// Reads and checks a document.
    ///
    /// Fails with every problem at once, each with line and column.
    pub fn parse(text: &str) -> Result<Self, PolicyProblems> {
        let mut draft = read::read(text)?;
        draft
            .rules
            .sort_by_key(|rule| std::cmp::Reverse(rule.priority));
        let mut policy = Self {
            countries_apart: CountrySet::EMPTY,
            accounts: Accounts::default(),
            name: draft.name,
            defaults: draft.defaults,
            guard_rails: draft.guard_rails,
            gates: draft.rules.iter().map(Gate::of).collect(),
            rules: draft.rules,
            promotions: draft.promotions,
            names: draft.names,
            texts: draft.texts,
            digest: PolicyDigest::of(text),
        };
        policy.countries_apart = policy.countries_looked_at();
        policy.accounts = Accounts::of(&policy);
        Ok(policy)
    }

    fn countries_looked_at(&self) -> CountrySet {
        let conditions = self.rules.iter().filter_map(|rule| rule.condition.as_ref());
        if conditions.into_iter().any(Condition::looks_at_country) {
            return CountrySet::ALL;
        }
        let named = self
            .selectors()
            .filter_map(|selector| selector.countries.as_ref());
        named.fold(CountrySet::EMPTY, |all, set| all.or(set))
    }

    /// Countries whose offers may have another price than those of other countries.
    pub const fn countries_apart(&self) -> CountrySet {
        self.countries_apart
    }

    /// A country that stands for all that are not priced apart; any, where all are.
    pub fn country_elsewhere(&self) -> Country {
        let mut all = countries::all();
        let elsewhere = all.find(|country| !self.countries_apart.contains(*country));
        elsewhere.unwrap_or_else(|| countries::country_of(0))
    }

    /// The policy that is in force until another is applied.
    pub fn standard() -> Self {
        Self::parse(STANDARD).expect("a test reads the file that is compiled in")
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of its document.
    pub const fn digest(&self) -> PolicyDigest {
        self.digest
    }

    /// What holds where no rule says otherwise.
    pub const fn defaults(&self) -> &Defaults {
        &self.defaults
    }

    /// What one application may change.
    pub const fn guard_rails(&self) -> GuardRails {
        self.guard_rails
    }

    /// The networks that its selectors name, of which this room cannot know whether they exist.
    pub fn networks(&self) -> impl Iterator<Item = &NetworkId> {
        self.names.networks().iter().map(|(network, _)| network)
    }

    /// Whether every network that its selectors name is one of these.
    ///
    /// Fails with a problem for each that is not: a slip of the pen, which this room, that knows no
    /// network, cannot find while it reads.
    pub fn unknown_networks(&self, known: &[NetworkId]) -> Result<(), PolicyProblems> {
        let named = self.names.networks().iter();
        let unknown = named.filter(|(network, _)| !known.contains(network));
        let names: Vec<_> = known.iter().map(NetworkId::as_str).collect();
        let text = |network| format!("no network is called `{network}`");
        let problems: Vec<_> = unknown
            .map(|(network, at)| Problem {
                hint: Some(format!("there are {}", names.join(", "))),
                ..Problem::at(*at, "network", text(network))
            })
            .collect();
        match problems.is_empty() {
            true => Ok(()),
            false => Err(PolicyProblems(problems)),
        }
    }

    /// Every rule with its id and priority, the highest first.
    pub fn rules(&self) -> impl Iterator<Item = (RuleIndex, &str, u32)> {
        (0..)
            .zip(&self.rules)
            .map(|(index, rule)| (RuleIndex(index), rule.id.as_str(), rule.priority))
    }

    /// The fields of a rule or a promotion, in the order of their names.
    fn entry<'a>(&'a self, kind: &str, id: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let prefix = format!("{kind}.{id}.");
        let from = self.texts.range(prefix.clone()..);
        from.map_while(move |(path, text)| Some((path.strip_prefix(&prefix)?, text.as_str())))
    }

    fn selectors(&self) -> impl Iterator<Item = &Selector> {
        let rules = self.rules.iter().map(|rule| &rule.selector);
        rules.chain(self.promotions.iter().map(|p| &p.selector))
    }

    /// What it says for a subject at a moment.
    pub fn terms(&self, subject: &Subject<'_>, now: WallTime) -> Terms {
        self.terms_without(subject, now, Exhausted::NONE)
    }

    /// [`Policy::terms`] when the caps of some promotions are used up.
    pub fn terms_without(
        &self,
        subject: &Subject<'_>,
        now: WallTime,
        exhausted: Exhausted,
    ) -> Terms {
        terms::evaluate(
            &self.defaults,
            (&self.gates, &self.rules),
            &self.promotions,
            &self.names,
            (subject, now, exhausted),
        )
    }

    /// The id of a rule; none for an index of another policy.
    pub fn rule_id(&self, rule: RuleIndex) -> Option<&str> {
        self.rules.get(usize::from(rule.0)).map(|r| r.id.as_str())
    }

    /// The id of a promotion; none for an index of another policy.
    pub fn promotion_id(&self, promotion: PromotionIndex) -> Option<&str> {
        let found = self.promotions.get(usize::from(promotion.0));
        found.map(|p| p.id.as_str())
    }

    /// Every promotion with its id and the total that it may give away, if it has one.
    pub fn promotions(&self) -> impl Iterator<Item = (PromotionIndex, &str, Option<MicroUsd>)> {
        (0..).zip(&self.promotions).map(|(index, promotion)| {
            let id = promotion.id.as_str();
            (PromotionIndex(index), id, promotion.total_cap)
        })
    }

    /// The promotions that are on at no moment from `begin` until before `end`: id, first moment, and
    /// first moment after it.
    pub fn promotions_off(
        &self,
        begin: WallTime,
        end: WallTime,
    ) -> impl Iterator<Item = (&str, WallTime, WallTime)> {
        let off = move |p: &&Promotion| p.until <= begin || end <= p.from;
        let off = self.promotions.iter().filter(off);
        off.map(|p| (p.id.as_str(), p.from, p.until))
    }

    /// All of its promotions, as if each gave all that it may: a price without them.
    pub fn without_promotions(&self) -> Exhausted {
        let all = self.promotions();
        all.fold(Exhausted::NONE, |all, (index, _, _)| all.with(index))
    }

    /// Why the condition of a rule fails for a subject; none when it does not.
    pub fn why_failed(&self, rule: RuleIndex, subject: &Subject<'_>) -> Option<String> {
        let condition = self.rules.get(usize::from(rule.0))?.condition.as_ref()?;
        condition.holds(subject).err()
    }

    /// Which rule gave what, by id, for a report.
    pub fn explain(&self, terms: &Terms) -> Explanation {
        let origins = &terms.origins;
        let rules = [
            (Effect::Margin, origins.margin),
            (Effect::Surge, origins.surge),
            (Effect::RateRisk, origins.rate_risk),
            (Effect::Floor, origins.floor),
            (Effect::Ceiling, origins.ceiling),
            (Effect::BelowCost, origins.below_cost),
        ];
        let id = |rule: RuleIndex| self.rule_id(rule).map(str::to_owned);
        Explanation {
            rules: rules
                .into_iter()
                .filter_map(|(effect, rule)| Some((effect, id(rule?)?)))
                .collect(),
            promotion: origins
                .promotion
                .and_then(|p| self.promotion_id(p).map(str::to_owned)),
            conditions_failed: terms.conditions_failed,
            first_failed: terms.first_failed.and_then(id),
        }
    }
}

#[cfg(test)]
mod tests;
