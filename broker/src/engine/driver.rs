//! Performs what `step` orders, for one job, until it ends: the only effectful part of the engine.
//!
//! Woken by a timer and by a signal (an agent was heard), it takes no input of its own: at each
//! turn it decides again from state. Orders are performed one after the other, each outcome is fed
//! back, and no lock is held while one is under way.

use std::sync::Arc;
use std::time::Duration;

use tandem_adapters::command::{Command, Creation, Outcome, StartOrder};
use tandem_model::id::{JobId, PlacementId};
use tandem_model::launch::{LaunchForm, LaunchPlan, SshLaunch};
use tandem_model::network::{LaunchVia, NetworkId};
use tandem_model::placement::{Epoch, ObservedNode, PlacementTag, SshAddress};
use tandem_model::time::Clock;
use tandem_pricing::quote;
use tandem_sla::detect::Windows;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Board;
use super::job::{Attempt, Event, Job};
use super::plan::{self, LaunchSettings, Node};
use super::step::{self, Input, Moment, Order};
use crate::clock::SystemClock;
use crate::networks::Networks;

/// Longest time between two turns, in world time.
const TURN: Duration = Duration::from_secs(2);
/// Orders performed in one turn before time is looked at again.
const ORDERS_PER_TURN_MAX: usize = 16;

/// Everything a driver needs, shared by all drivers.
#[derive(Clone)]
pub struct Engine {
    /// Jobs and events.
    pub board: Board,
    /// The clock.
    pub clock: Arc<SystemClock>,
    /// The networks.
    pub networks: Arc<Networks>,
    /// What every launch plan is told.
    pub launch: Arc<LaunchSettings>,
    /// Detection and lease limits.
    pub windows: Windows,
    /// Rung when an agent was heard.
    pub heard: Arc<Notify>,
    /// Ends every driver.
    pub stop: CancellationToken,
}

impl Engine {
    fn moment(&self) -> Moment {
        let fresh = crate::ids::fresh(&*self.clock, PlacementId::from_parts);
        Moment {
            now: self.clock.world(),
            windows: self.windows,
            fresh,
        }
    }

    /// Asks for a job to be stopped.
    pub async fn cancel(&self, job: JobId) {
        self.turn(job, Input::CancelAsked).await;
    }

