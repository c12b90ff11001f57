//! The launch plan: exactly what is started on what was rented.
//!
//! `pricing` makes it from a workload and a product; adapters carry it out without choosing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// How the agent reaches the workload's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentMode {
    /// The image holds it (one COPY line in the customer's Dockerfile).
    Image,
    /// The entrypoint fetches it, checks its SHA-256 and runs the image's own command under it.
    Wrapped,
    /// No agent: outside probes only, no recovery objective.
    None,
}

/// Credentials for a private image; the only secrets that reach a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryCredentials {
    /// User name.
    pub username: String,
    /// Password or token.
    pub password: Secret,
}

/// One HTTP container per node, started by the network from an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerLaunch {
    /// Image reference.
    pub image: String,
    /// Credentials when the image is private.
    pub registry: Option<RegistryCredentials>,
    /// Entrypoint; empty keeps the image's own. Not yet escaped for any network.
    pub entrypoint: Vec<String>,
    /// Arguments; empty keeps the image's own.
    pub args: Vec<String>,
    /// Plain environment; holds no secret.
    pub env: BTreeMap<String, String>,
    /// Environment that the network must not show again: the agent's own token.
    pub secret_env: BTreeMap<String, Secret>,
    /// The one published port.
    pub port: u16,
}

/// A script fed to `sh -s` over SSH; running it twice is the same as running it once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshLaunch {
    /// The script. Values of `env` and `secret_env` are sent before it, not inside it.
    pub script: String,
    /// Plain environment; holds no secret.
    pub env: BTreeMap<String, String>,
    /// Environment sent over the encrypted channel only.
    pub secret_env: BTreeMap<String, Secret>,
}

/// What is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaunchForm {
    /// By the network, from an image.
    Container(ContainerLaunch),
    /// By us, over SSH.
    Ssh(SshLaunch),
}

/// Exactly what is started on what was rented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchPlan {
    /// How the agent arrives.
    pub agent: AgentMode,
    /// What is started.
    pub form: LaunchForm,
    /// Nodes of the placement.
    pub nodes: u16,
    /// Ports that the customer may reach.
    pub ports: Vec<u16>,
}
