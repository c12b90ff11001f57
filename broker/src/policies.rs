//! The pricing policy in force and the one in its shadow: what requests price by while operators
//! change it.
//!
//! A request takes the live version once and prices by it to its end, so no answer is of two
//! versions, and a change waits for nobody. A version is in the store before it is in force.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tandem_model::gpu::GpuModel;
use tandem_model::money::MicroUsd;
use tandem_model::network::NetworkId;
use tandem_model::offer::Offer;
use tandem_model::time::WallTime;
use tandem_pricing::policy::{ApplyError, Difference, Grid, Live, Policy, Version, shadow};
use tandem_pricing::quote::{self, Basis};

use crate::store::tenants::{ReplyRecord, Tenants};
use crate::store::{Rule, StoreError};

/// Differences of a shadow that are kept; the oldest go first.
pub const DIFFERENCES_MAX: usize = 1_000;
/// Networks on which policies are compared where none is configured.
pub const NETWORKS: [&str; 2] = ["aethir", "ionet"];

/// Why the policy in force cannot be taken from the store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The newest version cannot be read.
    #[error("version {number} of the pricing policy cannot be used: {why}")]
    Version {
        /// Which one.
        number: u32,
        /// Why not.
        why: ApplyError,
    },
}

/// The policy in force, and the one in its shadow.
#[derive(Debug)]
pub struct Policies {
    live: RwLock<Arc<Live>>,
    shadow: RwLock<Option<Arc<Shadow>>>,
}

fn load(version: Version) -> Result<Live, OpenError> {
    let number = version.number;
    Live::load(version).map_err(|why| OpenError::Version { number, why })
}

impl Policies {
    /// Takes up the newest version of a store; the standard policy becomes version 1 of one that
    /// has none.
    pub async fn open(store: &dyn Tenants, now: WallTime) -> Result<Self, OpenError> {
        let newest = match store.policy(None).await? {
            Some(version) => load(version)?,
            None => {
                let standard = Live::standard(now);
                store.add_policy(standard.version.clone(), None).await?;
                standard
            }
        };
        Ok(Self {
            live: RwLock::new(Arc::new(newest)),
            shadow: RwLock::new(None),
        })
    }

    /// The version in force. What was taken stays whole whatever is applied meanwhile.
    pub fn current(&self) -> Arc<Live> {
        // The lock is held for a copy of a pointer, and what it guards is always whole.
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&live)
    }

    /// Puts a version into force, unless a later one is.
    fn put(&self, next: Live) {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        if next.version.number > live.version.number {
            *live = Arc::new(next);
        }
    }

    /// Stores a version and then puts it into force. Goes on when the caller does not wait.
    ///
    /// Fails with [`Rule::PolicyNumber`] when another was stored first; that one is in force then.
    pub async fn adopt(
        self: Arc<Self>,
        store: Arc<dyn Tenants>,
        next: Live,
        reply: Option<ReplyRecord>,
    ) -> Result<(), StoreError> {
        let work = async move {
            match store.add_policy(next.version.clone(), reply).await {
                Ok(()) => self.put(next),
                Err(refused) => {
                    self.catch_up(&*store, &refused).await;
                    return Err(refused);
                }
            }
            Ok(())
        };
        // A client that hangs up must not leave a stored version out of force.
        let done = tokio::spawn(work).await;
        done.unwrap_or_else(|error| Err(StoreError::Database(error.to_string())))
    }

    /// Takes up what another stored, where that is why a version was refused.
    async fn catch_up(&self, store: &dyn Tenants, refused: &StoreError) {
        let rule = match refused {
            StoreError::Refused { rule, .. } => *rule,
            _ => return,
        };
        if rule == Rule::PolicyNumber
            && let Ok(Some(newest)) = store.policy(None).await
            && newest.number > self.current().version.number
        {
            match load(newest) {
                Ok(live) => self.put(live),
                Err(error) => tracing::error!(%error, "the newest policy is not in force"),
            }
        }
    }

    /// The policy in the shadow.
    pub fn shadow(&self) -> Option<Arc<Shadow>> {
        let shadow = self.shadow.read().unwrap_or_else(PoisonError::into_inner);
        shadow.clone()
    }

    /// Puts a policy into the shadow, or none. What was counted before is gone.
    pub fn set_shadow(&self, next: Option<Shadow>) {
        let mut shadow = self.shadow.write().unwrap_or_else(PoisonError::into_inner);
        *shadow = next.map(Arc::new);
    }

    /// Asks the policy in the shadow what the live one was asked.
    pub fn observe<'a>(&self, live: &Live, asked: impl Iterator<Item = &'a Basis>, now: WallTime) {
        if let Some(beside) = self.shadow() {
            asked.for_each(|basis| beside.observe(live, basis, now));
        }
    }
}

