//! The firm price of one offer, line by line.

use std::time::Duration;

use tandem_model::id::QuoteId;
use tandem_model::money::Token;
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::quote::{Quote, QuoteLine};
use tandem_model::token::TokenLeg;
use tandem_model::workload::Tier;

use super::cost_of;
use super::desk::Desk;
use super::list::PriceList;
use crate::book::{Aisle, Hit, View};
use crate::policy::{Priced, Terms, price};

/// Ten thousand basis points are the whole.
const BASIS_POINTS: i128 = 10_000;
const MICROS: u64 = 1_000_000;

/// The price of an offer with what it is made of.
#[derive(Debug)]
pub(super) struct Itemised {
    pub(super) terms: Terms,
    pub(super) priced: Priced,
    lines: Vec<QuoteLine>,
}

/// GPU-microseconds of a term; none beyond what is counted.
fn gpu_microseconds(gpus: u32, term_seconds: u32) -> Option<u64> {
    u64::from(gpus)
        .checked_mul(term_seconds.into())?
        .checked_mul(MICROS)
}

impl PriceList<'_, '_> {
    /// What an offer costs us per GPU-hour; none when it is not sold.
    pub(super) fn cost_of(&self, view: &View<'_>) -> Option<MicroUsd> {
        self.cost_at_price(view.aisle(), view.price())
    }

    /// The same at a price of the network's that may be no offer's.
    pub(super) fn cost_at_price(&self, aisle: &Aisle, price: RatePerGpuHour) -> Option<MicroUsd> {
        let at_seller = self.cost(aisle).ok()?;
        let cost = at_seller.curve.apply(price.price().get())?;
        Some(MicroUsd::new(cost))
    }

    /// The price of an offer by its parts; none when it is not sold.
    pub(super) fn itemised(&self, view: &View<'_>) -> Option<Itemised> {
        let at_seller = self.cost(view.aisle()).ok()?;
        let terms = self.terms(view.aisle(), view.country());
        let network_price = view.price().price();
        let own = at_seller.model.billed_lines(network_price).ok()?;
        let without: i64 = own.iter().map(|(_, amount)| amount.get()).sum();
        let cost = MicroUsd::new(at_seller.curve.apply(network_price.get())?);
        let backstop = MicroUsd::new(cost.get() - without);
        let priced = price(cost, &terms).ok()?;
        let [(_, _), rest @ ..] = priced.lines();
        let lines = own
            .into_iter()
            .chain([("backstop", backstop)])
            .chain(rest)
            .filter(|(kind, amount)| *kind == "compute" || *amount != MicroUsd::ZERO)
            .map(|(kind, amount)| QuoteLine {
                kind: kind.into(),
                micro_usd_per_gpu_hour: amount,
            });
        Some(Itemised {
            terms,
            priced,
            lines: lines.collect(),
        })
    }
}

impl Desk<'_> {
    /// The firm price of an offer; none when an amount leaves its range.
    pub(super) fn firm(
        &self,
        tier: (Tier, Option<MicroUsd>),
        hit: &Hit,
        item: &Itemised,
        id: QuoteId,
    ) -> Option<Quote> {
        let view = self.book.view(hit.row);
        let rate = RatePerGpuHour::new(item.priced.price);
        let terms = &item.terms;
        let term_seconds = self.search.inquiry.term_seconds;
        let gpu_microseconds = gpu_microseconds(hit.gpus, term_seconds)?;
        let valid = Duration::from_secs(u64::from(terms.valid_seconds));
        let promotion = self.promotion(item);
        Some(Quote {
            id,
            tier: tier.0,
            offer: view.id(),
            rate,
            gpus: hit.gpus,
            term_seconds,
            replacement_rate_max: self.replacement_rate_max(rate, tier.1)?,
            renewal_rate_max: self.renewal_rate_max(rate, item.priced.discount),
            not_to_exceed: rate.charge_for(gpu_microseconds).ok()?,
            lines: item.lines.clone(),
            token_legs: self
                .token_leg(&view, hit.gpus, term_seconds)
                .into_iter()
                .collect(),
            tax_country: self.pricing.tax_country,
            promotion,
            objectives: None,
            expires_at: self.pricing.now.after(valid),
        })
    }

    /// The dearest rate of later terms: the customer's highest price, or else the rate that he has,
    /// without what a promotion took off it.
    fn renewal_rate_max(&self, rate: RatePerGpuHour, discount: MicroUsd) -> Option<RatePerGpuHour> {
        let limits = &self.workload.limits;
        let undiscounted = rate.price().minus(discount).ok()?;
        let most = limits.max_price_micro_usd.unwrap_or(undiscounted);
        let goes_on = limits.max_duration_seconds.is_none();
        goes_on.then_some(RatePerGpuHour::new(most))
    }

    /// The promotion behind a discount.
    fn promotion(&self, item: &Itemised) -> Option<String> {
        let promotion = item.terms.origins.promotion;
        let promotion = promotion.filter(|_| item.priced.discount < MicroUsd::ZERO)?;
        self.pricing
            .policy
            .promotion_id(promotion)
            .map(str::to_owned)
    }

    /// What the network of an offer is paid for a term; none while no rate of its token is known.
    fn token_leg(&self, view: &View<'_>, gpus: u32, term_seconds: u32) -> Option<TokenLeg> {
        let network = &view.aisle().network;
        let token = Token::of_network(network)?;
        let mut rates = self.pricing.token_rates.iter();
        let rate = rates.find(|rate| rate.token == token)?;
        let offer = view.to_offer();
        let time = gpu_microseconds(gpus, term_seconds)?;
        let paid = RatePerGpuHour::new(cost_of(&offer)?).charge_for(time);
        Some(TokenLeg {
            network: network.clone(),
            rate: *rate,
            base_units: token.base_units(paid.ok()?, rate.nano_usd_per_token)?,
        })
    }

    /// The dearest replacement: a share of the rate by policy, and never less than the backstop
    /// that was promised.
    pub(super) fn replacement_rate_max(
        &self,
        rate: RatePerGpuHour,
        backstop: Option<MicroUsd>,
    ) -> Option<RatePerGpuHour> {
        let defaults = self.pricing.policy.defaults();
        let share = i128::from(defaults.replacement_rate_max_basis_points);
        let of = |amount: i64| i64::try_from(i128::from(amount) * share / BASIS_POINTS).ok();
        let most = of(rate.price().get())?;
        let backstop = match backstop {
            Some(backstop) => of(backstop.get())?,
            None => 0,
        };
        Some(RatePerGpuHour::new(MicroUsd::new(most.max(backstop))))
    }
}
