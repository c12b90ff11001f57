//! What the agent is told by its environment, checked whole before anything is done.

use std::path::PathBuf;
use std::time::Duration;

use tandem_model::id::JobId;
use tandem_model::placement::Epoch;
use tandem_model::secret::Secret;
use tandem_model::workload::{NODES_MAX, WorkloadKind};

use crate::emulate::{EMULATED_GPU_VARIABLE, EmulatedGpu};
use crate::protocol::CONTAINER_LEN_MAX;

/// Largest speed of a sandbox's world.
const TIME_FACTOR_MAX: u64 = 10;
/// Longest grace between SIGTERM and SIGKILL, in seconds.
const STOP_GRACE_S_MAX: u64 = 3_600;
/// Grace when none is told, in seconds.
const STOP_GRACE_S: u64 = 10;
/// Longest interval between checkpoints that a workload may be asked for, in seconds: a week.
const CHECKPOINT_INTERVAL_S_MAX: u64 = 7 * 24 * 60 * 60;

/// Every variable that the agent reads, with what it means; for `--help`.
pub const VARIABLES: &[(&str, &str)] = &[
    ("TANDEM_BROKER_URL", "base URL of the broker (required)"),
    ("TANDEM_JOB_ID", "the job, `job_…` (required)"),
    ("TANDEM_EPOCH", "the attempt, from 1 (required)"),
    (
        "TANDEM_AGENT_TOKEN",
        "bearer token; the workload does not see it (required)",
    ),
    (
        "TANDEM_RANK",
        "this node of the placement, from 0 (default 0)",
    ),
    ("TANDEM_NODES", "nodes of the placement (default 1)"),
    ("TANDEM_KIND", "`job` or `service` (default job)"),
    (
        "TANDEM_HOME",
        "the agent's directory (default $HOME/.tandem)",
    ),
    (
        "TANDEM_CHECKPOINT_DIR",
        "where the workload writes `step-<n>` (default $TANDEM_HOME/checkpoints)",
    ),
    (
        "TANDEM_CHECKPOINT_INTERVAL_SECONDS",
        "told to the workload: how often to write one",
    ),
    (
        "TANDEM_PROGRESS_FILE",
        "`step total` as text (default $TANDEM_HOME/progress)",
    ),
    (
        "TANDEM_OUTPUT_FILE",
        "its SHA-256 goes into the result (default $TANDEM_HOME/output)",
    ),
    ("TANDEM_SETUP", "shell text that runs before the command"),
    (
        "TANDEM_CONTAINER",
        "name of the container (default: the host name)",
    ),
    (
        "TANDEM_HEALTH_PORT",
        "port on which GET / is answered with 200",
    ),
    (
        "TANDEM_STOP_GRACE_SECONDS",
        "between SIGTERM and SIGKILL (default 10)",
    ),
    (
        "TANDEM_LOG",
        "what the agent logs to stderr, as a tracing filter (default info)",
    ),
    (
        "TANDEM_EMULATED_GPU",
        "a sandbox's cards instead of real ones, as JSON; they prove nothing",
    ),
    (
        "TANDEM_TIME_FACTOR",
        "speed of a sandbox's world, 1 to 10 (default 1)",
    ),
];

/// A variable is missing or its value is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("variable `{variable}` {reason}")]
pub struct ConfigError {
    /// The variable.
    pub variable: &'static str,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// What the agent is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Base URL of the broker, without a trailing slash.
    pub broker_url: String,
    /// Bearer token.
    pub token: Secret,
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub epoch: Epoch,
    /// This node.
    pub rank: u16,
    /// Nodes of the placement.
    pub nodes: u16,
    /// Job or service.
    pub kind: WorkloadKind,
    /// The agent's directory.
    pub home: PathBuf,
    /// Where the workload writes checkpoints.
    pub checkpoint_dir: PathBuf,
    /// Where the workload writes its progress.
    pub progress_file: PathBuf,
    /// Where the workload writes its output.
    pub output_file: PathBuf,
    /// Shell text that runs before the command.
    pub setup: Option<String>,
    /// Name of the container.
    pub container: String,
    /// Port for health checks.
    pub health_port: Option<u16>,
    /// World time between SIGTERM and SIGKILL.
    pub stop_grace: Duration,
    /// Speed of the world.
    pub time_factor: u32,
    /// A sandbox's cards, probed instead of real ones.
    pub emulated_gpu: Option<EmulatedGpu>,
    /// The workload's command and arguments.
    pub command: Vec<String>,
}

fn refuse<T>(variable: &'static str, reason: &'static str) -> Result<T, ConfigError> {
    Err(ConfigError { variable, reason })
}

/// Reads variables by name; an empty value counts as missing.
struct Reader<G>(G);

