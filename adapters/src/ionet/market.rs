//! io.net's market: two hardware listings, read into offers.

use tandem_model::gpu::{GpuModel, HardwareClass};
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::{Country, Grade};
use tandem_model::offer::{Fabric, NodeLink, Offer, OfferId};
use tandem_model::time::WorldTime;

use super::location::country_of;
use super::wire::{self, CAAS, CaasHardware, Id, VMAAS, VmHardware};
use super::{CAAS_PRODUCT, IoNet, NETWORK, VMAAS_PRODUCT, VmPriceUnit};
use crate::adapter::{Answer, Context, Step};
use crate::answer::Doing;
use crate::command::{Outcome, UnreadableOffer};

/// What the renter pays on top of the price, in hundredths of a percent: 0.25 % reservation fee
/// and 2 % facilitation fee on payment in USDC or credits (io.net's tokenomics and payment pages,
/// September 2025).
const FEE_BASIS_POINTS: u16 = 225;

/// What an offer's locator says: the id that a deployment takes, and the place.
///
/// Written `<id>@<location>`; an id that is a text but looks like a number stands in quotes,
/// because the network gets it back as the kind it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Locator {
    pub(super) id: Id,
    pub(super) location: String,
}

impl Locator {
    fn write(&self) -> String {
        match &self.id {
            Id::Text(text) if text.parse::<i64>().is_ok() => {
                format!("\"{text}\"@{}", self.location)
            }
            id => format!("{id}@{}", self.location),
        }
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        let (id, location) = text.rsplit_once('@')?;
        let quoted = id.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let id = match (quoted, id.parse()) {
            (Some(inner), _) => Id::Text(inner.to_owned()),
            (None, Ok(number)) => Id::Number(number),
            (None, Err(_)) => Id::Text(id.to_owned()),
        };
        Some(Self {
            id,
            location: location.to_owned(),
        })
    }
}

impl IoNet {
    pub(super) fn offers(&self, answers: &[Answer], context: Context) -> Step {
        match answers {
            [] => Step::Send(self.get(format!("{CAAS}/hardware"))),
            [_] => Step::Send(self.get(format!("{VMAAS}/hardware"))),
            [caas, vmaas, ..] => Step::Done(
                self.read_market(caas, vmaas, context)
                    .unwrap_or_else(|outcome| outcome),
            ),
        }
    }

    fn read_market(
        &self,
        caas: &Answer,
        vmaas: &Answer,
        context: Context,
    ) -> Result<Outcome, Outcome> {
        let mut offers = Vec::new();
        let mut unreadable = Vec::new();
        for (answer, product) in [(caas, CAAS_PRODUCT), (vmaas, VMAAS_PRODUCT)] {
            let reader = self.reader(context);
            let response = reader.accept(answer, Doing::Reading)?;
            let rows = wire::hardware_rows(&response.body)
                .map_err(|e| reader.not_understood(Doing::Reading, &e.to_string()))?;
            for row in rows {
                let read = match product {
                    CAAS_PRODUCT => caas_offer(row.get(), context.world),
                    _ => vm_offer(row.get(), self.vm_price_unit, context.world),
                };
                match read {
                    Ok(offer) => offers.push(offer),
                    Err(why) => unreadable.push(why),
                }
            }
        }
        Ok(Outcome::Offers { offers, unreadable })
    }
}

fn unreadable(locator: &str, reason: impl Into<String>) -> UnreadableOffer {
    UnreadableOffer {
        locator: locator.chars().take(100).collect(),
        reason: reason.into(),
    }
}

/// What both listings say about a row, checked.
struct Row<'a> {
    product: &'static str,
    id: Id,
    name: &'a str,
    location: Option<&'a str>,
    /// Price of `price_covers_gpus` GPUs for an hour.
    price: Option<MicroUsd>,
    price_covers_gpus: u32,
    gpus: Option<u32>,
    divisible: bool,
    nodes: u32,
    nvlink: Option<bool>,
}

