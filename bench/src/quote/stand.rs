//! What prices are made by in the measurements: the standard policy, a supply that is in use, and
//! the careful rules about places.

use std::sync::LazyLock;
use std::time::Duration;

use tandem_model::id::QuoteId;
use tandem_model::network::{NetworkId, Product};
use tandem_model::time::WallTime;
use tandem_model::workload::{DataClass, Workload};
use tandem_pricing::book::Book;
use tandem_pricing::classify::Classification;
use tandem_pricing::failures::Seen;
use tandem_pricing::jurisdiction::{Digest, Digester, Rules};
use tandem_pricing::policy::{Exhausted, Policy};
use tandem_pricing::quote::{Conditions, Desk, Pricing, QuoteReport, SeenByKind, Supply, Usage};

use super::asks::{self, Asked};
use super::market::{self, Chance};

/// Oldest observation that is believed, as the broker has it.
const AGE_MAX: Duration = Duration::from_secs(600);

/// What prices are made by.
pub(super) struct Stand {
    policy: Policy,
    pub(super) products: Vec<Product>,
    usage: Usage,
    /// Which knows every answer that it gave before.
    pub(super) supply: Supply,
    pub(super) asks: Vec<Asked>,
}

impl Stand {
    /// A stand whose supply is in use as chance has it.
    pub(super) fn new(book: &Book, seed: u64) -> Self {
        let products = asks::products();
        let rules = Digester::of(Rules::default());
        let usage = usage(book, seed);
        Self {
            asks: asks::all(&products, &rules),
            policy: Policy::standard(),
            supply: Supply::of(book, &products, usage.clone()),
            products,
            usage,
        }
    }

    /// The same supply without an answer, as it is after a reading of the market.
    pub(super) fn supply_afresh(&self, book: &Book) -> Supply {
        Supply::of(book, &self.products, self.usage.clone())
    }

    /// Under which quotes are made of a book with its supply.
    pub(super) fn conditions<'a>(&'a self, book: &'a Book, supply: &'a Supply) -> Conditions<'a> {
        Conditions {
            book,
            supply,
            policy: &self.policy,
            exhausted: Exhausted::NONE,
            age_max: Some(AGE_MAX),
            now: WallTime::from_micros(0),
            world_now: market::now(),
        }
    }

    /// Has `work` done with a desk for an ask.
    pub(super) fn with_desk<T>(
        &self,
        asked: &Asked,
        (book, supply): (&Book, &Supply),
        work: impl FnOnce(&Desk<'_>) -> T,
    ) -> T {
        let can_start = |network: &NetworkId, product: &str| asked.can_start(network, product);
        let pricing = Pricing {
            policy: &self.policy,
            policy_version: 1,
            exhausted: Exhausted::NONE,
            tax_country: None,
            token_rates: &[],
            account: None,
            supply,
            places: &asked.places,
            can_start: &can_start,
            age_max: Some(AGE_MAX),
            now: WallTime::from_micros(0),
            world_now: market::now(),
        };
        work(&Desk::new(&asked.workload, &asked.found, book, pricing))
    }

    /// A whole quote on every tier, as the first of its kind where the supply is fresh.
    pub(super) fn quote_on(&self, asked: &Asked, book: &Book, supply: &Supply) -> QuoteReport {
        self.with_desk(asked, (book, supply), |desk| desk.quote(fresh))
    }

    /// A whole quote on every tier, where one like it was made before.
    pub(super) fn quote(&self, asked: &Asked, book: &Book) -> QuoteReport {
        self.quote_on(asked, book, &self.supply)
    }
}

/// A quote of a workload from a book with its supply, under the standard policy.
pub(super) fn plain_quote(
    workload: &Workload,
    found: &Classification,
    (book, supply): (&Book, &Supply),
    sells: &dyn Fn(&str) -> bool,
) -> QuoteReport {
    static STANDARD: LazyLock<(Policy, Digest)> = LazyLock::new(|| {
        let places = Digester::of(Rules::default()).digest(None, DataClass::default());
        (Policy::standard(), places)
    });
    let (policy, places) = &*STANDARD;
    let pricing = Pricing {
        policy,
        policy_version: 1,
        exhausted: Exhausted::NONE,
        tax_country: None,
        token_rates: &[],
        account: None,
        supply,
        places,
        can_start: &|_, product| sells(product),
        age_max: None,
        now: WallTime::from_micros(0),
        world_now: market::now(),
    };
    Desk::new(workload, found, book, pricing).quote(fresh)
}

pub(super) fn fresh() -> QuoteId {
    QuoteId::from_parts(1, &[1; 10])
}

/// Up to twice as many GPUs rented as are free, and failures that were seen.
fn usage(book: &Book, seed: u64) -> Usage {
    let mut chance = Chance(seed ^ u64::MAX);
    let rented = book.free().iter().map(|(key, free)| {
        let share = chance.below(2_000);
        (key.clone(), free.gpus * share / 1_000)
    });
    let seen = [
        ("ionet", false, 900),
        ("ionet", true, 120),
        ("aethir", true, 40),
    ];
    Usage {
        rented: rented.collect(),
        assured_gpus: 64,
        seen: SeenByKind {
            machines: seen
                .map(|(network, is_enterprise, failures)| {
                    let gpu_seconds = 3_600_000_000;
                    let seen = Seen {
                        failures,
                        gpu_seconds,
                    };
                    ((NetworkId::from_static(network), is_enterprise), seen)
                })
                .into(),
            ..SeenByKind::new()
        },
        ..Usage::default()
    }
}
