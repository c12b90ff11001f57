//! A world of a hundred thousand nodes is small. Alone in its file, so that nothing else of the
//! process is measured.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod common;

use common::{CAAS, Table};
use tandem_adapters::wire::Method;
use tandem_sandbox::world::WorldOptions;

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_hundred_thousand_nodes_fit_into_a_tenth_of_a_gigabyte() {
    let before = resident_kib();
    let mut table = Table::new(WorldOptions {
        nodes: 100_000,
        ..WorldOptions::default()
    });
    let about = table.control(Method::Get, "", None).1;
    assert_eq!(about["nodes"], 100_000);
    let rows = table.get(&format!("{CAAS}/hardware"));
    let rows = rows.as_array().unwrap();
    let available: i64 = rows.iter().map(|r| r["available"].as_i64().unwrap()).sum();
    assert!(available > 20_000, "{available}");
    let used = resident_kib().saturating_sub(before);
    assert!(used < 100 * 1_024, "{used} KiB");
}
