//! Tests on small files of our own, one defect each.

use super::*;
use crate::gate::Age;

const HEAD: &str = "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,GpuInfo,Price,SpotPrice,Region\n";

fn sheet(text: &str) -> Sheet {
    read("own.csv", text.as_bytes(), &Checks::default(), |_| {}).unwrap()
}

fn of(rows: &str) -> Sheet {
    sheet(&format!("{HEAD}{rows}"))
}

/// rows, offers, refused, corrected.
fn counts(sheet: &Sheet) -> (u64, u64, u64, u64) {
    let r = &sheet.report;
    (r.rows, r.offers, r.refused, r.corrected)
}

fn codes(sheet: &Sheet) -> Vec<(&'static str, u64)> {
    let defects = sheet.report.defects.iter();
    defects.map(|d| (d.code.code(), d.count)).collect()
}

#[test]
fn a_clean_row_is_one_offer_on_demand_and_one_on_spot() {
    let found = of("m,RTX4090,2,8,32,,0.80,0.35,\"Oregon, US, NA\"\n");
    assert_eq!((counts(&found), codes(&found)), ((1, 2, 0, 0), vec![]));
    let prices: Vec<_> = found
        .listings
        .iter()
        .map(|l| {
            (
                l.spot,
                l.machine_micro_usd_per_hour.get(),
                l.rate.price().get(),
            )
        })
        .collect();
    assert_eq!(
        prices,
        [(false, 800_000, 400_000), (true, 350_000, 175_000)]
    );
    let first = &found.listings[0];
    assert_eq!(
        (first.line, first.gpus, first.country.as_str()),
        (2, 2, "US")
    );
}

/// Row, (rows, offers, refused, corrected), defects with their rows.
type Case = (
    &'static str,
    (u64, u64, u64, u64),
    &'static [(&'static str, u64)],
);

const CASES: &[Case] = &[
    (
        "m,RTX4090,1,8,32,,0.40,0.00,DE",
        (1, 1, 1, 0),
        &[("spot_price_zero", 1)],
    ),
    (
        "m,RTX4090,1,8,32,,0,,DE",
        (1, 0, 1, 0),
        &[("zero_price", 1)],
    ),
    (
        "m,RTX4090,1,8,32,,-0.40,,DE",
        (1, 0, 1, 0),
        &[("negative_price", 1)],
    ),
    (
        "m,RTX4090,1,8,32,,40,,DE",
        (1, 0, 1, 0),
        &[("price_in_cents", 1)],
    ),
    (
        "m,RTX4090,1,8,32,,400000,,DE",
        (1, 0, 1, 0),
        &[("price_in_micro_usd", 1)],
    ),
    (
        "m,RTX4090,1,8,32,,292,,DE",
        (1, 0, 1, 0),
        &[("price_per_month", 1)],
    ),
    (
        "m,RTX4090,8,8,32,,0.40,,DE",
        (1, 1, 0, 1),
        &[("price_per_gpu", 1)],
    ),
    (
        "m,RTX4090,1,8,32,,7,,DE",
        (1, 0, 1, 0),
        &[("price_out_of_band", 1)],
    ),
    (
        "m,RTX4090,1,8,32,,,0.2,DE",
        (1, 1, 1, 0),
        &[("missing_price", 1)],
    ),
    (
        "m,RTX4090,1,8,32,,0.4,0.4,DE",
        (1, 1, 1, 0),
        &[("spot_not_below_on_demand", 1)],
    ),
    (
        "m,A100,1,8,32,,2,,DE",
        (1, 0, 1, 0),
        &[("one_name_two_cards", 1)],
    ),
    (
        "m_sxm,A100,1,8,32,\"{'SizeInMiB': 40960}\",2,,DE",
        (1, 1, 0, 1),
        &[("one_name_two_cards", 1)],
    ),
    (
        "m,RTX4090,1,8,32,\"{'SizeInMiB': 49140}\",0.4,,DE",
        (1, 0, 1, 0),
        &[("memory_mismatch", 1)],
    ),
    (
        "m,RTX4090,2,8,32,\"{'SizeInMiB': 49128}\",0.8,,DE",
        (1, 1, 0, 1),
        &[("memory_per_machine", 1)],
    ),
    (
        "m,A6000,1,8,32,\"{'SizeInMiB': 48}\",0.8,,DE",
        (1, 1, 0, 1),
        &[("memory_in_gib", 1)],
    ),
    (
        "m,RTX4090,1,8,32,,0.4,,nowhere-9",
        (1, 0, 1, 0),
        &[("missing_country", 1)],
    ),
    (
        "m,RTX4090,1,8,32,,0.4,,",
        (1, 0, 1, 0),
        &[("missing_country", 1)],
    ),
    (
        "m,RTX4090,1,8,32,,0.4,,\", CA, NA\"",
        (1, 1, 0, 1),
        &[("missing_city", 1)],
    ),
    (
        "m,tpu-v5p-8,1,8,32,,4,,us-east1",
        (1, 0, 1, 0),
        &[("unknown_gpu", 1)],
    ),
    (
        "m,RTX4090,0.5,8,32,,0.4,,DE",
        (1, 0, 1, 0),
        &[("gpu_count_invalid", 1)],
    ),
    (
        "m,RTX4090,,8,32,,0.4,,DE",
        (1, 0, 1, 0),
        &[("gpu_count_invalid", 1)],
    ),
    (
        "m,RTX4090,1,8,32,,0.4",
        (1, 0, 1, 0),
        &[("malformed_row", 1)],
    ),
    (
        "m,RTX4090,1,8,32,,cheap,,DE",
        (1, 0, 1, 0),
        &[("malformed_row", 1)],
    ),
    (
        "m,RTX4090,1,8,32,,1e400,,DE",
        (1, 0, 1, 0),
        &[("malformed_row", 1)],
    ),
    (
        "m,RTX4090,1,8,32,,1e-9,,DE",
        (1, 0, 1, 0),
        &[("malformed_row", 1)],
    ),
    (
        "m,RTX4090,1,8,32,,NaN,,DE",
        (1, 0, 1, 0),
        &[("malformed_row", 1)],
    ),
    (
        "m,RTX4090,1,8,32,,0.4,,Oregon, US, NA",
        (1, 1, 0, 1),
        &[("unquoted_comma", 1)],
    ),
    (
        "m,RTX4090,1,8,32,,0.4,,DE,FR",
        (1, 0, 1, 0),
        &[("unquoted_comma", 1)],
    ),
    (
        "cpu,,,8,32,,0,0,DE",
        (1, 0, 0, 0),
        &[("zero_price", 1), ("spot_price_zero", 1)],
    ),
    ("cpu,,,8,32,,0.4,,DE", (1, 0, 0, 0), &[]),
];

