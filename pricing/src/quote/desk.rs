//! One request for prices: what it asks of the book on each tier, and the quotes that come of it.

use std::cell::OnceCell;
use std::sync::Arc;

use tandem_model::error::ErrorCode;
use tandem_model::id::QuoteId;
use tandem_model::money::MicroUsd;
use tandem_model::workload::{Tier, Workload};

use super::draft::{Draft, Drafts};
use super::inquiry::Inquiry;
use super::search::{Conditions, Search};
use super::{Basis, NoQuote, PriceList, Pricing, QuoteReport, Refusal, TierReport};
use crate::book::{Ask, Book, Counterfactual};
use crate::classify::Classification;
use crate::jurisdiction::Denial;
use crate::policy::Subject;

/// One request for prices.
#[derive(Debug)]
pub struct Desk<'a> {
    pub(super) workload: &'a Workload,
    pub(super) book: &'a Book,
    pub(super) pricing: Pricing<'a>,
    pub(super) search: Search<'a>,
    /// What was found for every tier, once it was asked for.
    pub(super) drafts: OnceCell<Arc<Drafts>>,
}

impl<'a> Desk<'a> {
    /// A request for prices of a workload from a book.
    pub fn new(
        workload: &'a Workload,
        classification: &Classification,
        book: &'a Book,
        pricing: Pricing<'a>,
    ) -> Self {
        let inquiry = Inquiry::of(workload, classification, &pricing);
        let conditions = Conditions::of(book, &pricing);
        Self {
            search: Search::new(conditions, Arc::new(inquiry)),
            workload,
            book,
            pricing,
            drafts: OnceCell::new(),
        }
    }

    /// What is asked of the book for a tier. Prices of `assured` are those of the GPUs that are
    /// needed, so nodes of which more must be rented are out.
    pub fn ask(&self, tier: Tier) -> Ask {
        self.search.ask(tier)
    }

    /// The price list of a tier; on `assured` with the cost of the backstop per needed GPU-hour.
    pub fn list(&self, tier: Tier, backstop: Option<MicroUsd>) -> PriceList<'_, 'a> {
        self.search.list(tier, backstop)
    }

    /// Whether some enterprise offer could back this request on `assured`, and the share of the free
    /// GPUs that may back that tier holds it too.
    pub fn is_backed(&self) -> bool {
        let prices = self.list(Tier::Enterprise, None);
        matches!(self.search.backing(&prices), Some((_, Ok(()))))
    }

    /// Every tier without a price, because the customer may buy nothing.
    fn denied(&self, why: &Denial) -> QuoteReport {
        let tiers = Tier::ALL.map(|tier| TierReport {
            no_quote: Some(NoQuote {
                code: Some(ErrorCode::PLACE_DENIED),
                text: why.to_string(),
            }),
            ..self.search.not_offered(tier).to_report()
        });
        self.report_of(tiers.into())
    }

    fn report_of(&self, tiers: Vec<TierReport>) -> QuoteReport {
        QuoteReport {
            offers: self.book.len(),
            policy_version: self.pricing.policy_version,
            tiers,
        }
    }

    /// Quotes every tier that is asked for. The same input gives the same report, whatever the
    /// order in which the book got its offers, and whether or not the supply knew the answer.
    /// `fresh_id` is called once a quote.
    pub fn quote(&self, mut fresh_id: impl FnMut() -> QuoteId) -> QuoteReport {
        if let Some(why) = &self.pricing.places.customer {
            return self.denied(why);
        }
        let tiers = self.drafts().tiers.iter();
        self.report_of(
            tiers
                .map(|draft| self.settle(draft, &mut fresh_id))
                .collect(),
        )
    }

    /// What was found for every tier, for this request or one that is alike.
    fn drafts(&self) -> &Drafts {
        self.drafts.get_or_init(|| self.search.answer())
    }

    /// What one change of the request would save on a tier that was reported.
    pub fn counterfactuals(&self, report: &TierReport) -> Vec<Counterfactual> {
        let is_denied = self.pricing.places.customer.is_some();
        if is_denied || report.tier == Tier::Assured || !self.is_wanted(report.tier) {
            return Vec::new();
        }
        let mut drafts = self.drafts().tiers.iter();
        match drafts.find(|draft| draft.tier == report.tier) {
            Some(draft) => draft.others(&self.search).clone(),
            None => Vec::new(),
        }
    }

    fn is_wanted(&self, tier: Tier) -> bool {
        self.workload.tier.is_none_or(|wanted| wanted == tier)
    }

    /// Makes the quote of a tier, or says why there is none.
    fn settle(&self, draft: &Draft, fresh_id: &mut impl FnMut() -> QuoteId) -> TierReport {
        let tier = (draft.tier, draft.backstop);
        if !self.is_wanted(draft.tier) {
            return TierReport {
                no_quote: Some(NoQuote::because("another tier is asked for")),
                ..self.search.not_offered(draft.tier).to_report()
            };
        }
        let best = draft.best().zip(draft.item.as_ref());
        let mut report = draft.to_report();
        report.basis = best.map(|(hit, item)| {
            let view = self.book.view(hit.row);
            let subject = Subject {
                account: self.pricing.account,
                ..self.search.subject(tier.0, view.aisle(), view.country())
            };
            Basis {
                subject: subject.to_record(),
                cost: item.priced.cost,
            }
        });
        if report.no_quote.is_some() {
            return report;
        }
        report.quote = best.and_then(|(hit, item)| self.firm(tier, hit, item, fresh_id()));
        if report.quote.is_none() && draft.best().is_some() {
            let text = "the total of the best offer leaves the range of amounts";
            report.no_quote = Some(NoQuote::because(text));
        } else if report.quote.is_none() {
            let last = report.refused.keys().max();
            let only_places = matches!(last, Some(Refusal::Jurisdiction | Refusal::DataOnConsumer));
            let code = match only_places {
                true => ErrorCode::PLACE_DENIED,
                false => ErrorCode::NO_OFFER_FITS,
            };
            report.no_quote = Some(NoQuote::nothing_fits(code, &report.refused));
        }
        report
    }
}
