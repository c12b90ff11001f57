//! What became of quotes: what promotions gave away, which ends them at their caps, and how many
//! quotes were taken at which price, which the price lab replays.
//!
//! What was given is durable with the job that it was given to. The counts of quotes may be lost:
//! quoting writes nothing, so they are gathered here and written now and then.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tandem_model::money::MicroUsd;
use tandem_model::quote::Quote;
use tandem_model::workload::WorkloadClass;
use tandem_pricing::lab::ratio_permille_from;
use tandem_pricing::policy::{Exhausted, Policy};

use crate::store::StoreError;
use crate::store::tenants::{Conversion, ConversionKey, Tenants};

/// Most counts that wait to be written; further ones are not counted until then.
pub const COUNTS_MAX: usize = 10_000;

/// What became of quotes, of this broker.
#[derive(Debug, Default)]
pub struct Sales {
    given: Mutex<BTreeMap<String, MicroUsd>>,
    counts: Mutex<BTreeMap<ConversionKey, Conversion>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Maps of numbers are whole whatever happened to who held them.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Under what a quote is counted.
fn key_of(quote: &Quote, class: WorkloadClass, policy_version: u32) -> ConversionKey {
    ConversionKey {
        policy_version,
        class,
        tier: quote.tier,
        ratio_permille_from: ratio_permille_from(quote.rate.price(), quote.cost()),
    }
}

impl Sales {
    /// Takes up what promotions gave so far.
    pub async fn open(store: &dyn Tenants) -> Result<Self, StoreError> {
        let given = store.promotions_given().await?.into_iter();
        Ok(Self {
            given: Mutex::new(given.map(|one| (one.promotion, one.amount)).collect()),
            counts: Mutex::default(),
        })
    }

    /// The promotions of a policy that gave all that they may.
    pub fn exhausted(&self, policy: &Policy) -> Exhausted {
        let given = lock(&self.given);
        let used_up = policy.promotions().filter(|(_, id, cap)| {
            let given = given.get(*id).copied().unwrap_or(MicroUsd::ZERO);
            cap.is_some_and(|cap| given >= cap)
        });
        used_up.fold(Exhausted::NONE, |all, (index, _, _)| all.with(index))
    }

    /// Takes what a quote gives out of its promotion, before the quote is taken; false where the
    /// promotion gave all that it may. A quote that is not taken after all is for
    /// [`Sales::give_back`].
    pub fn take(&self, policy: &Policy, quote: &Quote) -> bool {
        let Some((promotion, amount)) = quote.given() else {
            return true;
        };
        let cap = policy.promotions().find(|(_, id, _)| *id == promotion);
        let cap = cap.and_then(|(_, _, cap)| cap);
        let mut given = lock(&self.given);
        let sum = given.entry(promotion.to_owned()).or_default();
        let is_open = cap.is_none_or(|cap| *sum < cap);
        if is_open {
            *sum = MicroUsd::new(sum.get().saturating_add(amount.get()));
        }
        is_open
    }

    /// Gives back what was taken for a quote that was refused.
    pub fn give_back(&self, quote: &Quote) {
        if let Some((promotion, amount)) = quote.given() {
            let mut given = lock(&self.given);
            let sum = given.entry(promotion.to_owned()).or_default();
            *sum = MicroUsd::new(sum.get().saturating_sub(amount.get()));
        }
    }

    /// Counts a quote that was made.
    pub fn quoted(&self, quote: &Quote, class: WorkloadClass, policy_version: u32) {
        self.count(key_of(quote, class, policy_version), |c| c.quoted += 1);
    }

    /// Counts a quote that was taken.
    pub fn accepted(&self, quote: &Quote, class: WorkloadClass, policy_version: u32) {
        self.count(key_of(quote, class, policy_version), |c| c.accepted += 1);
    }

    fn count(&self, key: ConversionKey, add: impl Fn(&mut Conversion)) {
        let mut counts = lock(&self.counts);
        if counts.len() < COUNTS_MAX || counts.contains_key(&key) {
            add(counts.entry(key).or_default());
        }
    }

