//! The tiers of one request: each from the book, then what one of them means for the others.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use tandem_model::error::ErrorCode;
use tandem_model::id::QuoteId;
use tandem_model::money::MicroUsd;
use tandem_model::workload::Tier;

use super::desk::Desk;
use super::firm::Itemised;
use super::list::PriceList;
use super::supply::share_holds;
use super::{Basis, NoQuote, QuoteReport, RANKED_MAX, Refusal, TierReport};
use crate::book::{Ask, Counterfactual, Hit, Ranking, Rules, Work, counterfactuals};
use crate::jurisdiction::Denial;

/// Kinds without their grade that a reason names.
const GRADES_TOLD_MAX: usize = 3;

impl<'a> Desk<'a> {
    /// Every tier without a price, because the customer may buy nothing.
    fn denied(&self, why: &Denial) -> QuoteReport {
        let tiers = Tier::ALL.map(|tier| TierReport {
            no_quote: Some(NoQuote {
                code: Some(ErrorCode::PLACE_DENIED),
                text: why.to_string(),
            }),
            ..self.not_offered(tier).to_report()
        });
        self.report_of(tiers.into())
    }

    /// A tier for which no offer was looked at.
    fn not_offered(&self, tier: Tier) -> Draft {
        let offers = self.book.len();
        let counted = (offers > 0).then_some((Refusal::TierNotOffered, offers));
        Draft {
            refused: counted.into_iter().collect(),
            ..Draft::of(tier)
        }
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
        self.drafts.get_or_init(|| match self.alike() {
            Some(alike) => self.pricing.supply.memo().answer(alike, || self.find()),
            None => Arc::new(self.find()),
        })
    }

    /// Looks for the best offers of every tier.
    fn find(&self) -> Drafts {
        let prices = self.list(Tier::Enterprise, None);
        let enterprise = self.draft(&prices);
        let mut consumer = self.draft(&self.list(Tier::Consumer, None));
        self.refuse_dearer(&mut consumer, &enterprise);
        let assured = self.assured((&prices, &enterprise), &consumer);
        Drafts {
            tiers: [consumer, assured, enterprise],
        }
    }

    /// What one change of the request would save on a tier that was reported.
    pub fn counterfactuals(&self, report: &TierReport) -> Vec<Counterfactual> {
        let is_denied = self.pricing.places.customer.is_some();
        if is_denied || report.tier == Tier::Assured || !self.is_wanted(report.tier) {
            return Vec::new();
        }
        let mut drafts = self.drafts().tiers.iter();
        match drafts.find(|draft| draft.tier == report.tier) {
            Some(draft) => draft.others.get_or_init(|| self.others(draft)).clone(),
            None => Vec::new(),
        }
    }

    fn others(&self, draft: &Draft) -> Vec<Counterfactual> {
        let rules = Rules {
            vram_gb_min: self.classification.needs.vram_gb_per_gpu,
            ..Rules::default()
        };
        let (ask, now) = (self.ask(draft.tier), self.pricing.world_now);
        let prices = self.list(draft.tier, None);
        let rooms = self.rooms.get_or_init(|| self.book.rooms(&ask));
        let book = (self.book, rooms);
        counterfactuals(book, &ask, draft.best(), &prices, now, rules)
    }

    fn is_wanted(&self, tier: Tier) -> bool {
        self.workload.tier.is_none_or(|wanted| wanted == tier)
    }

    /// The offers that fit an ask, best first by a list.
    fn rank<'b, 'd>(
        &'b self,
        ask: &'b Ask,
        list: &'b PriceList<'d, 'a>,
    ) -> Ranking<'b, &'b PriceList<'d, 'a>> {
        let rooms = self.rooms.get_or_init(|| self.book.rooms(ask));
        self.book.rank_in(rooms, ask, list, self.pricing.world_now)
    }

    /// The best offers of a tier by its price list.
    fn draft(&self, list: &PriceList<'_, '_>) -> Draft {
        let ask = self.ask(list.tier);
        let mut ranking = self.rank(&ask, list);
        let mut ranked = Vec::with_capacity(RANKED_MAX.min(ranking.fitting()));
        ranked.extend(ranking.by_ref().take(RANKED_MAX));
        let best = ranked.first().map(|hit: &Hit| self.book.view(hit.row));
        Draft {
            backstop: list.backstop,
            item: best.and_then(|view| list.itemised(&view)),
            fitting: ranking.fitting(),
            refused: ranking.refused(),
            ranked,
            ..Draft::of(list.tier)
        }
    }

    /// Refuses a tier whose best useful hour of all GPUs costs more than the best enterprise one.
    fn refuse_dearer(&self, draft: &mut Draft, enterprise: &Draft) {
        let (Some(own), Some(other)) = (draft.best(), enterprise.best()) else {
            return;
        };
        if own.useful_hour_micro_usd > other.useful_hour_micro_usd {
            let text = format!(
                "enterprise costs less: {} for a useful hour of all GPUs, where {} would cost {}",
                other.useful_hour_micro_usd,
                draft.tier.as_str(),
                own.useful_hour_micro_usd
            );
            draft.no_quote = Some(NoQuote::because(text));
        }
    }

