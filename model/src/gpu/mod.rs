//! The GPU catalogue: which cards exist, what they can do, and how they are named in the wild.
//!
//! `H100` alone is not a card: PCIe, SXM and NVL differ by up to 2x, and the A100 exists with 40
//! and with 80 GB. [`GpuModel::matching`] gives every card a name can mean; [`GpuModel::parse`]
//! accepts only a name that means one.

mod export;
mod silicon;
mod table;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::near::nearest;

pub use export::ExportClass;
pub use silicon::{Figure, HostLink, MemoryBus};

/// Up to so many letters and digits, a name that differs little is another card.
const SHORT_NAME_MAX: usize = 4;
/// Most letters and digits in which a name may differ from the one that was probably meant.
const EDITS_MAX: usize = 1;

/// What kind of product a card is sold as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HardwareClass {
    /// GeForce cards.
    Consumer,
    /// RTX A-series cards.
    Workstation,
    /// Data-centre cards.
    Datacenter,
}

/// What is known of a card. Rates are dense, with FP32 accumulation; `M`/`G` are decimal.
#[derive(Debug, PartialEq, Eq)]
pub struct GpuFacts {
    /// Our stable id, lower case with dashes.
    pub id: &'static str,
    /// Market name.
    pub name: &'static str,
    /// The name that NVML reports, where known.
    pub nvml_name: Option<&'static str>,
    /// Normalised names seen in the wild; several cards may share one.
    pub aliases: &'static [&'static str],
    /// PCI device ids (vendor 10de).
    pub pci_device_ids: &'static [u16],
    /// Consumer, workstation or data-centre.
    pub class: HardwareClass,
    /// CUDA compute capability, major and minor.
    pub compute_capability: (u8, u8),
    /// Streaming multiprocessors enabled.
    pub sm_count: u16,
    /// Nominal memory in GB, as sold.
    pub vram_gb: u16,
    /// Memory that the driver reports in MiB, where published.
    pub vram_reported_mib: Option<u32>,
    /// Memory technology.
    pub memory_type: &'static str,
    /// Datasheet memory bandwidth in MB/s.
    pub memory_bandwidth_mb_per_s: u32,
    /// Published measured bandwidth in MB/s.
    pub memory_bandwidth_measured_mb_per_s: Option<u32>,
    /// FP32 rate in GFLOP/s.
    pub fp32_gflops: u32,
    /// FP16/BF16 tensor rate in GFLOP/s.
    pub tensor_fp16_gflops: u32,
    /// Published measured FP16/BF16 tensor rate in GFLOP/s.
    pub tensor_fp16_measured_gflops: Option<u32>,
    /// FP8 tensor rate in GFLOP/s, on cards that have it.
    pub tensor_fp8_gflops: Option<u32>,
    /// L2 cache in MiB, where published.
    pub l2_mib: Option<u16>,
    /// PCI Express generation and lanes, where published.
    pub pcie_gen_and_lanes: Option<(u8, u8)>,
    /// NVLink bandwidth, both directions, in GB/s.
    pub nvlink_gb_per_s: Option<u16>,
    /// Boost clock in MHz.
    pub boost_clock_mhz: u16,
    /// Board power in W.
    pub board_power_w: u16,
    /// Where the figures come from.
    pub source: &'static str,
}

/// A card of the catalogue, with its place there. Two are equal when their ids are.
#[derive(Clone, Copy)]
pub struct GpuModel(&'static GpuFacts, u8);

/// Upper case, without vendor, series words and separators: `NVIDIA H100_SXM5` -> `H100SXM5`.
fn normalise(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    let mut kept: String = upper.chars().filter(char::is_ascii_alphanumeric).collect();
    for word in ["NVIDIA", "GEFORCE"] {
        kept = kept.replace(word, "");
    }
    kept
}

impl GpuModel {
    /// Every card of the catalogue.
    pub fn all() -> impl Iterator<Item = Self> {
        table::rows()
            .zip(0..)
            .map(|(facts, place)| Self(facts, place))
    }

    /// Its place in the catalogue, from 0.
    pub fn number(self) -> u8 {
        self.1
    }

    /// The card with this catalogue id.
    pub fn by_id(id: &str) -> Option<Self> {
        Self::all().find(|m| m.0.id == id)
    }

    /// Every card that a name can mean, in catalogue order; none for an unknown name.
    pub fn matching(name: &str) -> Vec<Self> {
        let wanted = normalise(name);
        let exact = |m: &Self| normalise(m.0.id) == wanted || normalise(m.0.name) == wanted;
        if let Some(only) = Self::all().find(exact) {
            return vec![only];
        }
        Self::all()
            .filter(|m| m.0.aliases.contains(&wanted.as_str()))
            .collect()
    }

    /// The name of a card that differs least from one that means none, where it differs little.
    ///
    /// Of short names every neighbour is another card, so nothing is near them.
    pub fn near(name: &str) -> Option<&'static str> {
        let wanted = normalise(name);
        let names = Self::all().flat_map(|m| m.0.aliases.iter().copied());
        let is_long = wanted.len() > SHORT_NAME_MAX;
        nearest(&wanted, names, EDITS_MAX).filter(|_| is_long)
    }

    /// The card that a name means; none when the name is unknown or means several.
    pub fn parse(name: &str) -> Option<Self> {
        match Self::matching(name).as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    }

    /// What is known of it.
    pub fn facts(self) -> &'static GpuFacts {
        self.0
    }

    /// The catalogue id.
    pub fn id(self) -> &'static str {
        self.0.id
    }

    /// Whether the card counts as `enterprise` hardware: data-centre class, A100 or better.
    pub fn is_a100_or_better(self) -> bool {
        self.0.class == HardwareClass::Datacenter
            && self.0.compute_capability >= (8, 0)
            && self.0.tensor_fp16_gflops >= 312_000
            && self.0.memory_bandwidth_mb_per_s >= 1_500_000
    }

    /// How the card is treated by United States export rules.
    pub fn export_class(self) -> ExportClass {
        export::classify(self.0)
    }
}

