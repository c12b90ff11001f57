//! What the engine knows of this installation and never changes while it runs: products, what
//! every launch plan says, and time limits. Plain data.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tandem_model::id::{InstallationId, JobId};
use tandem_model::network::{NetworkId, Product};
use tandem_model::offer::Offer;
use tandem_model::placement::Epoch;
use tandem_model::secret::Secret;
use tandem_pricing::jurisdiction::Digester;
use tandem_pricing::quote::SeenByKind;
use tandem_sla::detect::Windows;

use super::plan::LaunchSettings;
use super::probe::ProbeTerms;
use crate::store::BrokerId;

/// Makes the secret by which the agents of an epoch prove themselves. Each epoch has its own, so a
/// machine that was left cannot speak for the next attempt.
#[derive(Clone)]
pub struct AgentTokens(Arc<dyn Fn(JobId, Epoch) -> Secret + Send + Sync>);

impl AgentTokens {
    /// Takes the function that derives them.
    pub fn new(derive: impl Fn(JobId, Epoch) -> Secret + Send + Sync + 'static) -> Self {
        Self(Arc::new(derive))
    }

    /// The token of an epoch.
    pub fn of(&self, job: JobId, epoch: Epoch) -> Secret {
        (self.0)(job, epoch)
    }
}

impl fmt::Debug for AgentTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AgentTokens")
    }
}

/// Times of the engine's own rounds, in world time.
#[derive(Debug, Clone, Copy)]
pub struct Rounds {
    /// Between two readings of a network's market.
    pub market: Duration,
    /// Between two sweeps for orphans of a network.
    pub sweep: Duration,
    /// Between two writes of heartbeats; renewals are answered after it.
    pub flush: Duration,
    /// Between two renewals of this broker's claims.
    pub claim: Duration,
}

impl Rounds {
    /// Offers every 30 s, a sweep every 10 min, heartbeats every second, claims every 10 s.
    pub const DEFAULT: Self = Self {
        market: Duration::from_secs(30),
        sweep: Duration::from_secs(600),
        flush: Duration::from_secs(1),
        claim: Duration::from_secs(10),
    };
}

/// What the engine knows of this installation.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Tags everything that is rented.
    pub installation: InstallationId,
    /// This run of the broker.
    pub broker: BrokerId,
    /// Detection and lease limits.
    pub windows: Windows,
    /// The engine's own rounds.
    pub rounds: Rounds,
    /// Products of every network.
    pub products: Vec<Product>,
    /// Rules about where work may run.
    pub places: Arc<Digester>,
    /// What was seen of the supply before this run.
    pub seen: SeenByKind,
    /// Public key that machines must accept, in OpenSSH form.
    pub ssh_public_key: String,
    /// What every launch plan is told.
    pub launch: LaunchSettings,
    /// How placements are probed.
    pub probe: ProbeTerms,
    /// Makes agents' tokens.
    pub tokens: AgentTokens,
}

impl Terms {
    /// The product that an offer is of.
    pub fn product(&self, offer: &Offer) -> Option<&Product> {
        self.products
            .iter()
            .find(|p| p.network == offer.network && p.name == offer.product)
    }

    /// Every network, once.
    pub fn networks(&self) -> impl Iterator<Item = &NetworkId> {
        let mut names: Vec<_> = self.products.iter().map(|p| &p.network).collect();
        names.sort();
        names.dedup();
        names.into_iter()
    }

    /// The shortest time that can be bought of an offer, in hours.
    pub fn prepaid_hours(&self, offer: &Offer) -> u32 {
        self.product(offer).map_or(1, |p| p.prepaid_hours_min)
    }
}