    /// Writes the counts. What cannot be written is counted again.
    pub async fn flush(&self, store: &dyn Tenants) -> Result<(), StoreError> {
        let counts = std::mem::take(&mut *lock(&self.counts));
        if counts.is_empty() {
            return Ok(());
        }
        let written = store
            .add_conversion(counts.clone().into_iter().collect())
            .await;
        if written.is_err() {
            for (key, more) in counts {
                self.count(key, |c| {
                    c.quoted += more.quoted;
                    c.accepted += more.accepted;
                });
            }
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use tandem_model::id::QuoteId;
    use tandem_model::money::RatePerGpuHour;
    use tandem_model::offer::OfferId;
    use tandem_model::quote::QuoteLine;
    use tandem_model::time::WallTime;
    use tandem_model::workload::Tier;

    use super::*;
    use crate::store::sqlite::SqliteStore;
    use crate::store::{Changes, PromotionGiven, Store};

    const CAPPED: &str = "tandem_policy: 1
name: a
defaults: {margin_basis_points: 1_000, rate_risk_basis_points: 0, term_seconds: 7_200, valid_seconds: 60, assured_share_permille: 0, replacement_rate_max_basis_points: 12_500}
guard_rails: {price_change_max_permille: 100, margin_min_basis_points: 0}
promotions:
  - {id: launch, discount_basis_points: 500, from: 2026-01-01T00:00:00Z, until: 2027-01-01T00:00:00Z, total_cap_micro_usd: 1_000_000}
";

    /// A quote of 10 GPUs for two hours with a discount of $0.04 an hour: $0.80 in all.
    fn quote() -> Quote {
        let line = |kind: &str, micro_usd| QuoteLine {
            kind: kind.to_owned().into(),
            micro_usd_per_gpu_hour: MicroUsd::new(micro_usd),
        };
        let lines = [
            ("compute", 900_000),
            ("margin", 100_000),
            ("discount", -40_000),
        ];
        Quote {
            id: QuoteId::from_parts(1, &[1; 10]),
            tier: Tier::Consumer,
            offer: OfferId("a".into()),
            rate: RatePerGpuHour::new(MicroUsd::new(960_000)),
            gpus: 10,
            term_seconds: 7_200,
            replacement_rate_max: RatePerGpuHour::new(MicroUsd::new(960_000)),
            renewal_rate_max: None,
            not_to_exceed: MicroUsd::new(1),
            lines: lines.map(|(kind, amount)| line(kind, amount)).into(),
            token_legs: Vec::new(),
            tax_country: None,
            promotion: Some("launch".to_owned()),
            objectives: None,
            expires_at: WallTime::default(),
        }
    }

    fn store() -> (SqliteStore, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("tandem.db")).unwrap();
        (store, folder)
    }

    #[tokio::test]
    async fn a_promotion_gives_nothing_more_once_its_cap_is_given_even_after_a_restart() {
        let (store, _folder) = store();
        let policy = Policy::parse(CAPPED).unwrap_or_else(|e| panic!("{e}"));
        let (launch, _, _) = policy.promotions().next().unwrap();
        let sales = Sales::open(&store).await.unwrap();
        assert!(sales.take(&policy, &quote()));
        assert!(!sales.exhausted(&policy).contains(launch), "$0.80 of $1.00");
        assert!(sales.take(&policy, &quote()));
        assert!(sales.exhausted(&policy).contains(launch));
        let given = |micro_usd| Changes {
            promotions_given: vec![PromotionGiven {
                promotion: "launch".into(),
                amount: MicroUsd::new(micro_usd),
            }],
            ..Changes::default()
        };
        store.commit(given(800_000)).await.unwrap();
        let again = Sales::open(&store).await.unwrap();
        assert!(!again.exhausted(&policy).contains(launch));
        store.commit(given(200_000)).await.unwrap();
        let again = Sales::open(&store).await.unwrap();
        assert!(again.exhausted(&policy).contains(launch));
        store
            .commit(given(i64::MAX))
            .await
            .expect("a sum has an end, not an overflow");
    }

    #[tokio::test]
    async fn quotes_collected_before_a_cap_was_reached_are_not_all_taken() {
        let (store, _folder) = store();
        let policy = Policy::parse(CAPPED).unwrap_or_else(|e| panic!("{e}"));
        let sales = Sales::open(&store).await.unwrap();
        let taken = std::thread::scope(|scope| {
            let take = || (0..100).filter(|_| sales.take(&policy, &quote())).count();
            let all = [(); 4].map(|()| scope.spawn(take));
            all.into_iter()
                .map(|one| one.join().unwrap())
                .sum::<usize>()
        });
        assert_eq!(taken, 2, "the second passes the cap of $1.00");
        sales.give_back(&quote());
        assert!(sales.take(&policy, &quote()));
        assert!(!sales.take(&policy, &quote()));
        let plain = Quote {
            promotion: None,
            ..quote()
        };
        assert!(sales.take(&policy, &plain));
    }

    #[tokio::test]
    async fn counts_of_quotes_are_summed_in_the_store_by_what_they_are_of() {
        let (store, _folder) = store();
        let sales = Sales::open(&store).await.unwrap();
        for _ in 0..3 {
            sales.quoted(&quote(), WorkloadClass::Rendering, 1);
        }
        sales.flush(&store).await.unwrap();
        sales.quoted(&quote(), WorkloadClass::Rendering, 2);
        sales.accepted(&quote(), WorkloadClass::Rendering, 1);
        sales.flush(&store).await.unwrap();
        sales
            .flush(&store)
            .await
            .expect("nothing is written where nothing was counted");
        let found = store.conversion(0, 9).await.unwrap();
        let counts: Vec<_> = found
            .iter()
            .map(|(key, n)| {
                (
                    key.policy_version,
                    key.ratio_permille_from,
                    n.quoted,
                    n.accepted,
                )
            })
            .collect();
        // 0.96 over 0.90 x 1.13 is 0.943.
        assert_eq!(counts, [(1, 925, 3, 1), (2, 925, 1, 0)]);
        assert_eq!(store.conversion(1, 9).await.unwrap(), found[1..]);
    }
}
