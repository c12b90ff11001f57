//! One adapter against one peer: exchanges, with or without losing an answer, and the small
//! questions that checks ask.

use std::collections::BTreeMap;
use std::time::Duration;

use tandem_model::id::{InstallationId, JobId};
use tandem_model::launch::ContainerLaunch;
use tandem_model::network::{LaunchVia, Product};
use tandem_model::offer::Offer;
use tandem_model::placement::{Epoch, Observed, PlacementTag, RemoteState};

use super::Peer;
use crate::adapter::{Adapter, Answer, Step, TransportFault};
use crate::answer::retry_after;
use crate::command::{Command, Creation, Outcome, StartOrder};
use crate::exchange::Exchange;
use crate::wire::WireRequest;

/// Times that a request is held back by a rate limit before the check gives up.
const HELD_BACK_MAX: usize = 10;
/// Steps of world time in which a change must show.
const WAIT_STEPS_MAX: usize = 360;
/// Length of such a step.
const WAIT_STEP: Duration = Duration::from_secs(10);
/// A well-formed key that opens nothing.
const PUBLIC_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f tandem";

/// Which half of an exchange is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// The request never arrives.
    Before,
    /// It arrives, and its answer is lost.
    After,
}

/// One adapter against one peer.
pub(super) struct Run<'a, P> {
    pub(super) peer: &'a mut P,
    pub(super) adapter: &'a dyn Adapter,
    sold: Option<(Product, Offer)>,
    installation: InstallationId,
    jobs: u64,
}

impl<'a, P: Peer> Run<'a, P> {
    pub(super) fn new(peer: &'a mut P, adapter: &'a dyn Adapter) -> Self {
        let context = peer.context();
        let mut random = [0; 10];
        random[..8].copy_from_slice(&context.nonce.to_be_bytes());
        let installation = InstallationId::from_parts(context.wall.unix_ms(), &random);
        Self {
            peer,
            adapter,
            sold: None,
            installation,
            jobs: 0,
        }
    }

    /// What the next checks rent.
    pub(super) fn sell(&mut self, product: &Product, offer: &Offer) {
        self.sold = Some((product.clone(), offer.clone()));
    }

    pub(super) fn sold(&self) -> (&Product, &Offer) {
        let (product, offer) = self.sold.as_ref().expect("`sell` comes before every check");
        (product, offer)
    }

