//! What the tests of recorded shapes share: an order, canned answers, and an exchange over them.

use std::collections::BTreeMap;

use tandem_adapters::adapter::{Adapter, Answer, Context, Step};
use tandem_adapters::{
    Command, Creation, Exchange, Outcome, StartOrder, WireRequest, WireResponse,
};
use tandem_model::gpu::GpuModel;
use tandem_model::id::{InstallationId, JobId};
use tandem_model::launch::{ContainerLaunch, RegistryCredentials};
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::{Country, Grade, NetworkId};
use tandem_model::offer::{Fabric, NodeLink, Offer, OfferId};
use tandem_model::placement::{Epoch, PlacementTag};
use tandem_model::secret::Secret;
use tandem_model::time::{WallTime, WorldTime};

pub(crate) const CONTEXT: Context = Context {
    wall: WallTime::from_micros(1_795_305_600_000_000),
    world: WorldTime::from_micros(1_795_305_600_000_000),
    nonce: 7,
};

pub(crate) fn tag() -> PlacementTag {
    PlacementTag {
        installation: InstallationId::from_parts(1, &[1; 10]),
        job: JobId::from_parts(2, &[2; 10]),
        epoch: Epoch(1),
    }
}

pub(crate) fn container() -> Creation {
    Creation::Container(ContainerLaunch {
        image: "ghcr.io/acme/train:1".to_owned(),
        registry: Some(RegistryCredentials {
            username: "acme".to_owned(),
            password: Secret::new("registry-pass"),
        }),
        entrypoint: vec!["sh".to_owned(), "-c".to_owned(), "echo $HOME".to_owned()],
        args: Vec::new(),
        env: BTreeMap::from([("A".to_owned(), "b".to_owned())]),
        secret_env: BTreeMap::from([("TOKEN".to_owned(), Secret::new("agent-token"))]),
        port: 8080,
    })
}

pub(crate) fn machine() -> Creation {
    Creation::Machine {
        ssh_public_key: "ssh-ed25519 AAAA tandem".to_owned(),
        ports: vec![8080],
    }
}

pub(crate) fn start(network: NetworkId, product: &str, locator: &str, what: Creation) -> Command {
    let offer = Offer {
        id: OfferId(format!("{network}/{product}/{locator}")),
        network,
        product: product.to_owned(),
        locator: locator.to_owned(),
        gpu: GpuModel::by_id("h100-sxm5-80gb").expect("in the catalogue"),
        grade: Grade::Datacenter,
        gpus_per_node: 8,
        divisible: false,
        nodes_available: 4,
        country: Country::parse("US").expect("a country code"),
        price: RatePerGpuHour::new(MicroUsd::from_cents(249)),
        fee_basis_points: 0,
        node_link: NodeLink::Nvlink,
        fabric: Fabric::Rdma,
        observed_at: WorldTime::default(),
    };
    Command::Start(Box::new(StartOrder {
        tag: tag(),
        offer,
        nodes: 1,
        gpus_per_node: 8,
        hours: 1,
        what,
    }))
}

pub(crate) fn json(status: u16, body: &str) -> Answer {
    Ok(WireResponse {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.as_bytes().to_vec(),
    })
}

/// Runs a command against canned answers; fails when it wants more or fewer.
pub(crate) fn run(
    adapter: &dyn Adapter,
    command: &Command,
    answers: Vec<Answer>,
) -> (Vec<WireRequest>, Outcome) {
    let mut exchange = Exchange::new(adapter, command);
    let mut requests = Vec::new();
    let mut answers = answers.into_iter();
    loop {
        match exchange.step(CONTEXT) {
            Step::Send(request) => {
                let answer = answers.next();
                let answer = answer.unwrap_or_else(|| panic!("no answer for {request:?}"));
                requests.push(request);
                exchange.answered(answer);
            }
            Step::Done(outcome) => {
                assert_eq!(answers.count(), 0, "answers left over: {outcome:?}");
                return (requests, outcome);
            }
        }
    }
}

pub(crate) fn failure(outcome: Outcome) -> tandem_adapters::Failure {
    match outcome {
        Outcome::Failed(failure) => failure,
        other => panic!("expected a failure, got {other:?}"),
    }
}
