//! The price list of one tier for one request: what an aisle costs the customer, and, for much less,
//! what it costs him at least.
//!
//! A price is the cost at the aisle's seller and then the policy's terms. The first is worked out
//! once a seller. The terms lie between bounds that hold for every aisle, so a search knows a line
//! that no price of a seller is below, and asks for the prices of few aisles.

use std::cell::OnceCell;
use std::rc::Rc;

use tandem_model::money::MicroUsd;
use tandem_model::network::Country;
use tandem_model::workload::Tier;

use super::Refusal;
use super::search::Search;
use crate::backstop;
use crate::book::{Aisle, AislePrice, Outlook, Prices, Sale};
use crate::cost::{CostModel, Curve, Line, SMALL};
use crate::policy::{NotSold, PriceBounds, Terms, slope};

/// The price list of a tier, filled as it is asked.
#[derive(Debug)]
pub struct PriceList<'d, 'a> {
    pub(super) search: &'d Search<'a>,
    pub(super) tier: Tier,
    /// Cost of the backstop per needed GPU-hour, on `assured`.
    pub(super) backstop: Option<MicroUsd>,
    /// Of the policy's terms; none where some costs have no price.
    bounds: Option<PriceBounds>,
    /// By the number of the seller.
    costs: Box<[OnceCell<Result<Cost, Refusal>>]>,
    /// By the number of the aisle, in countries that are not priced apart.
    known: Box<[OnceCell<Rc<AislePrice>>]>,
}

/// What the workload costs at a seller, whatever the price and the terms.
#[derive(Debug)]
pub(super) struct Cost {
    pub(super) model: CostModel,
    /// Expected speed in thousandths of a good card.
    speed_permille: u32,
    /// What a GPU-hour costs us at a network price, with the backstop.
    pub(super) curve: Curve,
    /// Above it the backstop costs no more.
    price_max: Option<MicroUsd>,
    /// What is known of every price.
    extent: Option<Extent>,
}

/// What is known of every price at a seller.
#[derive(Debug, Clone, Copy)]
struct Extent {
    /// No useful GPU-hour costs less.
    useful_min: Line,
    /// Up to this network price any number of GPUs costs an amount in range.
    small_up_to: i64,
}

impl Extent {
    fn of(cost: &Curve, model: &CostModel, bounds: &PriceBounds) -> Option<Self> {
        let waste = model.waste();
        let [most, floor] = &bounds.most;
        // A rate and the price of a useful hour that are both small.
        let rate = waste.inverse(SMALL)?.min(SMALL);
        Some(Self {
            useful_min: cost.line_below().then(&bounds.least).then(&waste),
            small_up_to: cost.inverse(most.inverse(floor.inverse(rate)?)?)?,
        })
    }
}

impl<'a> Search<'a> {
    /// The price list of a tier; on `assured` with the cost of the backstop per needed GPU-hour.
    pub(super) fn list(&self, tier: Tier, backstop: Option<MicroUsd>) -> PriceList<'_, 'a> {
        let none = |len: usize| (0..len).map(|_| OnceCell::new());
        PriceList {
            search: self,
            tier,
            backstop,
            bounds: self.bounds(tier),
            costs: none(self.on.supply.sellers()).collect(),
            known: self
                .on
                .book
                .aisles()
                .iter()
                .map(|_| OnceCell::new())
                .collect(),
        }
    }
}

impl PriceList<'_, '_> {
    /// The tier, and on `assured` the cost of the backstop.
    pub fn sells(&self) -> (Tier, Option<MicroUsd>) {
        (self.tier, self.backstop)
    }

    /// The cost at an aisle's seller; why nothing can be sold there, where that is so.
    pub(super) fn cost(&self, aisle: &Aisle) -> Result<&Cost, Refusal> {
        let seller = self.search.on.supply.seller(aisle);
        let cost = self.costs[seller]
            .get_or_init(|| self.cost_at(seller))
            .as_ref();
        if self.tier == Tier::Assured
            && aisle.is_enterprise()
            && cost.err() != Some(&Refusal::CannotStart)
        {
            return Err(Refusal::IsBackstop);
        }
        cost.map_err(|why| *why)
    }

