//! One attempt of a job on one offer, and the tag by which we find it again on a network.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{InstallationId, JobId, PlacementId};
use crate::money::MicroUsd;
use crate::network::NetworkId;
use crate::offer::OfferId;

/// The monotonic number of a job's attempt; the first is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u32);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What we intend: an attempt of a job on an offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// Its id.
    pub id: PlacementId,
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub epoch: Epoch,
    /// The offer taken.
    pub offer: OfferId,
    /// The network it stands on.
    pub network: NetworkId,
    /// Tag under which it was created.
    pub tag: PlacementTag,
}

/// Name that a rented thing carries on its network: whose it is, for which job and attempt.
///
/// Written `tandem-<32 hex>-<32 hex>-e<epoch>`; 84 characters at most, lower case, no spaces, so
/// every network's name field takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlacementTag {
    /// Which installation rents.
    pub installation: InstallationId,
    /// For which job.
    pub job: JobId,
    /// For which attempt.
    pub epoch: Epoch,
}

impl PlacementTag {
    /// The start of every tag of one installation, for listings and sweeps.
    pub fn prefix_of(installation: InstallationId) -> String {
        format!("tandem-{}-", installation.uuid().simple())
    }
}

impl fmt::Display for PlacementTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let installation = self.installation.uuid().simple();
        write!(
            f,
            "tandem-{installation}-{}-e{}",
            self.job.uuid().simple(),
            self.epoch
        )
    }
}

/// The name is not one of our tags: the thing is not ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a tag of this broker")]
pub struct NotOurTag;

impl FromStr for PlacementTag {
    type Err = NotOurTag;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.strip_prefix("tandem-").ok_or(NotOurTag)?.split('-');
        let mut next = || parts.next().ok_or(NotOurTag);
        let installation = format!("{}_{}", InstallationId::PREFIX, next()?);
        let job = format!("{}_{}", JobId::PREFIX, next()?);
        let epoch = next()?.strip_prefix('e').ok_or(NotOurTag)?;
        if parts.next().is_some() || epoch.starts_with(['+', '0']) {
            return Err(NotOurTag);
        }
        Ok(Self {
            installation: installation.parse().map_err(|_| NotOurTag)?,
            job: job.parse().map_err(|_| NotOurTag)?,
            epoch: Epoch(epoch.parse().map_err(|_| NotOurTag)?),
        })
    }
}

impl Serialize for PlacementTag {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PlacementTag {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// What the network says of a rented thing. Words we do not know stay pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemoteState {
    /// Asked for, booting, or a word we do not know: ask again.
    Pending,
    /// Created and not paid; it is cancelled when the payment window closes.
    AwaitingPayment,
    /// The network says that it runs. That it serves is for a probe to say.
    Running,
    /// A stop was asked for and is under way.
    Stopping,
    /// Ended: its time was used up.
    Completed,
    /// Ended: the network says that it failed.
    Failed,
    /// Ended: it was stopped.
    Stopped,
}

impl RemoteState {
    /// Whether nothing more will happen to it.
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Stopped)
    }
}

/// Where a machine is reached by SSH.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshAddress {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User.
    pub user: String,
    /// The host key that the network publishes, in OpenSSH form, where it does.
    pub host_key: Option<String>,
}

/// What we observe of one node (a server, a replica) of a rented thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedNode {
    /// Identity of the machine as the network names it.
    pub device: Option<String>,
    /// The network's key for its log, where it differs from the device.
    pub log_key: Option<String>,
    /// Public URL of the published port, once there is one.
    pub public_url: Option<String>,
    /// SSH address, once there is one.
    pub ssh: Option<SshAddress>,
    /// Address by which the other nodes of the placement reach it, where nodes are linked.
    pub private_ip: Option<String>,
    /// The network's own word for the node's state.
    pub remote_word: String,
}

/// What we observe of a rented thing; never mixed with what we intend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The network's own id.
    pub remote_id: String,
    /// Our tag, when the network shows the name.
    pub tag: Option<String>,
    /// Its state.
    pub state: RemoteState,
    /// The network's own word for the state.
    pub remote_word: String,
    /// Public URL of the published port, once there is one.
    pub public_url: Option<String>,
    /// SSH address, once there is one.
    pub ssh: Option<SshAddress>,
    /// Identity of the machine as the network names it.
    pub device: Option<String>,
    /// Prepaid minutes used.
    pub minutes_served: Option<u32>,
    /// Prepaid minutes left.
    pub minutes_remaining: Option<u32>,
    /// Paid so far.
    pub paid: Option<MicroUsd>,
    /// Every node, by rank; empty until the network shows them and in listings. `public_url`,
    /// `ssh` and `device` above are those of rank 0.
    #[serde(default)]
    pub nodes: Vec<ObservedNode>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_tag_round_trips_and_fits_84_characters() {
        let tag = PlacementTag {
            installation: InstallationId::from_parts(1, &[1; 10]),
            job: JobId::from_parts(2, &[2; 10]),
            epoch: Epoch(u32::MAX),
        };
        let text = tag.to_string();
        assert!(text.len() <= 84, "{} characters", text.len());
        assert!(text.starts_with(&PlacementTag::prefix_of(tag.installation)));
        assert_eq!(text.parse::<PlacementTag>().unwrap(), tag);
    }

    #[test]
    fn names_of_others_are_not_ours() {
        for name in ["", "tandem-", "tandem-x-y-e1", "web", "tandem-1-2-3-4-5"] {
            assert!(name.parse::<PlacementTag>().is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_name_makes_the_parser_panic(text in ".{0,100}") {
            let _ = text.parse::<PlacementTag>();
        }
    }
}
