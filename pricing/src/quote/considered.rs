//! What a quote was chosen from, small enough to travel with it and to stand in its receipt.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tandem_model::money::RatePerGpuHour;
use tandem_model::offer::OfferId;

use super::{QuoteReport, Refusal, TierReport};
use crate::book::Book;

/// The report of one tier's decision.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Considered {
    /// How many offers were looked at.
    pub offers: usize,
    /// How many of them fit.
    pub fitting: usize,
    /// How many were refused, by the first reason that held.
    pub refused: BTreeMap<Refusal, usize>,
    /// The best with their prices, best first; at most [`super::RANKED_MAX`].
    pub best: Vec<Considering>,
}

/// An offer that was considered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Considering {
    /// The offer.
    pub offer: OfferId,
    /// What it would have cost the customer per GPU-hour.
    pub rate: RatePerGpuHour,
}

impl Considered {
    /// What was considered for a tier of a report; `book` is the one that was asked.
    pub fn of(book: &Book, report: &QuoteReport, tier: &TierReport) -> Self {
        let best = tier.ranked.iter().map(|hit| Considering {
            offer: book.view(hit.row).id(),
            rate: hit.rate,
        });
        Self {
            offers: report.offers,
            fitting: tier.fitting,
            refused: tier.refused.clone(),
            best: best.collect(),
        }
    }
}
