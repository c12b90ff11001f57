//! Cards and places: what is sold where, at what list price.
//!
//! Prices are assumptions in the order of published list prices of 2025 and 2026
//! (`docs/sandbox.md`); the cards themselves come from the GPU catalogue.

use tandem_model::gpu::GpuModel;
use tandem_model::network::Grade;

/// A card as the networks sell it.
#[derive(Debug)]
pub(crate) struct Card {
    /// Id in the GPU catalogue.
    pub(crate) catalogue: &'static str,
    /// Number under which io.net lists it.
    pub(crate) number: u32,
    /// Text under which io.net lists it.
    pub(crate) alias: &'static str,
    /// io.net's price per GPU-hour in millionths of a dollar.
    pub(crate) ionet_micro_usd: i64,
    /// The Aethir-style on-demand price per GPU-hour in millionths of a dollar; 0 when not sold.
    pub(crate) aethir_micro_usd: i64,
    /// K-value in hundredths (assumption).
    pub(crate) k_hundredths: u32,
    /// Relative number of nodes.
    pub(crate) weight: u32,
}

const fn card(
    catalogue: &'static str,
    number: u32,
    alias: &'static str,
    prices: (i64, i64),
    k_hundredths: u32,
    weight: u32,
) -> Card {
    Card {
        catalogue,
        number,
        alias,
        ionet_micro_usd: prices.0,
        aethir_micro_usd: prices.1,
        k_hundredths,
        weight,
    }
}

/// Every card for sale. `12` is io.net's number of the RTX 4090; the other numbers are ours.
pub(crate) const CARDS: &[Card] = &[
    card("rtx3090", 9, "RTX3090", (190_000, 0), 0, 10),
    card("rtx4080", 11, "RTX4080", (220_000, 0), 0, 6),
    card("rtx4090", 12, "RTX4090", (300_000, 0), 0, 20),
    card("rtx5090", 14, "RTX5090", (550_000, 0), 0, 8),
    card("l4", 101, "L4", (430_000, 0), 0, 4),
    card("l40s", 102, "L40S", (950_000, 890_000), 80, 6),
    card("a100-pcie-40gb", 110, "A100_PCIE_40GB", (980_000, 0), 90, 3),
    card(
        "a100-pcie-80gb",
        111,
        "A100_PCIE_80GB",
        (1_250_000, 1_180_000),
        110,
        5,
    ),
    card(
        "a100-sxm4-40gb",
        112,
        "A100_SXM4_40GB",
        (1_080_000, 0),
        100,
        3,
    ),
    card(
        "a100-sxm4-80gb",
        113,
        "A100_SXM4_80GB",
        (1_490_000, 1_390_000),
        130,
        6,
    ),
    card(
        "h100-pcie-80gb",
        202,
        "H100_PCIE",
        (2_150_000, 2_050_000),
        210,
        4,
    ),
    card(
        "h100-sxm5-80gb",
        203,
        "H100_SXM5",
        (2_590_000, 2_450_000),
        250,
        10,
    ),
    card("h100-nvl-94gb", 204, "H100_NVL", (2_390_000, 0), 230, 3),
    card(
        "h200-sxm-141gb",
        210,
        "H200",
        (3_090_000, 2_980_000),
        310,
        5,
    ),
    card(
        "b200-sxm-180gb",
        220,
        "B200",
        (4_990_000, 4_790_000),
        480,
        3,
    ),
];

impl Card {
    /// Its row of the GPU catalogue.
    pub(crate) fn model(&self) -> GpuModel {
        GpuModel::by_id(self.catalogue).expect("the test below reads every card")
    }

    /// What it is sold as by name.
    pub(crate) fn grade(&self) -> Grade {
        if self.number < 100 {
            Grade::Consumer
        } else {
            Grade::Datacenter
        }
    }
}

/// Where nodes stand.
#[derive(Debug)]
pub(crate) struct Place {
    /// io.net's number of the location.
    pub(crate) number: u32,
    /// ISO 3166-1 alpha-2.
    pub(crate) iso2: &'static str,
    /// Name of the country.
    pub(crate) name: &'static str,
    /// Region name of the Aethir-style network; empty where it has none.
    pub(crate) region: &'static str,
    /// Whether it has data-centre cards.
    pub(crate) datacenter: bool,
}

const fn place(
    number: u32,
    iso2: &'static str,
    name: &'static str,
    region: &'static str,
    datacenter: bool,
) -> Place {
    Place {
        number,
        iso2,
        name,
        region,
        datacenter,
    }
}

/// Every place.
pub(crate) const PLACES: &[Place] = &[
    place(1, "US", "United States", "us-east", true),
    place(2, "CA", "Canada", "", true),
    place(3, "DE", "Germany", "eu-central", true),
    place(4, "FR", "France", "", false),
    place(5, "GB", "United Kingdom", "", true),
    place(6, "NL", "Netherlands", "", false),
    place(7, "SE", "Sweden", "eu-north", true),
    place(8, "JP", "Japan", "ap-northeast", true),
    place(9, "SG", "Singapore", "ap-southeast", true),
    place(10, "IN", "India", "", false),
    place(11, "BR", "Brazil", "", false),
    place(12, "AU", "Australia", "", false),
];

/// The card that is really inside a device that lies: a cheaper one of the same list.
pub(crate) fn lie_about(card: u8) -> u8 {
    match card {
        0 => 1,
        sold => sold - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_card_is_in_the_catalogue_and_its_alias_means_it_alone() {
        for card in CARDS {
            assert_eq!(
                GpuModel::parse(card.alias),
                Some(card.model()),
                "{}",
                card.alias
            );
        }
    }
}
