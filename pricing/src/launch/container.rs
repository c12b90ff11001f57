//! The form of products that start one HTTP container from an image.

use tandem_model::launch::{AgentMode, ContainerLaunch, LaunchForm};
use tandem_model::workload::Workload;

use super::command::{self, DEFAULT_IMAGE, FETCH};
use super::context::LaunchContext;
use super::env;
use super::obstacle::Obstacle;

const WRAPPED: &str = include_str!("scripts/wrapped.sh");

/// Folder of checkpoints inside a container that no script of ours prepares.
pub(super) const CHECKPOINT_DIR: &str = "/tandem/checkpoints";

/// The container that does the work.
pub(super) fn form(w: &Workload, c: &LaunchContext) -> Result<LaunchForm, Obstacle> {
    let work = command::work(w, c)?;
    let entrypoint = match c.agent {
        AgentMode::Wrapped => {
            let head = [
                "sh".into(),
                "-c".into(),
                format!("{FETCH}{WRAPPED}"),
                "tandem".into(),
            ];
            head.into_iter().chain(work).collect()
        }
        mode => command::under("gpu-probe", mode, work),
    };
    let args = if entrypoint.is_empty() {
        w.image_args.clone()
    } else {
        Vec::new()
    };
    let mut plain = env::plain(w, c);
    if c.agent == AgentMode::Image {
        plain.insert("TANDEM_CHECKPOINT_DIR".into(), CHECKPOINT_DIR.into());
    }
    Ok(LaunchForm::Container(ContainerLaunch {
        image: w.image.clone().unwrap_or_else(|| DEFAULT_IMAGE.to_owned()),
        registry: c.registry.clone(),
        entrypoint,
        args,
        env: plain,
        secret_env: env::secret(c),
        port: w.port.unwrap_or_else(|| env::health_port(w)),
    }))
}
