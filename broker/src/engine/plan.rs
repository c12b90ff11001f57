//! From a job's attempt to a launch plan: what `pricing` must be told of this installation.

use tandem_model::launch::{AgentMode, LaunchPlan};
use tandem_model::network::Product;
use tandem_pricing::launch::{self, LaunchContext, Obstacle};

use super::attempt::Attempt;
use super::job::Job;
use super::terms::Terms;

/// What every launch plan of this installation says.
#[derive(Debug, Clone)]
pub struct LaunchSettings {
    /// Address of the broker as rented machines reach it.
    pub broker_url: String,
    /// Where the agent is fetched.
    pub agent_url: String,
    /// SHA-256 of the agent, 64 hex digits.
    pub agent_sha256: String,
    /// How fast the world runs; 1 on a live network.
    pub time_factor: u32,
}

/// One node of a placement.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its rank, from 0.
    pub rank: u16,
    /// Addresses of all nodes by rank, once they are known.
    pub node_ips: Option<Vec<String>>,
}

/// The plan for one node of an attempt.
pub fn launch_plan(
    terms: &Terms,
    job: &Job,
    attempt: &Attempt,
    product: &Product,
    node: Node,
) -> Result<LaunchPlan, Vec<Obstacle>> {
    let settings = &terms.launch;
    let context = LaunchContext {
        broker_url: settings.broker_url.clone(),
        job: job.id,
        epoch: attempt.placement.epoch,
        rank: node.rank,
        node_ips: node.node_ips,
        agent: AgentMode::Wrapped,
        agent_url: settings.agent_url.clone(),
        agent_sha256: settings.agent_sha256.clone(),
        agent_token: terms.tokens.of(job.id, attempt.placement.epoch),
        image_command: None,
        registry: None,
        code: None,
        grade: attempt.offer.grade,
        time_factor: settings.time_factor,
    };
    launch::plan(&job.spec.workload, product, &context)
}
