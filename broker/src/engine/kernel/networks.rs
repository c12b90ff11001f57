//! The engine's view of each network: its market, its health, and what is rented there in our
//! name and claimed by nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tandem_model::id::JobId;
use tandem_model::network::NetworkId;
use tandem_model::offer::Offer;
use tandem_model::placement::Observed;
use tandem_model::time::WorldTime;
use tandem_settlement::ledger::{Currency, Transaction};
use tandem_sla::incident::{self, Census, Health};

use super::Kernel;
use crate::engine::commands::tag_of;
use crate::engine::market::{Market, NetworkReading};
use crate::engine::planted::Planted;
use crate::engine::terms::Terms;

/// Time between two judgements of the networks' health.
const CENSUS_EVERY: Duration = Duration::from_secs(5);
/// A census later than this shows that the broker itself was held up.
const LATE_AFTER: Duration = Duration::from_secs(15);
/// The first sweep comes this long after the start, when claimed jobs were taken over.
const FIRST_SWEEP: Duration = Duration::from_secs(120);
/// Silence for this long after the broker was away says nothing: an agent that got no answer waits
/// up to [`gpu_probe::agent::RETRY_MS_MAX`] and a quarter before it asks again.
const AFTER_AWAY: Duration = Duration::from_secs(45);
/// Time between the sweep that finds an orphan and the one that stops it.
const SWEEP_AGAIN: Duration = Duration::from_secs(60);
/// Orphans stopped after one sweep.
const ORPHANS_MAX: usize = 100;

/// What is to be asked of a network for the engine itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkOrder {
    /// Read its market.
    Offers,
    /// List everything that carries our tag, and ask the store which of its jobs are not open.
    Sweep,
    /// Stop a thing that nobody claims; its product is not known, so each is tried.
    StopOrphan {
        /// The network's id.
        remote_id: String,
    },
}

/// What came of it.
#[derive(Debug, Clone)]
pub enum NetworkAnswer {
    /// The market and how many offers could not be read, or why not.
    Offers(Result<(Vec<Offer>, usize), String>),
    /// What is rented in our name, and those of its jobs that hold nothing open, or why not.
    Swept(Result<(Vec<Observed>, BTreeSet<JobId>), String>),
    /// An orphan was stopped, or will be found again.
    OrphanStopped,
}

#[derive(Debug)]
pub(super) struct Network {
    pub(super) reading: NetworkReading,
    pub(super) read_at: WorldTime,
    sweep_at: WorldTime,
    pub(super) reads: bool,
    sweeps: bool,
    /// What the last sweep found unclaimed.
    unclaimed: BTreeSet<String>,
}

#[derive(Debug)]
pub(super) struct Networks {
    pub(super) all: BTreeMap<NetworkId, Network>,
    pub(super) health: BTreeMap<NetworkId, Health>,
    census_at: WorldTime,
    /// Until then the broker itself counts as late.
    late_until: WorldTime,
    losses: Vec<Transaction>,
}

impl Networks {
    pub(super) fn new(terms: &Terms, now: WorldTime) -> Self {
        let network = |id: &NetworkId| {
            let network = Network {
                reading: NetworkReading::default(),
                read_at: now,
                sweep_at: now.after(FIRST_SWEEP),
                reads: false,
                sweeps: false,
                unclaimed: BTreeSet::new(),
            };
            (id.clone(), network)
        };
        Self {
            all: terms.networks().map(network).collect(),
            health: BTreeMap::new(),
            census_at: now.after(CENSUS_EVERY),
            late_until: WorldTime::default(),
            losses: Vec::new(),
        }
    }

    pub(super) fn health(&self) -> &BTreeMap<NetworkId, Health> {
        &self.health
    }

    /// How each was last read.
    pub(super) fn readings(&self) -> BTreeMap<NetworkId, NetworkReading> {
        let readings = self.all.iter();
        readings
            .map(|(id, network)| (id.clone(), network.reading.clone()))
            .collect()
    }

    /// The broker was away: silence for a while from now says nothing of any agent.
    pub(super) fn was_away(&mut self, now: WorldTime, terms: &Terms) {
        self.late_until = now.after(AFTER_AWAY.max(terms.windows.lease));
        for network in self.all.keys() {
            self.health
                .insert(network.clone(), Health::OwnFault { since: now });
        }
    }

