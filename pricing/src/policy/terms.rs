//! What a policy says for one subject: the hot path. It allocates nothing, unless a rule that could
//! win has a condition.

use serde::Serialize;
use tandem_model::id::AccountId;
use tandem_model::money::MicroUsd;
use tandem_model::time::WallTime;

use super::rule::{Defaults, Effect, Effects, Promotion, Rule};
use super::selector::{Bits, Coordinates, Names};
use super::subject::Subject;

/// Names a rule of one policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct RuleIndex(pub(super) u16);

/// Names a promotion of one policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct PromotionIndex(pub(super) u16);

/// Promotions of one policy whose total cap is used up; they give nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exhausted(u64);

impl Exhausted {
    /// Nothing is used up.
    pub const NONE: Self = Self(0);

    /// The same, and this promotion.
    #[must_use]
    pub const fn with(self, promotion: PromotionIndex) -> Self {
        Self(self.0 | 1 << promotion.0)
    }

    /// Whether a promotion is used up.
    pub const fn contains(self, promotion: PromotionIndex) -> bool {
        self.0 & 1 << promotion.0 != 0
    }
}

/// Which rule gave what; none where the defaults did, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Origins {
    /// The rule of the margin.
    pub margin: Option<RuleIndex>,
    /// The rule of the surge table.
    pub surge: Option<RuleIndex>,
    /// The rule of the rate-risk premium.
    pub rate_risk: Option<RuleIndex>,
    /// The rule of the floor.
    pub floor: Option<RuleIndex>,
    /// The rule of the ceiling.
    pub ceiling: Option<RuleIndex>,
    /// The rule that says whether a price may lie below cost.
    pub below_cost: Option<RuleIndex>,
    /// The promotion of the discount.
    pub promotion: Option<PromotionIndex>,
}

/// What a policy says for one subject at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Margin in basis points of cost.
    pub margin_basis_points: u32,
    /// Surcharge for utilisation in basis points of cost.
    pub surge_basis_points: u32,
    /// Premium for the movement of token rates in basis points of cost.
    pub rate_risk_basis_points: u32,
    /// Discount in basis points of the sum of cost, surcharge, premium and margin.
    pub discount_basis_points: u32,
    /// Lowest price per GPU-hour.
    pub floor: Option<MicroUsd>,
    /// Highest price per GPU-hour.
    pub ceiling: Option<MicroUsd>,
    /// Whether the price may lie below cost.
    pub may_go_below_cost: bool,
    /// How long a quote can be accepted, in seconds.
    pub valid_seconds: u32,
    /// Which rule gave what.
    pub origins: Origins,
    /// How many rules that might have won were passed over because their condition failed.
    pub conditions_failed: u16,
    /// The first of them; [`Policy::why_failed`](super::Policy::why_failed) says why.
    pub first_failed: Option<RuleIndex>,
}

/// What decides most often that a rule does not apply, side by side for all rules.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gate {
    names: Bits,
    /// The bits of the accounts it names; every bit when it names none.
    accounts: u64,
    sets: u8,
}

impl Gate {
    pub(super) fn of(rule: &Rule) -> Self {
        Self {
            names: rule.selector.names,
            accounts: rule.selector.accounts.as_ref().map_or(u64::MAX, |list| {
                list.iter()
                    .fold(0, |all, account| all | account_bit(account))
            }),
            sets: rule.sets,
        }
    }

    /// Whether the rule could apply; [`Selector::matches`](super::selector::Selector::matches) knows.
    fn is_open(&self, open: u8, at: &Coordinates<'_>, account: u64) -> bool {
        self.sets & open != 0
            && self.names.admits(at.names)
            && (self.accounts & account != 0 || self.accounts == u64::MAX)
    }
}

/// One of 64 bits, by the last byte of the id, which is random; many accounts share it.
fn account_bit(account: &AccountId) -> u64 {
    let bytes = account.uuid().into_bytes();
    1 << (bytes[15] % 64)
}

/// Every effect is still open.
const OPEN: u8 = (1 << Effect::ALL.len()) - 1;

/// Rules stand in falling priority, so the first that matches and sets an effect wins it.
pub(super) fn evaluate(
    defaults: &Defaults,
    (gates, rules): (&[Gate], &[Rule]),
    promotions: &[Promotion],
    names: &Names,
    (subject, now, exhausted): (&Subject<'_>, WallTime, Exhausted),
) -> Terms {
    let at = names.coordinates(subject);
    let account = subject.account.map_or(0, account_bit);
    let mut terms = Terms {
        margin_basis_points: defaults.margin_basis_points,
        surge_basis_points: 0,
        rate_risk_basis_points: defaults.rate_risk_basis_points,
        discount_basis_points: 0,
        floor: None,
        ceiling: None,
        may_go_below_cost: false,
        valid_seconds: defaults.valid_seconds,
        origins: Origins::default(),
        conditions_failed: 0,
        first_failed: None,
    };
    let mut open = OPEN;
    for ((index, gate), rule) in (0u16..).zip(gates).zip(rules) {
        if !gate.is_open(open, &at, account) || !rule.selector.matches(&at) {
            continue;
        }
        let index = RuleIndex(index);
        match rule.condition.as_ref().map(|c| c.holds(subject)) {
            None | Some(Ok(true)) => {
                terms.take(&rule.effects, rule.sets & open, index, subject);
                open &= !rule.sets;
            }
            Some(Ok(false)) => {}
            Some(Err(_)) => {
                terms.conditions_failed += 1;
                terms.first_failed = terms.first_failed.or(Some(index));
            }
        }
        if open == 0 {
            break;
        }
    }
    for (index, promotion) in (0u16..).zip(promotions) {
        let index = PromotionIndex(index);
        if promotion.discount_basis_points > terms.discount_basis_points
            && promotion.is_on(now)
            && !exhausted.contains(index)
            && promotion.selector.matches(&at)
        {
            terms.discount_basis_points = promotion.discount_basis_points;
            terms.origins.promotion = Some(index);
        }
    }
    terms
}

impl Terms {
    /// Takes those effects of a rule whose bits are set.
    fn take(&mut self, effects: &Effects, bits: u8, rule: RuleIndex, subject: &Subject<'_>) {
        let origins = &mut self.origins;
        let taken = |effect: Effect| bits & effect.bit() != 0;
        if let (true, Some(n)) = (taken(Effect::Margin), effects.margin_basis_points) {
            self.margin_basis_points = n;
            origins.margin = Some(rule);
        }
        if let (true, Some(surge)) = (taken(Effect::Surge), &effects.surge) {
            self.surge_basis_points = surge.basis_points(subject.utilisation_permille);
            origins.surge = Some(rule);
        }
        if let (true, Some(n)) = (taken(Effect::RateRisk), effects.rate_risk_basis_points) {
            self.rate_risk_basis_points = n;
            origins.rate_risk = Some(rule);
        }
        if let (true, Some(floor)) = (taken(Effect::Floor), effects.floor) {
            self.floor = Some(floor);
            origins.floor = Some(rule);
        }
        if let (true, Some(ceiling)) = (taken(Effect::Ceiling), effects.ceiling) {
            self.ceiling = Some(ceiling);
            origins.ceiling = Some(rule);
        }
        if let (true, Some(allowed)) = (taken(Effect::BelowCost), effects.allow_below_cost) {
            self.may_go_below_cost = allowed;
            origins.below_cost = Some(rule);
        }
    }
}
