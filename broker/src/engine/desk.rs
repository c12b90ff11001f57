//! What the work of an accepted job costs now, by the market and the policy that quotes are made of.

use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::NetworkId;
use tandem_model::time::{WallTime, WorldTime};
use tandem_model::workload::{Tier, Workload};
use tandem_pricing::launch;
use tandem_pricing::quote::{Desk, Pricing, Supply, TermPrice};

use super::job::Job;
use super::market::assured_gpus;
use super::message::JobSpec;
use super::planner::Planner;

impl Planner<'_> {
    /// What comes of asking for prices as the customer of a job did, on a market with this supply. No
    /// promotion lowers them: what those gave was given with the quote.
    fn at_desk<T>(
        &self,
        (spec, workload): (&JobSpec, &Workload),
        supply: &Supply,
        now: WorldTime,
        work: impl FnOnce(&Desk<'_>) -> T,
    ) -> T {
        let country = spec.terms.customer_country;
        let places = self.terms.places.digest(country, workload.limits.data);
        let can_start = |network: &NetworkId, product: &str| {
            let mut products = self.terms.products.iter();
            let product = products.find(|p| p.network == *network && p.name == product);
            product.is_some_and(|p| launch::obstacles(workload, p).is_empty())
        };
        let policy = &self.policy.policy;
        let pricing = Pricing {
            policy,
            policy_version: self.policy.version.number,
            exhausted: policy.without_promotions(),
            account: Some(&spec.account),
            supply,
            tax_country: country,
            token_rates: &[],
            places: &places,
            can_start: &can_start,
            // Offers that grew old were taken out when their network was last not read.
            age_max: None,
            // Only promotions look at the calendar, and only who takes a quote at its expiry.
            now: WallTime::default(),
            world_now: now,
        };
        let desk = Desk::new(workload, &spec.classification, &self.market.book, pricing);
        work(&desk)
    }

    /// Whether the share of the free enterprise GPUs that may back `assured` holds this job too, as a
    /// quote looks at it.
    pub(super) fn is_backed(&self, spec: &JobSpec, now: WorldTime) -> bool {
        let supply = &self.market.supply;
        self.at_desk((spec, &spec.workload), supply, now, |desk| desk.is_backed())
    }

    /// What a GPU-hour of another term costs where the job runs: of whole nodes all GPUs are paid for
    /// by those that are charged. None where nothing says.
    pub(super) fn term_price(&self, job: &Job, now: WorldTime) -> Option<TermPrice> {
        let (spec, offer) = (&job.spec, &job.last()?.offer);
        let tier = spec.quote.tier;
        // What the customer agrees to is asked afterwards, and what this job may need of the backstop
        // is promised to it already.
        let mut workload = spec.workload.clone();
        workload.limits.max_price_micro_usd = None;
        workload.limits.budget_micro_usd = None;
        workload.limits.finish_by_seconds = None;
        let own = assured_gpus(spec, job.last(), false);
        let supply = self.market.supply.clone().without_promised(own);
        let asked = (&**spec, &workload);
        let price = self.at_desk(asked, &supply, now, |desk| desk.term_price(tier, offer))?;
        if tier == Tier::Assured {
            return Some(price);
        }
        let (rented, charged) = (spec.gpus_rented(offer), spec.gpus_charged(offer).max(1));
        let for_all = |each: MicroUsd| {
            let all = i128::from(each.get()) * i128::from(rented);
            let each = (all + i128::from(charged) - 1) / i128::from(charged);
            i64::try_from(each).ok().map(MicroUsd::new)
        };
        let rate = |each: RatePerGpuHour| for_all(each.price()).map(RatePerGpuHour::new);
        Some(TermPrice {
            rate: rate(price.rate)?,
            cost: for_all(price.cost)?,
            replacement_rate_max: rate(price.replacement_rate_max)?,
        })
    }
}
