//! Orders under way: a queue a network, a limit a network, one task an order.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use tandem_adapters::command::{Command, FailureKind, Outcome};
use tandem_model::error::ErrorCode;
use tandem_model::id::{InstallationId, JobId};
use tandem_model::network::NetworkId;
use tandem_model::placement::{Epoch, PlacementTag};
use tandem_model::time::Clock;
use tokio::task::{Id, JoinSet};

use super::Parts;
use crate::engine::commands::{Performed, input, tag_of};
use crate::engine::kernel::{Kernel, NetworkAnswer, NetworkOrder};
use crate::engine::metrics::EngineMetrics;
use crate::engine::step::Order;
use crate::networks::Networks;
use crate::store::{PAGE_MAX, Store};

/// Orders of jobs under way at one network; further ones wait for their turn.
const FLYING_MAX: usize = 64;

/// Something that came back.
enum Landed {
    Jobs(NetworkId, Vec<(JobId, Order)>, Performed),
    Network(NetworkId, NetworkAnswer),
}

/// What a task carries, for one that panics.
enum Carried {
    /// Orders of jobs that one answer is for.
    Jobs(NetworkId, Vec<(JobId, Order)>),
    /// What the engine itself asks.
    Network(NetworkId, NetworkOrder),
}

#[derive(Default)]
struct Queue {
    orders: VecDeque<(JobId, Order)>,
    flying: usize,
}

/// Orders under way. Dropped, they are given up; what they may have done is looked for later.
pub(super) struct Flights {
    tasks: JoinSet<Landed>,
    carries: HashMap<Id, Carried>,
    queues: BTreeMap<NetworkId, Queue>,
    networks: Arc<Networks>,
    store: Arc<dyn Store>,
    installation: InstallationId,
    metrics: EngineMetrics,
}

impl Flights {
    pub(super) fn new(parts: &Parts) -> Self {
        Self {
            tasks: JoinSet::new(),
            carries: HashMap::new(),
            queues: BTreeMap::new(),
            networks: Arc::clone(&parts.networks),
            store: Arc::clone(&parts.store),
            installation: parts.terms.installation,
            metrics: parts.metrics.clone(),
        }
    }

    /// Queues an order of a job for the network that its attempt stands on.
    pub(super) fn order(&mut self, kernel: &Kernel, job: JobId, order: Order) {
        let attempt = kernel.job(job).and_then(|j| j.attempt(order.epoch()));
        if let Some(attempt) = attempt {
            let network = attempt.placement.network.clone();
            let queue = self.queues.entry(network).or_default();
            queue.orders.push_back((job, order));
        }
    }

    /// Starts what has its turn.
    pub(super) fn depart(&mut self, kernel: &mut Kernel) {
        for (network, queue) in &mut self.queues {
            while queue.flying < FLYING_MAX
                && let Some((job, order)) = queue.orders.pop_front()
            {
                let performance = match kernel.performance(job, order) {
                    Ok(performance) => performance,
                    Err(nothing_sent) => {
                        kernel.landed(job, order, nothing_sent);
                        continue;
                    }
                };
                let orders = queue.with_the_same_answer(job, order);
                queue.flying += 1;
                let networks = Arc::clone(&self.networks);
                let (to, asked) = (network.clone(), orders.clone());
                let task = self.tasks.spawn(async move {
                    let performed = networks.act(&performance).await;
                    Landed::Jobs(to, asked, performed)
                });
                let carried = Carried::Jobs(network.clone(), orders);
                self.carries.insert(task.id(), carried);
            }
        }
    }

    /// Starts what the engine itself asks of a network.
    pub(super) fn ask(&mut self, network: NetworkId, order: NetworkOrder) {
        let networks = Arc::clone(&self.networks);
        let store = Arc::clone(&self.store);
        let installation = self.installation;
        let carried = Carried::Network(network.clone(), order.clone());
        let task = self.tasks.spawn(async move {
            let answer = match order {
                NetworkOrder::Offers => offers(&networks, &network).await,
                NetworkOrder::Sweep => sweep(&networks, &network, &*store, installation).await,
                NetworkOrder::StopOrphan { remote_id } => {
                    stop_orphan(&networks, &network, &remote_id).await;
                    NetworkAnswer::OrphanStopped
                }
            };
            Landed::Network(network, answer)
        });
        self.carries.insert(task.id(), carried);
    }