    /// `assured`: the consumer price and the expected cost of the backstop, where there is one.
    fn assured(
        &self,
        (prices, enterprise): (&PriceList<'_, '_>, &Draft),
        consumer: &Draft,
    ) -> Draft {
        let refused = |text: String| {
            let mut draft = self.not_offered(Tier::Assured);
            draft.no_quote = Some(NoQuote::because(text));
            draft
        };
        if let Some(dearer) = &consumer.no_quote {
            return refused(format!("as for consumer: {}", dearer.text));
        }
        let cost = match self.backing(prices) {
            Some((cost, Ok(()))) => cost,
            Some((_, Err(why))) => return refused(why),
            None => {
                let none = "no enterprise offer fits that could be the backstop";
                return refused(format!("{none}{}", self.grades_lost()));
            }
        };
        let mut draft = self.draft(&self.list(Tier::Assured, Some(cost)));
        self.refuse_dearer(&mut draft, enterprise);
        draft
    }

    /// Kinds of machines that could back this tier if their probes had not failed, in words; a few.
    fn grades_lost(&self) -> String {
        let ask = self.backstop_ask();
        let lost = self.pricing.supply.usage().grade_lost.iter();
        let fitting =
            lost.filter(|kind| kind.gpu.is_a100_or_better() && ask.gpus.contains(kind.gpu));
        let told = fitting.take(GRADES_TOLD_MAX).map(|kind| {
            let (gpu, network, product) = (kind.gpu.id(), &kind.network, &kind.product);
            format!("; {gpu} of {network} {product} lost its grade by failed probes")
        });
        told.collect()
    }

    /// What the backstop must be; the customer pays the price of the first machine, so his limits
    /// on money do not hold for it.
    fn backstop_ask(&self) -> Ask {
        let ask = self.ask(Tier::Assured).backstop();
        Ask {
            price_limit: None,
            work: ask.work.map(|work| Work {
                budget: None,
                ..work
            }),
            ..ask
        }
    }

    /// What the best backstop costs us for each GPU-hour that is needed, and whether the share of the
    /// free GPUs that may back this tier holds one job more, or why not. None without a backstop.
    pub(super) fn backing(
        &self,
        prices: &PriceList<'_, '_>,
    ) -> Option<(MicroUsd, Result<(), String>)> {
        let share = self.pricing.policy.defaults().assured_share_permille;
        let promised = self.pricing.supply.usage().assured_gpus;
        let gpus = self.effort.gpus();
        let ask = self.backstop_ask();
        let mut ranking = self.rank(&ask, prices);
        let best = ranking.next()?;
        let cost = self.cost_per_needed_gpu(prices, &best)?;
        let fitting = std::iter::once(best.row).chain(ranking.unranked());
        let needed = promised.saturating_add(gpus.into());
        let holds = share_holds(self.book, fitting, share, needed).map_err(|free| {
            format!(
                "{promised} GPUs are promised a backstop already, and {gpus} more would be beyond \
                 the {share} permille of {free} free enterprise GPUs that may back this tier"
            )
        });
        Some((cost, holds))
    }

    /// What an enterprise offer costs us for each GPU-hour that is needed: whole nodes that cannot
    /// be split cost more than they give.
    fn cost_per_needed_gpu(&self, prices: &PriceList<'_, '_>, hit: &Hit) -> Option<MicroUsd> {
        let view = self.book.view(hit.row);
        let item = prices.itemised(&view)?;
        let all = i128::from(item.priced.cost.get()) * i128::from(hit.gpus);
        let needed = i128::from(self.effort.gpus());
        let each = (all + needed - 1) / needed;
        i64::try_from(each).ok().map(MicroUsd::new)
    }

    /// Makes the quote of a tier, or says why there is none.
    fn settle(&self, draft: &Draft, fresh_id: &mut impl FnMut() -> QuoteId) -> TierReport {
        let tier = (draft.tier, draft.backstop);
        if !self.is_wanted(draft.tier) {
            return TierReport {
                no_quote: Some(NoQuote::because("another tier is asked for")),
                ..self.not_offered(draft.tier).to_report()
            };
        }
        let best = draft.best().zip(draft.item.as_ref());
        let mut report = draft.to_report();
        report.basis = best.map(|(hit, item)| {
            let view = self.book.view(hit.row);
            let subject = self.subject(tier.0, view.aisle(), view.country());
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
            report.no_quote = Some(NoQuote::error(match only_places {
                true => ErrorCode::PLACE_DENIED,
                false => ErrorCode::NO_OFFER_FITS,
            }));
        }
        report
    }
}

/// What was found for every tier: all of an answer that requests share which are alike.
#[derive(Debug)]
pub(super) struct Drafts {
    /// Cheapest promise first.
    tiers: [Draft; Tier::ALL.len()],
}

/// A tier before its quote is made.
#[derive(Debug)]
struct Draft {
    tier: Tier,
    /// Cost of the backstop per needed GPU-hour, on `assured`.
    backstop: Option<MicroUsd>,
    /// Why there will be no quote.
    no_quote: Option<NoQuote>,
    ranked: Vec<Hit>,
    /// The price of the first of them.
    item: Option<Itemised>,
    fitting: usize,
    refused: BTreeMap<Refusal, usize>,
    /// What one change would save, once it was asked for.
    others: OnceLock<Vec<Counterfactual>>,
}

impl Draft {
    /// Nothing of a tier.
    fn of(tier: Tier) -> Self {
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

    fn best(&self) -> Option<&Hit> {
        self.ranked.first()
    }

    /// Its report, with no quote yet.
    fn to_report(&self) -> TierReport {
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
