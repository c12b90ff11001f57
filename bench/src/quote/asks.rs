//! What customers ask for in the measurements, as the files that they would send.

use tandem_adapters::registry;
use tandem_model::network::{Country, NetworkId, Product};
use tandem_model::workload::Workload;
use tandem_pricing::classify::{Classification, classify};
use tandem_pricing::jurisdiction::{Digest, Digester};
use tandem_pricing::{files, launch};

/// The name of an ask and the rest of its file.
const ASKS: [(&str, &str); 8] = [
    (
        "H100 x 8",
        "run: ./train\nresources: {gpu: H100, gpus_per_node: 8}",
    ),
    ("any 24 GB", "run: ./train\nresources: {gpu: 'any:24GB'}"),
    (
        "16 linked nodes of H100 x 8",
        "run: torchrun --nnodes 16 train.py\n\
         resources: {gpu: H100, gpus_per_node: 8, nodes: 16, fast_interconnect: true}",
    ),
    (
        "any 24 GB, in the EU",
        "run: ./train\nresources: {gpu: 'any:24GB'}\n\
         limits: {countries_allowed: [AT, BE, BG, CY, CZ, DE, DK, EE, ES, FI, FR, GR, HR, HU, IE, IT, \
         LT, LU, LV, MT, NL, PL, PT, RO, SE, SI, SK]}",
    ),
    (
        "service, any 24 GB, 30 ms from Germany",
        "kind: service\nport: 8000\nrun: vllm serve Qwen/Qwen3-4B --port 8000\n\
         resources: {gpu: 'any:24GB'}\nlimits: {near: {countries: [DE], round_trip_ms: 30}}",
    ),
    (
        "personal data, any 24 GB",
        "run: ./train\nresources: {gpu: 'any:24GB'}\nlimits: {data: personal}",
    ),
    (
        "3 nodes, any 24 GB",
        "run: ./train\nresources: {gpu: 'any:24GB', nodes: 3}",
    ),
    (
        "a dollar for an hour, any 24 GB",
        "run: ./train\nresources: {gpu: 'any:24GB'}\n\
         limits: {expected_seconds: 3600, budget_usd: 1}",
    ),
];

/// One ask, read and classified.
pub(super) struct Asked {
    pub(super) name: &'static str,
    pub(super) workload: Workload,
    pub(super) found: Classification,
    pub(super) places: Digest,
    /// Networks and products on which it can start.
    startable: Vec<(NetworkId, &'static str)>,
}

/// Products of both networks.
pub(super) fn products() -> Vec<Product> {
    let all = registry::all_with("unused");
    all.iter().flat_map(|a| a.products().to_vec()).collect()
}

/// The text of a file: `rest` under a name of ours.
pub(super) fn file(rest: &str) -> String {
    format!("tandem: 1\nname: bench\n{rest}\n")
}

/// Every ask.
pub(super) fn all(products: &[Product], rules: &Digester) -> Vec<Asked> {
    let asks = ASKS.into_iter();
    asks.map(|(name, rest)| read(name, rest, products, rules))
        .collect()
}

/// What the rest of a file asks for, of a customer who is established in Germany.
pub(super) fn read(
    name: &'static str,
    rest: &str,
    products: &[Product],
    rules: &Digester,
) -> Asked {
    let document = files::read(&file(rest)).unwrap();
    let found = classify(&document);
    let workload = document.workload.unwrap();
    let can_start = |p: &&Product| launch::obstacles(&workload, p).is_empty();
    let startable = products.iter().filter(can_start);
    Asked {
        name,
        startable: startable.map(|p| (p.network.clone(), p.name)).collect(),
        places: rules.digest(Country::parse("DE"), workload.limits.data),
        found,
        workload,
    }
}

impl Asked {
    /// Whether it can start on a product of a network.
    pub(super) fn can_start(&self, network: &NetworkId, product: &str) -> bool {
        let mut all = self.startable.iter();
        all.any(|(n, p)| n == network && *p == product)
    }
}
