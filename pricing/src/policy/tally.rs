//! What a change of policy does to prices, counted over a grid of subjects.

use serde::Serialize;
use tandem_model::money::MicroUsd;
use tandem_model::time::WallTime;

use super::grid::Grid;
use super::points::points;
use super::price::{NotSold, Priced, price};
use super::subject::{Subject, SubjectRecord};
use super::terms::{Origins, Terms};
use super::{Policy, RuleIndex};

/// What a policy makes of a cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A price.
    Sold(Priced),
    /// No price, and why.
    NotSold(NotSold),
}

impl Outcome {
    pub(super) fn of(cost: MicroUsd, terms: &Terms) -> Self {
        match price(cost, terms) {
            Ok(priced) => Self::Sold(priced),
            Err(reason) => Self::NotSold(reason),
        }
    }

    /// The price per GPU-hour, where there is one.
    pub const fn price(&self) -> Option<MicroUsd> {
        match self {
            Self::Sold(priced) => Some(priced.price),
            Self::NotSold(_) => None,
        }
    }
}

/// One subject under two policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// The subject.
    pub subject: SubjectRecord,
    /// The moment.
    pub at: WallTime,
    /// What it costs us per GPU-hour.
    pub cost: MicroUsd,
    /// Under the policy before.
    pub old: Outcome,
    /// Under the policy after.
    pub new: Outcome,
    /// The change in permille of the price before, rounded away from zero; where both sell.
    pub change_permille: Option<i64>,
    /// What the new price leaves above the cost, in basis points of the cost, rounded down.
    pub margin_basis_points: Option<i64>,
}

/// What happens to prices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct PriceChanges {
    /// How many prices were compared.
    pub compared: u64,
    /// How many stay.
    pub same: u64,
    /// How many rise.
    pub dearer: u64,
    /// How many fall.
    pub cheaper: u64,
    /// How many exist only after.
    pub newly_sold: u64,
    /// How many exist only before.
    pub no_longer_sold: u64,
    /// How many exist neither before nor after.
    pub not_sold: u64,
    /// The largest rise.
    pub largest_rise: Option<Example>,
    /// The largest fall.
    pub largest_fall: Option<Example>,
    /// The smallest margin among prices that change and may not lie below cost.
    pub smallest_margin: Option<Example>,
    /// One that exists only before.
    pub first_lost: Option<Example>,
    /// Rules of the new policy that decided nothing here: others hide them, or their condition was
    /// not met by any subject of the grid.
    pub rules_without_effect: Vec<String>,
    /// Promotions of the new policy that gave nothing here.
    pub promotions_without_effect: Vec<String>,
}

/// The change in permille of `old`, rounded away from zero; `old` is positive.
pub(super) fn change_permille(old: MicroUsd, new: MicroUsd) -> i64 {
    let (old, new) = (i128::from(old.get()), i128::from(new.get()));
    let scaled = (new - old) * 1_000;
    let away = (scaled.abs() + old - 1) / old.max(1) * scaled.signum();
    i64::try_from(away).unwrap_or(if away < 0 { i64::MIN } else { i64::MAX })
}

fn margin_basis_points(cost: MicroUsd, price: MicroUsd) -> i64 {
    let (cost, price) = (i128::from(cost.get()), i128::from(price.get()));
    i64::try_from(((price - cost) * 10_000).div_euclid(cost.max(1))).unwrap_or(i64::MAX)
}

/// Compares two policies on every subject of the grid.
pub(super) fn compare(old: &Policy, new: &Policy, grid: &Grid) -> PriceChanges {
    let mut changes = PriceChanges::default();
    let mut reached = Reached {
        rules: vec![false; new.rules.len()],
        promotions: vec![false; new.promotions.len()],
    };
    let bases = grid.bases(old, new);
    for point in points(grid.at, old, new) {
        for base in &bases {
            let subject = point.subject(base);
            let before = old.terms(&subject, point.at);
            let after = new.terms(&subject, point.at);
            reached.note(&after.origins);
            for cost in &base.costs {
                let outcomes = (Outcome::of(*cost, &before), Outcome::of(*cost, &after));
                let seen = (&subject, point.at, *cost, base.stands_for);
                changes.count(seen, outcomes, after.may_go_below_cost);
            }
        }
    }
    let rules = new.rules.iter().map(|rule| &rule.id).zip(&reached.rules);
    let promotions = new
        .promotions
        .iter()
        .map(|p| &p.id)
        .zip(&reached.promotions);
    changes.rules_without_effect = unreached(rules);
    changes.promotions_without_effect = unreached(promotions);
    changes
}

fn unreached<'a>(ids: impl Iterator<Item = (&'a String, &'a bool)>) -> Vec<String> {
    ids.filter(|(_, reached)| !**reached)
        .map(|(id, _)| id.clone())
        .collect()
}

struct Reached {
    rules: Vec<bool>,
    promotions: Vec<bool>,
}

impl Reached {
    fn note(&mut self, origins: &Origins) {
        let rules = [
            origins.margin,
            origins.surge,
            origins.rate_risk,
            origins.floor,
            origins.ceiling,
            origins.below_cost,
        ];
        for RuleIndex(index) in rules.into_iter().flatten() {
            self.rules[usize::from(index)] = true;
        }
        if let Some(promotion) = origins.promotion {
            self.promotions[usize::from(promotion.0)] = true;
        }
    }
}

impl PriceChanges {
    fn count(
        &mut self,
        (subject, at, cost, count): (&Subject<'_>, WallTime, MicroUsd, u64),
        (old, new): (Outcome, Outcome),
        may_go_below_cost: bool,
    ) {
        self.compared += count;
        let example = |change, margin| Example {
            subject: subject.to_record(),
            at,
            cost,
            old,
            new,
            change_permille: change,
            margin_basis_points: margin,
        };
        let margin = new.price().map(|price| margin_basis_points(cost, price));
        match (old.price(), new.price()) {
            (None, None) => self.not_sold += count,
            (None, Some(_)) => self.newly_sold += count,
            (Some(_), None) => {
                self.no_longer_sold += count;
                self.first_lost.get_or_insert_with(|| example(None, None));
            }
            (Some(before), Some(after)) if before == after => {
                self.same += count;
                return;
            }
            (Some(before), Some(after)) => {
                let change = change_permille(before, after);
                let (counted, extreme) = if change > 0 {
                    (&mut self.dearer, &mut self.largest_rise)
                } else {
                    (&mut self.cheaper, &mut self.largest_fall)
                };
                *counted += count;
                let most = extreme.as_ref().and_then(|e| e.change_permille);
                if most.is_none_or(|most| change.abs() > most.abs()) {
                    *extreme = Some(example(Some(change), margin));
                }
            }
        }
        let least = self
            .smallest_margin
            .as_ref()
            .and_then(|e| e.margin_basis_points);
        if let Some(margin) = margin
            && !may_go_below_cost
            && least.is_none_or(|least| margin < least)
        {
            let change = old.price().zip(new.price());
            let change = change.map(|(before, after)| change_permille(before, after));
            self.smallest_margin = Some(example(change, Some(margin)));
        }
    }
}