    /// Waits for the next thing to come back and gives it to the kernel, with all that came back
    /// beside it; for ever when nothing is under way.
    pub(super) async fn landed(&mut self, kernel: &mut Kernel, clock: &dyn Clock) {
        match self.tasks.join_next_with_id().await {
            None => std::future::pending().await,
            Some(first) => self.land(kernel, clock, first),
        }
        while let Some(next) = self.tasks.try_join_next_with_id() {
            self.land(kernel, clock, next);
        }
    }

    fn land(
        &mut self,
        kernel: &mut Kernel,
        clock: &dyn Clock,
        landed: Result<(Id, Landed), tokio::task::JoinError>,
    ) {
        let id = landed
            .as_ref()
            .map_or_else(tokio::task::JoinError::id, |(id, _)| *id);
        let carried = self.carries.remove(&id);
        let landed = match landed {
            Ok((_, landed)) => landed,
            Err(panic) => {
                tracing::error!(%panic, "defect: an order panicked");
                let Some(carried) = carried else {
                    return;
                };
                cut_off(carried)
            }
        };
        match landed {
            Landed::Jobs(network, orders, performed) => {
                if let Some(queue) = self.queues.get_mut(&network) {
                    queue.flying = queue.flying.saturating_sub(1);
                }
                if let Some((_, order)) = orders.first() {
                    self.metrics.performed(&network, *order, &performed);
                }
                for (job, order, share) in shares(orders, performed) {
                    kernel.landed(job, order, input(order, share));
                }
            }
            Landed::Network(network, answer) => {
                let next = kernel.network_answered(&network, answer, clock.world());
                for (network, order) in next {
                    self.ask(network, order);
                }
            }
        }
    }
}

impl Queue {
    /// Takes out what the answer to an order is for: one listing of a network is enough for every
    /// job that looks for its tag there.
    fn with_the_same_answer(&mut self, job: JobId, order: Order) -> Vec<(JobId, Order)> {
        let mut orders = vec![(job, order)];
        if matches!(order, Order::Find(_)) {
            let queued = std::mem::take(&mut self.orders);
            let (finds, others): (Vec<_>, Vec<_>) = queued
                .into_iter()
                .partition(|(_, order)| matches!(order, Order::Find(_)));
            orders.extend(finds);
            self.orders = others.into();
        }
        orders
    }
}

/// What an answer says to each order that it is for: of a listing, what carries its tag.
fn shares(orders: Vec<(JobId, Order)>, performed: Performed) -> Vec<(JobId, Order, Performed)> {
    let Performed::Outcome(Outcome::Listed(all)) = performed else {
        let each = |(job, order)| (job, order, performed.clone());
        return orders.into_iter().map(each).collect();
    };
    let mut by_tag: BTreeMap<(JobId, Epoch), Vec<_>> = BTreeMap::new();
    for thing in all {
        if let Some(tag) = tag_of(thing.tag.as_deref()) {
            by_tag.entry(tag).or_default().push(thing);
        }
    }
    let mut each = |(job, order): (JobId, Order)| {
        let own = by_tag.remove(&(job, order.epoch())).unwrap_or_default();
        (job, order, Performed::Outcome(Outcome::Listed(own)))
    };
    orders.into_iter().map(&mut each).collect()
}

/// What is made of a task that panicked: whatever it asked has no answer.
fn cut_off(carried: Carried) -> Landed {
    const WHY: &str = "the order was cut off";
    match carried {
        Carried::Jobs(network, orders) => {
            let unknown = Outcome::Unknown {
                code: ErrorCode::NETWORK_UNREACHABLE,
                detail: WHY.into(),
            };
            Landed::Jobs(network, orders, Performed::Outcome(unknown))
        }
        Carried::Network(network, order) => {
            let answer = match order {
                NetworkOrder::Offers => NetworkAnswer::Offers(Err(WHY.into())),
                NetworkOrder::Sweep => NetworkAnswer::Swept(Err(WHY.into())),
                NetworkOrder::StopOrphan { .. } => NetworkAnswer::OrphanStopped,
            };
            Landed::Network(network, answer)
        }
    }
}