    pub(super) fn next_wake(&self) -> Option<WorldTime> {
        let networks = self.all.values().flat_map(|n| {
            let read = (!n.reads).then_some(n.read_at);
            let sweep = (!n.sweeps).then_some(n.sweep_at);
            read.into_iter().chain(sweep)
        });
        networks.chain([self.census_at]).min()
    }
}

impl Kernel {
    /// How each network stands.
    pub fn health(&self) -> &BTreeMap<NetworkId, Health> {
        self.networks.health()
    }

    /// What is to be asked of the networks now; judges their health when it is time.
    pub fn network_orders(&mut self, now: WorldTime) -> Vec<(NetworkId, NetworkOrder)> {
        if self.networks.census_at <= now {
            self.judge(now);
        }
        let mut orders = Vec::new();
        for (id, network) in &mut self.networks.all {
            if !network.reads && network.read_at <= now {
                network.reads = true;
                orders.push((id.clone(), NetworkOrder::Offers));
            }
            if !network.sweeps && network.sweep_at <= now {
                network.sweeps = true;
                orders.push((id.clone(), NetworkOrder::Sweep));
            }
        }
        orders
    }

    /// Takes in what a network said; what is to be asked next because of it.
    pub fn network_answered(
        &mut self,
        id: &NetworkId,
        answer: NetworkAnswer,
        now: WorldTime,
    ) -> Vec<(NetworkId, NetworkOrder)> {
        match answer {
            NetworkAnswer::Offers(read) => {
                self.market_read(id, read, now);
                Vec::new()
            }
            NetworkAnswer::Swept(swept) => self.swept(id, swept, now),
            NetworkAnswer::OrphanStopped => Vec::new(),
        }
    }

    /// Postings of losses that no job carries; to be committed by themselves.
    pub fn losses(&mut self) -> Vec<Transaction> {
        std::mem::take(&mut self.networks.losses)
    }

    /// A posting that could not be written: it comes with the next ones.
    pub fn not_posted(&mut self, loss: Transaction) {
        self.networks.losses.push(loss);
    }

    /// Counts who is silent where, and judges each network.
    fn judge(&mut self, now: WorldTime) {
        let networks = &mut self.networks;
        if now.since(networks.census_at) > LATE_AFTER {
            networks.late_until = now.after(AFTER_AWAY.max(self.terms.windows.lease));
        }
        networks.census_at = now.after(CENSUS_EVERY);
        let mut census: BTreeMap<NetworkId, Census> = BTreeMap::new();
        for (id, network) in &networks.all {
            let api_failing = network.reading.failed.is_some();
            let empty = Census {
                api_failing,
                ..Census::default()
            };
            census.insert(id.clone(), empty);
        }
        let mut providers: BTreeMap<NetworkId, BTreeSet<&str>> = BTreeMap::new();
        for held in self.jobs.values() {
            let job = &held.job;
            let Some(attempt) = job.last().filter(|a| job.is_live(a.placement.epoch)) else {
                continue;
            };
            let entry = census.entry(attempt.placement.network.clone()).or_default();
            let bound = (0..job.nodes()).filter_map(|rank| job.doc.session.bound(rank));
            for bound in bound.filter(|bound| bound.end.is_none()) {
                entry.nodes += 1;
                if now.since(bound.heard_at) > self.terms.windows.suspect_after {
                    entry.silent += 1;
                    let provider = attempt.offer.id.0.as_str();
                    providers
                        .entry(attempt.placement.network.clone())
                        .or_default()
                        .insert(provider);
                }
            }
        }
        for (id, silent) in providers {
            if let Some(entry) = census.get_mut(&id) {
                entry.silent_providers = u32::try_from(silent.len()).unwrap_or(u32::MAX);
            }
        }
        let late = now < networks.late_until;
        let before = std::mem::take(&mut networks.health);
        networks.health = incident::judge(&self.terms.windows, &before, &census, late, now);
        self.tell_of_changes(&before, now);
        self.show_health();
    }

