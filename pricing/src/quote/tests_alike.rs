//! Answers that are given again: the same as if each were worked out anew, for requests that differ
//! in any one thing.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use tandem_model::gpu::GpuModel;
use tandem_model::id::QuoteId;
use tandem_model::money::Token;
use tandem_model::network::Grade;
use tandem_model::offer::{Fabric, NodeLink, OfferId};

use super::*;
use crate::book::{Book, Counterfactual, FreeKey};
use crate::classify::{Classification, classify};
use crate::files;
use crate::jurisdiction::{Digester, Rules};

mod ahead;

/// Files that differ from one another in little: card, memory, nodes, class, limits, data, tier.
const FILES: [&str; 32] = [
    "gpu: any}",
    "gpu: any, gpus_per_node: 2}",
    "gpu: any, gpus_per_node: 8}",
    "gpu: any, nodes: 2}",
    "gpu: any, nodes: 2, fast_interconnect: true}",
    "gpu: RTX4090}",
    "gpu: [RTX4090, L4]}",
    "gpu: H100}",
    "gpu: 'any:24GB'}",
    "gpu: 'any:80GB'}",
    "gpu: any}\nclass: rendering",
    "gpu: any}\nclass: online_inference",
    "gpu: any}\nclass: batch_inference",
    "gpu: any}\ntier: enterprise",
    "gpu: any}\nsecrets: [TOKEN]",
    "gpu: any}\nsecrets: [TOKEN]\nsecrets_on_consumer: true",
    "gpu: any}\nlimits: {max_price_usd_per_gpu_hour: 0.80}",
    "gpu: any}\nlimits: {expected_seconds: 3600}",
    "gpu: any}\nlimits: {expected_seconds: 3600, max_duration_seconds: 7200}",
    "gpu: any}\nlimits: {expected_seconds: 3600, max_duration_seconds: 90000}",
    "gpu: any}\nlimits: {expected_seconds: 3600, finish_by_seconds: 4499}",
    "gpu: any}\nlimits: {expected_seconds: 3600, finish_by_seconds: 4500}",
    "gpu: any}\nlimits: {expected_seconds: 3600, budget_usd: 1}",
    "gpu: any}\nlimits: {expected_seconds: 3600, budget_usd: 0.60}",
    "gpu: any}\nlimits: {countries_allowed: [DE]}",
    "gpu: any}\nlimits: {countries_denied: [DE]}",
    "gpu: any}\nlimits: {near: {countries: [DE], round_trip_ms: 30}}",
    "gpu: any}\nlimits: {data: personal}",
    "gpu: any}\nlimits: {egress_gb: 1000}",
    "gpu: H100}\nlimits: {countries_allowed: [DE]}",
    "gpu: any, nodes: 2}\nclass: rendering",
    "gpu: any}\nlimits: {data: restricted}",
];

/// Runs of the file: what needs memory is seen in it.
const RUNS: [&str; 4] = [
    "./x",
    "vllm serve a/m-70b-awq",
    "vllm serve a/m-70b-fp8",
    "python train.py --model a/m-7b --qlora",
];

static ACCOUNTS: LazyLock<[AccountId; 3]> =
    LazyLock::new(|| [1u8, 2, 65].map(|n| AccountId::from_parts(1, &[n; 10])));

