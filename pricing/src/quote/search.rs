//! The search for the prices of one inquiry: what is known of it on every tier, under the conditions
//! of a moment.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use tandem_model::network::Country;
use tandem_model::time::{WallTime, WorldTime};
use tandem_model::workload::Tier;

use super::draft::Drafts;
use super::inquiry::Inquiry;
use super::{Pricing, Refusal, Supply};
use crate::book::{Aisle, Ask, Book, Rooms};
use crate::cost::CostModel;
use crate::policy::{Buyer, Exhausted, Policy, PriceBounds, Subject};

/// Under which prices are made, whoever asks: the market, the policy and the moment.
#[derive(Debug, Clone, Copy)]
pub struct Conditions<'a> {
    /// The offers.
    pub book: &'a Book,
    /// What is known of the supply beside its offers.
    pub supply: &'a Supply,
    /// The policy in force.
    pub policy: &'a Policy,
    /// Its promotions that gave all that they may.
    pub exhausted: Exhausted,
    /// Oldest observation of an offer that is believed; none when any is.
    pub age_max: Option<Duration>,
    /// The moment for the customer.
    pub now: WallTime,
    /// The same moment for the market.
    pub world_now: WorldTime,
}

impl<'a> Conditions<'a> {
    pub(super) fn of(book: &'a Book, pricing: &Pricing<'a>) -> Self {
        Self {
            book,
            supply: pricing.supply,
            policy: pricing.policy,
            exhausted: pricing.exhausted,
            age_max: pricing.age_max,
            now: pricing.now,
            world_now: pricing.world_now,
        }
    }
}

/// One inquiry under conditions, with what was worked out for it so far.
#[derive(Debug)]
pub(super) struct Search<'a> {
    pub(super) on: Conditions<'a>,
    pub(super) inquiry: Arc<Inquiry>,
    /// What is asked of the book, but for the tier.
    pub(super) ask: Ask,
    /// Stands for every country that is not priced apart.
    pub(super) elsewhere: Country,
    /// The cost at each seller, once it was asked for.
    costs: Vec<OnceCell<Result<CostModel, Refusal>>>,
    /// Counts that the searches of every tier share.
    rooms: OnceCell<Rooms>,
}

impl<'a> Search<'a> {
    pub(super) fn new(on: Conditions<'a>, inquiry: Arc<Inquiry>) -> Self {
        Self {
            ask: Ask {
                age_max: on.age_max,
                ..inquiry.ask.clone()
            },
            elsewhere: on.policy.country_elsewhere(),
            costs: vec![OnceCell::new(); on.supply.sellers()],
            rooms: OnceCell::new(),
            inquiry,
            on,
        }
    }

    /// What was found for every tier, for this inquiry or one that is alike.
    pub(super) fn answer(&self) -> Arc<Drafts> {
        match self.alike() {
            Some(alike) => self.on.supply.memo().answer(alike, || self.find()),
            None => Arc::new(self.find()),
        }
    }

    /// What is asked of the book for a tier. Prices of `assured` are those of the GPUs that are
    /// needed, so nodes of which more must be rented are out.
    pub(super) fn ask(&self, tier: Tier) -> Ask {
        Ask {
            tier,
            exact_nodes: tier == Tier::Assured,
            ..self.ask.clone()
        }
    }

    pub(super) fn rooms(&self) -> &Rooms {
        self.rooms.get_or_init(|| self.on.book.rooms(&self.ask))
    }

    /// What the policy's rules are matched against.
    pub(super) fn subject<'b>(
        &'b self,
        tier: Tier,
        aisle: &'b Aisle,
        country: Country,
    ) -> Subject<'b> {
        Subject {
            class: self.inquiry.class,
            tier,
            grade: aisle.grade,
            account: self.inquiry.account.as_ref(),
            gpu: aisle.gpu,
            network: &aisle.network,
            country,
            gpu_hours: self.inquiry.gpu_hours(),
            term_seconds: self.inquiry.term_seconds,
            utilisation_permille: self.on.supply.utilisation_permille(aisle),
        }
    }

    /// The cost of the workload at a seller, whatever the price.
    pub(super) fn model(&self, seller: usize) -> Result<CostModel, Refusal> {
        *self.costs[seller].get_or_init(|| {
            let supply = self.on.supply;
            if !self.inquiry.startable[supply.machines(seller).product] {
                return Err(Refusal::CannotStart);
            }
            let model = supply.model(&self.inquiry.effort, seller);
            model.map_err(|_| Refusal::WouldNotEnd)
        })
    }

    /// Bounds of the policy's prices on a tier.
    pub(super) fn bounds(&self, tier: Tier) -> Option<PriceBounds> {
        let buyer = Buyer {
            class: self.inquiry.class,
            tier,
            account: self.inquiry.account.as_ref(),
            gpu_hours: self.inquiry.gpu_hours(),
            term_seconds: self.inquiry.term_seconds,
        };
        let Conditions { now, exhausted, .. } = self.on;
        self.on.policy.bounds(&buyer, now, exhausted)
    }
}
