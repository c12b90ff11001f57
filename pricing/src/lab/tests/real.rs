//! Real demand, prices and availability, where the folder with them is there.

use std::path::{Path, PathBuf};

use super::super::scenario::{Files, Scenario};
use super::{parameters, played};
use crate::policy::Policy;

fn folder() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = here
        .ancestors()
        .map(|up| up.join("shared/data"))
        .find(|path| path.join("demand").is_dir());
    if found.is_none() {
        eprintln!("no ../shared/data: tried on the set that ships alone");
    }
    found
}

fn read(folder: &Path, file: &str) -> (String, String) {
    let path = folder.join(file);
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    (name, std::fs::read_to_string(path).unwrap())
}

#[test]
fn every_task_of_the_real_trace_is_counted_once_on_real_prices() {
    let Some(folder) = folder() else { return };
    let (name, text) = read(&folder, "demand/alibaba-gpu-v2023-pods.csv");
    let prices = [read(&folder, "prices/gcp-gpu-price-changes.csv")];
    let trace = "spot-traces/availability-16-node-aws-08-27-2023-us-west-2a_v100_1.json";
    let supply = [read(&folder, trace)];
    let files = Files {
        demand: Some((&name, &text)),
        prices: &prices,
        prices_delay_s: 110 * 86_400,
        supply: &supply,
        conversion: None,
    };
    let scenario = Scenario::read(&files).unwrap();
    let result = played(&scenario, &Policy::standard(), Some(&Policy::standard()));
    let totals = &result.policies[0].totals;
    assert_eq!(result.inputs.tasks, 8_152);
    assert_eq!(totals.tasks, 8_152);
    assert_eq!(totals.accepted + totals.refused(), 8_152);
    assert_eq!(totals.refused_without_gpu, 1_088);
    assert!(totals.accepted > 1_000, "{}", totals.accepted);
    assert_eq!(result.inputs.days, 150);
    assert!(
        result
            .difference
            .unwrap()
            .values()
            .all(|e| (e.low, e.high) == (0, 0))
    );

    let on_ours = Files {
        prices: &[],
        supply: &[],
        ..files
    };
    let scenario = Scenario::read(&on_ours).unwrap();
    let ours = super::super::backtest(&Policy::standard(), None, &scenario, parameters(1));
    assert_eq!(ours.policies[0].totals.tasks, 8_152);
    assert!(ours.policies[0].totals.refused_capacity > 0);
}
