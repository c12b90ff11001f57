//! The worst copy of a training: its machine freezes where nobody can stop it, and it wakes when
//! its successor is at work.

use serde_json::{Value, json};
use tandem::demo::digest;

use crate::api::Api;
use crate::process::Processes;
use crate::{end, ended_well, until, works};

/// World seconds for which requests about the machine fail if it is not healed: longer than the
/// test.
const UNREACHABLE_SECONDS: u64 = 3_600;
/// Steps of the training: enough for the successor to be at work when the frozen one has ended.
const STEPS: u64 = 200;

/// What was rented for the first epoch, by the sandbox's truth.
fn first(api: &Api, processes: &Processes) -> Value {
    let truth = api.sandbox(processes, "truth");
    let deployments = truth["deployments"].as_array().unwrap();
    let first = deployments.iter().find(|d| d["epoch"] == 1);
    first.expect("epoch 1 was rented").clone()
}

/// What ails the machine of the first epoch.
struct Faults {
    unreachable: String,
    frozen: String,
}

/// Has every request about the machine of the first epoch fail, and freezes it, until either is
/// healed.
fn freeze(api: &Api, processes: &Processes) -> Faults {
    let deployment = first(api, processes);
    let (network, id) = (&deployment["network"], &deployment["remote_id"]);
    let unreachable = json!({
        "network": network, "scope": "node", "kind": "error_before",
        "target": id, "duration_seconds": UNREACHABLE_SECONDS,
    });
    let frozen = json!({ "network": network, "scope": "node", "kind": "silent", "target": id });
    Faults {
        unreachable: api.fault(processes, &unreachable),
        frozen: api.fault(processes, &frozen),
    }
}

/// Epoch and step of the checkpoint from which the next attempt would go on.
fn pointer(job: &Value) -> (u64, u64) {
    let number = |name: &str| job["checkpoint"][name].as_u64().unwrap_or(0);
    (number("epoch"), number("step"))
}

#[test]
fn a_frozen_training_that_wakes_beside_its_successor_publishes_nothing_and_ends() {
    let processes = Processes::start();
    let api = Api::of(&processes);
    let id = api.submit(&works::real(STEPS));
    until("checkpoints are published", || {
        (pointer(&api.job(&id)).1 >= 20).then_some(())
    });
    let faults = freeze(&api, &processes);
    // What fails about one machine holds calls to its network back for a moment, so the successor
    // may be a later attempt than the second.
    until("the successor publishes", || {
        (pointer(&api.job(&id)).0 > 1).then_some(())
    });
    let unit = &first(&api, &processes)["units"][0];
    assert_eq!(unit["silent"], true, "it is frozen, not dead: {unit}");
    let machine = unit["id"].as_str().unwrap();
    assert!(Processes::has_process(machine), "it is frozen, not dead");

    // It wakes, is told of the live epoch, and ends by itself: nobody could stop it.
    api.heal(&processes, &faults.frozen);
    until("the frozen training ends", || {
        (!Processes::has_process(machine)).then_some(())
    });
    assert_eq!(first(&api, &processes)["units"][0]["silent"], false);
    let deployment = first(&api, &processes);
    assert!(
        deployment["ended_us"].is_null(),
        "nobody stopped it: {deployment}"
    );
    assert_eq!(api.job(&id)["state"], "running", "its successor is at work");

    api.heal(&processes, &faults.unreachable);
    let jobs = end(&api, &processes);
    let job = &jobs[0];
    assert!(ended_well(job), "{job:#}");
    let placements = job["placements"].as_array().unwrap();
    assert_eq!(pointer(job), (placements.len() as u64, STEPS));
    for chunk in api.chunks(&id) {
        let is_late = chunk.at.to_string().as_str() > placements[0]["fenced_at"].as_str().unwrap();
        assert!(
            chunk.epoch.0 > 1 || !is_late,
            "a fenced epoch was heard: {chunk:?}"
        );
    }
    let lines = api.log(&id);
    let expected = digest::expected(STEPS);
    assert_eq!(digest::printed(lines.iter()), Some(expected.as_str()));
    let resumed = lines.iter().filter(|l| l.starts_with("resumed at step"));
    assert_eq!(resumed.count(), 1, "{lines:?}");
}
