//! The form of products that give a machine: one POSIX script that starts the work exactly once.

use tandem_model::launch::{AgentMode, LaunchForm, SshLaunch};
use tandem_model::secret::Secret;
use tandem_model::workload::Workload;

use super::command::{self, FETCH, quote, quote_all};
use super::container::CHECKPOINT_DIR;
use super::context::LaunchContext;
use super::env;
use super::obstacle::Obstacle;

const MACHINE: &str = include_str!("scripts/machine.sh");

/// Where the agent lies inside a container that a machine runs.
const AGENT_INSIDE: &str = "/usr/local/bin/tandem-gpu-probe";

/// The script and the variables that go before it.
pub(super) fn form(w: &Workload, c: &LaunchContext) -> Result<LaunchForm, Obstacle> {
    let plain = env::plain(w, c);
    let mut secret = env::secret(c);
    let mut plain_with_registry = plain.clone();
    if let Some(registry) = &c.registry {
        plain_with_registry.insert("TANDEM_REGISTRY_USERNAME".into(), registry.username.clone());
        secret.insert("TANDEM_REGISTRY_PASSWORD".into(), registry.password.clone());
    }
    let place = format!("{} {}", quote(&c.job.to_string())?, c.epoch.0);
    let mut steps = vec![format!("tandem_begin {place}")];
    if c.agent == AgentMode::Wrapped {
        steps.push("tandem_agent".into());
    }
    let work = command::work(w, c)?;
    let start = match &w.image {
        Some(image) => {
            let names = plain.keys().map(String::as_str).chain(agent_names(&secret));
            steps.push(format!(
                "tandem_image {} {}",
                quote(image)?,
                quote(registry_of(image))?
            ));
            in_docker(image, names, w, c, work)?
        }
        None => bare(c, work)?,
    };
    steps.push(format!("tandem_start {start}"));
    let steps = steps.join("; ");
    Ok(LaunchForm::Ssh(SshLaunch {
        script: format!("{FETCH}{MACHINE}tandem_main() {{ set -eu; {steps}; }}\ntandem_main\n"),
        env: plain_with_registry,
        secret_env: secret,
    }))
}

fn agent_names(secret: &std::collections::BTreeMap<String, Secret>) -> impl Iterator<Item = &str> {
    secret
        .keys()
        .map(String::as_str)
        .filter(|name| !name.starts_with("TANDEM_REGISTRY_"))
}

/// The work as a process of the machine.
fn bare(c: &LaunchContext, work: Vec<String>) -> Result<String, Obstacle> {
    if c.agent == AgentMode::None {
        return quote_all(&work);
    }
    Ok(format!(
        "\"$tandem_base/gpu-probe\" agent -- {}",
        quote_all(&work)?
    ))
}

/// The work in a container of the machine, with the agent inside it so that killing the agent's
/// child kills the work. Values travel in the environment, not on the command line.
fn in_docker<'n>(
    image: &str,
    names: impl Iterator<Item = &'n str>,
    w: &Workload,
    c: &LaunchContext,
    work: Vec<String>,
) -> Result<String, Obstacle> {
    let name = format!("tandem-{}-{}-{}", c.job, c.epoch.0, c.rank);
    let mut words: Vec<String> = ["docker", "run", "--rm", "--init", "--gpus", "all"]
        .map(str::to_owned)
        .to_vec();
    if w.resources.gpus_per_node == 0 {
        words.truncate(4);
    }
    words.extend(["--network", "host", "--ipc", "host", "--name"].map(str::to_owned));
    words.push(name);
    for name in names {
        words.push("--env".into());
        words.push(name.to_owned());
    }
    let folders = [
        "TANDEM_HOME=/tandem".to_owned(),
        format!("TANDEM_CHECKPOINT_DIR={CHECKPOINT_DIR}"),
        "TANDEM_WORK_DIR=/tandem/work".to_owned(),
    ];
    for folder in folders {
        words.extend(["--env".to_owned(), folder]);
    }
    let mut line = quote_all(&words)?;
    line.push_str(&format!(
        " --volume \"$tandem_base/checkpoints:{CHECKPOINT_DIR}\""
    ));
    line.push_str(" --volume \"$tandem_base/work:/tandem/work\"");
    let agent = match c.agent {
        AgentMode::Wrapped => {
            line.push_str(&format!(
                " --volume \"$tandem_base/gpu-probe:{AGENT_INSIDE}:ro\""
            ));
            AGENT_INSIDE
        }
        _ => "gpu-probe",
    };
    let list = command::under(agent, c.agent, work);
    if let Some((first, rest)) = list.split_first() {
        line.push_str(&format!(
            " --entrypoint {} {} ",
            quote(first)?,
            quote(image)?
        ));
        line.push_str(&quote_all(rest)?);
    } else {
        line.push_str(&format!(" {}", quote(image)?));
        if !w.image_args.is_empty() {
            line.push_str(&format!(" {}", quote_all(&w.image_args)?));
        }
    }
    Ok(line)
}

/// The registry's host in an image reference; Docker Hub has none.
fn registry_of(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "",
    }
}
