//! Names of cards in traces and price files, and the cards that we sell in their place.

use tandem_model::gpu::GpuModel;

/// Cards that the catalogue does not have, or names that need a decision, and what stands for them:
/// the card nearest in memory and age. G1 to G3 of Alibaba's trace are undisclosed (its README), so
/// any data-centre card of 16 GB and more may stand for them.
pub const STAND_INS: [(&str, &[&str]); 10] = [
    ("V100M16", &["v100-pcie-16gb"]),
    ("V100M32", &["v100-sxm2-32gb"]),
    ("P100", &["t4"]),
    ("A10", &["l4"]),
    ("G1", &["t4", "v100-pcie-16gb", "l4"]),
    ("G2", &["t4", "v100-pcie-16gb", "l4"]),
    ("G3", &["t4", "v100-pcie-16gb", "l4"]),
    ("H100-MEGA", &["h100-sxm5-80gb"]),
    ("H200", &["h200-sxm-141gb"]),
    ("B200", &["b200-sxm-180gb"]),
];

/// Every card that a name can mean; none for an unknown name.
pub(super) fn sold_as(name: &str) -> Vec<GpuModel> {
    let stand_in = STAND_INS.iter().find(|(known, _)| *known == name);
    match stand_in {
        Some((_, ids)) => ids.iter().filter_map(|id| GpuModel::by_id(id)).collect(),
        None => GpuModel::matching(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stand_in_is_a_card_of_the_catalogue() {
        for (name, ids) in STAND_INS {
            assert_eq!(sold_as(name).len(), ids.len(), "{name}");
        }
        assert_eq!(sold_as("V100").len(), 2);
        assert!(sold_as("P4").is_empty());
        assert!(sold_as("").is_empty());
    }
}
