//! What the engine knows when it starts a placement, besides the workload and the product.

use tandem_model::id::JobId;
use tandem_model::launch::{AgentMode, RegistryCredentials};
use tandem_model::network::Grade;
use tandem_model::placement::Epoch;
use tandem_model::secret::Secret;

/// The command of an image, as its registry states it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageCommand {
    /// Its entrypoint.
    pub entrypoint: Vec<String>,
    /// Its default arguments.
    pub cmd: Vec<String>,
}

/// Code that was uploaded at submission, as a gzipped tar archive of the work folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeArchive {
    /// Where it is fetched; may carry a signature, so it is kept as a secret.
    pub url: Secret,
    /// Its SHA-256, 64 hex digits.
    pub sha256: String,
}

/// What the engine knows when it starts one node of a placement.
#[derive(Debug, Clone)]
pub struct LaunchContext {
    /// Address of the broker as the rented machine reaches it.
    pub broker_url: String,
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub epoch: Epoch,
    /// Which node of the placement, from 0.
    pub rank: u16,
    /// Addresses of all nodes in rank order, where they are known.
    pub node_ips: Option<Vec<String>>,
    /// How the agent arrives.
    pub agent: AgentMode,
    /// Where the agent is fetched.
    pub agent_url: String,
    /// SHA-256 of the agent, 64 hex digits.
    pub agent_sha256: String,
    /// The agent's token for this epoch.
    pub agent_token: Secret,
    /// The image's own command, when it was read from the registry.
    pub image_command: Option<ImageCommand>,
    /// Credentials when the image is private.
    pub registry: Option<RegistryCredentials>,
    /// Code uploaded with the job.
    pub code: Option<CodeArchive>,
    /// Grade of the rented hardware.
    pub grade: Grade,
    /// How many times faster than the wall clock the world runs; 1 outside the sandbox.
    pub time_factor: u32,
}
