//! Supply: the cheapest lane by brute force, prices that step, lanes that go, traces that cut.

use proptest::prelude::*;
use tandem_model::gpu::GpuModel;
use tandem_model::money::MicroUsd;

use super::super::demand::Need;
use super::super::history::{History, Step};
use super::super::market::Market;
use super::super::shelves::Part;
use super::super::spot::Availability;
use super::super::tally::Occupancy;
use super::{PRICES_HEAD, scenario};

fn prices(rows: &str) -> History {
    History::parse("p.csv", &format!("{PRICES_HEAD}{rows}")).unwrap()
}

const LANES: &str = "0,ionet,rtx4090,consumer,DE,0.40,8\n\
                     0,ionet,rtx4090,consumer,US,0.30,2\n\
                     0,aethir,h100-sxm5-80gb,datacenter,US,2.00,16\n\
                     0,ionet,l40s,datacenter,US,0.35,4\n";

#[test]
fn the_cheapest_lane_with_room_serves_and_a_taken_one_gives_way() {
    let history = prices(LANES);
    let mut market = Market::new(&history);
    market.advance(0, &mut []);
    let price = |market: &Market<'_>, part, gpus| {
        market.free(&Need::Any, part, gpus).map(|f| f.price.get())
    };
    assert_eq!(price(&market, Part::Any, 2), Some(300_000));
    assert_eq!(price(&market, Part::Any, 3), Some(350_000));
    assert_eq!(price(&market, Part::Any, 5), Some(400_000));
    assert_eq!(price(&market, Part::Any, 9), Some(2_000_000));
    assert_eq!(price(&market, Part::Rest, 9), None);
    assert_eq!(price(&market, Part::Enterprise, 1), Some(2_000_000));
    let cheapest = market.free(&Need::Any, Part::Any, 2).unwrap();
    market.take(cheapest.lane, 1, 100, false);
    assert_eq!(price(&market, Part::Any, 2), Some(350_000));
    assert_eq!(market.utilisation_permille(cheapest.lane), 100);
    let listed = market.list(&Need::Any, Part::Any, 2).unwrap();
    assert_eq!(listed.price.get(), 300_000);
    market.advance(100, &mut []);
    assert_eq!(price(&market, Part::Any, 2), Some(300_000));
}

#[test]
fn gpus_that_are_withdrawn_stay_until_their_work_ends_and_take_no_other() {
    let history =
        prices("0,ionet,rtx4090,consumer,DE,0.40,8\n50,ionet,rtx4090,consumer,DE,0.50,2\n");
    let mut market = Market::new(&history);
    let mut days = [Occupancy::default()];
    market.advance(0, &mut days);
    market.take(0, 6, 100, false);
    market.advance(60, &mut days);
    assert_eq!(market.free_gpus(0), 0);
    assert_eq!(market.utilisation_permille(0), 1_000);
    assert!(market.is_sound());
    market.advance(100, &mut days);
    assert_eq!(market.free_gpus(0), 2);
    market.advance(200, &mut days);
    assert_eq!(days[0].taken_gpu_seconds, 600);
    assert_eq!(days[0].supply_gpu_seconds, 50 * 8 + 50 * 6 + 100 * 2);
}

#[test]
fn assured_is_backed_by_no_more_than_its_share_of_the_free_enterprise_gpus() {
    let history = prices(LANES);
    let mut market = Market::new(&history);
    market.advance(0, &mut []);
    assert!(market.can_back(4, 250) && !market.can_back(5, 250));
    market.take(0, 3, 10, true);
    assert!(market.can_back(1, 250) && !market.can_back(2, 250));
    market.take(2, 8, 5, false);
    assert!(!market.can_back(1, 250));
    market.advance(10, &mut []);
    assert!(market.can_back(4, 250));
}

#[test]
fn a_trace_cuts_the_lanes_of_its_card_and_repeats() {
    let rows = "0,ionet,v100-pcie-16gb,datacenter,DE,0.30,10\n0,ionet,t4,datacenter,DE,0.20,5\n\
                25,ionet,v100-pcie-16gb,datacenter,DE,0.40,20\n";
    let text = r#"{"metadata":{"gap_seconds":10},"data":[4,1,0]}"#;
    let trace = Availability::parse("zone_v100_8.json", text).unwrap();
    let cut = prices(rows).limited_by(&trace, 50).unwrap();
    let of = |lane| -> Vec<(u64, u32)> {
        let steps = cut.steps.iter().filter(|step| step.lane == lane);
        steps.map(|step| (step.at_s, step.gpus)).collect()
    };
    assert_eq!(
        of(0),
        [
            (0, 10),
            (10, 2),
            (20, 0),
            (25, 0),
            (30, 20),
            (40, 5),
            (50, 0)
        ]
    );
    assert_eq!(of(1), [(0, 5)]);
    let none = prices("0,ionet,t4,datacenter,DE,0.20,5\n").limited_by(&trace, 50);
    let none = none.unwrap_err().to_string();
    assert_eq!(
        none,
        "zone_v100_8.json: is about a card that no price file has"
    );
}