impl<G: Fn(&str) -> Option<String>> Reader<G> {
    fn optional(&self, variable: &'static str) -> Option<String> {
        (self.0)(variable).filter(|value| !value.is_empty())
    }

    fn required(&self, variable: &'static str) -> Result<String, ConfigError> {
        self.optional(variable)
            .map_or_else(|| refuse(variable, "is missing"), Ok)
    }

    fn number(
        &self,
        variable: &'static str,
        range: std::ops::RangeInclusive<u64>,
        reason: &'static str,
    ) -> Result<Option<u64>, ConfigError> {
        let Some(text) = self.optional(variable) else {
            return Ok(None);
        };
        let value = text
            .parse::<u64>()
            .ok()
            .filter(|value| range.contains(value));
        value.map_or_else(|| refuse(variable, reason), |value| Ok(Some(value)))
    }

    fn path(&self, variable: &'static str, fallback: PathBuf) -> Result<PathBuf, ConfigError> {
        let path = self.optional(variable).map_or(fallback, PathBuf::from);
        if path.is_absolute() {
            Ok(path)
        } else {
            refuse(variable, "is not an absolute path")
        }
    }
}

impl Config {
    /// Reads the variables through `get`; `host_name` is used when no container is named.
    ///
    /// # Errors
    /// The first variable that is missing or refused, by name.
    pub fn read(
        get: impl Fn(&str) -> Option<String>,
        host_name: &str,
        command: Vec<String>,
    ) -> Result<Self, ConfigError> {
        let env = Reader(get);
        let small = |value: u64| u16::try_from(value).unwrap_or(u16::MAX);
        let nodes_max = u64::from(NODES_MAX);
        let nodes = env.number("TANDEM_NODES", 1..=nodes_max, "is not between 1 and 64")?;
        let nodes = small(nodes.unwrap_or(1));
        let rank_max = u64::from(nodes) - 1;
        let rank = env.number(
            "TANDEM_RANK",
            0..=rank_max,
            "is not a rank below TANDEM_NODES",
        )?;
        let interval = 1..=CHECKPOINT_INTERVAL_S_MAX;
        let reason = "is not a number of seconds up to a week";
        env.number("TANDEM_CHECKPOINT_INTERVAL_SECONDS", interval, reason)?;
        let grace = 0..=STOP_GRACE_S_MAX;
        let grace = env.number(
            "TANDEM_STOP_GRACE_SECONDS",
            grace,
            "is not between 0 and 3600",
        )?;
        let factor = 1..=TIME_FACTOR_MAX;
        let factor = env.number("TANDEM_TIME_FACTOR", factor, "is not between 1 and 10")?;
        let port = env.number("TANDEM_HEALTH_PORT", 1..=65_535, "is not a port")?;
        let home = home(&env)?;
        Ok(Self {
            broker_url: broker_url(&env)?,
            token: token(&env)?,
            job: job(&env)?,
            epoch: epoch(&env)?,
            rank: small(rank.unwrap_or(0)),
            nodes,
            kind: kind(&env)?,
            checkpoint_dir: env.path("TANDEM_CHECKPOINT_DIR", home.join("checkpoints"))?,
            progress_file: env.path("TANDEM_PROGRESS_FILE", home.join("progress"))?,
            output_file: env.path("TANDEM_OUTPUT_FILE", home.join("output"))?,
            home,
            setup: env.optional("TANDEM_SETUP"),
            container: container(&env, host_name)?,
            health_port: port.map(small),
            stop_grace: Duration::from_secs(grace.unwrap_or(STOP_GRACE_S)),
            time_factor: u32::try_from(factor.unwrap_or(1)).unwrap_or(1),
            emulated_gpu: emulated_gpu(&env)?,
            command,
        })
    }
}

fn broker_url<G: Fn(&str) -> Option<String>>(env: &Reader<G>) -> Result<String, ConfigError> {
    let name = "TANDEM_BROKER_URL";
    let text = env.required(name)?;
    let url = reqwest::Url::parse(&text).ok();
    let plain = |url: &reqwest::Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    match url.filter(plain) {
        Some(_) => Ok(text.trim_end_matches('/').to_owned()),
        None => refuse(name, "is not a plain http or https URL"),
    }
}

fn token<G: Fn(&str) -> Option<String>>(env: &Reader<G>) -> Result<Secret, ConfigError> {
    let name = "TANDEM_AGENT_TOKEN";
    let text = env.required(name)?;
    if text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(Secret::new(text))
    } else {
        refuse(name, "holds characters that no token has")
    }
}

fn job<G: Fn(&str) -> Option<String>>(env: &Reader<G>) -> Result<JobId, ConfigError> {
    let name = "TANDEM_JOB_ID";
    env.required(name)?
        .parse()
        .or_else(|_| refuse(name, "is not a job_… id"))
}

