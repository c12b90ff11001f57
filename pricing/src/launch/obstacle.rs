//! What stands in the way of a start, each thing by name with what would help.

use serde::Serialize;
use tandem_model::error::ErrorCode;
use tandem_model::launch::AgentMode;
use tandem_model::network::{Grade, LaunchVia, Product};
use tandem_model::workload::{Checkpoints, CodeSource, SourceFormat, Workload};

use super::SCRIPT_BYTES_MAX;
use super::context::LaunchContext;

/// One thing that stands in the way of a start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// Its code.
    pub code: ErrorCode,
    /// The field of the workload that asks for it.
    pub field: String,
    /// What is in the way.
    pub text: String,
    /// What would help.
    pub help: String,
}

impl Obstacle {
    pub(super) fn new(field: &str, text: impl Into<String>, help: &str) -> Self {
        Self {
            code: ErrorCode::LAUNCH_IMPOSSIBLE,
            field: field.to_owned(),
            text: text.into(),
            help: help.to_owned(),
        }
    }
}

/// Everything in the workload that this product cannot start for a broker, which wraps the work and
/// reads no registry.
pub fn obstacles(workload: &Workload, product: &Product) -> Vec<Obstacle> {
    let mut found = lasting(workload, product);
    if workload.run.trim().is_empty() {
        found.push(no_command());
    }
    found
}

/// What stands in the way whatever is known of the image.
pub(super) fn lasting(workload: &Workload, product: &Product) -> Vec<Obstacle> {
    let mut found = Vec::new();
    shape(workload, product, &mut found);
    data(workload, &mut found);
    commands(workload, product, &mut found);
    found
}

/// Nothing says what is to run: an image's own command stands in its registry, which nobody reads.
fn no_command() -> Obstacle {
    Obstacle::new(
        "run",
        "the image's own command would have to be read from its registry, which the broker does not do",
        "say in `run` (Kubernetes: `command`) what the image would start",
    )
}

fn shape(w: &Workload, product: &Product, found: &mut Vec<Obstacle>) {
    let r = &w.resources;
    let named = format!("{} {}", product.network, product.name);
    if r.nodes > 1 && !product.nodes_are_linked {
        found.push(Obstacle::new(
            "resources.nodes",
            format!(
                "{} nodes must reach each other, and those of {named} cannot",
                r.nodes
            ),
            "a product of linked machines, or one node",
        ));
    } else if r.nodes > product.nodes_max {
        found.push(Obstacle::new(
            "resources.nodes",
            format!(
                "{} nodes; {named} gives at most {} together",
                r.nodes, product.nodes_max
            ),
            "fewer nodes, or another product",
        ));
    }
    if r.gpus_per_node > product.gpus_per_node_max {
        found.push(Obstacle::new(
            "resources.gpus_per_node",
            format!(
                "{} GPUs in a node; {named} has at most {}",
                r.gpus_per_node, product.gpus_per_node_max
            ),
            "fewer GPUs in a node",
        ));
    }
    if w.replicas > 1 {
        found.push(Obstacle::new(
            "replicas",
            format!("{} replicas are asked for, and a job runs one", w.replicas),
            "one replica, and a job for each further one",
        ));
    }
    if w.port.is_some() && product.published_ports_max == 0 {
        found.push(Obstacle::new(
            "port",
            format!("{named} publishes no port"),
            "another product, or a job without a port",
        ));
    }
}

fn data(w: &Workload, found: &mut Vec<Obstacle>) {
    for bucket in &w.buckets {
        found.push(Obstacle::new(
            "buckets",
            format!("the bucket `{}` cannot be mounted at `{}`", bucket.source, bucket.path),
            "copy it in `setup` with the store's own command, and write results to TANDEM_CHECKPOINT_DIR",
        ));
    }
}

/// Whether a command line of a script starts with these words.
fn runs(script: &str, words: &str) -> bool {
    script.lines().any(|line| {
        let line = line.trim_start().trim_start_matches("sudo ").trim_start();
        line.strip_prefix(words)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
    })
}

