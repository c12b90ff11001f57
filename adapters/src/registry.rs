//! Every network that Tandem can rent on: one line each.

use std::sync::Arc;

use tandem_model::secret::Secret;

use crate::adapter::Adapter;
use crate::aethir::Aethir;
use crate::ionet::{IoNet, VmPriceUnit};

/// What one network wants to know of us.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// io.net: an API key of the project `io-cloud`.
    IoNet {
        /// The key.
        key: Secret,
        /// What the price of a machine is for.
        vm_price_unit: VmPriceUnit,
    },
    /// The Aethir-style network.
    Aethir {
        /// Names us.
        access_key: String,
        /// Signs our requests.
        secret_key: Secret,
    },
}

/// The adapter of a network.
pub fn adapter(credentials: Credentials) -> Arc<dyn Adapter> {
    match credentials {
        Credentials::IoNet { key, vm_price_unit } => Arc::new(IoNet::new(key, vm_price_unit)),
        Credentials::Aethir {
            access_key,
            secret_key,
        } => Arc::new(Aethir::new(access_key, secret_key)),
    }
}

/// Every network, with credentials made from one text: what the sandbox accepts.
pub fn all_with(key: &str) -> Vec<Arc<dyn Adapter>> {
    let all = [
        Credentials::IoNet {
            key: Secret::new(key),
            vm_price_unit: VmPriceUnit::default(),
        },
        Credentials::Aethir {
            access_key: key.to_owned(),
            secret_key: Secret::new(key),
        },
    ];
    all.into_iter().map(adapter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use tandem_model::network::NetworkId;

    #[test]
    fn networks_and_products_have_unique_well_formed_names_and_sound_terms() {
        let mut names = BTreeSet::new();
        for adapter in all_with("key") {
            let network = adapter.network();
            assert_eq!(NetworkId::parse(network.as_str()), Some(network.clone()));
            assert!(!adapter.products().is_empty());
            for product in adapter.products() {
                assert_eq!(product.network, network);
                assert!(
                    names.insert((network.clone(), product.name)),
                    "{}",
                    product.name
                );
                assert!(product.prepaid_hours_min >= 1);
                assert!(product.prepaid_hours_max >= product.prepaid_hours_min);
                assert!(product.extension_step_hours >= 1);
            }
        }
    }

    #[test]
    fn no_adapter_shows_its_credentials() {
        let credentials = Credentials::Aethir {
            access_key: "ak".to_owned(),
            secret_key: Secret::new("hunter2"),
        };
        let adapters = (
            IoNet::new(Secret::new("hunter2"), VmPriceUnit::Gpu),
            Aethir::new("ak", Secret::new("hunter2")),
        );
        assert!(!format!("{credentials:?} {adapters:?}").contains("hunter2"));
    }
}
