//! Export class of a card under United States rules, from its total processing performance.
//!
//! Source: 15 CFR 774 Supplement 1, ECCN 3A090: TPP = 2 x MacTOPS x bit length, the highest over
//! all dense rates. 3A090.a starts at TPP 4800 (or 1600 with a performance density of 5.92, which
//! needs the die area and is not modelled here: such data-centre cards are put in the middle
//! class, the careful side). Cards not sold for data centres need at most a notification.
//! This sorts offers; it is not legal advice.

use serde::{Deserialize, Serialize};

use super::{GpuFacts, HardwareClass};

/// How a card is treated when it crosses a border, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportClass {
    /// Below every threshold.
    Uncontrolled,
    /// A notification or a licence exception may be needed.
    Notify,
    /// Controlled as an advanced computing item (ECCN 3A090.a / 4A090.a).
    Controlled,
}

/// GeForce cards halve the tensor rate with FP32 accumulation; the rule counts the full rate.
fn total_processing_performance(facts: &GpuFacts) -> u64 {
    let full_rate = if facts.class == HardwareClass::Consumer {
        2
    } else {
        1
    };
    let fp16 = u64::from(facts.tensor_fp16_gflops) * 16;
    let fp8 = u64::from(facts.tensor_fp8_gflops.unwrap_or(0)) * 8;
    fp16.max(fp8) * full_rate / 1_000
}

pub(super) fn classify(facts: &GpuFacts) -> ExportClass {
    let tpp = total_processing_performance(facts);
    match (facts.class, tpp) {
        (HardwareClass::Datacenter, 4_800..) => ExportClass::Controlled,
        (HardwareClass::Datacenter, 1_600..) => ExportClass::Notify,
        (_, 4_800..) => ExportClass::Notify,
        _ => ExportClass::Uncontrolled,
    }
}

#[cfg(test)]
mod tests {
    use super::super::GpuModel;
    use super::*;

    #[test]
    fn known_cards_fall_where_the_rule_puts_them() {
        for (id, tpp, class) in [
            ("h100-sxm5-80gb", 15_831, ExportClass::Controlled),
            ("a100-sxm4-80gb", 4_992, ExportClass::Controlled),
            ("l4", 1_940, ExportClass::Notify),
            ("rtx4090", 5_286, ExportClass::Notify),
            ("rtx3060-12gb", 816, ExportClass::Uncontrolled),
            ("t4", 1_040, ExportClass::Uncontrolled),
        ] {
            let model = GpuModel::by_id(id).unwrap();
            assert_eq!(total_processing_performance(model.facts()), tpp, "{id}");
            assert_eq!(model.export_class(), class, "{id}");
        }
    }
}
