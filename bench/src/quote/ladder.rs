//! The route of quotes over HTTP, rung by rung: what each part of it costs, and how much of the
//! route is left when its decision is made beforehand.

use std::sync::Arc;
use std::time::Duration;

use tandem::api::QuoteRequest;
use tandem::http::v1::quotes::{self, Customer};
use tandem_pricing::quote::ANSWERS_MAX;

use super::broker::Broker;
use super::http::{CONNECTIONS, Connection, post, requests_per_second};
use super::rungs::{self, Constant, RUNGS};
use super::{asks, progress};
use crate::sheet::{Aim, Section};

/// Rounds over all rungs, so that what disturbs the machine meets all of them.
const ROUNDS: usize = 7;
/// How long a rung is measured in a round.
const MEASURED: Duration = Duration::from_millis(600);
/// Aim of the real route, as a share of the one with a constant decision.
const SHARE: Aim = Aim::AtLeast(0.6);
/// What is asked for.
const ASKED: &str = "run: ./train\nresources: {gpu: 'any:24GB'}";
/// Asks of the last rung: so many that each was forgotten when it comes again.
const FIRSTS: usize = 8 * ANSWERS_MAX;

/// Measures every rung.
pub(super) fn measure() -> Section {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(all())
}

async fn all() -> Section {
    progress("a broker on both networks of a sandbox");
    let broker = Broker::new().await;
    let asked = QuoteRequest {
        workload: asks::file(ASKED),
        tier: None,
    };
    let constant = Arc::new(constant(&broker, &asked));
    let requests = requests(&broker, &asked);
    let market = constant.market.offers.len();
    let tiers = constant.decided.report.quoted().count();
    let serving = broker.serve(move |config| rungs::configure(config, &constant));
    let address = serving.address;
    let rounds = tokio::task::spawn_blocking(move || rounds(address, &requests));
    let (rounds, bytes) = rounds.await.unwrap();
    serving.end().await;
    let title = format!(
        "Over HTTP: {market} offers of the sandbox, {tiers} tiers quoted, {CONNECTIONS} connections"
    );
    section(title, &rounds, bytes)
}

/// What is sent to each rung: one request again and again, and to the last one after another.
fn requests(broker: &Broker, asked: &QuoteRequest) -> [Vec<Vec<u8>>; RUNGS.len()] {
    let json = |asked: &QuoteRequest| serde_json::to_string(asked).unwrap();
    let mut all = RUNGS.map(|(_, path)| vec![post(path, &broker.key, &json(asked))]);
    let firsts = (0..FIRSTS).map(|number| {
        let rest = format!("{ASKED}\nlimits: {{expected_seconds: {}}}", 86_400 + number);
        let asked = QuoteRequest {
            workload: asks::file(&rest),
            tier: None,
        };
        let (_, path) = RUNGS[RUNGS.len() - 1];
        post(path, &broker.key, &json(&asked))
    });
    all[RUNGS.len() - 1] = firsts.collect();
    all
}

/// The decision on the market as it is now, made once.
fn constant(broker: &Broker, asked: &QuoteRequest) -> Constant {
    let market = broker.state.engine.market();
    let customer = Customer {
        account: broker.account,
        country: None,
    };
    let mut made = None;
    let reply = quotes::reply(&broker.state, &market, &customer, asked, |asked| {
        let decided = quotes::decide(&broker.state, &market, &customer, asked);
        made.insert(decided).clone()
    });
    Constant {
        reply: reply.expect("the file can be submitted").reply,
        decided: made.expect("the decision was asked for"),
        market,
    }
}

/// Requests a second of every rung in every round, and bytes of each one's answer.
fn rounds(
    address: std::net::SocketAddr,
    requests: &[Vec<Vec<u8>>; RUNGS.len()],
) -> (Vec<[f64; RUNGS.len()]>, [usize; RUNGS.len()]) {
    let mut connection = Connection::open(address);
    let bytes = requests.each_ref().map(|requests| {
        let mut body = Vec::new();
        connection.ask(&requests[0], &mut body);
        body.len()
    });
    let round = |number: usize| {
        progress(&format!("round {number} of {ROUNDS} over every rung"));
        let each = |requests: &Vec<Vec<u8>>| requests_per_second(address, requests, MEASURED);
        requests.each_ref().map(each)
    };
    ((1..=ROUNDS).map(round).collect(), bytes)
}

fn section(title: String, rounds: &[[f64; RUNGS.len()]], bytes: [usize; RUNGS.len()]) -> Section {
    let mut section = Section::new(title);
    let median = |of: &dyn Fn(&[f64; RUNGS.len()]) -> f64| {
        let mut all: Vec<f64> = rounds.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    for (rung, (name, _)) in RUNGS.iter().enumerate() {
        section.figure(*name, median(&|round| round[rung]), "requests/s");
    }
    let [constant, real, first] = [3, 2, 1].map(|back| RUNGS.len() - back);
    for (kind, real) in [("asked before", real), ("first of its kind", first)] {
        let share = median(&|round| round[real] / round[constant]);
        let name = format!("real route over constant decision, {kind}");
        section.aimed(name, share, "", SHARE);
    }
    let share = median(&|round| round[real] / round[0]);
    section.figure("real route over bare handler", share, "");
    section.note(format!(
        "{} bytes of answer; client and server share the cores; medians of {ROUNDS} rounds",
        bytes[real]
    ));
    section
}
