//! Creating, looking at, finding, extending and stopping deployments at io.net.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use tandem_model::error::ErrorCode;
use tandem_model::launch::{ContainerLaunch, LaunchForm};
use tandem_model::placement::{Observed, ObservedNode, RemoteState, SshAddress};

use super::market::Locator;
use super::wire::{
    self, CaasDeploy, ContainerConfig, Created, Deployment, DeploymentPage, ExtendBody,
    NetworkService, PAGE_SIZE_MAX, RegistryConfig, VmDeploy, Worker, WorkerPage,
};
use super::{CAAS_PRODUCT, IoNet, VMAAS_PRODUCT, deployment_path};
use crate::adapter::{Answer, Context, Step};
use crate::answer::{Doing, Reader, failed, unsupported};
use crate::command::{FailureKind, Outcome, StartOrder};
use crate::wire::{Method, Repeat, WireRequest, WireResponse};

/// Name under which our key is stored on a machine.
const SSH_KEY_NAME: &str = "tandem";

type Next = Result<Step, Outcome>;

fn data<T: DeserializeOwned>(
    reader: &Reader<'_>,
    response: &WireResponse,
    doing: Doing,
) -> Result<T, Outcome> {
    wire::unwrap_data(&response.body).map_err(|e| reader.not_understood(doing, &e.to_string()))
}

impl IoNet {
    pub(super) fn start(&self, order: &StartOrder, answers: &[Answer], context: Context) -> Next {
        let [answer] = answers else {
            return self.deploy(order).map(Step::Send);
        };
        let reader = self.reader(context);
        let response = reader.accept(answer, Doing::Acting).map_err(as_capacity)?;
        let created: Created = data(&reader, response, Doing::Acting)?;
        match created.id() {
            Some(remote_id) => Ok(Step::Done(Outcome::Started { remote_id })),
            None => Err(reader.not_understood(Doing::Acting, "a deployment without an id")),
        }
    }

    fn deploy(&self, order: &StartOrder) -> Result<WireRequest, Outcome> {
        let impossible =
            |why: &str| failed(FailureKind::Refused, ErrorCode::LAUNCH_IMPOSSIBLE, why);
        let locator = Locator::read(&order.offer.locator)
            .ok_or_else(|| impossible("the offer's locator is not one of io.net"))?;
        let tag = order.tag.to_string();
        match (order.offer.product.as_str(), &order.plan.form) {
            (CAAS_PRODUCT, LaunchForm::Container(launch)) => {
                let body = caas_body(order, launch, &locator, &tag);
                Ok(self.post(format!("{}/deploy", wire::CAAS), &body))
            }
            (VMAAS_PRODUCT, LaunchForm::Ssh(_)) => {
                let key = order
                    .ssh_public_key
                    .as_deref()
                    .ok_or_else(|| impossible("a machine needs our public SSH key"))?;
                let body = vm_body(order, key, &locator, &tag);
                Ok(self.post(format!("{}/deploy", wire::VMAAS), &body))
            }
            (CAAS_PRODUCT, _) => Err(impossible("`caas` starts containers, not scripts over SSH")),
            (VMAAS_PRODUCT, _) => Err(impossible("`vmaas` is started over SSH, not from an image")),
            (other, _) => Err(unsupported(format!("io.net has no product `{other}`"))),
        }
    }

    pub(super) fn status(
        &self,
        product: &str,
        remote_id: &str,
        answers: &[Answer],
        context: Context,
    ) -> Next {
        let reader = self.reader(context);
        let Some(first) = answers.first() else {
            return Ok(Step::Send(
                self.get(deployment_path(product, remote_id, "")?),
            ));
        };
        let details: Deployment = data(
            &reader,
            reader.accept(first, Doing::Reading)?,
            Doing::Reading,
        )?;
        let mut observed = observed(details);
        if observed.state.is_ended() {
            return Ok(Step::Done(Outcome::Status(Box::new(observed))));
        }
        let Some(second) = answers.get(1) else {
            return self.workers_request(product, remote_id).map(Step::Send);
        };
        add_nodes(&mut observed, self.workers(&reader, second)?);
        Ok(Step::Done(Outcome::Status(Box::new(observed))))
    }

    pub(super) fn workers_request(
        &self,
        product: &str,
        remote_id: &str,
    ) -> Result<WireRequest, Outcome> {
        let rest = if product == CAAS_PRODUCT {
            "/containers"
        } else {
            "/vms"
        };
        let mut request = self.get(deployment_path(product, remote_id, rest)?);
        request.query = page(1);
        Ok(request)
    }

    /// The workers in a stable order; none when the network does not know the deployment yet.
    pub(super) fn workers(
        &self,
        reader: &Reader<'_>,
        answer: &Answer,
    ) -> Result<Vec<Worker>, Outcome> {
        let response = match reader.accept(answer, Doing::Reading) {
            Ok(response) => response,
            Err(Outcome::Failed(f)) if f.kind == FailureKind::NotFound => return Ok(Vec::new()),
            Err(outcome) => return Err(outcome),
        };
        let page: WorkerPage = data(reader, response, Doing::Reading)?;
        let mut workers = page.workers.unwrap_or_default();
        workers.sort_by_key(Worker::key);
        Ok(workers)
    }

