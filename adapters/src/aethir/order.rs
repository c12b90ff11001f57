//! Creating, paying, looking at, finding, extending and releasing orders of the Aethir-style
//! network, and reading the consoles of their servers.

use std::collections::BTreeMap;

use tandem_model::error::ErrorCode;
use tandem_model::placement::{Observed, ObservedNode, RemoteState, SshAddress};

use super::market::is_last;
use super::wire::{
    ConsoleTail, EndReason, ExtendRequest, Mode, Order, OrderRequest, OrderStatus, Page, Server,
    ServerStatus,
};
use super::{Aethir, ON_DEMAND_PRODUCT, RESERVE_PRODUCT, data};
use crate::adapter::{Answer, Context, Step};
use crate::answer::{Doing, failed, unsupported};
use crate::command::{Creation, FailureKind, Outcome, StartOrder};
use crate::wire::{Method, WireRequest, encode_segment};

/// Servers whose console is read.
const LOG_SERVERS_MAX: usize = 16;
/// Lines asked of each console.
const LOG_LINES: usize = 1_000;

type Next = Result<Step, Outcome>;

impl Aethir {
    /// Creates the order, then pays it. A payment that is refused releases the order, so that a
    /// certain no leaves nothing behind; while the release is not confirmed, the start is unknown.
    pub(super) fn start(&self, start: &StartOrder, answers: &[Answer], context: Context) -> Next {
        let reader = self.reader(context);
        let Some(created) = answers.first() else {
            let body = order_body(start)?;
            return Ok(Step::Send(self.post("/orders", &body, context)));
        };
        let order: Order = data(&reader, created, Doing::Acting)?;
        let started = || {
            Ok(Step::Done(Outcome::Started {
                remote_id: order.order_id.clone(),
            }))
        };
        match order.status {
            OrderStatus::ToBePaid => {}
            OrderStatus::InService => return started(),
            ref ended => {
                let why = format!("the order of this tag is already {}", ended.word());
                return Err(failed(
                    FailureKind::Conflict,
                    ErrorCode::NETWORK_REFUSED,
                    why,
                ));
            }
        }
        let act = |verb| self.post_empty(&order.order_id, verb, context);
        let Some(paid) = answers.get(1) else {
            return Ok(Step::Send(act("/pay")));
        };
        match data::<Order>(&reader, paid, Doing::Acting) {
            Ok(order) if order.status == OrderStatus::InService => started(),
            Ok(order) => {
                let why = format!("the order is {} after its payment", order.status.word());
                Err(reader.not_understood(Doing::Acting, &why))
            }
            Err(Outcome::Failed(refused)) => {
                let Some(released) = answers.get(2) else {
                    return Ok(Step::Send(act("/release")));
                };
                let released = data::<Order>(&reader, released, Doing::Acting);
                Err(match released.map(|order| order.status) {
                    Ok(OrderStatus::Cancelled | OrderStatus::Completed) => Outcome::Failed(refused),
                    _ => Outcome::Unknown {
                        code: refused.code,
                        detail: format!("{}; the order may still be open", refused.detail),
                    },
                })
            }
            Err(outcome) => Err(outcome),
        }
    }

    fn order_path(order_id: &str, rest: &str) -> String {
        format!("/orders/{}{rest}", encode_segment(order_id))
    }

    fn post_empty(&self, order_id: &str, verb: &str, context: Context) -> WireRequest {
        self.request(Method::Post, &Self::order_path(order_id, verb), context)
    }

    pub(super) fn status(&self, order_id: &str, answers: &[Answer], context: Context) -> Next {
        let reader = self.reader(context);
        let Some(first) = answers.first() else {
            return Ok(Step::Send(
                self.get(&Self::order_path(order_id, ""), context),
            ));
        };
        let order: Order = data(&reader, first, Doing::Reading)?;
        if order.status != OrderStatus::InService {
            return Ok(Step::Done(Outcome::Status(Box::new(observed(
                order,
                Vec::new(),
            )))));
        }
        let Some(second) = answers.get(1) else {
            return Ok(Step::Send(self.servers_request(order_id, context)));
        };
        let servers: Vec<Server> = data(&reader, second, Doing::Reading)?;
        Ok(Step::Done(Outcome::Status(Box::new(observed(
            order, servers,
        )))))
    }

    fn servers_request(&self, order_id: &str, context: Context) -> WireRequest {
        self.get(&Self::order_path(order_id, "/servers"), context)
    }

    pub(super) fn list(&self, prefix: &str, answers: &[Answer], context: Context) -> Next {
        let reader = self.reader(context);
        let mut found: BTreeMap<String, Observed> = BTreeMap::new();
        for answer in answers {
            let page: Page<Order> = data(&reader, answer, Doing::Reading)?;
            let last = is_last(&page);
            let ours = page
                .records
                .into_iter()
                .filter(|o| o.client_order_no.starts_with(prefix));
            found.extend(ours.map(|order| (order.order_id.clone(), observed(order, Vec::new()))));
            if last {
                return Ok(Step::Done(Outcome::Listed(found.into_values().collect())));
            }
        }
        let mut request = self.page("/orders", answers.len() + 1, context);
        request
            .query
            .push(("clientOrderNoPrefix".to_owned(), prefix.to_owned()));
        Ok(Step::Send(request))
    }