#[test]
fn a_trace_is_refused_that_is_none_or_names_no_card() {
    let good = r#"{"metadata":{"gap_seconds":10},"data":[1]}"#;
    for (name, text) in [
        ("v100.json", good),
        ("zone_intel_64.json", good),
        ("zone_v100_1.json", "[]"),
        (
            "zone_v100_1.json",
            r#"{"metadata":{"gap_seconds":0},"data":[1]}"#,
        ),
        (
            "zone_v100_1.json",
            r#"{"metadata":{"gap_seconds":10},"data":[0,0]}"#,
        ),
        (
            "zone_v100_1.json",
            r#"{"metadata":{"gap_seconds":10},"data":[-1]}"#,
        ),
        (
            "zone_v100_1.json",
            r#"{"metadata":{"gap_seconds":10},"data":[]}"#,
        ),
        ("zone_v100_1.json", "{"),
    ] {
        assert!(Availability::parse(name, text).is_err(), "{name} {text}");
    }
    let trace = Availability::parse(
        "a_v100_1.json",
        r#"{"metadata":{"gap_seconds":1},"data":[0,1]}"#,
    );
    let endless = trace.unwrap().changes(u64::MAX);
    assert!(endless.is_err(), "changes without end are refused");
}

#[test]
fn prices_that_begin_later_hold_from_the_start() {
    let delayed = prices("5,ionet,t4,datacenter,DE,0.20,5\n9,ionet,t4,datacenter,DE,0.30,5\n");
    let delayed = delayed.delayed(86_400);
    let at: Vec<u64> = delayed.steps.iter().map(|step| step.at_s).collect();
    assert_eq!(at, [5, 86_409]);
}

#[test]
fn gcp_changes_become_one_lane_a_card_and_country() {
    let head = super::super::gcp::HEADER;
    let text = format!(
        "{head}\n\
         2026-04-02,A100,1,us-east1,us-east1-b,,2.00,1.0\n\
         2026-04-02,A100,2,us-west1,us-west1-a,,3.00,1.0\n\
         2026-04-02,P4,1,us-west1,us-west1-a,,0.60,0.2\n\
         2026-04-04,A100,2,us-west1,us-west1-a,,,\n"
    );
    let history = History::parse("g.csv", &text).unwrap();
    let steps = |at_s, micro, gpus| Step {
        at_s,
        lane: 0,
        price: MicroUsd::new(micro),
        gpus,
    };
    assert_eq!((history.lanes.len(), history.left_out), (1, 1));
    let expected = [steps(0, 1_500_000, 16), steps(2 * 86_400, 2_000_000, 8)];
    assert_eq!(history.steps, expected);
    let bad = |row: &str| History::parse("g.csv", &format!("{text}{row}\n")).unwrap_err();
    assert_eq!(bad("2026-04-03,A100,1,us-east1,z,,2,1").line, 6);
    assert_eq!(bad("2026-04-05,A100,1,mars-1,z,,2,1").field, "region");
    assert_eq!(bad("2026-04-05,A100,0,us-1,z,,2,1").field, "gpu_count");
    assert_eq!(
        bad("2026-04-05,A100,1,us-1,z,,0.00,1").field,
        "on_demand_usd_per_hour"
    );
}

#[test]
fn assured_is_not_offered_when_enterprise_costs_less() {
    let rows =
        "0,ionet,rtx4090,consumer,DE,3.00,8\n0,aethir,h100-sxm5-80gb,datacenter,US,2.00,64\n";
    let scenario = scenario("a,0,60,1,,online_inference\n", rows);
    let mut parameters = super::parameters(1);
    for shares in parameters.wanted_tiers_permille.values_mut() {
        (shares.consumer, shares.enterprise) = (0, 0);
    }
    let policy = crate::policy::Policy::standard();
    let result = super::super::backtest(&policy, None, &scenario, parameters);
    assert_eq!(result.policies[0].totals.refused_not_offered, 1);
}

proptest! {
    #[test]
    fn the_shelves_find_what_a_search_of_all_lanes_finds(
        steps in prop::collection::vec((0usize..4, 1i64..50, 0u32..40), 1..40),
        taken in prop::collection::vec((0usize..40, 1u32..20), 0..20),
        gpus in 1u32..20, card in 0usize..5,
    ) {
        const CARDS: [&str; 4] = ["rtx4090", "h100-sxm5-80gb", "l40s", "a100-sxm4-80gb"];
        const COUNTRIES: [&str; 5] = ["DE", "US", "NO", "FR", "KR"];
        let rows: String = steps.iter().enumerate().map(|(n, (card, cents, gpus))| {
            let place = COUNTRIES[n % 5];
            format!("0,ionet,{},datacenter,{place},0.{cents:02},{gpus}\n", CARDS[*card])
        }).collect();
        let history = prices(&rows);
        let mut market = Market::new(&history);
        market.advance(0, &mut []);
        for (lane, gpus) in taken {
            let lane = lane % history.lanes.len();
            if market.free_gpus(lane) >= gpus {
                market.take(lane, gpus, 10, false);
            }
        }
        let last = |lane| history.steps.iter().rev().find(|s| s.lane == lane).unwrap().price;
        let need = match CARDS.get(card) {
            Some(id) => Need::Named(vec![GpuModel::by_id(id).unwrap()]),
            None => Need::Any,
        };
        for part in [Part::Any, Part::Enterprise, Part::Rest] {
            let lanes = history.lanes.iter().enumerate();
            let expected = lanes.filter(|(index, lane)| {
                let fits = match &need { Need::Any => true, Need::Named(m) => m.contains(&lane.gpu) };
                let part = match part {
                    Part::Any => true,
                    Part::Enterprise => lane.is_enterprise(),
                    Part::Rest => !lane.is_enterprise(),
                };
                fits && part && market.free_gpus(*index) >= gpus
            }).map(|(index, _)| (last(index), index)).min();
            let found = market.free(&need, part, gpus).map(|f| (f.price, f.lane));
            prop_assert_eq!(found, expected);
        }
        prop_assert!(market.is_sound());
    }
}