async fn offers(networks: &Networks, network: &NetworkId) -> NetworkAnswer {
    NetworkAnswer::Offers(match networks.perform(network, &Command::Offers).await {
        Outcome::Offers { offers, unreadable } => {
            for offer in &unreadable {
                tracing::debug!(%network, offer.locator, offer.reason, "unreadable offer");
            }
            Ok((offers, unreadable.len()))
        }
        Outcome::Failed(failure) => Err(failure.detail),
        Outcome::Unknown { detail, .. } => Err(detail),
        other => Err(format!(
            "not an answer to a reading of the market: {other:?}"
        )),
    })
}

async fn sweep(
    networks: &Networks,
    network: &NetworkId,
    store: &dyn Store,
    installation: InstallationId,
) -> NetworkAnswer {
    let tag_prefix = PlacementTag::prefix_of(installation);
    let listed = match networks
        .perform(network, &Command::List { tag_prefix })
        .await
    {
        Outcome::Listed(listed) => listed,
        other => return NetworkAnswer::Swept(Err(format!("no listing: {other:?}"))),
    };
    let jobs: BTreeSet<JobId> = listed
        .iter()
        .filter(|thing| !thing.state.is_ended())
        .filter_map(|thing| Some(tag_of(thing.tag.as_deref())?.0))
        .collect();
    let jobs: Vec<JobId> = jobs.into_iter().collect();
    let mut not_open = BTreeSet::new();
    for page in jobs.chunks(PAGE_MAX as usize) {
        match store.not_open(page.to_vec()).await {
            Ok(found) => not_open.extend(found),
            Err(why) => return NetworkAnswer::Swept(Err(why.to_string())),
        }
    }
    NetworkAnswer::Swept(Ok((listed, not_open)))
}

/// Stops a thing whose product is not known: each is asked until one knows it.
async fn stop_orphan(networks: &Networks, network: &NetworkId, remote_id: &str) {
    for product in networks.products(network) {
        let command = Command::Stop {
            product: product.name.to_owned(),
            remote_id: remote_id.to_owned(),
        };
        match networks.perform(network, &command).await {
            Outcome::Failed(failure) if failure.kind == FailureKind::NotFound => {}
            Outcome::Stopping => return,
            other => {
                tracing::warn!(%network, remote_id, ?other, "an orphan was not stopped; the next sweep finds it");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tandem_model::placement::RemoteState;

    use super::*;
    use crate::engine::step::story::thing;

    fn job(n: u64) -> JobId {
        JobId::from_parts(n, &[1; 10])
    }

    #[test]
    fn one_listing_is_asked_for_by_all_that_wait_for_one() {
        let find = |n| (job(n), Order::Find(Epoch(1)));
        let stop = (job(3), Order::Stop(Epoch(1)));
        let mut queue = Queue {
            orders: [find(2), stop, find(4)].into(),
            flying: 0,
        };
        assert_eq!(queue.with_the_same_answer(stop.0, stop.1), [stop]);
        let asked = queue.with_the_same_answer(job(1), Order::Find(Epoch(1)));
        assert_eq!(asked, [find(1), find(2), find(4)]);
        assert_eq!(queue.orders, [stop]);
    }

    #[test]
    fn each_is_given_what_carries_its_tag() {
        let installation = InstallationId::from_parts(1, &[2; 10]);
        let listed = [(1, 1), (2, 1), (2, 2), (9, 1)].map(|(n, epoch)| {
            let tag = PlacementTag {
                installation,
                job: job(n),
                epoch: Epoch(epoch),
            };
            thing("remote", Some(tag.to_string()), RemoteState::Running)
        });
        let asked = [(1, 1), (2, 2), (3, 1)].map(|(n, epoch)| (job(n), Order::Find(Epoch(epoch))));
        let answer = Performed::Outcome(Outcome::Listed(listed.to_vec()));
        let given = shares(asked.to_vec(), answer);
        let tags = given.iter().map(|(_, _, share)| match share {
            Performed::Outcome(Outcome::Listed(own)) => own.len(),
            other => panic!("{other:?}"),
        });
        assert_eq!(tags.collect::<Vec<_>>(), [1, 1, 0]);
    }
}
