//! Performs what `step` orders, for one job, until it ends: the only effectful part of the engine.
//!
//! Woken by a timer and by a signal (an agent was heard), it takes no input of its own: at each
//! turn it decides again from state. Each order is performed by a task of its own, so a network
//! that does not answer delays neither the lease's end nor a stop; an order that is under way is
//! not started again. Each outcome is fed back, and no lock is held while one is under way.

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
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Board;
use super::job::{Attempt, Event, Job};
use super::plan::{self, LaunchSettings, Node};
use super::step::{self, Input, Moment, Order};
use crate::clock::SystemClock;
use crate::networks::Networks;

/// Longest time between two turns, in world time.
const TURN: Duration = Duration::from_secs(2);

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
    /// Rung when an agent was heard, or somebody asked for something.
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

    /// Asks for a job to be stopped; its driver does the rest.
    pub fn cancel(&self, job: JobId) {
        self.board.with(job, |job| job.cancel_asked = true);
        self.heard.notify_waiters();
    }

    /// Drives a job until it ended and nothing is rented for it any more, or the engine stops.
    pub async fn drive(&self, job: JobId) {
        let pause = self.clock.wall_span(TURN);
        let mut flight = Flight::default();
        while self.board.with(job, |job| !job.is_settled()) == Some(true) {
            self.turn(job, Input::Tick, &mut flight);
            tokio::select! {
                () = self.stop.cancelled() => return,
                input = flight.landed() => self.turn(job, input, &mut flight),
                () = tokio::time::sleep(pause) => {}
                () = self.heard.notified() => {}
            }
        }
    }

    /// Decides on one input and starts what was ordered.
    fn turn(&self, job: JobId, input: Input, flight: &mut Flight) {
        for order in self.decide(job, input) {
            if !flight.under_way.contains(&order) {
                flight.under_way.push(order);
                let engine = self.clone();
                flight
                    .tasks
                    .spawn(async move { (order, engine.perform(job, order).await) });
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

    /// Performs an order; the input that its outcome is, if there was anything to perform.
    async fn perform(&self, job: JobId, order: Order) -> Option<Input> {
        match order {
            Order::Create(epoch) => {
                let (outcome, via) = self.create(job, epoch).await;
                Some(Input::Created(epoch, outcome, via))
            }
            Order::Look(epoch) => {
                let (network, product, remote_id) = self.remote(job, epoch)?;
                let command = Command::Status { product, remote_id };
                let outcome = self.networks.perform(&network, &command).await;
                Some(Input::Looked(epoch, outcome))
            }
            Order::Find(epoch) => {
                let (network, tag) = self.board.with(job, |job| {
                    let placement = &job.attempt(epoch)?.placement;
                    Some((placement.network.clone(), placement.tag))
                })??;
                let tag_prefix = PlacementTag::prefix_of(tag.installation);
                let command = Command::List { tag_prefix };
                let outcome = self.networks.perform(&network, &command).await;
                Some(Input::Found(epoch, outcome))
            }
            Order::Bootstrap(epoch) => {
                let done = self.bootstrap(job, epoch).await;
                Some(Input::Bootstrapped(epoch, done))
            }
            Order::Stop(epoch) => {
                let (network, product, remote_id) = self.remote(job, epoch)?;
                let command = Command::Stop { product, remote_id };
                let outcome = self.networks.perform(&network, &command).await;
                Some(Input::Stopped(epoch, outcome))
            }
        }
    }

    /// Network, product and id of an attempt.
    fn remote(&self, job: JobId, epoch: Epoch) -> Option<(NetworkId, String, String)> {
        self.board.with(job, |job| {
            let attempt = job.attempt(epoch)?;
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
        let command = Command::Start(Box::new(order));
        (self.networks.perform(&network, &command).await, via)
    }

    fn start_order(&self, job: &Job, epoch: Epoch) -> Option<(NetworkId, StartOrder)> {
        let attempt = job.attempt(epoch)?;
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
                let only = Node {
                    rank: 0,
                    node_ips: None,
                };
                match self.launch_plan(job, attempt, only)?.form {
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

    /// Starts every node of an attempt; the script may be sent again to those that started.
    async fn bootstrap(&self, id: JobId, epoch: Epoch) -> Result<(), String> {
        let starts = self.board.with(id, |job| self.ssh_starts(job, epoch));
        let starts = starts
            .flatten()
            .ok_or("not every machine has an address yet")?;
        for start in starts {
            let shown = self
                .networks
                .start_over_ssh(&start.address, &start.launch, start.host_key)
                .await?;
            self.board.with(id, |job| {
                if let Some(attempt) = job.attempt_mut(epoch) {
                    attempt.host_keys.insert(start.rank, shown);
                }
            });
        }
        Ok(())
    }

    /// What is needed to start every node, once all have an address.
    fn ssh_starts(&self, job: &Job, epoch: Epoch) -> Option<Vec<SshStart>> {
        let attempt = job.attempt(epoch)?;
        let nodes = &attempt.observed.as_ref()?.nodes;
        if nodes.len() != usize::from(job.workload.resources.nodes) {
            return None;
        }
        let node_ips: Option<Vec<String>> = nodes.iter().map(|n| n.private_ip.clone()).collect();
        let start = |(rank, node): (u16, &ObservedNode)| {
            let node_ips = node_ips.clone();
            let LaunchForm::Ssh(launch) = self
                .launch_plan(job, attempt, Node { rank, node_ips })?
                .form
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
}

/// The start of one node over SSH.
struct SshStart {
    rank: u16,
    address: SshAddress,
    launch: SshLaunch,
    /// The host key that this node showed before.
    host_key: Option<String>,
}

/// Orders under way for one job. Dropped, they are given up.
#[derive(Default)]
struct Flight {
    tasks: JoinSet<(Order, Option<Input>)>,
    under_way: Vec<Order>,
}

impl Flight {
    /// The next outcome; waits for ever when nothing is under way.
    async fn landed(&mut self) -> Input {
        let Some(landed) = self.tasks.join_next().await else {
            return std::future::pending().await;
        };
        match landed {
            Ok((order, input)) => {
                self.under_way.retain(|other| *other != order);
                input.unwrap_or(Input::Tick)
            }
            Err(panic) => {
                // Which order it was is not known; those still under way may be ordered twice.
                tracing::error!(%panic, "defect: an order panicked");
                self.under_way.clear();
                Input::Tick
            }
        }
    }
}