static POLICIES: LazyLock<Vec<Policy>> = LazyLock::new(|| {
    let [first, ..] = *ACCOUNTS;
    let text = |share: u32, rest: String| {
        format!(
            "tandem_policy: 1\nname: a\ndefaults: {{margin_basis_points: 1_000, rate_risk_basis_points: 100, \
             term_seconds: 86_400, valid_seconds: 60, assured_share_permille: {share}, \
             replacement_rate_max_basis_points: 12_500}}\n\
             guard_rails: {{price_change_max_permille: 100, margin_min_basis_points: 0}}\n{rest}"
        )
    };
    let promotions = "promotions:\n\
         \x20 - {id: p, match: {country: [DE]}, discount_basis_points: 900, from: 1970-01-01T00:00:01Z, until: 1970-01-01T00:00:03Z}\n\
         \x20 - {id: q, discount_basis_points: 300, from: 1970-01-01T00:00:02Z, until: 1970-01-01T00:00:04Z}\n";
    let named = format!(
        "rules:\n\
         \x20 - {{id: a, priority: 9, match: {{account: [{first}]}}, set: {{margin_basis_points: 100}}}}\n\
         \x20 - {{id: b, priority: 8, match: {{class: [rendering]}}, set: {{margin_basis_points: 2_000}}}}\n\
         \x20 - {{id: c, priority: 7, match: {{term_seconds: ['..7200']}}, set: {{margin_basis_points: 3_000}}}}\n\
         \x20 - {{id: d, priority: 6, match: {{gpu_hours: ['48..']}}, set: {{margin_basis_points: 500}}}}\n\
         \x20 - {{id: e, priority: 5, match: {{tier: [assured]}}, set: {{surge: {{0: 0, 1_000: 5_000}}}}}}\n\
         \x20 - {{id: f, priority: 4, match: {{country: [US]}}, set: {{floor_micro_usd_per_gpu_hour: 600_000}}}}\n\
         {promotions}"
    );
    let asked = format!(
        "rules:\n\
         \x20 - {{id: a, priority: 9, when: 'account == \"{first}\" || account == \"\"', set: {{margin_basis_points: 4_000}}}}\n"
    );
    [
        text(1_000, "rules: []\n".to_owned()),
        text(1_000, named),
        text(1_000, asked),
        text(300, "rules: []\n".to_owned()),
    ]
    .map(|text| Policy::parse(&text).unwrap_or_else(|e| panic!("{e}")))
    .into()
});

/// Everything that a request is made of, each as a number below that of [`CHOICES`].
#[derive(Debug, Clone, Copy)]
struct Request([usize; CHOICES.len()]);

/// File, run, policy, account, promotion used up, wall clock, world clock, age, products, places,
/// promised, tax country, rates of tokens.
const CHOICES: [usize; 13] = [FILES.len(), RUNS.len(), 4, 4, 2, 5, 6, 3, 3, 3, 3, 2, 2];

/// Every file with every run, read once.
static READ: LazyLock<Vec<(Workload, Classification)>> = LazyLock::new(|| {
    let read = |run, rest| {
        let text = format!("tandem: 1\nname: a\nrun: {run}\nresources: {{{rest}\n");
        let document = files::read(&text).unwrap_or_else(|e| panic!("{text}{e}"));
        let found = classify(&document);
        (document.workload.unwrap(), found)
    };
    let all = FILES
        .into_iter()
        .flat_map(|rest| RUNS.map(|run| read(run, rest)));
    all.collect()
});

static DIGESTER: LazyLock<Digester> = LazyLock::new(|| Digester::of(Rules::default()));

/// What a request is answered from a book with this supply.
fn answer(
    request: Request,
    book: &Book,
    supply: &Supply,
) -> (QuoteReport, Vec<Vec<Counterfactual>>) {
    asked(request, book, supply, |desk| {
        let report = desk.quote(|| QuoteId::from_parts(1, &[3; 10]));
        let others = report.tiers.iter().map(|tier| desk.counterfactuals(tier));
        let others = others.collect();
        (report, others)
    })
}

