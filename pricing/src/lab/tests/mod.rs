//! The price lab: what must hold on any input, hostile files, and the sets that are there.

mod files;
mod invariants;
mod pages;
mod real;
mod supply;

use tandem_model::time::WallTime;

use super::{Backtest, Files, Parameters, Scenario, backtest};
use crate::policy::Policy;

const DEMAND_HEAD: &str = "name,arrival_s,duration_s,gpus,gpu,class\n";
const PRICES_HEAD: &str = "time_s,network,gpu,grade,country,price_usd_per_gpu_hour,gpus\n";

fn parameters(seed: u64) -> Parameters {
    Parameters::standard(seed, WallTime::from_micros(1_793_577_600_000_000))
}

fn shipped() -> Scenario {
    Scenario::read(&Files::default()).unwrap()
}

/// A scenario of rows without their headers.
fn scenario(demand: &str, prices: &str) -> Scenario {
    let demand = format!("{DEMAND_HEAD}{demand}");
    let prices = [("p.csv".to_owned(), format!("{PRICES_HEAD}{prices}"))];
    let files = Files {
        demand: Some(("d.csv", &demand)),
        prices: &prices,
        ..Files::default()
    };
    Scenario::read(&files).unwrap()
}

/// The standard policy with other numbers in it.
fn changed(changes: &[(&str, &str)]) -> Policy {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path.join("../examples/policies/standard.yaml")).unwrap();
    let text = changes.iter().fold(text, |text, (old, new)| {
        assert!(text.contains(old), "{old}");
        text.replace(old, new)
    });
    Policy::parse(&text).unwrap_or_else(|e| panic!("{e}"))
}

fn played(scenario: &Scenario, policy: &Policy, other: Option<&Policy>) -> Backtest {
    backtest(policy, other, scenario, parameters(7))
}
