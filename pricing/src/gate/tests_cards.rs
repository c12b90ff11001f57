//! Tests of how a card is known: names of several cards, and memory in every way it is written.

use super::tests::{good, outcome};
use super::*;

const fn named(name: &'static str, memory_mib: Option<u64>) -> Named<'static> {
    Named {
        name,
        memory_mib,
        form: None,
        documented_gb: None,
        memory_basis: None,
    }
}

const fn sxm(name: &'static str, memory_mib: Option<u64>) -> Named<'static> {
    Named {
        form: Some(Form::Sxm),
        ..named(name, memory_mib)
    }
}

/// A card as it is named, GPUs, the card that it is or `refused`, codes.
type Case = (Named<'static>, u16, &'static str, &'static [&'static str]);

const TWO: &[&str] = &["one_name_two_cards"];
const UNKNOWN: &[&str] = &["unknown_gpu"];
const MISMATCH: &[&str] = &["memory_mismatch"];

/// A name of several cards needs memory or a form.
const NAMES: &[Case] = &[
    (named("A100", None), 1, "refused", TWO),
    (named("A100", Some(40_960)), 1, "refused", TWO),
    (sxm("A100", Some(81_920)), 1, "a100-sxm4-80gb", TWO),
    (sxm("A100", None), 1, "refused", TWO),
    (
        Named {
            documented_gb: Some(40),
            ..sxm("A100", None)
        },
        1,
        "a100-sxm4-40gb",
        TWO,
    ),
    // The driver's exact figure is that of the SXM module; 94 GB are those of the NVL pair.
    (named("H100", Some(81_559)), 1, "h100-sxm5-80gb", TWO),
    (named("H100", Some(95_830)), 1, "h100-nvl-94gb", TWO),
    (named("H100", Some(81_920)), 1, "refused", TWO),
    (
        named("NVIDIA H100 PCIe", Some(81_920)),
        1,
        "h100-pcie-80gb",
        &[],
    ),
    (named("H200", None), 1, "h200-sxm-141gb", &[]),
    (named("RTX 9090", None), 1, "refused", UNKNOWN),
    (named("", None), 1, "refused", UNKNOWN),
    (sxm("V100", Some(16_384)), 1, "refused", UNKNOWN),
];

const fn based(basis: Basis) -> Named<'static> {
    Named {
        memory_basis: Some(basis),
        ..sxm("A100", Some(81_920))
    }
}

/// Memory is held against the card in every way it is written.
const MEMORIES: &[Case] = &[
    (named("RTX4090", Some(24_564)), 2, "rtx4090", &[]),
    (
        named("RTX4090", Some(49_128)),
        2,
        "rtx4090",
        &["memory_per_machine"],
    ),
    // A modified card: 48 GB on one RTX 4090.
    (named("RTX4090", Some(49_140)), 1, "refused", MISMATCH),
    (named("RTX4090", Some(0)), 1, "refused", MISMATCH),
    (named("RTX4090", Some(u64::MAX)), 2, "refused", MISMATCH),
    (named("RTX3060", Some(8_192)), 1, "refused", MISMATCH),
    (named("A6000", Some(48)), 1, "rtx-a6000", &["memory_in_gib"]),
    // Two A100 of 40 GB, or each of 80: what the file does elsewhere decides.
    (
        based(Basis::Machine),
        2,
        "a100-sxm4-40gb",
        &["memory_per_machine", "one_name_two_cards"],
    ),
    (based(Basis::Gpu), 2, "a100-sxm4-80gb", TWO),
    (sxm("A100", Some(81_920)), 2, "refused", TWO),
];

fn holds(cases: &[Case], price_per_gpu: i64) {
    for (card, gpus, wanted, wanted_codes) in cases {
        let mut raw = good();
        raw.card = Card::Named(*card);
        raw.gpus = *gpus;
        raw.price = MicroUsd::new(price_per_gpu * i64::from(*gpus));
        let (found, codes) = outcome(&raw, &Rules::CATALOGUE);
        let id = found.split(':').next().unwrap_or_default();
        assert_eq!((id, codes.as_slice()), (*wanted, *wanted_codes), "{card:?}");
    }
}

#[test]
fn a_name_of_several_cards_needs_memory_or_a_form() {
    holds(NAMES, 3_000_000);
}

#[test]
fn memory_is_held_against_the_card_in_every_way_it_is_written() {
    holds(MEMORIES, 800_000);
}

#[test]
fn the_habit_of_a_file_is_read_only_from_rows_that_leave_no_doubt() {
    for (name, mib, gpus, habit) in [
        ("RTX4090", 49_128, 2, Some(Basis::Machine)),
        ("RTX4090", 24_564, 2, Some(Basis::Gpu)),
        ("RTX4090", 24_564, 1, None),
        ("A100", 81_920, 2, None),
        ("P4", 8_192, 2, None),
        ("RTX4090", 1, 0, None),
    ] {
        assert_eq!(
            memory_habit(name, mib, gpus),
            habit,
            "{name} {mib} x {gpus}"
        );
    }
}
