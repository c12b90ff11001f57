//! The price lab: a real trace replayed under one policy, beside the reading of it.

use std::path::Path;

use tandem_model::time::WallTime;
use tandem_pricing::lab::{Files, Parameters, Scenario, backtest};
use tandem_pricing::policy::Policy;

use super::{progress, real_data};
use crate::sheet::{Aim, Section};
use crate::times::Times;

/// The trace, in the folder of demand.
const TRACE: &str = "alibaba-gpu-v2023-pods.csv";
/// Times that each is done.
const RUNS: usize = 5;
/// Aim of a back-test of the trace, in seconds.
const REPLAYED_S: Aim = Aim::AtMost(1.0);
/// Microseconds of a second.
const SECOND_US: f64 = 1e6;

/// Measures the trace where it is there, else the set that ships.
pub(super) fn measure() -> Section {
    let trace = real_data("demand").map(|folder| folder.join(TRACE));
    let trace = trace.filter(|path| path.is_file());
    let text = trace
        .as_deref()
        .map(|path| std::fs::read_to_string(path).unwrap());
    let name = trace.as_deref().and_then(Path::file_name);
    let name = name.map_or("the set that ships".to_owned(), |name| {
        name.to_string_lossy().into_owned()
    });
    progress(&format!("a back-test on {name}"));
    let demand = text.as_deref().map(|text| (name.as_str(), text));
    let read = || {
        Scenario::read(&Files {
            demand,
            ..Files::default()
        })
        .unwrap()
    };
    let (scenario, policy) = (read(), Policy::standard());
    let parameters = || Parameters::standard(1, WallTime::from_micros(0));
    let tested = || backtest(&policy, None, &scenario, parameters());
    let tasks = tested().inputs.tasks;
    let reading = Times::of(RUNS, read).median_us() / SECOND_US;
    let replaying = Times::of(RUNS, tested).median_us() / SECOND_US;
    let mut section = Section::new(format!("Price lab: {tasks} tasks of {name}, one policy"));
    match trace {
        Some(_) => section.aimed("back-test with its intervals", replaying, "s", REPLAYED_S),
        None => {
            section.figure("back-test with its intervals", replaying, "s");
            section.note("no real trace in ../shared/data/demand: its aim is not measured");
        }
    }
    section.figure(
        "tasks",
        f64::from(u32::try_from(tasks).unwrap_or(0)) / replaying,
        "tasks/s",
    );
    section.figure("reading demand and prices", reading, "s");
    section.figure("back-test over reading", replaying / reading, "x");
    section
}
