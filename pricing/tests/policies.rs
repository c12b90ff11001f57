//! The policy files of this repository, and the numbers that the documentation works out.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};

use tandem_model::gpu::GpuModel;
use tandem_model::money::MicroUsd;
use tandem_model::network::{Country, Grade, NetworkId};
use tandem_model::time::WallTime;
use tandem_model::workload::{Tier, WorkloadClass};
use tandem_pricing::policy::{Change, Grid, Live, Policy, Subject, apply, price};

static IONET: NetworkId = NetworkId::from_static("ionet");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn documented() -> Policy {
    let page = std::fs::read_to_string(root().join("docs/policies.md")).unwrap();
    let blocks: Vec<_> = page.split("```yaml\n").skip(1).collect();
    assert_eq!(blocks.len(), 1);
    let text = blocks[0].split("```").next().unwrap();
    Policy::parse(text).unwrap_or_else(|e| panic!("{e}"))
}

fn subject(country: &str) -> Subject<'static> {
    Subject {
        class: WorkloadClass::DistributedTraining,
        tier: Tier::Enterprise,
        grade: Grade::Datacenter,
        account: None,
        gpu: GpuModel::by_id("h100-sxm5-80gb").unwrap(),
        network: &IONET,
        country: Country::parse(country).unwrap(),
        gpu_hours: 2_000,
        term_seconds: 864_000,
        utilisation_permille: 850,
    }
}

fn march() -> WallTime {
    let moment: jiff::Timestamp = "2027-03-15T09:00:00Z".parse().unwrap();
    WallTime::from_micros(moment.as_microsecond())
}

#[test]
fn the_example_in_numbers_comes_out_as_the_page_says() {
    let policy = documented();
    let cost = MicroUsd::new(2_000_000);
    let priced = price(cost, &policy.terms(&subject("DE"), march())).unwrap();
    let amounts = priced.lines().map(|(_, amount)| amount.get());
    assert_eq!(
        amounts,
        [2_000_000, 50_000, 20_000, 180_000, -225_000, 75_000]
    );
    assert_eq!(priced.price.get(), 2_100_000);
    let priced = price(cost, &policy.terms(&subject("SG"), march())).unwrap();
    let amounts = priced.lines().map(|(_, amount)| amount.get());
    assert_eq!(amounts, [2_000_000, 50_000, 20_000, 240_000, 0, 0]);
    assert_eq!(priced.price.get(), 2_310_000);
    let page = std::fs::read_to_string(root().join("docs/policies.md")).unwrap();
    for number in ["2,100,000", "2,310,000", "-225,000", "75,000", "180,000"] {
        assert!(page.contains(number), "{number}");
    }
}

#[test]
fn every_example_can_be_applied_after_the_standard_policy_within_its_guard_rails() {
    let mut read = 0;
    for entry in std::fs::read_dir(root().join("examples/policies")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let policy = Policy::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!(policy.name(), name);
        read += 1;
        if name == "standard" {
            continue;
        }
        let grid = Grid::standard(
            WallTime::default(),
            &[IONET.clone(), NetworkId::from_static("aethir")],
        );
        let change = Change {
            author: "test",
            note: "test",
            now: WallTime::default(),
            waived_because: None,
            grid: &grid,
        };
        let live = Live::standard(WallTime::default());
        let applied = apply(&live, &text, &change).unwrap_or_else(|e| panic!("{name}: {e}"));
        let prices = &applied.diff.prices;
        assert!(prices.dearer + prices.cheaper > 0, "{name} changes nothing");
        assert!(
            prices.rules_without_effect.is_empty(),
            "{name}: {:?}",
            prices.rules_without_effect
        );
    }
    assert!(read >= 3);
}