    /// Drives a job until it ends or the engine stops.
    pub async fn drive(&self, job: JobId) {
        let pause = self.clock.wall_span(TURN);
        while self.board.with(job, |job| !job.state.is_terminal()) == Some(true) {
            self.turn(job, Input::Tick).await;
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                () = self.heard.notified() => {}
            }
        }
    }

    /// One input and all that follows from it at once.
    async fn turn(&self, job: JobId, input: Input) {
        let mut orders = self.decide(job, input);
        for _ in 0..ORDERS_PER_TURN_MAX {
            if orders.is_empty() {
                return;
            }
            let order = orders.remove(0);
            if let Some(input) = self.perform(job, &order).await {
                orders.extend(self.decide(job, input));
            }
        }
    }

    /// Decides under the lock, tells what happened, and returns the orders.
    fn decide(&self, id: JobId, input: Input) -> Vec<Order> {
        let moment = self.moment();
        let decided = self.board.with(id, |job| {
            let name = job.workload.name.clone();
            (step::step(job, input, moment), name)
        });
        let Some((decided, name)) = decided else {
            return Vec::new();
        };
        for (state, what) in decided.told {
            tracing::info!(job = %id, %name, ?state, what, "job");
            self.board.tell(Event {
                job: id,
                name: name.clone(),
                at: moment.now,
                state,
                what,
            });
        }
        decided.orders
    }

    /// Performs an order; the input that its outcome is, if any.
    async fn perform(&self, job: JobId, order: &Order) -> Option<Input> {
        match order {
            Order::Create(epoch) => {
                let (outcome, via) = self.create(job, *epoch).await;
                Some(Input::Created(outcome, via))
            }
            Order::Look => {
                let (network, product, remote_id) = self.remote(job, None)?;
                let command = Command::Status { product, remote_id };
                Some(Input::Looked(
                    self.networks.perform(&network, &command).await,
                ))
            }
            Order::Find => {
                let (network, prefix) = self.board.with(job, |job| {
                    let attempt = job.last()?;
                    let prefix = PlacementTag::prefix_of(job.installation);
                    Some((attempt.placement.network.clone(), prefix))
                })??;
                let command = Command::List { tag_prefix: prefix };
                Some(Input::Found(
                    self.networks.perform(&network, &command).await,
                ))
            }
            Order::Bootstrap => Some(Input::Bootstrapped(self.bootstrap(job).await)),
            Order::Stop(epoch) => {
                let (network, product, remote_id) = self.remote(job, Some(*epoch))?;
                let command = Command::Stop { product, remote_id };
                let outcome = self.networks.perform(&network, &command).await;
                tracing::debug!(%job, ?outcome, "stop");
                None
            }
        }
    }

    /// Network, product and id of an attempt; the last one when no epoch is given.
    fn remote(&self, job: JobId, epoch: Option<Epoch>) -> Option<(NetworkId, String, String)> {
        self.board.with(job, |job| {
            let wanted = epoch.unwrap_or_else(|| job.epoch());
            let attempt = job.attempts.iter().find(|a| a.placement.epoch == wanted)?;
            let remote_id = attempt.remote_id.clone()?;
            Some((
                attempt.offer.network.clone(),
                attempt.offer.product.clone(),
                remote_id,
            ))
        })?
    }

    async fn create(&self, id: JobId, epoch: Epoch) -> (Outcome, LaunchVia) {
        let order = self
            .board
            .with(id, |job| self.start_order(job, epoch))
            .flatten();
        let Some((network, order)) = order else {
            let why = "the workload cannot start on this product after all";
            return (plan::impossible(why), LaunchVia::Container);
        };
        let via = match order.what {
            Creation::Container(_) => LaunchVia::Container,
            Creation::Machine { .. } => LaunchVia::Ssh,
        };
        (
            self.networks
                .perform(&network, &Command::Start(Box::new(order)))
                .await,
            via,
        )
    }

    fn start_order(&self, job: &Job, epoch: Epoch) -> Option<(NetworkId, StartOrder)> {
        let attempt = job.attempts.iter().find(|a| a.placement.epoch == epoch)?;
        let what = self.what_is_created(job, attempt)?;
        let order = StartOrder {
            tag: attempt.placement.tag,
            offer: attempt.offer.clone(),
            nodes: job.workload.resources.nodes,
            gpus_per_node: quote::gpus_rented(&attempt.offer, &job.workload),
            hours: self.networks.prepaid_hours(&attempt.offer),
            what,
        };
        Some((attempt.offer.network.clone(), order))
    }

    /// A container with everything in it, or a machine that lets us in.
    fn what_is_created(&self, job: &Job, attempt: &Attempt) -> Option<Creation> {
        match self.networks.product(&attempt.offer)?.launch {
            LaunchVia::Ssh => Some(Creation::Machine {
                ssh_public_key: self.networks.ssh_public_key(),
                ports: job.workload.port.into_iter().collect(),
            }),
            LaunchVia::Container => {
                match self
                    .launch_plan(
                        job,
                        attempt,
                        Node {
                            rank: 0,
                            node_ips: None,
                        },
                    )?
                    .form
                {
                    LaunchForm::Container(container) => Some(Creation::Container(container)),
                    LaunchForm::Ssh(_) => None,
                }
            }
        }
    }

    fn launch_plan(&self, job: &Job, attempt: &Attempt, node: Node) -> Option<LaunchPlan> {
        let product = self.networks.product(&attempt.offer)?;
        plan::launch_plan(&self.launch, job, attempt, product, node)
            .inspect_err(|obstacles| tracing::error!(?obstacles, "defect: no launch plan"))
            .ok()
    }

    /// Starts every node of the live attempt; the script may be sent again to those that started.
    async fn bootstrap(&self, id: JobId) -> Result<(), String> {
        let starts = self.board.with(id, |job| self.ssh_starts(job)).flatten();
        let starts = starts.ok_or("not every machine has an address yet")?;
        for (address, launch) in starts {
            self.networks.start_over_ssh(&address, &launch).await?;
        }
        Ok(())
    }

    /// Address and script of every node, once all have an address.
    fn ssh_starts(&self, job: &Job) -> Option<Vec<(SshAddress, SshLaunch)>> {
        let attempt = job.last()?;
        let nodes = &attempt.observed.as_ref()?.nodes;
        if nodes.len() != usize::from(job.workload.resources.nodes) {
            return None;
        }
        let node_ips: Option<Vec<String>> = nodes.iter().map(|n| n.private_ip.clone()).collect();
        let start = |(rank, node): (u16, &ObservedNode)| {
            let node_ips = node_ips.clone();
            match self
                .launch_plan(job, attempt, Node { rank, node_ips })?
                .form
            {
                LaunchForm::Ssh(launch) => Some((node.ssh.clone()?, launch)),
                LaunchForm::Container(_) => None,
            }
        };
        (0..).zip(nodes).map(start).collect()
    }
}
