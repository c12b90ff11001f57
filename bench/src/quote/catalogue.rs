//! Real price files as a book: read by the code of `tandem offers check`, so that only offers that
//! pass the gate are in it.

use std::path::Path;

use tandem_model::gpu::HardwareClass;
use tandem_model::network::{Grade, NetworkId};
use tandem_model::offer::{Fabric, NodeLink, Offer, OfferId};
use tandem_pricing::prices::{self, Checks, Listing};

use super::market;

/// The files, each of one provider.
const FILES: [&str; 4] = ["gcp", "azure", "lambda", "vast"];
/// The product of offers that may be taken away.
pub(super) const SPOT: &str = "spot";
const ON_DEMAND: &str = "on-demand";
/// Free nodes, which the files do not state.
const NODES: u32 = 64;

/// What the files hold.
pub(super) struct Catalogue {
    pub(super) offers: Vec<Offer>,
    pub(super) rows: u64,
    pub(super) refused: u64,
}

/// Reads every file of a folder.
pub(super) fn read(folder: &Path) -> Catalogue {
    let mut all = Catalogue {
        offers: Vec::new(),
        rows: 0,
        refused: 0,
    };
    for file in FILES {
        let name = format!("{file}.csv");
        let bytes = std::fs::read(folder.join(&name)).unwrap();
        let sheet = prices::read(&name, &bytes, &Checks::default(), |_| {}).unwrap();
        let network = NetworkId::from_static(file);
        all.rows += sheet.report.rows;
        all.refused += sheet.report.refused;
        let offers = sheet.listings.iter().map(|one| offer(&network, one));
        all.offers.extend(offers);
    }
    all
}

fn offer(network: &NetworkId, listing: &Listing) -> Offer {
    let product = if listing.spot { SPOT } else { ON_DEMAND };
    let locator = format!("{}@{}:{}", listing.instance, listing.region, listing.line);
    Offer {
        id: OfferId(format!("{network}/{product}/{locator}")),
        network: network.clone(),
        product: product.to_owned(),
        locator,
        gpu: listing.gpu,
        grade: match listing.gpu.facts().class {
            HardwareClass::Datacenter => Grade::Datacenter,
            _ => Grade::Consumer,
        },
        gpus_per_node: listing.gpus,
        divisible: false,
        nodes_available: NODES,
        country: listing.country,
        price: listing.rate,
        fee_basis_points: 0,
        node_link: NodeLink::Pcie,
        fabric: Fabric::Public,
        observed_at: market::now(),
    }
}