    /// Has the market say how each network stands.
    fn show_health(&mut self) {
        let mut market = None;
        for (id, network) in &mut self.networks.all {
            let health = self.networks.health.get(id).copied().unwrap_or_default();
            if network.reading.health != health {
                network.reading.health = health;
                let market = market.get_or_insert_with(|| Market::clone(&self.market));
                market.networks.insert(id.clone(), network.reading.clone());
            }
        }
        if let Some(market) = market {
            self.market = Arc::new(market);
        }
    }

    /// Says which networks changed, and has the jobs on them decided on again.
    fn tell_of_changes(&mut self, before: &BTreeMap<NetworkId, Health>, now: WorldTime) {
        let mut changed = BTreeSet::new();
        for (id, health) in &self.networks.health {
            let was = before.get(id).copied().unwrap_or_default();
            if was.may_leave() != health.may_leave() || was.may_enter() != health.may_enter() {
                tracing::warn!(network = %id, ?was, ?health, "a network's health changed");
                changed.insert(id.clone());
                if let Some(network) = self.networks.all.get_mut(id) {
                    network.read_at = now;
                }
            }
        }
        if changed.is_empty() {
            return;
        }
        let concerned: Vec<JobId> = self
            .jobs
            .values()
            .filter(|held| {
                let network = held.job.last().map(|a| &a.placement.network);
                held.job.doc.waiting_since.is_some()
                    || network.is_some_and(|network| changed.contains(network))
            })
            .map(|held| held.job.id)
            .collect();
        for job in concerned {
            self.make_ready(job);
        }
    }

    /// Finds what nobody claims: its job is not open, or gave the attempt up as never created. It
    /// is stopped when the next sweep finds it again: a listing is older than what was learned of
    /// its jobs while it was read.
    fn swept(
        &mut self,
        id: &NetworkId,
        swept: Result<(Vec<Observed>, BTreeSet<JobId>), String>,
        now: WorldTime,
    ) -> Vec<(NetworkId, NetworkOrder)> {
        if let Some(network) = self.networks.all.get_mut(id) {
            network.sweeps = false;
            network.sweep_at = now.after(self.terms.rounds.sweep);
        }
        let (observed, not_open) = match swept {
            Ok(swept) => swept,
            Err(why) => {
                tracing::warn!(network = %id, why, "no sweep for orphans; tried again later");
                return Vec::new();
            }
        };
        let Some(network) = self.networks.all.get_mut(id) else {
            return Vec::new();
        };
        let found_before = std::mem::take(&mut network.unclaimed);
        let mut orders = Vec::new();
        for thing in observed.iter().filter(|o| !o.state.is_ended()) {
            let Some((job, epoch)) = tag_of(thing.tag.as_deref()) else {
                continue;
            };
            let is_orphan = match self.jobs.get(&job) {
                Some(held) => held
                    .job
                    .attempt(epoch)
                    .is_some_and(super::Attempt::is_released),
                None => not_open.contains(&job),
            };
            if !is_orphan || Planted::OrphansLeft.is_here() {
                continue;
            }
            network.unclaimed.insert(thing.remote_id.clone());
            if !found_before.contains(&thing.remote_id) {
                network.sweep_at = now.after(SWEEP_AGAIN.min(self.terms.rounds.sweep));
            } else if orders.len() < ORPHANS_MAX {
                tracing::warn!(network = %id, tag = thing.tag, "an orphan is stopped");
                self.networks.losses.extend(loss(id, thing, now));
                let remote_id = thing.remote_id.clone();
                orders.push((id.clone(), NetworkOrder::StopOrphan { remote_id }));
            }
        }
        orders
    }
}

/// What an orphan cost us, as far as its network says.
fn loss(network: &NetworkId, thing: &Observed, now: WorldTime) -> Option<Transaction> {
    let paid = thing.paid.filter(|paid| paid.get() > 0)?;
    let key = format!("orphan:{network}:{}", thing.remote_id);
    let accounts = ("loss:orphans".to_owned(), format!("prepaid:{network}"));
    let amount = u128::from(paid.get().unsigned_abs());
    Transaction::transfer(key, now, accounts, Currency::MicroUsd, amount).ok()
}
