//! What was considered for a workload, and the quotes that came of it.

use std::collections::BTreeMap;

use serde::Serialize;
use tandem_model::error::ErrorCode;
use tandem_model::money::MicroUsd;
use tandem_model::quote::Quote;
use tandem_model::workload::Tier;

use super::Refusal;
use crate::book::Hit;
use crate::policy::SubjectRecord;

/// What was considered for one tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierReport {
    /// The tier.
    pub tier: Tier,
    /// The quote, on the first of `ranked`.
    pub quote: Option<Quote>,
    /// Why there is none.
    pub no_quote: Option<NoQuote>,
    /// What the policy was asked for the first of `ranked`.
    pub basis: Option<Basis>,
    /// Offers that fit, cheapest useful hour first; at most [`super::RANKED_MAX`]. Rows of the book
    /// that was asked.
    pub ranked: Vec<Hit>,
    /// How many offers fit.
    pub fitting: usize,
    /// How many were refused, by the first reason that held.
    pub refused: BTreeMap<Refusal, usize>,
}

/// What a policy is asked about: another policy can be asked the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Basis {
    /// What is sold to whom.
    pub subject: SubjectRecord,
    /// What it costs us per GPU-hour.
    pub cost: MicroUsd,
}

/// Why a tier has no quote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NoQuote {
    /// Its code, where it is an error.
    pub code: Option<ErrorCode>,
    /// In words.
    pub text: String,
}

impl NoQuote {
    /// A reason that is no error.
    pub(super) fn because(text: impl Into<String>) -> Self {
        Self {
            code: None,
            text: text.into(),
        }
    }

    /// Nothing fits: an error, by its title, with what was refused.
    pub(super) fn nothing_fits(code: ErrorCode, refused: &BTreeMap<Refusal, usize>) -> Self {
        let title = code.title();
        let text = match refused.is_empty() {
            true => format!("{title}: none is known now"),
            false => format!("{title}: {}", Refusal::told(refused)),
        };
        Self {
            code: Some(code),
            text,
        }
    }
}

/// What was considered for a workload, and the quotes that came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuoteReport {
    /// How many offers were looked at.
    pub offers: usize,
    /// Version of the policy.
    pub policy_version: u32,
    /// Every tier, cheapest promise first.
    pub tiers: Vec<TierReport>,
}

impl QuoteReport {
    /// Quotes with the report of their tier.
    pub fn quoted(&self) -> impl Iterator<Item = (&Quote, &TierReport)> {
        self.tiers
            .iter()
            .filter_map(|t| Some((t.quote.as_ref()?, t)))
    }
}
