//! Tests of the reference prices.

use super::*;
use crate::gate::bands;

fn gpu(id: &str) -> GpuModel {
    GpuModel::by_id(id).unwrap()
}

fn rate(micro_usd: i64) -> RatePerGpuHour {
    RatePerGpuHour::new(MicroUsd::new(micro_usd))
}

#[test]
fn the_table_is_read_whole_and_every_price_is_plausible() {
    assert_eq!(all().len(), 15);
    for row in all() {
        let band = bands::of(row.gpu);
        assert!(band.holds(row.on_demand.get()), "{row:?}");
        assert!(row.spot.is_none_or(|spot| band.holds(spot.get())));
        assert!(row.spot.is_none_or(|spot| spot < row.on_demand), "{row:?}");
        assert_eq!(row.spot.is_some(), row.spot_region.is_some(), "{row:?}");
        assert_eq!(row.dated.to_string(), "2026-05-20");
        assert!(!row.source.is_empty() && !row.machine.is_empty());
        let twins = all()
            .iter()
            .filter(|other| (other.gpu, other.provider) == (row.gpu, row.provider));
        assert_eq!(twins.count(), 1, "{row:?}");
    }
}

#[test]
fn the_reference_of_a_card_is_the_cheaper_hyperscaler() {
    for (id, found) in [
        ("h100-sxm5-80gb", Some((Provider::Gcp, 5_383_268))),
        ("h100-nvl-94gb", Some((Provider::Azure, 6_980_000))),
        ("t4", Some((Provider::Azure, 526_000))),
        ("rtx4090", None),
        ("h100-pcie-80gb", None),
    ] {
        let row = for_gpu(gpu(id)).map(|row| (row.provider, row.on_demand.get()));
        assert_eq!(row, found, "{id}");
    }
}

#[test]
fn it_says_when_the_hyperscaler_is_cheaper_and_equal_is_not() {
    let row = for_gpu(gpu("h100-sxm5-80gb")).unwrap();
    for (ours, on_demand, spot) in [
        (1_000_000, false, false),
        (1_172_090, false, false),
        (1_172_091, false, true),
        (5_383_268, false, true),
        (5_383_269, true, true),
    ] {
        let standing = row.against(rate(ours));
        assert_eq!(
            (standing.on_demand_is_cheaper, standing.spot_is_cheaper),
            (on_demand, spot),
            "{ours}"
        );
    }
    let azure = all()
        .iter()
        .find(|row| row.gpu.id() == "h200-sxm-141gb" && row.provider == Provider::Azure);
    assert!(!azure.unwrap().against(rate(i64::MAX)).spot_is_cheaper);
}

#[test]
fn the_age_is_counted_in_days_and_never_below_zero() {
    let row = for_gpu(gpu("l4")).unwrap();
    for (today, days) in [("2026-05-20", 0), ("2026-08-21", 93), ("2026-01-01", 0)] {
        assert_eq!(row.age_days(Date::parse(today).unwrap()), days, "{today}");
    }
}
