//! Many silent nodes at once: a network's incident, or our own fault.
//!
//! When much of a network falls silent together, its nodes did not each die. The network is in
//! doubt first, and nothing of it is moved for one more window; then it is an incident, placements
//! are left as their leases run out, and new ones go elsewhere. When every network is in doubt at
//! once, or this broker is itself late, what they share is us: nothing is moved, because the
//! workloads go on without a broker and there would be nowhere better to put them.
//!
//! Silence on the only network that has nodes cannot be told from our own fault by comparison.
//! There it takes the path of an incident, whether the API answers or not: leases are waited out
//! before anything is replaced, so the worst case costs money and not work. Only a broker that
//! knows itself to be late keeps still.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tandem_model::network::NetworkId;
use tandem_model::time::WorldTime;

use crate::detect::Windows;

/// A network is in doubt when more than this share of its nodes is silent, in percent.
pub const DOUBT_PERCENT: u32 = 30;
/// Without a failing API, at least so many silent nodes make a doubt.
pub const DOUBT_NODES_MIN: u32 = 5;
/// And they belong to at least so many providers.
pub const DOUBT_PROVIDERS_MIN: u32 = 2;
/// An incident is over when no more than this share is silent, in percent, for one window; lower
/// than [`DOUBT_PERCENT`], so that a network at the edge does not come and go.
pub const RECOVERED_PERCENT: u32 = 10;
/// How long a network is left alone after an incident when nothing of ours is there any more: its
/// API answered before as well, so nothing shows that its nodes would be heard.
pub const EMPTY_REST: Duration = Duration::from_secs(2 * 60);
/// Our own fault shows only by comparison: so many networks must have nodes.
pub const COMPARED_NETWORKS_MIN: usize = 2;

/// What is seen of a network now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Census {
    /// Nodes of live placements that should be heard.
    pub nodes: u32,
    /// Those of them silent for longer than [`Windows::suspect_after`].
    pub silent: u32,
    /// How many providers the silent ones belong to.
    pub silent_providers: u32,
    /// Whether the network's API fails.
    pub api_failing: bool,
}

impl Census {
    fn is_silent_over(&self, percent: u32) -> bool {
        u64::from(self.silent) * 100 > u64::from(self.nodes) * u64::from(percent)
    }

    fn is_in_doubt(&self) -> bool {
        let several =
            self.silent >= DOUBT_NODES_MIN && self.silent_providers >= DOUBT_PROVIDERS_MIN;
        self.is_silent_over(DOUBT_PERCENT) && (several || self.api_failing)
    }

    fn is_well(&self) -> bool {
        !self.is_silent_over(RECOVERED_PERCENT) && !self.api_failing
    }
}

/// How a network stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Health {
    /// Nodes fail one by one, if at all.
    #[default]
    Calm,
    /// In doubt, and watched for one more window.
    Confirming {
        /// When the doubt began.
        since: WorldTime,
    },
    /// Much of it is gone.
    Incident {
        /// When the doubt began.
        since: WorldTime,
    },
    /// An incident that seems over, watched for one more window.
    Recovering {
        /// When the doubt began.
        since: WorldTime,
        /// Since when it is well.
        well_since: WorldTime,
    },
    /// What is silent tells about us, not about the network.
    OwnFault {
        /// Since when.
        since: WorldTime,
    },
}

impl Health {
    /// Its name, as JSON has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Confirming { .. } => "confirming",
            Self::Incident { .. } => "incident",
            Self::Recovering { .. } => "recovering",
            Self::OwnFault { .. } => "own_fault",
        }
    }

    /// Whether a placement on it may be left when its lease is lost.
    pub const fn may_leave(self) -> bool {
        match self {
            Self::Calm | Self::Incident { .. } | Self::Recovering { .. } => true,
            Self::Confirming { .. } | Self::OwnFault { .. } => false,
        }
    }

    /// Whether a new placement may go there.
    pub const fn may_enter(self) -> bool {
        matches!(self, Self::Calm)
    }

    fn next(self, windows: &Windows, census: &Census, now: WorldTime) -> Self {
        let passed = |since| now.since(since) >= windows.suspect_after;
        match self {
            Self::Calm | Self::OwnFault { .. } if census.is_in_doubt() => {
                Self::Confirming { since: now }
            }
            Self::Confirming { since } if census.is_in_doubt() => {
                if passed(since) {
                    Self::Incident { since }
                } else {
                    self
                }
            }
            Self::Calm | Self::OwnFault { .. } | Self::Confirming { .. } => Self::Calm,
            Self::Incident { since } | Self::Recovering { since, .. } if !census.is_well() => {
                Self::Incident { since }
            }
            Self::Incident { since } => Self::Recovering {
                since,
                well_since: now,
            },
            Self::Recovering { well_since, .. } if census.nodes == 0 => {
                if now.since(well_since) >= EMPTY_REST {
                    Self::Calm
                } else {
                    self
                }
            }
            Self::Recovering { well_since, .. } if passed(well_since) => Self::Calm,
            Self::Recovering { .. } => self,
        }
    }
}

/// Judges every network that is known or was before, at `now`; to be asked at least once in a
/// window. `broker_late` says that this broker missed its own times (a tick, the store), so that
/// silence may be its own.
///
/// After our own fault every network is judged anew, incidents included: a silence that goes on
/// is confirmed for a window first.
pub fn judge(
    windows: &Windows,
    before: &BTreeMap<NetworkId, Health>,
    census: &BTreeMap<NetworkId, Census>,
    broker_late: bool,
    now: WorldTime,
) -> BTreeMap<NetworkId, Health> {
    let with_nodes = || census.values().filter(|seen| seen.nodes > 0);
    let all_in_doubt =
        with_nodes().count() >= COMPARED_NETWORKS_MIN && with_nodes().all(Census::is_in_doubt);
    let own_fault = broker_late || all_in_doubt;
    let networks: BTreeSet<&NetworkId> = before.keys().chain(census.keys()).collect();
    let judged = networks.into_iter().map(|network| {
        let was = before.get(network).copied().unwrap_or_default();
        let seen = census.get(network).copied().unwrap_or_default();
        let health = match was {
            Health::OwnFault { .. } if own_fault => was,
            _ if own_fault => Health::OwnFault { since: now },
            _ => was.next(windows, &seen, now),
        };
        (network.clone(), health)
    });
    judged.collect()
}

#[cfg(test)]
mod tests;