/// A policy that is asked beside the live one, and what it would have changed.
#[derive(Debug)]
pub struct Shadow {
    /// It.
    pub candidate: Policy,
    /// Who put it there.
    pub author: String,
    /// When.
    pub since: WallTime,
    seen: Mutex<Seen>,
}

/// What a policy in the shadow would have changed.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// How often it was asked.
    pub quotes: u64,
    /// Prices that would have been higher.
    pub dearer: u64,
    /// Prices that would have been lower.
    pub cheaper: u64,
    /// Prices where the live policy has none.
    pub newly_sold: u64,
    /// Prices of the live policy where it has none.
    pub no_longer_sold: u64,
    /// The last differences, the newest first; at most [`DIFFERENCES_MAX`].
    pub differences: VecDeque<Difference>,
}

impl Shadow {
    /// A policy that nobody asked yet.
    pub fn new(candidate: Policy, author: String, since: WallTime) -> Self {
        Self {
            candidate,
            author,
            since,
            seen: Mutex::default(),
        }
    }

    /// What was seen so far.
    pub fn seen(&self) -> Seen {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn observe(&self, live: &Live, basis: &Basis, now: WallTime) {
        let subject = basis.subject.subject();
        let found = shadow(&live.policy, &self.candidate, &subject, basis.cost, now);
        let prices = (found.live_outcome.price(), found.candidate_outcome.price());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.quotes += 1;
        match prices {
            (Some(old), Some(new)) if new > old => seen.dearer += 1,
            (Some(old), Some(new)) if new < old => seen.cheaper += 1,
            (None, Some(_)) => seen.newly_sold += 1,
            (Some(_), None) => seen.no_longer_sold += 1,
            _ => return,
        }
        seen.differences.push_front(found);
        seen.differences.truncate(DIFFERENCES_MAX);
    }
}

/// On what two policies are compared: every card of the catalogue, at the lowest and the highest
/// cost that the market has for it, or else at the reference cost.
pub fn grid<'a>(
    offers: &[Offer],
    networks: impl Iterator<Item = &'a NetworkId>,
    now: WallTime,
) -> Grid {
    let mut networks: Vec<NetworkId> = networks.cloned().collect();
    networks.sort();
    networks.dedup();
    if networks.is_empty() {
        networks.extend(NETWORKS.map(NetworkId::from_static));
    }
    let mut grid = Grid::standard(now, &networks);
    let mut market: BTreeMap<GpuModel, (MicroUsd, MicroUsd)> = BTreeMap::new();
    for offer in offers {
        let Some(cost) = quote::cost_of(offer) else {
            continue;
        };
        let (low, high) = market.entry(offer.gpu).or_insert((cost, cost));
        (*low, *high) = ((*low).min(cost), (*high).max(cost));
    }
    grid.costs.retain(|(gpu, _)| !market.contains_key(gpu));
    for (gpu, (low, high)) in market {
        grid.costs.push((gpu, low));
        if high > low {
            grid.costs.push((gpu, high));
        }
    }
    grid
}

/// The networks that a policy names and nobody configured: a slip of the pen, or a plan.
pub fn unknown_networks<'a>(
    policy: &Policy,
    known: impl Iterator<Item = &'a NetworkId>,
) -> Vec<String> {
    let known: Vec<&NetworkId> = known.collect();
    let unknown = policy.networks().filter(|n| !known.contains(n));
    unknown.map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests;
