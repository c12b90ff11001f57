//! What is submitted: singles, a gang, services, and a real process under the real agent.

use serde_json::Value;
use tandem::demo::digest;

use crate::api::Api;

/// Steps of the real training among all works.
const STEPS: u64 = 100;
/// Name of the real training.
const REAL: &str = "digest-training";

fn simulated_job(number: usize, steps: usize) -> String {
    format!(
        "tandem: 1\nname: single-{number}\nrun: python3 train.py\nresources:\n  gpu: any:24GB\nenv:\n  TANDEM_SIM_STEPS: \"{steps}\"\ncheckpoints:\n  interval_seconds: 10\n"
    )
}

/// So many simulated jobs, long enough to run on while a broker is away.
pub(crate) fn simulated(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| simulated_job(number, 180))
        .collect()
}

fn service(number: usize) -> String {
    format!(
        "tandem: 1\nname: service-{number}\nkind: service\nimage: vllm/vllm-openai:v0.10.0\nrun: vllm serve x --port 8000\nresources:\n  gpu: any:24GB\nport: 8000\n"
    )
}

/// Two linked nodes.
const GANG: &str = "tandem: 1\nname: gang\nrun: torchrun train.py\nresources:\n  gpu: H100\n  gpus_per_node: 8\n  nodes: 2\nenv:\n  TANDEM_SIM_STEPS: \"90\"\ncheckpoints:\n  interval_seconds: 10\n";

/// The digest training of our examples as a real process of so many steps.
pub(crate) fn real(steps: u64) -> String {
    let text = include_str!("../../../examples/digest-training.yaml");
    let env = format!("env:\n  TANDEM_EXEC: \"1\"\n  STEPS: \"{steps}\"");
    let changed = text.replace("env:\n  STEPS: \"60\"", &env);
    assert_ne!(changed, text);
    changed
}

/// A dozen works of every kind.
pub(crate) fn all() -> Vec<String> {
    let mut works: Vec<String> = (0..8)
        .map(|number| simulated_job(number, 60 + 20 * (number % 4)))
        .collect();
    works.insert(0, real(STEPS));
    works.insert(3, GANG.to_owned());
    works.insert(5, service(0));
    works.push(service(1));
    works
}

/// The real training printed what an uninterrupted run prints.
pub(crate) fn check_real(api: &Api, jobs: &[Value]) {
    let job = jobs.iter().find(|job| job["name"] == REAL).unwrap();
    let lines = api.log(job["id"].as_str().unwrap());
    let expected = digest::expected(STEPS);
    assert_eq!(digest::printed(lines.iter()), Some(expected.as_str()));
}
