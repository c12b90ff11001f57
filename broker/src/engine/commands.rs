//! From an order to what is sent: a command for an adapter, or starts over SSH. Pure.

use std::time::Duration;

use tandem_adapters::command::{Command, Creation, Failure, FailureKind, Outcome, StartOrder};
use tandem_model::error::ErrorCode;
use tandem_model::id::JobId;
use tandem_model::launch::{LaunchForm, LaunchPlan, SshLaunch};
use tandem_model::network::{LaunchVia, NetworkId};
use tandem_model::placement::{Epoch, ObservedNode, PlacementTag, SshAddress};
use tandem_pricing::quote;

use super::attempt::{Attempt, Rented};
use super::job::{HostKeys, Job};
use super::plan::{self, Node};
use super::step::{Input, Order};
use super::terms::Terms;

/// Longest time on the wall for one command with all its requests, waits and retries.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

/// What is to be done for an order.
#[derive(Debug, Clone)]
pub enum Performance {
    /// A network is asked.
    Command(NetworkId, Command),
    /// Machines are reached over SSH.
    Ssh(Vec<SshStart>),
}

/// The start of one node over SSH.
#[derive(Debug, Clone)]
pub struct SshStart {
    /// The node.
    pub rank: u16,
    /// Where it is reached.
    pub address: SshAddress,
    /// What is run there.
    pub launch: SshLaunch,
    /// The host key that this node showed before.
    pub host_key: Option<String>,
}

/// What came of a performance.
#[derive(Debug, Clone)]
pub enum Performed {
    /// A network's answer.
    Outcome(Outcome),
    /// The starts over SSH ended well, or why not, with the host keys that were shown.
    Ssh(Result<(), String>, HostKeys),
}

/// What is sent for an order; without a word when the job has moved on and nothing is to be done.
pub fn performance(job: &Job, order: Order, terms: &Terms) -> Result<Performance, Input> {
    let epoch = order.epoch();
    let Some(attempt) = job.attempt(epoch) else {
        return Err(Input::Tick);
    };
    let network = attempt.offer.network.clone();
    match order {
        // It may have waited for its turn for long; nothing is rented for what was left meanwhile.
        Order::Create(_) if !job.is_live(epoch) || attempt.rented != Rented::Asked => {
            let why = "it was left before its network was asked";
            Err(Input::Created(epoch, never_sent(why)))
        }
        Order::Create(_) => match start_order(job, attempt, terms) {
            Some(order) => Ok(Performance::Command(
                network,
                Command::Start(Box::new(order)),
            )),
            None => {
                let why = "the workload cannot start on this product after all";
                Err(Input::Created(epoch, never_sent(why)))
            }
        },
        Order::Find(_) => {
            let tag_prefix = PlacementTag::prefix_of(attempt.placement.tag.installation);
            Ok(Performance::Command(network, Command::List { tag_prefix }))
        }
        Order::Bootstrap(_) => match ssh_starts(job, attempt, terms) {
            Some(starts) => Ok(Performance::Ssh(starts)),
            None => Err(Input::Bootstrapped(
                epoch,
                Err("not every machine has an address yet".into()),
                HostKeys::new(),
            )),
        },
        Order::Look(_) | Order::Stop(_) | Order::Extend(_) => {
            let remote_id = attempt.remote_id.clone().ok_or(Input::Tick)?;
            let product = attempt.offer.product.clone();
            let command = match order {
                Order::Look(_) => Command::Status { product, remote_id },
                Order::Stop(_) => Command::Stop { product, remote_id },
                _ => {
                    let extension = attempt.extension.ok_or(Input::Tick)?;
                    Command::Extend {
                        product,
                        remote_id,
                        hours: extension.hours,
                        minutes_before: extension.minutes_before,
                    }
                }
            };
            Ok(Performance::Command(network, command))
        }
    }
}

/// The input that an outcome is.
pub fn input(order: Order, performed: Performed) -> Input {
    match (order, performed) {
        (Order::Create(epoch), Performed::Outcome(outcome)) => Input::Created(epoch, outcome),
        (Order::Look(epoch), Performed::Outcome(outcome)) => Input::Looked(epoch, outcome),
        (Order::Find(epoch), Performed::Outcome(outcome)) => Input::Found(epoch, outcome),
        (Order::Extend(epoch), Performed::Outcome(outcome)) => Input::Extended(epoch, outcome),
        (Order::Stop(epoch), Performed::Outcome(outcome)) => Input::Stopped(epoch, outcome),
        (order, Performed::Ssh(result, keys)) => Input::Bootstrapped(order.epoch(), result, keys),
        (Order::Bootstrap(epoch), Performed::Outcome(_)) => Input::Bootstrapped(
            epoch,
            Err("a network answered where a machine was asked".into()),
            HostKeys::new(),
        ),
    }
}

/// The outcome of a creation that was never sent.
fn never_sent(why: &str) -> Outcome {
    Outcome::Failed(Failure {
        kind: FailureKind::Refused,
        code: ErrorCode::LAUNCH_IMPOSSIBLE,
        detail: why.into(),
        retry_after: None,
    })
}

fn start_order(job: &Job, attempt: &Attempt, terms: &Terms) -> Option<StartOrder> {
    let product = terms.product(&attempt.offer)?;
    let what = match product.launch {
        LaunchVia::Ssh => Creation::Machine {
            ssh_public_key: terms.ssh_public_key.clone(),
            ports: job.spec.workload.port.into_iter().collect(),
        },
        LaunchVia::Container => {
            let only = Node {
                rank: 0,
                node_ips: None,
            };
            match launch_plan(job, attempt, terms, only)?.form {
                LaunchForm::Container(container) => Creation::Container(container),
                LaunchForm::Ssh(_) => return None,
            }
        }
    };
    Some(StartOrder {
        tag: attempt.placement.tag,
        offer: attempt.offer.clone(),
        nodes: job.nodes(),
        gpus_per_node: quote::gpus_rented(&attempt.offer, &job.spec.workload),
        hours: attempt.prepaid.bought_hours,
        what,
    })
}

fn launch_plan(job: &Job, attempt: &Attempt, terms: &Terms, node: Node) -> Option<LaunchPlan> {
    let product = terms.product(&attempt.offer)?;
    plan::launch_plan(terms, job, attempt, product, node)
        .inspect_err(|obstacles| tracing::error!(?obstacles, "defect: no launch plan"))
        .ok()
}

/// What is needed to start every node, once all have an address.
fn ssh_starts(job: &Job, attempt: &Attempt, terms: &Terms) -> Option<Vec<SshStart>> {
    let nodes = &attempt.observed.as_ref()?.nodes;
    if nodes.len() != usize::from(job.nodes()) {
        return None;
    }
    let node_ips: Option<Vec<String>> = nodes.iter().map(|n| n.private_ip.clone()).collect();
    let start = |(rank, node): (u16, &ObservedNode)| {
        let node_ips = node_ips.clone();
        let LaunchForm::Ssh(launch) =
            launch_plan(job, attempt, terms, Node { rank, node_ips })?.form
        else {
            return None;
        };
        Some(SshStart {
            rank,
            address: node.ssh.clone()?,
            launch,
            host_key: attempt.host_keys.get(&rank).cloned(),
        })
    };
    (0..).zip(nodes).map(start).collect()
}

/// The tag of a placement as its network shows it, when it is one of ours.
pub fn tag_of(name: Option<&str>) -> Option<(JobId, Epoch)> {
    let tag: PlacementTag = name?.parse().ok()?;
    Some((tag.job, tag.epoch))
}
