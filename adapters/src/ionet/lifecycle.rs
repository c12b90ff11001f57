//! Creating, looking at, finding, extending and stopping deployments at io.net.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use tandem_model::error::ErrorCode;
use tandem_model::placement::Observed;

use super::deploy::{caas_body, vm_body};
use super::market::Locator;
use super::observed::{add_nodes, observed};
use super::wire::{
    self, Created, Deployment, DeploymentPage, ExtendBody, PAGE_SIZE_MAX, Worker, WorkerPage,
};
use super::{CAAS_PRODUCT, IoNet, VMAAS_PRODUCT, deployment_path};
use crate::adapter::{Answer, Context, Step};
use crate::answer::{Doing, Reader, failed, unsupported};
use crate::command::{Creation, FailureKind, Outcome, StartOrder};
use crate::wire::{Method, Repeat, WireRequest, WireResponse};

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
        match (order.offer.product.as_str(), &order.what) {
            (CAAS_PRODUCT, Creation::Container(launch)) => {
                let body = caas_body(order, launch, &locator, &tag);
                Ok(self.post(format!("{}/deploy", wire::CAAS), &body))
            }
            (
                VMAAS_PRODUCT,
                Creation::Machine {
                    ssh_public_key,
                    ports,
                },
            ) => {
                let body = vm_body(order, ssh_public_key, ports, &locator, &tag);
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