impl PartialEq for GpuModel {
    fn eq(&self, other: &Self) -> bool {
        self.1 == other.1
    }
}
impl Eq for GpuModel {}
impl PartialOrd for GpuModel {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for GpuModel {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.id.cmp(other.0.id)
    }
}
impl std::hash::Hash for GpuModel {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}
impl fmt::Debug for GpuModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.id)
    }
}
impl fmt::Display for GpuModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.name)
    }
}
impl Serialize for GpuModel {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.0.id)
    }
}
impl<'de> Deserialize<'de> for GpuModel {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let id = String::deserialize(d)?;
        Self::by_id(&id)
            .ok_or_else(|| serde::de::Error::custom(format!("no GPU `{id}` in the catalogue")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_every_alias_is_normalised() {
        let mut ids: Vec<_> = GpuModel::all().map(GpuModel::id).collect();
        ids.sort_unstable();
        let count = ids.len();
        ids.dedup();
        assert_eq!((ids.len(), count), (25, 25));
        for model in GpuModel::all() {
            for alias in model.facts().aliases {
                assert_eq!(&normalise(alias), alias);
                assert!(GpuModel::matching(alias).contains(&model), "{alias}");
            }
            assert_eq!(GpuModel::parse(model.id()), Some(model));
            assert_eq!(GpuModel::parse(model.facts().name), Some(model));
            if let Some(name) = model.facts().nvml_name {
                assert!(GpuModel::matching(name).contains(&model), "{name}");
            }
        }
    }

    #[test]
    fn a_name_that_differs_little_from_a_cards_is_near_it() {
        for (name, near) in [
            ("RTX4099", Some("RTX4090")),
            ("NVIDIA GeForce RTX 409", Some("RTX4090")),
            ("h1000", Some("H100")),
            ("H100-SMX", Some("H100SXM")),
            ("A10G", None),
            ("P100", None),
            ("MI300X", None),
            ("Radeon", None),
        ] {
            assert_eq!(GpuModel::near(name), near, "{name}");
        }
    }

    #[test]
    fn a_family_name_means_several_cards_and_never_one() {
        let ids = |name| {
            GpuModel::matching(name)
                .iter()
                .map(|m| m.id())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            ids("H100"),
            ["h100-pcie-80gb", "h100-sxm5-80gb", "h100-nvl-94gb"]
        );
        assert_eq!(ids("A100-80GB"), ["a100-pcie-80gb", "a100-sxm4-80gb"]);
        assert_eq!(ids("a100_40gb"), ["a100-pcie-40gb", "a100-sxm4-40gb"]);
        assert_eq!(GpuModel::parse("H100"), None);
        assert!(GpuModel::matching("RTX 9090").is_empty());
        assert!(GpuModel::matching("").is_empty());
    }

    #[test]
    fn only_data_centre_cards_from_a100_up_are_enterprise() {
        let enterprise: Vec<_> = GpuModel::all()
            .filter(|m| m.is_a100_or_better())
            .map(GpuModel::id)
            .collect();
        assert_eq!(
            enterprise,
            [
                "a100-pcie-40gb",
                "a100-pcie-80gb",
                "a100-sxm4-40gb",
                "a100-sxm4-80gb",
                "h100-pcie-80gb",
                "h100-sxm5-80gb",
                "h100-nvl-94gb",
                "h200-sxm-141gb",
                "b200-sxm-180gb",
                "gh200-96gb",
            ]
        );
    }
}