    pub(super) fn list(&self, tag_prefix: &str, answers: &[Answer], context: Context) -> Next {
        let reader = self.reader(context);
        let mut found: BTreeMap<String, Observed> = BTreeMap::new();
        let mut pending = [wire::CAAS, wire::VMAAS].into_iter();
        let mut prefix = pending.next();
        let (mut number, mut seen) = (1, 0);
        for answer in answers {
            let response = reader.accept(answer, Doing::Reading)?;
            let page: DeploymentPage = data(&reader, response, Doing::Reading)?;
            let rows = page.deployments.unwrap_or_default();
            seen += rows.len();
            // A server may hand out smaller pages than asked for, and its total may be wrong: the
            // end is an empty page, or a short one that completes the total.
            let complete = page.total.is_none_or(|total| seen >= total as usize);
            let last = rows.is_empty() || (rows.len() < PAGE_SIZE_MAX && complete);
            let named = rows.into_iter().filter(|row| {
                row.name
                    .as_deref()
                    .is_some_and(|name| name.starts_with(tag_prefix))
            });
            found.extend(named.map(|row| (row.id.to_string(), observed(row))));
            if last {
                prefix = pending.next();
                (number, seen) = (1, 0);
            } else {
                number += 1;
            }
        }
        let Some(prefix) = prefix else {
            return Ok(Step::Done(Outcome::Listed(found.into_values().collect())));
        };
        let mut request = self.get(format!("{prefix}/deployments"));
        request.query = page(number);
        Ok(Step::Send(request))
    }

    pub(super) fn extend(
        &self,
        product: &str,
        remote_id: &str,
        hours: u32,
        answers: &[Answer],
        context: Context,
    ) -> Next {
        let [answer] = answers else {
            let path = deployment_path(product, remote_id, "/extend")?;
            return Ok(Step::Send(self.post(
                path,
                &ExtendBody {
                    duration_hours: hours,
                },
            )));
        };
        let reader = self.reader(context);
        let details: Deployment = data(
            &reader,
            reader.accept(answer, Doing::Acting)?,
            Doing::Acting,
        )?;
        Ok(Step::Done(Outcome::Extended(Box::new(observed(details)))))
    }

    pub(super) fn stop(
        &self,
        product: &str,
        remote_id: &str,
        answers: &[Answer],
        context: Context,
    ) -> Next {
        let [answer] = answers else {
            let path = deployment_path(product, remote_id, "")?;
            // A second DELETE would be answered as if the first had not happened.
            return Ok(Step::Send(self.request(
                Method::Delete,
                path,
                Repeat::Unsafe,
            )));
        };
        self.reader(context).accept(answer, Doing::Acting)?;
        Ok(Step::Done(Outcome::Stopping))
    }
}

/// The network's answer to a deployment that it cannot place is a conflict.
fn as_capacity(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Failed(mut failure) if failure.kind == FailureKind::Conflict => {
            failure.kind = FailureKind::NoCapacity;
            Outcome::Failed(failure)
        }
        other => other,
    }
}

/// Pages are counted from 1, as the network's own client does.
pub(super) fn page(number: usize) -> Vec<(String, String)> {
    vec![
        ("page".to_owned(), number.to_string()),
        ("page_size".to_owned(), PAGE_SIZE_MAX.to_string()),
    ]
}

/// `$` starts an interpolation at the network; `$$` is a plain `$`.
fn double_dollar(words: &[String]) -> Vec<String> {
    words.iter().map(|word| word.replace('$', "$$")).collect()
}

fn caas_body<'a>(
    order: &'a StartOrder,
    launch: &'a ContainerLaunch,
    locator: &'a Locator,
    tag: &'a str,
) -> CaasDeploy<'a> {
    let secrets = launch.secret_env.iter();
    CaasDeploy {
        resource_private_name: tag,
        hardware_id: &locator.id,
        duration_hours: order.hours,
        gpus_per_container: order.gpus_per_node,
        container_config: ContainerConfig {
            replica_count: order.nodes,
            traffic_port: launch.port,
            env_variables: &launch.env,
            secret_env_variables: secrets.map(|(k, v)| (k.as_str(), v.expose())).collect(),
            entrypoint: double_dollar(&launch.entrypoint),
            args: &launch.args,
        },
        registry_config: RegistryConfig {
            image_url: &launch.image,
            registry_username: launch.registry.as_ref().map(|r| r.username.as_str()),
            registry_secret: launch.registry.as_ref().map(|r| r.password.expose()),
        },
        location_ids: [&locator.location],
        payment_source: "credits",
        on_incomplete_booking: "full_refund",
    }
}