fn asked<T>(
    request: Request,
    book: &Book,
    supply: &Supply,
    work: impl FnOnce(&Desk<'_>) -> T,
) -> T {
    let [
        file,
        run,
        policy,
        account,
        used_up,
        wall,
        world,
        age,
        products,
        places,
        promised,
        tax,
        rates,
    ] = request.0;
    let (workload, found) = &READ[file * RUNS.len() + run];
    let country = [None, Country::parse("DE"), Country::parse("KP")][places];
    let places = DIGESTER.digest(country, workload.limits.data);
    let sells = move |network: &NetworkId, product: &str| match products {
        0 => true,
        1 => product != "vmaas",
        _ => network.as_str() != "aethir",
    };
    let rate = TokenRate {
        token: Token::of_network(&NetworkId::from_static("ionet")).unwrap(),
        nano_usd_per_token: 100_000_000,
        at: WallTime::from_micros(0),
    };
    let supply = supply.clone().with_promised([0, 8, 10_000][promised]);
    let pricing = Pricing {
        policy: &POLICIES[policy],
        policy_version: u32::try_from(policy).unwrap(),
        exhausted: match used_up {
            0 => Exhausted::NONE,
            _ => Exhausted::NONE.with(POLICIES[1].promotions().next().unwrap().0),
        },
        account: ACCOUNTS.get(account),
        supply: &supply,
        tax_country: [None, Country::parse("FR")][tax],
        token_rates: &[rate][..rates],
        places: &places,
        can_start: &sells,
        age_max: [None, Some(5), Some(10)][age].map(Duration::from_secs),
        now: WallTime::from_micros([0, 999_999, 1_000_000, 2_500_000, 3_999_999][wall]),
        world_now: WorldTime::from_micros([0, 8, 14, 15, 20, 30][world] * 1_000_000),
    };
    work(&Desk::new(workload, found, book, pricing))
}

fn any_offer() -> impl Strategy<Value = Offer> {
    let cards = ["rtx4090", "l4", "a100-sxm4-80gb", "h100-sxm5-80gb"];
    let first = (
        0u32..1_000,
        prop::sample::select(cards.to_vec()),
        any::<bool>(),
        prop::sample::select(vec![1u16, 2, 8, 8]),
        1u32..4,
    );
    let second = (
        prop::sample::select(vec!["DE", "US", "FR"]),
        prop::sample::select(vec![
            ("ionet", "caas"),
            ("ionet", "vmaas"),
            ("aethir", "reserve"),
        ]),
        4i64..16,
        // Aisles whose offers are all of one age, and some that are mixed.
        prop::sample::select(vec![3i64, 3, 3, 3, 4, 10, 10]),
        any::<bool>(),
    );
    (first, second).prop_map(
        |((key, gpu, dc, gpus, nodes), (country, sold, price, age, linked))| {
            let (network, product) = sold;
            let gpu = GpuModel::by_id(gpu).unwrap();
            Offer {
                id: OfferId(format!("{network}/{product}/{key}")),
                network: NetworkId::from_static(network),
                product: product.to_owned(),
                locator: key.to_string(),
                gpu,
                grade: match dc || gpu.is_a100_or_better() {
                    true => Grade::Datacenter,
                    false => Grade::Consumer,
                },
                gpus_per_node: gpus,
                divisible: product == "caas",
                nodes_available: nodes,
                country: Country::parse(country).unwrap(),
                price: RatePerGpuHour::new(MicroUsd::new(price * 100_000)),
                fee_basis_points: if network == "ionet" { 225 } else { 0 },
                node_link: NodeLink::Pcie,
                fabric: if linked { Fabric::Rdma } else { Fabric::Public },
                observed_at: WorldTime::from_micros(
                    if product == "vmaas" { age } else { 4 } * 1_000_000,
                ),
            }
        },
    )
}

/// A request, and all that differ from it in one part.
fn neighbours(base: Request) -> Vec<Request> {
    let mut all = vec![base];
    for (part, many) in CHOICES.into_iter().enumerate() {
        all.extend((0..many).map(|to| {
            let mut other = base;
            other.0[part] = to;
            other
        }));
    }
    all
}

fn usage() -> Usage {
    let key = FreeKey {
        network: NetworkId::from_static("ionet"),
        gpu: GpuModel::by_id("rtx4090").unwrap(),
        grade: Grade::Consumer,
    };
    Usage {
        rented: BTreeMap::from([(key, 40)]),
        ..Usage::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn an_answer_from_memory_is_the_answer_that_would_be_worked_out_anew(
        offers in prop::collection::vec(any_offer(), 10..60),
        base in CHOICES.map(|many| 0..many),
    ) {
        let book = Book::build(&offers).unwrap();
        let shared = Supply::of(&book, &[], usage());
        for request in neighbours(Request(base)) {
            let anew = Supply::of(&book, &[], usage());
            let expected = answer(request, &book, &anew);
            prop_assert_eq!(answer(request, &book, &shared), expected, "{:?}", request);
        }
    }
}

/// A market that is the same every time.
fn market() -> (Book, Supply) {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let offers = prop::collection::vec(any_offer(), 40);
    let offers = offers.new_tree(&mut runner).unwrap().current();
    let book = Book::build(&offers).unwrap();
    let supply = Supply::of(&book, &[], usage());
    (book, supply)
}

/// Whether two requests share one answer.
fn share(first: Request, second: Request) -> bool {
    let (book, supply) = market();
    let drafts = |request| {
        asked(request, &book, &supply, |desk| {
            desk.quote(|| QuoteId::from_parts(1, &[3; 10]));
            Arc::clone(desk.drafts.get().unwrap())
        })
    };
    Arc::ptr_eq(&drafts(first), &drafts(second))
}

/// The first request of all, with changes.
fn with(changes: &[(usize, usize)]) -> Request {
    let mut request = [0; CHOICES.len()];
    // An account, and a moment of promotions.
    request[2] = 1;
    request[3] = 1;
    for (part, to) in changes {
        request[*part] = *to;
    }
    Request(request)
}

#[test]
fn requests_that_differ_in_nothing_that_matters_share_an_answer() {
    let base = with(&[]);
    assert!(share(base, base));
    // An account that the policy does not name, like nobody.
    assert!(share(base, with(&[(3, 2)])) && share(base, with(&[(3, 3)])));
    // Later, before the first promotion begins; and one used up that is not on.
    assert!(share(base, with(&[(5, 1), (4, 1)])));
    // Later on the market, where nothing is older than what is believed.
    assert!(share(with(&[(7, 2)]), with(&[(7, 2), (6, 1)])));
    // A deadline moves with the moment; a tax country, rates of tokens and a tier change no price.
    assert!(share(with(&[(0, 21)]), with(&[(0, 21), (6, 4)])));
    assert!(share(base, with(&[(11, 1), (12, 1), (0, 13)])));
}

#[test]
fn what_matters_is_asked_anew() {
    let base = with(&[]);
    // The named account, a promotion that began, another policy, products, promises, a file.
    for change in [(3, 0), (5, 2), (2, 0), (8, 1), (10, 1), (0, 1), (0, 10)] {
        assert!(!share(base, with(&[change])), "{change:?}");
    }
    // Offers became stale.
    assert!(!share(with(&[(7, 1)]), with(&[(7, 1), (6, 5)])));
}

#[test]
fn threads_that_share_a_market_get_the_answers_of_one_that_is_alone() {
    let (book, supply) = market();
    let requests: Vec<Request> = (0..200usize)
        .map(|n| {
            Request(std::array::from_fn(|part| {
                n * (part + 3) / 7 % CHOICES[part]
            }))
        })
        .collect();
    let work = |first: usize| {
        for at in 0..requests.len() {
            let request = requests[(at + first) % requests.len()];
            let anew = Supply::of(&book, &[], usage());
            let expected = answer(request, &book, &anew);
            assert_eq!(answer(request, &book, &supply), expected, "{request:?}");
        }
    };
    std::thread::scope(|scope| {
        for thread in 0..3 {
            scope.spawn(move || work(thread * 60));
        }
    });
}