impl Row<'_> {
    fn offer(self, observed_at: WorldTime) -> Result<Offer, UnreadableOffer> {
        let place = self.location.unwrap_or_default();
        let locator = Locator {
            id: self.id.clone(),
            location: place.to_owned(),
        }
        .write();
        let refuse = |reason: String| unreadable(&locator, reason);
        let gpu = card(self.name).map_err(refuse)?;
        let country: Country = country_of(place)
            .ok_or_else(|| refuse(format!("the location `{place}` names no known country")))?;
        let gpus_per_node = self
            .gpus
            .and_then(|gpus| u16::try_from(gpus).ok())
            .filter(|gpus| (1..=64).contains(gpus))
            .ok_or_else(|| refuse("the number of GPUs is missing or not 1 to 64".to_owned()))?;
        let price = self
            .price
            .ok_or_else(|| refuse("the price is missing or not a number".to_owned()))?;
        let per_gpu = divide_up(price.get(), i64::from(self.price_covers_gpus.max(1)));
        let datacenter = gpu.facts().class == HardwareClass::Datacenter;
        let nvlink = self
            .nvlink
            .unwrap_or_else(|| gpus_per_node > 1 && gpu.id().contains("sxm"));
        Ok(Offer {
            id: OfferId(format!("{NETWORK}/{}/{locator}", self.product)),
            network: NETWORK,
            product: self.product.to_owned(),
            gpu,
            grade: if datacenter {
                Grade::Datacenter
            } else {
                Grade::Consumer
            },
            gpus_per_node,
            divisible: self.divisible,
            nodes_available: self.nodes,
            country,
            price: RatePerGpuHour::new(MicroUsd::new(per_gpu)),
            fee_basis_points: FEE_BASIS_POINTS,
            node_link: if nvlink {
                NodeLink::Nvlink
            } else {
                NodeLink::Pcie
            },
            fabric: Fabric::Public,
            observed_at,
            locator,
        })
    }
}

/// Rounded up, so that a price divided over GPUs never loses a micro-dollar.
fn divide_up(amount: i64, by: i64) -> i64 {
    amount.div_euclid(by) + i64::from(amount.rem_euclid(by) != 0)
}

fn card(name: &str) -> Result<GpuModel, String> {
    match GpuModel::matching(name).as_slice() {
        [only] => Ok(*only),
        [] => Err(format!("no card of the catalogue is called `{name}`")),
        several => Err(format!("`{name}` can mean {} cards", several.len())),
    }
}

fn caas_offer(json: &str, observed_at: WorldTime) -> Result<Offer, UnreadableOffer> {
    let row: CaasHardware =
        serde_json::from_str(json).map_err(|e| unreadable(json, e.to_string()))?;
    // Newer listings name hardware by ids such as `H100_SXM5`, which say more than the name.
    let id_text = row.hardware_id.to_string();
    let name = match GpuModel::parse(&row.hardware_name) {
        None if GpuModel::parse(&id_text).is_some() => &id_text,
        _ => &row.hardware_name,
    };
    let gpus = row.max_gpus_per_container;
    let available = row.available.unwrap_or(0);
    // `available` counts GPUs and `network` replicas; without the second, whole nodes are counted.
    let by_gpus = (available / gpus.unwrap_or(1).max(1)).max(u32::from(available > 0));
    let nodes = if available == 0 {
        0
    } else {
        by_gpus.max(row.network.unwrap_or(0))
    };
    Row {
        product: CAAS_PRODUCT,
        id: row.hardware_id.clone(),
        name,
        location: row.location.as_deref(),
        price: row.price.as_ref().and_then(|p| p.usd().ok()),
        price_covers_gpus: 1,
        gpus,
        // The interface takes 1 GPU at least where the listing says nothing.
        divisible: row.min_gpus_per_container.unwrap_or(1) < gpus.unwrap_or(1),
        nodes,
        nvlink: None,
    }
    .offer(observed_at)
}