#[test]
fn each_defect_is_found_in_a_row_that_has_it_and_nothing_wrong_is_listed() {
    for (row, count, wanted) in CASES {
        let found = of(&format!("{row}\n"));
        assert_eq!(counts(&found), *count, "{row}");
        assert_eq!(codes(&found), *wanted, "{row}");
        assert!(found.listings.iter().all(|l| l.rate.price().get() > 0));
    }
}

#[test]
fn an_example_names_file_line_and_value() {
    let found = of("m,RTX4090,1,8,32,,0.40,,DE\nm,RTX4090,1,8,32,,0.40,0.00,DE\n");
    assert_eq!(
        found.report.defects[0].example,
        "own.csv:3: SpotPrice `$0.00`: spot is not offered"
    );
}

#[test]
fn lines_are_those_of_the_file_whatever_ends_them() {
    for text in [
        format!("{HEAD}m,X,1,8,32,,1,,DE\n\n\nm,RTX4090,1,8,32,,0,,DE\n"),
        format!("{HEAD}m,X,1,8,32,,1,,DE\n\n\nm,RTX4090,1,8,32,,0,,DE\n").replace('\n', "\r\n"),
        format!("\u{feff}{HEAD}m,X,1,8,32,,1,,DE\n\n\nm,RTX4090,1,8,32,,0,,DE"),
    ] {
        let found = sheet(&text);
        let zero = found
            .report
            .defects
            .iter()
            .find(|d| d.code == Defect::ZeroPrice);
        assert!(zero.unwrap().example.starts_with("own.csv:5: "), "{zero:?}");
        assert_eq!(found.report.rows, 2);
    }
}

#[test]
fn a_dictionary_with_unquoted_commas_is_put_together_again() {
    let info = "{'Gpus': [{'Name': 'H100', 'MemoryInfo': {'SizeInMiB': 81559}}], 'Total': 81559}";
    let found = of(&format!("m,H100,1,8,32,{info},2.5,,Oregon, US, NA\n"));
    assert_eq!(counts(&found), (1, 1, 0, 1));
    assert_eq!(
        codes(&found),
        [("unquoted_comma", 1), ("one_name_two_cards", 1)]
    );
    assert_eq!(found.listings[0].gpu.id(), "h100-sxm5-80gb");
}

#[test]
fn columns_may_stand_in_any_order_beside_others() {
    let found = sheet(
        "Region,Price,Colour,InstanceType,AcceleratorCount,AcceleratorName
DE,0.4,red,m,1.0,RTX 4090
",
    );
    assert_eq!((counts(&found), codes(&found)), ((1, 1, 0, 0), vec![]));
}

