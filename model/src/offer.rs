//! Capacity that a network sells now, in our own terms.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::gpu::GpuModel;
use crate::money::RatePerGpuHour;
use crate::network::{Country, Grade, NetworkId};
use crate::time::WorldTime;

/// Names an offer within one reading of the market: `<network>/<product>/<network's own key>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OfferId(pub String);

impl fmt::Display for OfferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The fastest link between GPUs of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeLink {
    /// PCI Express only, or not stated.
    Pcie,
    /// NVLink.
    Nvlink,
}

/// The fastest link between nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fabric {
    /// The internet, or not stated.
    Public,
    /// A private Ethernet.
    Ethernet,
    /// InfiniBand or RoCE.
    Rdma,
}

/// Capacity that a network sells now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Its name.
    pub id: OfferId,
    /// Who sells it.
    pub network: NetworkId,
    /// Which of the network's products.
    pub product: String,
    /// The network's own key for it; only its adapter reads it.
    pub locator: String,
    /// The card.
    pub gpu: GpuModel,
    /// Grade of the hardware.
    pub grade: Grade,
    /// GPUs in each node.
    pub gpus_per_node: u16,
    /// Whether fewer GPUs of a node can be rented.
    pub divisible: bool,
    /// Nodes free now.
    pub nodes_available: u32,
    /// Where it stands; offers without a country are refused by the gate.
    pub country: Country,
    /// Price per GPU-hour before the network's fees.
    pub price: RatePerGpuHour,
    /// The network's fee in hundredths of a percent of the price.
    pub fee_basis_points: u16,
    /// Link between the GPUs of a node.
    pub node_link: NodeLink,
    /// Link between nodes.
    pub fabric: Fabric,
    /// When the network said so.
    pub observed_at: WorldTime,
}

impl Offer {
    /// Whether it can be sold as enterprise: data-centre grade, A100 or better.
    pub fn is_enterprise(&self) -> bool {
        self.grade == Grade::Datacenter && self.gpu.is_a100_or_better()
    }
}