fn vm_offer(
    json: &str,
    unit: VmPriceUnit,
    observed_at: WorldTime,
) -> Result<Offer, UnreadableOffer> {
    let row: VmHardware =
        serde_json::from_str(json).map_err(|e| unreadable(json, e.to_string()))?;
    let cards = row.num_cards;
    Row {
        product: VMAAS_PRODUCT,
        id: row.deploy_id.clone(),
        name: &row.name,
        location: row.location.as_deref(),
        price: row.price.as_ref().and_then(|p| p.usd().ok()),
        price_covers_gpus: match unit {
            VmPriceUnit::Configuration => cards.unwrap_or(1),
            VmPriceUnit::Gpu => 1,
        },
        gpus: cards,
        divisible: false,
        // The listing has no count; one deployment is one machine.
        nodes: u32::from(row.sold_out != Some(true)),
        nvlink: row.nvlink,
    }
    .offer(observed_at)
    .map(|mut offer| {
        // One deployable id may be listed with several card counts.
        let display = row
            .id
            .as_ref()
            .map_or_else(|| offer.locator.clone(), Id::to_string);
        offer.id = OfferId(format!(
            "{NETWORK}/{VMAAS_PRODUCT}/{display}@{}",
            offer.country
        ));
        offer
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: WorldTime = WorldTime::from_micros(1);

    #[test]
    fn a_locator_gives_the_id_back_as_the_kind_it_came() {
        for id in [
            Id::Number(12),
            Id::Text("12".to_owned()),
            Id::Text("H100_SXM5".to_owned()),
        ] {
            let locator = Locator {
                id,
                location: "US".to_owned(),
            };
            assert_eq!(Locator::read(&locator.write()), Some(locator));
        }
    }

    #[test]
    fn a_container_row_becomes_an_offer() {
        let json = r#"{"hardware_id":"H100_SXM5","hardware_name":"H100 SXM5","brand_name":"NVIDIA",
            "location":"US","price":2.49,"available":24,"network":3,"max_gpus_per_container":8,
            "min_gpus_per_container":null,"confidential_compute":false}"#;
        let offer = caas_offer(json, NOW).unwrap();
        assert_eq!(offer.price.price(), MicroUsd::new(2_490_000));
        assert_eq!((offer.gpus_per_node, offer.nodes_available), (8, 3));
        assert_eq!(offer.id.0, "ionet/caas/H100_SXM5@US");
        assert_eq!(
            (offer.grade, offer.node_link),
            (Grade::Datacenter, NodeLink::Nvlink)
        );
        assert!(offer.divisible);
    }

    #[test]
    fn a_machine_price_is_for_the_whole_configuration_and_rounds_up() {
        let json = r#"{"id":"12__3","deploy_id":12,"name":"GeForce RTX 4090","num_cards":3,
            "supplier":"internal","sold_out":false,"price":"1.0","location":"DE","nvlink":false}"#;
        let offer = vm_offer(json, VmPriceUnit::Configuration, NOW).unwrap();
        assert_eq!(offer.price.price(), MicroUsd::new(333_334));
        assert_eq!((offer.gpus_per_node, offer.divisible), (3, false));
        assert_eq!(offer.locator, "12@DE");
        let per_gpu = vm_offer(json, VmPriceUnit::Gpu, NOW).unwrap();
        assert_eq!(per_gpu.price.price(), MicroUsd::new(1_000_000));
    }

    #[test]
    fn rows_that_cannot_be_read_say_why() {
        let row = |name: &str, location: &str, rest: &str| {
            let json = format!(
                r#"{{"hardware_id":1,"hardware_name":"{name}","location":"{location}"{rest}}}"#
            );
            caas_offer(&json, NOW).unwrap_err().reason
        };
        let rest = r#","price":1,"available":8,"max_gpus_per_container":8"#;
        assert!(row("Warp Core 9", "US", rest).contains("Warp Core 9"));
        assert!(row("H100 SXM5", "Atlantis", rest).contains("Atlantis"));
        assert!(row("H100 SXM5", "US", r#","price":1"#).contains("GPUs"));
        assert!(row("H100 SXM5", "US", r#","max_gpus_per_container":8"#).contains("price"));
        assert!(row("H100", "US", rest).contains("can mean"));
    }
}