const GCP: &str = "InstanceType,vCPUs,MemoryGiB,AcceleratorName,AcceleratorCount,GpuInfo,Region,AvailabilityZone,Price,SpotPrice\n";

#[test]
fn an_accelerator_without_its_host_costs_what_both_cost_or_is_refused() {
    let host = "g2-standard-4,4,16,,,,us-east4,us-east4-a,0.2,0.05\n";
    let gpu = ",,,L4,1,,us-east4,us-east4-a,0.6,0.2\n";
    let elsewhere = ",,,L4,1,,us-east4,us-east4-b,0.6,0.2\n";
    let found = sheet(&format!("{GCP}{gpu}{host}{elsewhere}"));
    assert_eq!(counts(&found), (3, 2, 2, 2));
    assert_eq!(codes(&found), [("host_price_missing", 2)]);
    let prices: Vec<_> = found
        .listings
        .iter()
        .map(|l| l.rate.price().get())
        .collect();
    assert_eq!(prices, [800_000, 250_000]);
    assert_eq!(found.listings[0].instance, "g2-standard-4");

    let free_host = "a4-highgpu-8g,4,16,,,,us-east4,us-east4-a,0.0,0.0\n";
    let b200 = ",,,B200,8,,us-east4,us-east4-a,64.44,41\n";
    let found = sheet(&format!("{GCP}{free_host}{b200}"));
    assert_eq!(counts(&found), (2, 0, 2, 0));
    assert_eq!(
        codes(&found),
        [
            ("zero_price", 1),
            ("spot_price_zero", 1),
            ("host_price_missing", 1)
        ]
    );
}

#[test]
fn a_spot_accelerator_dearer_than_on_demand_may_be_cheaper_with_its_host() {
    let host = "a3-ultragpu-8g,4,16,,,,us-east4,us-east4-a,12,4\n";
    let gpu = ",,,H200,8,,us-east4,us-east4-a,36,38\n";
    let found = sheet(&format!("{GCP}{host}{gpu}"));
    let prices: Vec<_> = found
        .listings
        .iter()
        .map(|l| (l.spot, l.rate.price().get()))
        .collect();
    assert_eq!(prices, [(false, 6_000_000), (true, 5_250_000)]);
}

#[test]
fn memory_of_two_readings_is_decided_by_the_other_rows_of_the_file() {
    let doubtful = "m_SXM,A100,2,8,32,\"{'SizeInMiB': 81920}\",3,,DE\n";
    let total = "m,RTX4090,2,8,32,\"{'SizeInMiB': 49128}\",0.8,,DE\n";
    let single = "m,RTX4090,2,8,32,\"{'SizeInMiB': 24564}\",0.8,,DE\n";
    for (rows, card) in [
        (format!("{doubtful}{total}"), Some("a100-sxm4-40gb")),
        (format!("{doubtful}{single}"), Some("a100-sxm4-80gb")),
        (format!("{doubtful}{single}{total}"), None),
        (doubtful.to_owned(), None),
    ] {
        let found = of(&rows);
        let a100 = found.listings.iter().find(|l| l.gpu_name == "A100");
        assert_eq!(a100.map(|l| l.gpu.id()), card, "{rows}");
    }
}

#[test]
fn old_prices_are_refused_when_their_day_is_given() {
    let text = format!("{HEAD}m,RTX4090,1,8,32,,0.40,,DE\n");
    for (days, offers) in [(7, 1), (8, 0)] {
        let checks = Checks {
            age: Age::Past(std::time::Duration::from_secs(days * 86_400)),
            ..Checks::default()
        };
        let found = read("own.csv", text.as_bytes(), &checks, |_| {}).unwrap();
        assert_eq!(found.report.offers, offers);
        assert_eq!(found.report.count(Defect::Stale), 1 - offers);
    }
}

#[test]
fn reports_of_several_files_add_up_and_keep_the_first_example() {
    let one = of("m,RTX4090,1,8,32,,0,,DE\n").report;
    let two = of("m,RTX4090,1,8,32,,0.4,0,DE\nm,X,1,8,32,,0,,DE\n").report;
    let sum = one.clone().and(two);
    assert_eq!(
        (sum.rows, sum.offers, sum.refused, sum.corrected),
        (3, 1, 3, 0)
    );
    let zero = sum
        .defects
        .iter()
        .find(|d| d.code == Defect::ZeroPrice)
        .unwrap();
    assert_eq!((zero.count, &zero.example), (2, &one.defects[0].example));
    let json = serde_json::to_value(&one).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "rows": 1, "offers": 0, "refused": 1, "corrected": 0,
            "defects": [{
                "code": "zero_price", "count": 1,
                "example": "own.csv:2: Price `$0.00`: nothing is sold for nothing",
            }],
        })
    );
}
