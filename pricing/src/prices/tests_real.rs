//! The same rules on real catalogues of 2026-05-20, where the folder with them is there.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::*;

fn folder() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let found = root
        .ancestors()
        .map(|at| at.join("shared/data/prices"))
        .find(|path| path.join("vast.csv").is_file());
    if found.is_none() {
        println!("no shared/data/prices beside the project: the small files alone were tested");
    }
    found
}

/// File, rows, offers, refused, corrected, and the rows of each defect, most first.
type Expected = (&'static str, [u64; 4], &'static [(Defect, u64)]);

const FILES: &[Expected] = &[
    (
        "vast.csv",
        [64, 55, 73, 48],
        &[
            (Defect::SpotPriceZero, 64),
            (Defect::MemoryPerMachine, 42),
            (Defect::OneNameTwoCards, 13),
            (Defect::MissingCity, 9),
            (Defect::UnknownGpu, 8),
            (Defect::MemoryMismatch, 1),
        ],
    ),
    (
        "lambda.csv",
        [425, 336, 55, 208],
        &[
            (Defect::OneNameTwoCards, 221),
            (Defect::UnknownGpu, 34),
            (Defect::MissingCountry, 23),
        ],
    ),
    (
        "gcp.csv",
        [31_285, 1_224, 3_559, 1_224],
        &[
            (Defect::UnknownGpu, 1_735),
            (Defect::HostPriceMissing, 747),
            (Defect::OneNameTwoCards, 311),
            (Defect::ZeroPrice, 11),
            (Defect::SpotPriceZero, 11),
        ],
    ),
    (
        "azure.csv",
        [56_671, 834, 798, 794],
        &[
            (Defect::UnquotedComma, 27_141),
            (Defect::OneNameTwoCards, 288),
            (Defect::UnknownGpu, 283),
            (Defect::GpuCountInvalid, 108),
            (Defect::SpotNotBelowOnDemand, 28),
        ],
    ),
];

#[test]
fn real_catalogues_give_these_offers_and_these_defects() {
    let Some(folder) = folder() else { return };
    let mut listings = Vec::new();
    for (file, counts, defects) in FILES {
        let bytes = std::fs::read(folder.join(file)).unwrap();
        let found = read(file, &bytes, &Checks::default(), |_| {}).unwrap();
        let r = &found.report;
        assert_eq!(
            [r.rows, r.offers, r.refused, r.corrected],
            *counts,
            "{file}"
        );
        let codes: Vec<_> = r.defects.iter().map(|d| (d.code, d.count)).collect();
        assert_eq!(codes, *defects, "{file}");
        for defect in &r.defects {
            let example = &defect.example;
            assert!(example.starts_with(&format!("{file}:")), "{example}");
        }
        listings.extend(found.listings);
    }
    assert!(listings.iter().all(|l| l.rate.price().get() > 50_000));
    let spot_h100 = listings
        .iter()
        .filter(|l| l.spot && l.gpu.facts().name.starts_with("H100"))
        .min_by_key(|l| l.rate);
    assert_eq!(spot_h100.unwrap().rate.price().get(), 1_172_090);
    let cards: BTreeSet<_> = listings.iter().map(|l| l.gpu.id()).collect();
    assert_eq!(cards.len(), 21);
}

#[test]
fn the_reference_prices_are_the_lowest_valid_ones_of_the_catalogues() {
    let Some(folder) = folder() else { return };
    for (file, provider) in [("gcp.csv", "gcp"), ("azure.csv", "azure")] {
        let bytes = std::fs::read(folder.join(file)).unwrap();
        let found = read(file, &bytes, &Checks::default(), |_| {}).unwrap();
        let lowest = |gpu, spot| {
            let of = found
                .listings
                .iter()
                .filter(|l| (l.gpu, l.spot) == (gpu, spot));
            of.map(|l| l.rate.price()).min()
        };
        let rows = crate::reference::all().iter();
        for row in rows.filter(|r| serde_json::to_value(r.provider).unwrap() == provider) {
            assert_eq!(lowest(row.gpu, false), Some(row.on_demand), "{row:?}");
            assert_eq!(lowest(row.gpu, true), row.spot, "{row:?}");
        }
    }
}

#[test]
fn another_table_is_refused_by_its_columns() {
    let Some(folder) = folder() else { return };
    let bytes = std::fs::read(folder.join("gcp-gpu-price-changes.csv")).unwrap();
    let problem = read("changes.csv", &bytes, &Checks::default(), |_| {}).unwrap_err();
    assert_eq!(problem.line, 1);
    assert!(problem.problem.contains("`AcceleratorName` is missing"));
}