    pub(super) fn extend(
        &self,
        order_id: &str,
        hours: u32,
        minutes_before: u32,
        answers: &[Answer],
        context: Context,
    ) -> Next {
        let Some(answer) = answers.first() else {
            // The same extension always has the same number, so a repeat adds nothing.
            let client_extension_no = format!("{order_id}.m{minutes_before}.h{hours}");
            let body = ExtendRequest {
                hours,
                client_extension_no,
            };
            let path = Self::order_path(order_id, "/extend");
            return Ok(Step::Send(self.post(&path, &body, context)));
        };
        let order: Order = data(&self.reader(context), answer, Doing::Acting)?;
        Ok(Step::Done(Outcome::Extended(Box::new(observed(
            order,
            Vec::new(),
        )))))
    }

    pub(super) fn stop(&self, order_id: &str, answers: &[Answer], context: Context) -> Next {
        let Some(answer) = answers.first() else {
            return Ok(Step::Send(self.post_empty(order_id, "/release", context)));
        };
        data::<Order>(&self.reader(context), answer, Doing::Acting)?;
        Ok(Step::Done(Outcome::Stopping))
    }

    pub(super) fn logs(&self, order_id: &str, answers: &[Answer], context: Context) -> Next {
        let reader = self.reader(context);
        let Some((first, consoles)) = answers.split_first() else {
            return Ok(Step::Send(self.servers_request(order_id, context)));
        };
        let mut servers: Vec<Server> = data(&reader, first, Doing::Reading)?;
        servers.sort_by_key(|server| server.index);
        servers.truncate(LOG_SERVERS_MAX);
        if let Some(server) = servers.get(consoles.len()) {
            let path = format!("/servers/{}/console", encode_segment(&server.server_id));
            let mut request = self.get(&path, context);
            request.query = vec![("lines".to_owned(), LOG_LINES.to_string())];
            return Ok(Step::Send(request));
        }
        let mut lines = Vec::new();
        for (answer, server) in consoles.iter().zip(&servers) {
            let tail: ConsoleTail = data(&reader, answer, Doing::Reading)?;
            lines.extend(tail.lines.into_iter().map(|line| match servers.len() {
                1 => line,
                _ => format!("{}: {line}", server.index),
            }));
        }
        Ok(Step::Done(Outcome::Logs {
            lines,
            complete: false,
        }))
    }
}

fn order_body(start: &StartOrder) -> Result<OrderRequest, Outcome> {
    let impossible = |why: &str| failed(FailureKind::Refused, ErrorCode::LAUNCH_IMPOSSIBLE, why);
    let mode = match start.offer.product.as_str() {
        ON_DEMAND_PRODUCT => Mode::OnDemand,
        RESERVE_PRODUCT => Mode::Reserve,
        other => {
            return Err(unsupported(format!(
                "this network has no product `{other}`"
            )));
        }
    };
    let Creation::Machine { ssh_public_key, .. } = &start.what else {
        return Err(impossible(
            "servers are started over SSH, not from an image",
        ));
    };
    Ok(OrderRequest {
        client_order_no: start.tag.to_string(),
        spec_id: start.offer.locator.clone(),
        mode,
        servers: start.nodes,
        hours: start.hours,
        ssh_public_key: ssh_public_key.clone(),
        auto_renew: false,
    })
}

fn observed(order: Order, mut servers: Vec<Server>) -> Observed {
    servers.sort_by_key(|server| server.index);
    let state = state_of(&order, &servers);
    let nodes: Vec<_> = servers.into_iter().map(node).collect();
    let first = nodes.first();
    Observed {
        remote_id: order.order_id,
        tag: Some(order.client_order_no),
        state,
        remote_word: order.status.word().to_owned(),
        public_url: first.and_then(|node| node.public_url.clone()),
        ssh: first.and_then(|node| node.ssh.clone()),
        device: first.and_then(|node| node.device.clone()),
        minutes_served: Some(order.minutes_served),
        minutes_remaining: Some(order.minutes_remaining),
        // The total counts extensions; a part of it is never paid alone.
        paid: match order.status {
            OrderStatus::InService | OrderStatus::Completed => order.total.usd().ok(),
            _ => None,
        },
        nodes,
    }
}

/// An order in service is pending while the network still checks one of its servers. In a listing,
/// which shows no servers, it counts as running.
fn state_of(order: &Order, servers: &[Server]) -> RemoteState {
    let being_made_ready = |server: &Server| {
        use ServerStatus::{Checking, Online, WaitingForStaking};
        matches!(server.status, Checking | WaitingForStaking | Online)
    };
    match &order.status {
        OrderStatus::ToBePaid => RemoteState::AwaitingPayment,
        OrderStatus::InService if servers.iter().any(being_made_ready) => RemoteState::Pending,
        OrderStatus::InService => RemoteState::Running,
        OrderStatus::Cancelled => RemoteState::Stopped,
        OrderStatus::Completed => match order.end_reason {
            Some(EndReason::ProviderFault) => RemoteState::Failed,
            Some(EndReason::Released) => RemoteState::Stopped,
            _ => RemoteState::Completed,
        },
        OrderStatus::Other(_) => RemoteState::Pending,
    }
}

fn node(server: Server) -> ObservedNode {
    let ssh = server
        .ingress_host
        .zip(server.ssh_port)
        .map(|(host, port)| SshAddress {
            host,
            port,
            user: server.ssh_user.unwrap_or_else(|| "root".to_owned()),
            host_key: server.ssh_host_key,
        });
    ObservedNode {
        device: Some(server.fingerprint),
        log_key: Some(server.server_id),
        public_url: server.public_url,
        ssh,
        private_ip: server.private_ip,
        remote_word: server.status.word().to_owned(),
    }
}
