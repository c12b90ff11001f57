//! The tiers of one inquiry: each from the book, then what one of them means for the others.

use tandem_model::money::MicroUsd;
use tandem_model::workload::Tier;

use super::draft::{Draft, Drafts};
use super::list::PriceList;
use super::search::Search;
use super::supply::share_holds;
use super::{NoQuote, RANKED_MAX, Refusal};
use crate::book::{Ask, Counterfactual, Hit, Ranking, Rules, Work, counterfactuals};

/// Kinds without their grade that a reason names.
const GRADES_TOLD_MAX: usize = 3;

impl<'a> Search<'a> {
    /// Looks for the best offers of every tier.
    pub(super) fn find(&self) -> Drafts {
        let prices = self.list(Tier::Enterprise, None);
        let enterprise = self.draft(&prices);
        let mut consumer = self.draft(&self.list(Tier::Consumer, None));
        self.refuse_dearer(&mut consumer, &enterprise);
        let assured = self.assured((&prices, &enterprise), &consumer);
        Drafts {
            tiers: [consumer, assured, enterprise],
        }
    }

    /// A tier for which no offer was looked at.
    pub(super) fn not_offered(&self, tier: Tier) -> Draft {
        let offers = self.on.book.len();
        let counted = (offers > 0).then_some((Refusal::TierNotOffered, offers));
        Draft {
            refused: counted.into_iter().collect(),
            ..Draft::of(tier)
        }
    }

    /// What one change of the request would save on a tier.
    pub(super) fn others(&self, draft: &Draft) -> Vec<Counterfactual> {
        let rules = Rules {
            vram_gb_min: self.inquiry.vram_gb_needed,
            ..Rules::default()
        };
        let (ask, now) = (self.ask(draft.tier), self.on.world_now);
        let prices = self.list(draft.tier, None);
        let book = (self.on.book, self.rooms());
        counterfactuals(book, &ask, draft.best(), &prices, now, rules)
    }

    /// The offers that fit an ask, best first by a list.
    fn rank<'b, 'd>(
        &'b self,
        ask: &'b Ask,
        list: &'b PriceList<'d, 'a>,
    ) -> Ranking<'b, &'b PriceList<'d, 'a>> {
        self.on
            .book
            .rank_in(self.rooms(), ask, list, self.on.world_now)
    }

    /// The best offers of a tier by its price list.
    fn draft(&self, list: &PriceList<'_, '_>) -> Draft {
        let ask = self.ask(list.tier);
        let mut ranking = self.rank(&ask, list);
        let mut ranked = Vec::with_capacity(RANKED_MAX.min(ranking.fitting()));
        ranked.extend(ranking.by_ref().take(RANKED_MAX));
        let best = ranked.first().map(|hit: &Hit| self.on.book.view(hit.row));
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
                let mut none = "no enterprise offer fits that could be the backstop".to_owned();
                if enterprise.ranked.is_empty() && !enterprise.refused.is_empty() {
                    none = format!("{none}: {}", Refusal::told(&enterprise.refused));
                }
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
        let lost = self.on.supply.usage().grade_lost.iter();
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
        let share = self.on.policy.defaults().assured_share_permille;
        let promised = self.on.supply.usage().assured_gpus;
        let gpus = self.inquiry.effort.gpus();
        let ask = self.backstop_ask();
        let mut ranking = self.rank(&ask, prices);
        let best = ranking.next()?;
        let cost = self.cost_per_needed_gpu(prices, &best)?;
        let needed = promised.saturating_add(gpus.into());
        let holds = share_holds(ranking, share, needed).map_err(|free| {
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
        let cost = prices.cost_of(&self.on.book.view(hit.row))?;
        let all = i128::from(cost.get()) * i128::from(hit.gpus);
        let needed = i128::from(self.inquiry.effort.gpus());
        let each = (all + needed - 1) / needed;
        i64::try_from(each).ok().map(MicroUsd::new)
    }
}
