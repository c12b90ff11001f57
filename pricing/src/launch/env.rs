//! Variables that a workload and its agent find: ours, and those of the file's format.

use std::collections::BTreeMap;

use tandem_model::secret::Secret;
use tandem_model::workload::{Checkpoints, SourceFormat, Workload, WorkloadKind};

use super::HEALTH_PORT;
use super::context::LaunchContext;

/// The port of the agent's health answer; never the workload's own.
pub(super) fn health_port(w: &Workload) -> u16 {
    if w.port == Some(HEALTH_PORT) {
        HEALTH_PORT + 1
    } else {
        HEALTH_PORT
    }
}

/// Plain variables; none of them is secret.
pub(super) fn plain(w: &Workload, c: &LaunchContext) -> BTreeMap<String, String> {
    let mut env = w.env.clone();
    let mut set = |name: &str, value: String| {
        env.insert(name.to_owned(), value);
    };
    set("TANDEM_BROKER_URL", c.broker_url.clone());
    set("TANDEM_JOB_ID", c.job.to_string());
    set("TANDEM_EPOCH", c.epoch.0.to_string());
    set("TANDEM_RANK", c.rank.to_string());
    set("TANDEM_NODES", w.resources.nodes.to_string());
    set("TANDEM_NODE_IPS", node_ips(c).join(","));
    set(
        "TANDEM_GPUS_PER_NODE",
        w.resources.gpus_per_node.to_string(),
    );
    set(
        "TANDEM_KIND",
        match w.kind {
            WorkloadKind::Job => "job".into(),
            WorkloadKind::Service => "service".into(),
        },
    );
    set("TANDEM_TIME_FACTOR", c.time_factor.to_string());
    set("TANDEM_HEALTH_PORT", health_port(w).to_string());
    set("TANDEM_AGENT_URL", c.agent_url.clone());
    set("TANDEM_AGENT_SHA256", c.agent_sha256.to_ascii_lowercase());
    if let Checkpoints::Agent { interval_seconds } = w.checkpoints {
        set(
            "TANDEM_CHECKPOINT_INTERVAL_SECONDS",
            interval_seconds.to_string(),
        );
    }
    match w.format {
        SourceFormat::Skypilot => skypilot(w, c, &mut set),
        SourceFormat::Dstack => dstack(w, c, &mut set),
        SourceFormat::Kubernetes => kubernetes(w, c, &mut set),
        SourceFormat::Tandem | SourceFormat::Akash | SourceFormat::IonetRecipe => {}
    }
    env
}

/// Variables that no network may show again.
pub(super) fn secret(c: &LaunchContext) -> BTreeMap<String, Secret> {
    let mut env = BTreeMap::from([("TANDEM_AGENT_TOKEN".to_owned(), c.agent_token.clone())]);
    if let Some(code) = &c.code {
        env.insert("TANDEM_CODE_URL".into(), code.url.clone());
        env.insert(
            "TANDEM_CODE_SHA256".into(),
            Secret::new(code.sha256.clone()),
        );
    }
    env
}

fn node_ips(c: &LaunchContext) -> Vec<String> {
    c.node_ips
        .clone()
        .unwrap_or_else(|| vec!["127.0.0.1".into()])
}

/// What SkyPilot sets: docs.skypilot.co/en/latest/running-jobs/environment-variables.html.
fn skypilot(w: &Workload, c: &LaunchContext, set: &mut impl FnMut(&str, String)) {
    let gpus = w.resources.gpus_per_node.to_string();
    let ips = node_ips(c).join("\n");
    for prefix in ["SKYPILOT", "SKYPILOT_SETUP"] {
        set(&format!("{prefix}_NODE_RANK"), c.rank.to_string());
        set(&format!("{prefix}_NODE_IPS"), ips.clone());
        set(&format!("{prefix}_NUM_GPUS_PER_NODE"), gpus.clone());
    }
    set("SKYPILOT_NUM_NODES", w.resources.nodes.to_string());
    set("SKYPILOT_TASK_ID", c.job.to_string());
    set("SKYPILOT_CLUSTER_NAME", w.name.clone());
    set("SKYPILOT_USER", "tandem".into());
    set("SKYPILOT_JOB_RANK", "0".into());
    set("SKYPILOT_NUM_JOBS", "1".into());
}

/// What dstack sets: dstack.ai/docs/reference/environment-variables.
fn dstack(w: &Workload, c: &LaunchContext, set: &mut impl FnMut(&str, String)) {
    let ips = node_ips(c);
    set("DSTACK_RUN_NAME", w.name.clone());
    set("DSTACK_RUN_ID", c.job.to_string());
    set("DSTACK_JOB_ID", c.job.to_string());
    set("DSTACK_NODE_RANK", c.rank.to_string());
    set("DSTACK_NODES_NUM", w.resources.nodes.to_string());
    set(
        "DSTACK_MASTER_NODE_IP",
        ips.first().cloned().unwrap_or_default(),
    );
    set("DSTACK_NODES_IPS", ips.join("\n"));
    set(
        "DSTACK_GPUS_PER_NODE",
        w.resources.gpus_per_node.to_string(),
    );
    set("DSTACK_GPUS_NUM", w.gpus_total().to_string());
}

/// Port on which the processes of one training meet, as Kubeflow's operators set it.
const MASTER_PORT: &str = "23456";

/// What Kubernetes sets for an indexed Job, and Kubeflow's operators for PyTorch:
/// kubernetes.io/docs/concepts/workloads/controllers/job,
/// kubeflow.org/docs/components/trainer/legacy-v1/user-guides/pytorch.
fn kubernetes(w: &Workload, c: &LaunchContext, set: &mut impl FnMut(&str, String)) {
    let nodes = w.resources.nodes;
    let own = |name: &str| w.env.get(name).cloned();
    let processes = own("PET_NPROC_PER_NODE");
    let of_node = processes.as_ref().and_then(|n| n.parse::<u32>().ok());
    let world = u32::from(nodes) * of_node.unwrap_or(1);
    let master = node_ips(c).first().cloned().unwrap_or_default();
    let rank = c.rank.to_string();
    set("JOB_COMPLETION_INDEX", rank.clone());
    if nodes == 1 && processes.is_none() {
        return;
    }
    for (name, value) in [
        ("MASTER_ADDR", master.clone()),
        ("MASTER_PORT", MASTER_PORT.to_owned()),
        ("WORLD_SIZE", world.to_string()),
        ("RANK", rank.clone()),
        ("PET_NNODES", nodes.to_string()),
        ("PET_NODE_RANK", rank),
        ("PET_MASTER_ADDR", master),
        ("PET_MASTER_PORT", MASTER_PORT.to_owned()),
    ] {
        if own(name).is_none() {
            set(name, value);
        }
    }
}