fn vm_body<'a>(
    order: &'a StartOrder,
    key: &'a str,
    locator: &'a Locator,
    tag: &'a str,
) -> VmDeploy<'a> {
    let services = order.plan.ports.iter().map(|&port| {
        let open = NetworkService {
            port,
            protocol: "tcp",
            whitelist: ["0.0.0.0/0"],
        };
        (format!("port-{port}"), open)
    });
    VmDeploy {
        resource_private_name: tag,
        hardware_id: &locator.id,
        duration_hours: order.hours,
        gpus_per_vm: order.gpus_per_node,
        ssh_keys: BTreeMap::from([(SSH_KEY_NAME, key)]),
        location_ids: [&locator.location],
        vm_image_type: "general",
        network_services: services.collect(),
    }
}

fn observed(row: Deployment) -> Observed {
    let word = row.status.unwrap_or_default();
    Observed {
        remote_id: row.id.to_string(),
        tag: row.name,
        state: state_of(&word),
        remote_word: word,
        public_url: None,
        ssh: None,
        device: None,
        minutes_served: row.compute_minutes_served,
        minutes_remaining: row.compute_minutes_remaining,
        paid: row.amount_paid.and_then(|paid| paid.usd().ok()),
        nodes: Vec::new(),
    }
}

/// The network's words for a state, in any case and with any separator.
fn state_of(word: &str) -> RemoteState {
    let word = word.to_ascii_lowercase().replace(['_', '-'], " ");
    match word
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .as_str()
    {
        "unpaid" => RemoteState::AwaitingPayment,
        "running" => RemoteState::Running,
        "termination requested" => RemoteState::Stopping,
        "completed" => RemoteState::Completed,
        "failed" => RemoteState::Failed,
        "destroyed" | "terminated" => RemoteState::Stopped,
        _ => RemoteState::Pending,
    }
}

fn add_nodes(observed: &mut Observed, workers: Vec<Worker>) {
    observed.nodes = workers.into_iter().map(node).collect();
    if let Some(first) = observed.nodes.first() {
        observed.public_url = first.public_url.clone();
        observed.ssh = first.ssh.clone();
        observed.device = first.device.clone();
    }
}

fn node(worker: Worker) -> ObservedNode {
    let log_key = worker.key();
    let service = worker.network_services.as_ref().and_then(|all| {
        let service = all
            .values()
            .find(|s| s.public_ip.is_some() && s.public_port.is_some())?;
        Some(format!(
            "http://{}:{}",
            service.public_ip.as_deref()?,
            service.public_port?
        ))
    });
    ObservedNode {
        device: worker.device_id.map(|id| id.to_string()),
        log_key,
        public_url: worker.public_url.or(service),
        ssh: worker.ssh_access.as_deref().and_then(ssh_address),
        private_ip: None,
        remote_word: worker.status.unwrap_or_default(),
    }
}

/// Reads a ready command such as `ssh -p 2222 ubuntu@203.0.113.7`; none for another form. Nothing
/// of it is ever run.
fn ssh_address(command: &str) -> Option<SshAddress> {
    let mut words = command.split_whitespace();
    let (mut port, mut target) = (22, None);
    while let Some(word) = words.next() {
        match word {
            "ssh" => {}
            "-p" => port = words.next()?.parse().ok()?,
            "-i" | "-o" => _ = words.next()?,
            _ if word.starts_with("-p") => port = word.strip_prefix("-p")?.parse().ok()?,
            _ if word.contains('@') && target.is_none() => target = word.split_once('@'),
            _ => return None,
        }
    }
    let (user, host) = target?;
    let user_fits = !user.is_empty()
        && user
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let host_fits = !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b':'));
    (user_fits && host_fits).then(|| SshAddress {
        host: host.to_owned(),
        port,
        user: user.to_owned(),
        host_key: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_words_are_read_in_any_spelling_and_unknown_ones_stay_pending() {
        for (word, state) in [
            ("running", RemoteState::Running),
            ("DEPLOYMENT_REQUESTED", RemoteState::Pending),
            ("termination-requested", RemoteState::Stopping),
            ("Termination  Requested", RemoteState::Stopping),
            ("terminated", RemoteState::Stopped),
            ("destroyed", RemoteState::Stopped),
            ("unpaid", RemoteState::AwaitingPayment),
            ("hibernating", RemoteState::Pending),
            ("", RemoteState::Pending),
        ] {
            assert_eq!(state_of(word), state, "{word}");
        }
    }

    #[test]
    fn an_ssh_command_is_read_and_nothing_odd_is_taken_for_one() {
        let address = ssh_address("ssh -p 2222 ubuntu@203.0.113.7").unwrap();
        assert_eq!((address.user.as_str(), address.port), ("ubuntu", 2222));
        assert_eq!(ssh_address("ssh root@h.example").unwrap().port, 22);
        assert_eq!(ssh_address("ssh -i key.pem root@h -p22").unwrap().host, "h");
        for odd in [
            "",
            "ssh",
            "ssh h",
            "ssh a@b; rm -rf /",
            "ssh a@b$(id)",
            "ssh -p x a@b",
        ] {
            assert!(ssh_address(odd).is_none(), "{odd}");
        }
    }

    #[test]
    fn dollars_are_doubled_in_the_entrypoint() {
        assert_eq!(
            double_dollar(&["echo ${A} $B".to_owned()]),
            ["echo $${A} $$B"]
        );
    }
}
