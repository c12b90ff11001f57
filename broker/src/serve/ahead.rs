//! Answers ahead of the customers: after a reading of the market, what was asked for before it is
//! worked out on the new one, beside the requests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tandem_model::time::Clock;
use tandem_pricing::quote::Conditions;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::SystemClock;
use crate::engine::market::Market;
use crate::http::v1::quotes::OFFER_AGE_MAX;
use crate::policies::Policies;
use crate::sales::Sales;

/// Longest time that a round works, on the wall, but for the answer that it is at.
const ROUND_MAX: Duration = Duration::from_millis(500);
/// Shortest time between two rounds, on the wall: a market also changes when backstops are promised.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// A pause lasts so many times what the round before it took, so a tenth of one core is used at most.
const PAUSE_ROUNDS: u32 = 9;

/// By what answers are worked out.
pub(super) struct Parts {
    pub(super) policies: Arc<Policies>,
    pub(super) sales: Arc<Sales>,
    pub(super) clock: Arc<SystemClock>,
}

/// Works out answers ahead whenever the market changed. They are seen in nothing but time: without
/// them each is worked out when it is asked for.
pub(super) fn keep_ahead(
    mut markets: watch::Receiver<Arc<Market>>,
    parts: Parts,
    stop: CancellationToken,
) -> JoinHandle<()> {
    let parts = Arc::new(parts);
    let mut last = markets.borrow_and_update().supply.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                changed = markets.changed() => if changed.is_err() {
                    break;
                },
            }
            let market = Arc::clone(&markets.borrow_and_update());
            // The offers of the last market are not kept for it, only what was asked of them.
            let earlier = std::mem::replace(&mut last, market.supply.clone());
            let (parts, until) = (Arc::clone(&parts), stop.clone());
            let began = Instant::now();
            let work = move || {
                let goes_on = || !until.is_cancelled() && began.elapsed() < ROUND_MAX;
                let live = parts.policies.current();
                let conditions = Conditions {
                    book: &market.book,
                    supply: &market.supply,
                    policy: &live.policy,
                    exhausted: parts.sales.exhausted(&live.policy),
                    age_max: Some(OFFER_AGE_MAX),
                    now: parts.clock.wall(),
                    world_now: parts.clock.world(),
                };
                earlier.answer_ahead(conditions, goes_on)
            };
            match tokio::task::spawn_blocking(work).await {
                Ok(answers) => tracing::debug!(answers, "quotes worked out ahead"),
                Err(error) => tracing::error!(%error, "quotes were not worked out ahead"),
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(PAUSE_MIN.max(began.elapsed() * PAUSE_ROUNDS)) => {}
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tandem_model::id::QuoteId;
    use tandem_model::network::NetworkId;
    use tandem_model::workload::DataClass;
    use tandem_pricing::jurisdiction::{Digester, Rules};
    use tandem_pricing::quote::{Desk, Pricing, Usage};
    use tandem_pricing::{classify, files};

    use super::*;
    use crate::store::sqlite::SqliteStore;

    const FILE: &str = "tandem: 1\nname: a\nrun: ./x\nresources: {gpu: any}\n";

    async fn parts() -> (tempfile::TempDir, Parts) {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("tandem.db")).unwrap();
        let clock = Arc::new(SystemClock::new(1));
        let parts = Parts {
            policies: Arc::new(Policies::open(&store, clock.wall()).await.unwrap()),
            sales: Arc::new(Sales::open(&store).await.unwrap()),
            clock,
        };
        (folder, parts)
    }

    fn market() -> Arc<Market> {
        let none = Market::of(Vec::new(), &[], Usage::default(), BTreeMap::new());
        Arc::new(none.unwrap())
    }

    /// Asks a market for a quote.
    fn ask(market: &Market, parts: &Parts) {
        let document = files::read(FILE).unwrap();
        let found = classify::classify(&document);
        let live = parts.policies.current();
        let pricing = Pricing {
            policy: &live.policy,
            policy_version: live.version.number,
            exhausted: parts.sales.exhausted(&live.policy),
            account: None,
            supply: &market.supply,
            tax_country: None,
            token_rates: &[],
            places: &Digester::of(Rules::default()).digest(None, DataClass::default()),
            can_start: &|_: &NetworkId, _: &str| true,
            age_max: Some(OFFER_AGE_MAX),
            now: parts.clock.wall(),
            world_now: parts.clock.world(),
        };
        let workload = document.workload.unwrap();
        let desk = Desk::new(&workload, &found, &market.book, pricing);
        desk.quote(|| QuoteId::from_parts(1, &[1; 10]));
    }

    #[tokio::test]
    async fn what_was_asked_of_a_market_is_at_hand_on_the_next_ones() {
        let (_folder, parts) = parts().await;
        let (first, later) = (market(), [market(), market()]);
        let (told, markets) = watch::channel(Arc::clone(&first));
        ask(&first, &parts);
        let stop = CancellationToken::new();
        let again = Parts {
            policies: Arc::clone(&parts.policies),
            sales: Arc::clone(&parts.sales),
            clock: Arc::clone(&parts.clock),
        };
        let keeper = keep_ahead(markets, again, stop.clone());
        let until = Instant::now() + Duration::from_secs(60);
        for market in later {
            told.send_replace(Arc::clone(&market));
            while market.supply.answers_worked_out() == 0 {
                assert!(Instant::now() < until, "no answer was worked out ahead");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            ask(&market, &parts);
            assert_eq!(market.supply.answers_worked_out(), 1, "it was in memory");
        }
        stop.cancel();
        keeper.await.unwrap();
    }
}
