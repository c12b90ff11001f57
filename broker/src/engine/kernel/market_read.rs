//! A network's market was read, or was not: the market of all of them after it.

use std::sync::Arc;
use std::time::Duration;

use tandem_model::network::NetworkId;
use tandem_model::offer::Offer;
use tandem_model::time::WorldTime;
use tandem_pricing::gate;
use tandem_pricing::quote::Supply;

use super::Kernel;
use crate::engine::market::{self, Market, NetworkReading};
use crate::engine::message::JobSpec;

/// Time between two readings of a market whose network is in doubt.
const READ_IN_DOUBT: Duration = Duration::from_secs(10);
/// Offers older than this are not placed on.
const STALE_AFTER: Duration = Duration::from_secs(300);

impl Kernel {
    /// Takes in a reading of a network's market, or why it failed.
    pub(super) fn market_read(
        &mut self,
        id: &NetworkId,
        read: Result<(Vec<Offer>, usize), String>,
        now: WorldTime,
    ) {
        let doubtful = self.networks.health.get(id).is_some_and(|h| !h.may_enter());
        let rounds = self.terms.rounds.market;
        let Some(network) = self.networks.all.get_mut(id) else {
            return;
        };
        network.reads = false;
        let again = if doubtful {
            READ_IN_DOUBT.min(rounds)
        } else {
            rounds
        };
        network.read_at = now.after(again);
        let fresh = match read {
            Ok((offers, unreadable)) => {
                let screened = gate::screen(offers, now);
                network.reading = NetworkReading {
                    read_at: Some(now),
                    failed: None,
                    unreadable,
                    refused: screened.refused,
                    grade_lost: Vec::new(),
                    health: network.reading.health,
                };
                Some(screened.admitted)
            }
            Err(why) => {
                network.reading.failed = Some(why);
                let last = network.reading.read_at;
                let is_stale = last.is_none_or(|at| now.since(at) > STALE_AFTER);
                is_stale.then(Vec::new)
            }
        };
        self.show_market(id, fresh);
    }

    /// Makes the market of what a network sells now, if that was read, and what the others do.
    fn show_market(&mut self, id: &NetworkId, fresh: Option<Vec<Offer>>) {
        let jobs = self.jobs.values().map(|held| &held.job);
        let usage = market::usage(jobs, &self.seen, self.terms.probe.grade_failed_permille);
        let Some(mut offers) = fresh else {
            let networks = self.networks.readings();
            let market = &*self.market;
            self.market = Arc::new(Market {
                supply: Supply::of(&market.book, &self.terms.products, usage),
                settled: self.seen.clone(),
                networks,
                ..market.clone()
            });
            return;
        };
        let (ids, told) = market::take_grades(&mut offers, &usage);
        if let Some(network) = self.networks.all.get_mut(id) {
            network.reading.grade_lost = told;
        }
        let mut grade_lost = self.market.grade_lost.clone();
        grade_lost.insert(id.clone(), Arc::new(ids));
        let networks = self.networks.readings();
        let known = Arc::clone(&self.market.offers);
        offers.extend(known.iter().filter(|o| o.network != *id).cloned());
        match Market::of(offers, &self.terms.products, usage, networks) {
            Ok(market) => {
                self.market = Arc::new(Market {
                    settled: self.seen.clone(),
                    grade_lost,
                    ..market
                });
                // The new reading knows what was taken on this network.
                self.taken.retain(|offer, _| {
                    let at = known.binary_search_by(|known| known.id.cmp(offer));
                    at.is_ok_and(|at| known[at].network != *id)
                });
            }
            Err(why) => {
                tracing::error!(%why, "the market stays as it was last read");
                if let Some(network) = self.networks.all.get_mut(id) {
                    network.reading.failed = Some(why.to_string());
                }
            }
        }
    }

    /// Promises a job that is about to be accepted what it may need of the backstop, from now on and
    /// not only from the next reading; false where the share that may be promised is given to others.
    pub(super) fn promise_backstop(&mut self, spec: &JobSpec, now: WorldTime) -> bool {
        let gpus = market::assured_gpus(spec, None, false);
        let is_backed = gpus == 0 || self.planner().is_backed(spec, now);
        if is_backed {
            self.change_promised(|supply| supply.with_promised(gpus), gpus);
        }
        is_backed
    }

    /// A job was not accepted after all.
    pub(super) fn take_promise_back(&mut self, spec: &JobSpec) {
        let gpus = market::assured_gpus(spec, None, false);
        self.change_promised(|supply| supply.without_promised(gpus), gpus);
    }

    fn change_promised(&mut self, change: impl FnOnce(Supply) -> Supply, gpus: u64) {
        if gpus > 0 {
            let mut market = (*self.market).clone();
            market.supply = change(market.supply);
            self.market = Arc::new(market);
        }
    }
}
