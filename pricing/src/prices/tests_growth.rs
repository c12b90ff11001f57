//! Tests of prices that do not grow with the number of GPUs: both readings lie in the wide bands,
//! and the other rows of the file, or caution, decide.

use super::*;

const HEAD: &str = "InstanceType,AcceleratorName,AcceleratorCount,GpuInfo,Price,SpotPrice,Region\n";

/// `card:count:micro-dollars per GPU` of every offer, and every defect with its rows.
fn of(rows: &str) -> (Vec<String>, Vec<(&'static str, u64)>) {
    let text = format!("{HEAD}{rows}");
    let found = read("own.csv", text.as_bytes(), &Checks::default(), |_| {}).unwrap();
    let offers = found.listings.iter().map(|l| {
        let whole = i64::from(l.gpus) * l.rate.price().get();
        assert!(whole >= l.machine_micro_usd_per_hour.get());
        format!("{}x{}", l.gpus, l.rate.price().get())
    });
    let defects = found.report.defects.iter();
    let defects = defects.map(|d| (d.code.code(), d.count)).collect();
    (offers.collect(), defects)
}

fn rows(name: &str, prices: &[(u16, &str, &str)]) -> String {
    let row = |(gpus, price, spot): &(u16, &str, &str)| {
        format!("m{gpus}_sxm,{name},{gpus},,{price},{spot},DE\n")
    };
    prices.iter().map(row).collect()
}

#[test]
fn a_price_that_does_not_grow_with_the_count_is_that_of_a_gpu() {
    let one = "4.29";
    let (offers, defects) = of(&rows(
        "H100-SXM",
        &[(1, one, ""), (2, one, ""), (4, one, ""), (8, one, "")],
    ));
    assert_eq!(offers, ["1x4290000", "2x4290000", "4x4290000", "8x4290000"]);
    assert_eq!(defects, [("price_per_gpu", 3)]);
    // A little cheaper by the dozen is no growth, and the spot price is written like the other.
    let (offers, _) = of(&rows("H100-SXM", &[(1, "4.29", "1.5"), (8, "3.99", "2.1")]));
    assert_eq!(offers, ["1x4290000", "1x1500000", "8x3990000", "8x2100000"]);
}

#[test]
fn a_price_that_grows_with_the_count_is_that_of_the_machine() {
    for prices in [
        [(1, "4.29", ""), (8, "34.32", "")],
        // Low, but each GPU costs what it costs alone.
        [(1, "0.55", ""), (8, "4.40", "")],
        // Neither reading is that of the other row: as written.
        [(1, "4.29", ""), (8, "20.00", "")],
    ] {
        let (offers, defects) = of(&rows("H100-SXM", &prices));
        assert_eq!((offers.len(), defects), (2, vec![]), "{prices:?}");
        assert_ne!(
            offers[1],
            format!("8x{}0000", &prices[1].1.replace('.', ""))
        );
    }
    // Another region's rows are no measure.
    let mixed = "m1,RTX4090,1,,0.80,,DE\nm2,RTX4090,2,,0.80,,FR\n";
    assert_eq!(of(mixed).0, ["1x800000", "2x400000"]);
}

#[test]
fn a_machine_for_less_than_a_gpu_ever_cost_is_refused_when_no_row_settles_it() {
    for (name, gpus, price) in [
        ("A100-80GB", 8, "2.95"),
        ("RTX4090", 8, "1.00"),
        ("H100-SXM", 8, "4.29"),
    ] {
        let (offers, defects) = of(&rows(name, &[(gpus, price, "")]));
        let unsettled = ("price_per_gpu", 1);
        assert!(
            offers.is_empty() && defects.contains(&unsettled),
            "{name} {defects:?}"
        );
    }
    // A spot price may be lower than any before.
    let (offers, defects) = of(&rows("RTX4090", &[(2, "0.80", "0.30")]));
    assert_eq!((offers.len(), defects), (2, vec![]));
}

#[test]
fn many_rows_of_one_card_and_place_are_compared_in_little_time() {
    let text: String = (0..60_000u32)
        .map(|n| format!("m,RTX4090,{},,0.{},,DE\n", n % 60_000 + 1, 100_000 + n))
        .collect();
    assert!(!of(&text).1.is_empty());
}