    fn cost_at(&self, seller: usize) -> Result<Cost, Refusal> {
        let model = self.search.model(seller)?;
        let machines = self.search.on.supply.machines(seller);
        let own = Curve::new(&model.billed()).expect(BOUNDED);
        let (curve, price_max) = match self.backstop {
            None => (own, None),
            Some(cost) => {
                let gpu_seconds = self
                    .search
                    .inquiry
                    .effort
                    .gpu_seconds(machines.speed_permille);
                let run_permille = self.search.inquiry.effort.backstop_run_permille();
                let share = backstop::share_ppb(gpu_seconds, machines.failures, run_permille);
                let both = own.then(&backstop::steps(share, cost)).expect(BOUNDED);
                let below = own.inverse(cost.get() - 1).unwrap_or(0);
                (both, Some(MicroUsd::new(below)))
            }
        };
        let bounds = self.bounds.as_ref();
        Ok(Cost {
            model,
            speed_permille: machines.speed_permille,
            curve,
            price_max,
            extent: bounds.and_then(|bounds| Extent::of(&curve, &model, bounds)),
        })
    }

    /// The policy's terms for an aisle in a country.
    pub(super) fn terms(&self, aisle: &Aisle, country: Country) -> Terms {
        let subject = self.search.subject(self.tier, aisle, country);
        let on = &self.search.on;
        on.policy.terms_without(&subject, on.now, on.exhausted)
    }

    fn work_out(&self, aisle: &Aisle, country: Country) -> AislePrice {
        let sale = self.cost(aisle).and_then(|cost| {
            let terms = self.terms(aisle, country);
            cost.sale(&terms).map_err(|_| Refusal::NotSold)
        });
        match sale {
            Ok(sale) => AislePrice::Sold(sale),
            Err(why) => AislePrice::NotSold(why),
        }
    }
}

/// Why steps of a cost are always a curve.
const BOUNDED: &str = "ratios and amounts were bounded when they were computed";

impl Cost {
    /// Prices of an aisle as functions of the network's price.
    ///
    /// Fails where no cost has a price.
    fn sale(&self, terms: &Terms) -> Result<Sale, NotSold> {
        let slope = slope(terms)?;
        let rate = self.curve.then(&slope.steps);
        let useful = Curve::new(&[self.model.waste()]);
        let below_ceiling = slope.cost_max.map(|most| {
            let most = self.curve.inverse(most.get());
            MicroUsd::new(most.unwrap_or(0))
        });
        Ok(Sale {
            rate: rate.map_err(|_| NotSold::OutOfRange)?,
            useful: useful.map_err(|_| NotSold::OutOfRange)?,
            speed_permille: self.speed_permille,
            price_max: [below_ceiling, self.price_max].into_iter().flatten().min(),
        })
    }
}

impl Prices for PriceList<'_, '_> {
    type Price = Rc<AislePrice>;

    fn price(&self, aisle: &Aisle, apart: Option<Country>) -> Self::Price {
        if let Some(country) = apart {
            return Rc::new(self.work_out(aisle, country));
        }
        let price = || Rc::new(self.work_out(aisle, self.search.elsewhere));
        Rc::clone(self.known[aisle.number()].get_or_init(price))
    }

    fn outlook(&self, aisle: &Aisle) -> Outlook {
        let cost = match self.cost(aisle) {
            Ok(cost) => cost,
            Err(why) => return Outlook::NotSold(why),
        };
        match cost.extent {
            None => Outlook::Unknown,
            Some(extent) => Outlook::Sold {
                useful_min: extent.useful_min,
                small_up_to: extent.small_up_to,
                speed_permille: cost.speed_permille,
                price_max: cost.price_max,
            },
        }
    }
}
