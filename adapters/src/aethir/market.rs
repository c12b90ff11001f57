//! The Aethir-style catalogue and wallet, read into offers and a balance.

use serde_json::value::RawValue;
use tandem_model::gpu::GpuModel;
use tandem_model::money::{MicroUsd, RatePerGpuHour, Token};
use tandem_model::network::{Country, Grade};
use tandem_model::offer::{Fabric, NodeLink, Offer, OfferId};
use tandem_model::time::WorldTime;

use super::wire::{FabricWord, Mode, PAGE_SIZE_MAX, Page, Spec, Wallet};
use super::{Aethir, NETWORK, ON_DEMAND_PRODUCT, RESERVE_PRODUCT, data};
use crate::adapter::{Answer, Context, Step};
use crate::answer::Doing;
use crate::command::{Outcome, UnreadableOffer};

impl Aethir {
    pub(super) fn offers(&self, answers: &[Answer], context: Context) -> Result<Step, Outcome> {
        let reader = self.reader(context);
        let (mut offers, mut unreadable) = (Vec::new(), Vec::new());
        for answer in answers {
            let page: Page<Box<RawValue>> = data(&reader, answer, Doing::Reading)?;
            let last = is_last(&page);
            for record in page.records {
                match offer(record.get(), context.world) {
                    Ok(offer) => offers.push(offer),
                    Err(why) => unreadable.push(why),
                }
            }
            if last {
                return Ok(Step::Done(Outcome::Offers { offers, unreadable }));
            }
        }
        Ok(Step::Send(self.page(
            "/catalog/specs",
            answers.len() + 1,
            context,
        )))
    }

    pub(super) fn balance(&self, answers: &[Answer], context: Context) -> Result<Step, Outcome> {
        let Some(answer) = answers.first() else {
            return Ok(Step::Send(self.get("/wallet", context)));
        };
        let reader = self.reader(context);
        let wallet: Wallet = data(&reader, answer, Doing::Reading)?;
        let ath = wallet.ath.token(Token::Ath).map_err(|_| {
            reader.not_understood(Doing::Reading, "the wallet's amount is not a number")
        })?;
        Ok(Step::Done(Outcome::Balance {
            usd: None,
            token: Some(ath),
        }))
    }
}

/// Whether nothing follows: the page is not full and the server counts no further one. The
/// server's count alone is not believed when pages are full.
pub(super) fn is_last<T>(page: &Page<T>) -> bool {
    page.records.is_empty()
        || (page.records.len() < PAGE_SIZE_MAX as usize && page.current >= page.pages)
}

fn offer(json: &str, observed_at: WorldTime) -> Result<Offer, UnreadableOffer> {
    let unreadable = |locator: &str, reason: String| UnreadableOffer {
        locator: locator.chars().take(100).collect(),
        reason,
    };
    let spec: Spec = serde_json::from_str(json).map_err(|e| unreadable(json, e.to_string()))?;
    let refuse = |reason: String| unreadable(&spec.spec_id, reason);
    let product = match &spec.mode {
        Mode::OnDemand => ON_DEMAND_PRODUCT,
        Mode::Reserve => RESERVE_PRODUCT,
        Mode::Other(word) => return Err(refuse(format!("unknown mode `{word}`"))),
    };
    let gpu = GpuModel::parse(&spec.gpu_model).ok_or_else(|| {
        refuse(format!(
            "`{}` is not one card of the catalogue",
            spec.gpu_model
        ))
    })?;
    if spec.vram_gb_per_gpu != gpu.facts().vram_gb {
        return Err(refuse(format!(
            "{} GB of memory is not that of {}",
            spec.vram_gb_per_gpu,
            gpu.id()
        )));
    }
    let country = Country::parse(&spec.country)
        .ok_or_else(|| refuse(format!("`{}` is no country code", spec.country)))?;
    let gpus = i64::from(spec.gpus_per_server);
    let price = spec.price_per_server_hour.usd();
    let price = price
        .map_err(|_| refuse("the price is not a number".to_owned()))?
        .get();
    if !(1..=i64::from(super::GPUS_PER_SERVER_MAX)).contains(&gpus) {
        return Err(refuse(format!("{gpus} GPUs in a server")));
    }
    // Rounded up, so that a price divided over GPUs never loses a micro-dollar.
    let per_gpu = price.div_euclid(gpus) + i64::from(price.rem_euclid(gpus) != 0);
    Ok(Offer {
        id: OfferId(format!("{NETWORK}/{product}/{}", spec.spec_id)),
        network: NETWORK,
        product: product.to_owned(),
        gpu,
        grade: Grade::Datacenter,
        gpus_per_node: spec.gpus_per_server,
        divisible: false,
        nodes_available: spec.servers_available,
        country,
        price: RatePerGpuHour::new(MicroUsd::new(per_gpu)),
        // The protocol's share is taken from the host's side.
        fee_basis_points: 0,
        node_link: if spec.nvlink {
            NodeLink::Nvlink
        } else {
            NodeLink::Pcie
        },
        fabric: match spec.fabric {
            FabricWord::Infiniband => Fabric::Rdma,
            FabricWord::Ethernet => Fabric::Ethernet,
            FabricWord::None | FabricWord::Other(_) => Fabric::Public,
        },
        observed_at,
        locator: spec.spec_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(changes: &[(&str, serde_json::Value)]) -> String {
        let mut spec = serde_json::json!({
            "specId": "h100-us", "gpuModel": "NVIDIA H100 80GB HBM3", "gpusPerServer": 8,
            "region": "us-east", "country": "US", "mode": "OnDemand",
            "pricePerServerHour": "19.93", "serversAvailable": 4, "vramGbPerGpu": 80,
            "nvlink": true, "fabric": "infiniband", "kValue": "1", "stakePerGpuAth": "10",
            "newField": {"a": 1}
        });
        for (name, value) in changes {
            spec[*name] = value.clone();
        }
        spec.to_string()
    }

    #[test]
    fn a_specification_becomes_an_offer_priced_per_gpu_rounded_up() {
        let offer = offer(&spec(&[]), WorldTime::default()).unwrap();
        assert_eq!(offer.price.price(), MicroUsd::new(2_491_250));
        assert_eq!(
            (offer.grade, offer.fabric),
            (Grade::Datacenter, Fabric::Rdma)
        );
        assert_eq!(offer.id.0, "aethir/on-demand/h100-us");
    }

    #[test]
    fn specifications_that_contradict_themselves_say_why() {
        for (changes, reason) in [
            (("gpuModel", "H100".into()), "not one card"),
            (("vramGbPerGpu", 40.into()), "not that of"),
            (("country", "USA".into()), "no country"),
            (("mode", "Spot".into()), "unknown mode"),
            (("gpusPerServer", 0.into()), "0 GPUs"),
            (("pricePerServerHour", "free".into()), "not a number"),
            (("serversAvailable", "many".into()), "invalid type"),
        ] {
            let refused = offer(&spec(&[changes]), WorldTime::default()).unwrap_err();
            assert!(refused.reason.contains(reason), "{refused:?}");
        }
    }
}