    /// An order of one node for the shortest time, under a tag never used before.
    pub(super) fn order(&mut self) -> StartOrder {
        self.jobs += 1;
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.jobs.to_be_bytes());
        let tag = PlacementTag {
            installation: self.installation,
            job: JobId::from_parts(self.jobs, &random),
            epoch: Epoch(1),
        };
        let (product, offer) = self.sold();
        let what = match product.launch {
            LaunchVia::Container => Creation::Container(ContainerLaunch {
                image: "docker.io/library/nginx:1".to_owned(),
                registry: None,
                entrypoint: vec!["sh".to_owned(), "-c".to_owned(), "echo $HOME".to_owned()],
                args: Vec::new(),
                env: BTreeMap::new(),
                secret_env: BTreeMap::new(),
                port: 8080,
            }),
            LaunchVia::Ssh => Creation::Machine {
                ssh_public_key: PUBLIC_KEY.to_owned(),
                ports: vec![8080],
            },
        };
        StartOrder {
            tag,
            nodes: 1,
            gpus_per_node: offer.gpus_per_node,
            hours: product.prepaid_hours_min,
            what,
            offer: offer.clone(),
        }
    }

    /// One request, waiting as long as a rate limit asks.
    async fn send(&mut self, exchange: &Exchange<'_>, request: WireRequest) -> Answer {
        let mut request = request;
        for _ in 0..HELD_BACK_MAX {
            let answer = self.peer.send(&self.adapter.network(), request).await;
            let context = self.peer.context();
            let wait = match &answer {
                Ok(response) if response.status == 429 => retry_after(response, context.wall),
                _ => None,
            };
            let Some(wait) = wait else { return answer };
            self.peer.pause(wait.max(Duration::from_millis(1))).await;
            match exchange.step(self.peer.context()) {
                Step::Send(again) => request = again,
                Step::Done(_) => return answer,
            }
        }
        Err(TransportFault::RateLimited)
    }

    /// Carries out a command.
    pub(super) async fn perform(&mut self, command: &Command) -> Outcome {
        self.perform_losing(command, usize::MAX, Loss::Before).await
    }

    /// Carries out a command, losing one half of its request number `at` (from 0).
    pub(super) async fn perform_losing(
        &mut self,
        command: &Command,
        at: usize,
        loss: Loss,
    ) -> Outcome {
        let adapter = self.adapter;
        let mut exchange = Exchange::new(adapter, command);
        for number in 0.. {
            let request = match exchange.step(self.peer.context()) {
                Step::Done(outcome) => return outcome,
                Step::Send(request) => request,
            };
            let answer = match loss {
                _ if number != at => self.send(&exchange, request).await,
                Loss::Before => Err(TransportFault::MaybeSent),
                Loss::After => self
                    .send(&exchange, request)
                    .await
                    .and(Err(TransportFault::MaybeSent)),
            };
            exchange.answered(answer);
        }
        unreachable!("an exchange ends within its limit")
    }

    /// Starts an order; an error when it does not start.
    pub(super) async fn start(&mut self, order: &StartOrder) -> Result<String, String> {
        match self.perform(&Command::Start(Box::new(order.clone()))).await {
            Outcome::Started { remote_id } => Ok(remote_id),
            other => Err(format!("the start gave {other:?}")),
        }
    }

    /// Starts an order and waits until it runs.
    pub(super) async fn running(&mut self) -> Result<(StartOrder, Observed), String> {
        let order = self.order();
        let remote_id = self.start(&order).await?;
        let reached = |seen: &Observed| {
            seen.state == RemoteState::Running && (seen.public_url.is_some() || seen.ssh.is_some())
        };
        let seen = self
            .wait_for(&remote_id, "running with an address", reached)
            .await?;
        Ok((order, seen))
    }

    pub(super) async fn status(&mut self, remote_id: &str) -> Result<Observed, String> {
        let command = self.about(remote_id).0;
        match self.perform(&command).await {
            Outcome::Status(seen) if seen.remote_id == remote_id => Ok(*seen),
            other => Err(format!("the status of {remote_id} gave {other:?}")),
        }
    }

    /// Lets world time pass until a status fits. A thing that is not found yet is waited for.
    pub(super) async fn wait_for(
        &mut self,
        remote_id: &str,
        what: &str,
        fits: impl Fn(&Observed) -> bool,
    ) -> Result<Observed, String> {
        let mut last = String::new();
        for _ in 0..WAIT_STEPS_MAX {
            match self.status(remote_id).await {
                Ok(seen) if fits(&seen) => return Ok(seen),
                Ok(seen) => last = format!("{seen:?}"),
                Err(error) => last = error,
            }
            self.peer.advance(WAIT_STEP).await;
        }
        Err(format!(
            "{remote_id} is not {what} in time; last seen: {last}"
        ))
    }

    /// Everything that carries exactly this tag.
    pub(super) async fn found(&mut self, tag: PlacementTag) -> Result<Vec<Observed>, String> {
        let name = tag.to_string();
        match self
            .perform(&Command::List {
                tag_prefix: name.clone(),
            })
            .await
        {
            Outcome::Listed(found) => Ok(found
                .into_iter()
                .filter(|seen| seen.tag.as_ref() == Some(&name))
                .collect()),
            other => Err(format!("the listing gave {other:?}")),
        }
    }

    /// Status, stop and log commands for a thing.
    pub(super) fn about(&self, remote_id: &str) -> (Command, Command, Command) {
        let product = self.sold().0.name.to_owned();
        let remote_id = remote_id.to_owned();
        (
            Command::Status {
                product: product.clone(),
                remote_id: remote_id.clone(),
            },
            Command::Stop {
                product: product.clone(),
                remote_id: remote_id.clone(),
            },
            Command::Logs { product, remote_id },
        )
    }

    /// An extension by the product's step.
    pub(super) fn extension(&self, remote_id: &str, minutes_before: u32) -> Command {
        let product = self.sold().0;
        Command::Extend {
            product: product.name.to_owned(),
            remote_id: remote_id.to_owned(),
            hours: product.extension_step_hours,
            minutes_before,
        }
    }

    /// Stops a thing, whatever comes of it: the end of a check.
    pub(super) async fn clean_up(&mut self, remote_id: &str) {
        let stop = self.about(remote_id).1;
        let _outcome = self.perform(&stop).await;
    }
}

/// Prepaid minutes in all.
pub(super) fn minutes(seen: &Observed) -> Result<u32, String> {
    let sum = seen
        .minutes_served
        .zip(seen.minutes_remaining)
        .map(|(a, b)| a + b);
    sum.ok_or_else(|| format!("no prepaid minutes in {seen:?}"))
}

/// An error with what was seen, unless it holds.
pub(super) fn ensure(holds: bool, seen: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(seen()) }
}
