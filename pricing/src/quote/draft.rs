//! What was found for the tiers of one inquiry, before there is a quote: all of an answer that
//! requests share which are alike.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use tandem_model::money::MicroUsd;
use tandem_model::workload::Tier;

use super::firm::Itemised;
use super::search::Search;
use super::{NoQuote, Refusal, TierReport};
use crate::book::{Counterfactual, Hit};

/// What was found for every tier.
#[derive(Debug)]
pub(super) struct Drafts {
    /// Cheapest promise first.
    pub(super) tiers: [Draft; Tier::ALL.len()],
}

/// A tier before its quote is made.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) tier: Tier,
    /// Cost of the backstop per needed GPU-hour, on `assured`.
    pub(super) backstop: Option<MicroUsd>,
    /// Why there will be no quote.
    pub(super) no_quote: Option<NoQuote>,
    pub(super) ranked: Vec<Hit>,
    /// The price of the first of them.
    pub(super) item: Option<Itemised>,
    pub(super) fitting: usize,
    pub(super) refused: BTreeMap<Refusal, usize>,
    /// What one change would save, once it was asked for.
    pub(super) others: OnceLock<Vec<Counterfactual>>,
}

impl Draft {
    /// Nothing of a tier.
    pub(super) fn of(tier: Tier) -> Self {
        Self {
            tier,
            backstop: None,
            no_quote: None,
            ranked: Vec::new(),
            item: None,
            fitting: 0,
            refused: BTreeMap::new(),
            others: OnceLock::new(),
        }
    }

    pub(super) fn best(&self) -> Option<&Hit> {
        self.ranked.first()
    }

    /// What one change would save, by the search that made it or one that is alike.
    pub(super) fn others(&self, search: &Search<'_>) -> &Vec<Counterfactual> {
        self.others.get_or_init(|| search.others(self))
    }

    /// Whether it is known what one change would save.
    pub(super) fn knows_others(&self) -> bool {
        self.others.get().is_some()
    }

    /// Its report, with no quote yet.
    pub(super) fn to_report(&self) -> TierReport {
        TierReport {
            tier: self.tier,
            quote: None,
            no_quote: self.no_quote.clone(),
            basis: None,
            ranked: self.ranked.clone(),
            fitting: self.fitting,
            refused: self.refused.clone(),
        }
    }
}