fn commands(w: &Workload, product: &Product, found: &mut Vec<Obstacle>) {
    let setup = w.setup.as_deref().unwrap_or_default();
    for (field, script) in [("setup", setup), ("run", w.run.as_str())] {
        let inside = product.launch == LaunchVia::Container || w.image.is_some();
        let docker = [
            "docker run",
            "docker pull",
            "docker compose",
            "docker-compose",
            "docker build",
        ];
        if inside && docker.iter().any(|words| runs(script, words)) {
            found.push(Obstacle::new(
                field,
                "docker is called, and there is no container engine inside the container",
                "name the image in the file and run its command directly",
            ));
        }
        if w.format == SourceFormat::Skypilot && script.contains("sky_templates") {
            found.push(Obstacle::new(
                field,
                "a script that only SkyPilot puts on its machines (~/sky_templates) is called",
                "start Ray in `run` with `ray start`",
            ));
        }
        if w.format == SourceFormat::Dstack && script.contains("DSTACK_MPI_HOSTFILE") {
            found.push(Obstacle::new(
                field,
                "an MPI host file with SSH between the nodes is expected",
                "use torchrun with DSTACK_MASTER_NODE_IP",
            ));
        }
        if script.len() > SCRIPT_BYTES_MAX {
            found.push(Obstacle::new(
                field,
                format!("longer than {SCRIPT_BYTES_MAX} bytes"),
                "put the script into the image or the code folder",
            ));
        }
    }
}

/// What is in the way of this start, given what is known now.
pub(super) fn of_context(w: &Workload, product: &Product, c: &LaunchContext) -> Vec<Obstacle> {
    let mut found = Vec::new();
    if w.resources.nodes > 1
        && c.node_ips
            .as_ref()
            .is_none_or(|ips| ips.len() != usize::from(w.resources.nodes))
    {
        found.push(Obstacle::new(
            "resources.nodes",
            "the addresses of the nodes are not known yet",
            "start when every node has its address",
        ));
    }
    let local = |(_, source): &&(String, CodeSource)| matches!(source, CodeSource::LocalPath(_));
    if let (Some((_, CodeSource::LocalPath(path))), None) = (w.code.iter().find(local), &c.code) {
        found.push(Obstacle::new(
            "code",
            format!("the folder `{path}` was not uploaded with the job"),
            "submit with its code, use a git repository, or put the code into the image",
        ));
    }
    if !w.secrets.is_empty() && c.grade == Grade::Consumer && !w.secrets_on_consumer {
        found.push(Obstacle::new(
            "secrets",
            "the owner of a consumer machine can read secrets that are used on it",
            "set `secrets_on_consumer: true`, or choose the enterprise tier",
        ));
    }
    of_agent(w, product, c, &mut found);
    found
}

fn of_agent(w: &Workload, product: &Product, c: &LaunchContext, found: &mut Vec<Obstacle>) {
    let hex = |s: &str| s.len() == 64 && s.bytes().all(|b| b.is_ascii_hexdigit());
    if c.agent == AgentMode::Wrapped && !hex(&c.agent_sha256) {
        found.push(Obstacle::new(
            "image",
            "the agent's SHA-256 is not 64 hex digits",
            "check the broker's configuration",
        ));
    }
    if c.agent == AgentMode::None {
        let needs: [(bool, &str, &str); 3] = [
            (
                w.checkpoints != Checkpoints::None,
                "checkpoints",
                "checkpoints are saved by the agent",
            ),
            (
                !w.secrets.is_empty(),
                "secrets",
                "secrets are fetched by the agent",
            ),
            (
                w.port.is_none() && product.launch == LaunchVia::Container,
                "port",
                "nothing would answer on the container's one HTTP port",
            ),
        ];
        for (wanted, field, text) in needs {
            if wanted {
                found.push(Obstacle::new(field, text, "start with the agent"));
            }
        }
    }
    if c.agent == AgentMode::Image && w.image.is_none() {
        found.push(Obstacle::new(
            "image",
            "no image is named, so none can hold the agent",
            "let the agent be fetched (wrapped)",
        ));
    }
    let own_command = w.run.trim().is_empty() && c.image_command.is_none();
    if own_command && (c.agent != AgentMode::None || w.setup.is_some()) {
        found.push(no_command());
    }
}