fn epoch<G: Fn(&str) -> Option<String>>(env: &Reader<G>) -> Result<Epoch, ConfigError> {
    let name = "TANDEM_EPOCH";
    let number = env
        .required(name)?
        .parse::<u32>()
        .ok()
        .filter(|number| *number > 0);
    number.map_or_else(
        || refuse(name, "is not an attempt's number, from 1"),
        |n| Ok(Epoch(n)),
    )
}

fn kind<G: Fn(&str) -> Option<String>>(env: &Reader<G>) -> Result<WorkloadKind, ConfigError> {
    match env.optional("TANDEM_KIND").as_deref() {
        None | Some("job") => Ok(WorkloadKind::Job),
        Some("service") => Ok(WorkloadKind::Service),
        Some(_) => refuse("TANDEM_KIND", "is neither `job` nor `service`"),
    }
}

fn home<G: Fn(&str) -> Option<String>>(env: &Reader<G>) -> Result<PathBuf, ConfigError> {
    let name = "TANDEM_HOME";
    if env.optional(name).is_none() && env.optional("HOME").is_none() {
        return refuse(name, "is missing, and so is HOME");
    }
    let user_home = PathBuf::from(env.optional("HOME").unwrap_or_default());
    env.path(name, user_home.join(".tandem"))
}

fn container<G: Fn(&str) -> Option<String>>(
    env: &Reader<G>,
    host_name: &str,
) -> Result<String, ConfigError> {
    let name = "TANDEM_CONTAINER";
    let container = env.optional(name).unwrap_or_else(|| host_name.to_owned());
    if container.len() > CONTAINER_LEN_MAX {
        return refuse(name, "is too long");
    }
    Ok(container)
}

fn emulated_gpu<G: Fn(&str) -> Option<String>>(
    env: &Reader<G>,
) -> Result<Option<EmulatedGpu>, ConfigError> {
    let text = env.optional(EMULATED_GPU_VARIABLE);
    let gpu = text.map(|text| EmulatedGpu::parse(&text)).transpose();
    gpu.or_else(|refused| refuse(EMULATED_GPU_VARIABLE, refused.reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn good() -> BTreeMap<&'static str, String> {
        let job = JobId::from_parts(1, &[1; 10]).to_string();
        BTreeMap::from([
            (
                "TANDEM_BROKER_URL",
                "https://broker.example/base/".to_owned(),
            ),
            ("TANDEM_JOB_ID", job),
            ("TANDEM_EPOCH", "2".to_owned()),
            ("TANDEM_AGENT_TOKEN", "tok-hunter2".to_owned()),
            ("HOME", "/root".to_owned()),
        ])
    }

    fn read(env: &BTreeMap<&'static str, String>) -> Result<Config, ConfigError> {
        Config::read(
            |name| env.get(name).cloned(),
            "box",
            vec!["true".to_owned()],
        )
    }

    #[test]
    fn four_variables_are_enough_and_the_token_does_not_print() {
        let config = read(&good()).unwrap();
        assert_eq!(config.broker_url, "https://broker.example/base");
        assert_eq!(
            config.checkpoint_dir,
            PathBuf::from("/root/.tandem/checkpoints")
        );
        assert_eq!((config.rank, config.nodes, config.time_factor), (0, 1, 1));
        assert_eq!(config.container, "box");
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn a_missing_or_bad_variable_is_named() {
        let job = "TANDEM_JOB_ID";
        for (variable, value) in [
            ("TANDEM_BROKER_URL", ""),
            ("TANDEM_BROKER_URL", "ftp://x"),
            ("TANDEM_BROKER_URL", "http://user:pass@x"),
            (job, ""),
            (job, "42"),
            ("TANDEM_EPOCH", ""),
            ("TANDEM_EPOCH", "0"),
            ("TANDEM_EPOCH", "-1"),
            ("TANDEM_AGENT_TOKEN", ""),
            ("TANDEM_AGENT_TOKEN", "a b"),
            ("TANDEM_NODES", "65"),
            ("TANDEM_RANK", "1"),
            ("TANDEM_KIND", "cron"),
            ("TANDEM_TIME_FACTOR", "11"),
            ("TANDEM_TIME_FACTOR", "0"),
            ("TANDEM_HEALTH_PORT", "70000"),
            ("TANDEM_CHECKPOINT_DIR", "relative"),
            ("TANDEM_CHECKPOINT_INTERVAL_SECONDS", "soon"),
            ("TANDEM_STOP_GRACE_SECONDS", "1e9"),
            ("TANDEM_EMULATED_GPU", "rtx4090"),
        ] {
            let mut env = good();
            env.insert(variable, value.to_owned());
            assert_eq!(read(&env).unwrap_err().variable, variable, "{value:?}");
        }
        let mut env = good();
        env.remove("HOME");
        assert_eq!(read(&env).unwrap_err().variable, "TANDEM_HOME");
    }
}
