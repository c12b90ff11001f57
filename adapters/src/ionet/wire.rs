//! Bodies of io.net's enterprise API for containers (`caas`) and machines (`vmaas`).
//!
//! Requests are strict, because the network refuses fields it does not know. Responses are read
//! tolerantly: fields come and go without notice, money comes as a number or a string, lists come
//! as null, ids come as a number or a string.
//! Source: the models of io.net's own client `ionet-cloud` 0.4.1, before the published OpenAPI
//! document of September 2025.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::decimal::Decimal;
use crate::lenient;

/// Path of everything about containers.
pub const CAAS: &str = "/enterprise/v1/io-cloud/caas";
/// Path of everything about machines.
pub const VMAAS: &str = "/enterprise/v1/io-cloud/vmaas";
/// Header that carries the key.
pub const KEY_HEADER: &str = "x-api-key";
/// Largest page.
pub const PAGE_SIZE_MAX: usize = 100;

/// An id that is a number or a text, kept as which it came, because it is sent back so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Id {
    /// A number.
    Number(i64),
    /// A text, which may look like a number.
    Text(String),
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.pad(text),
        }
    }
}

/// What reads are wrapped in. `T` is read from the text of `data`, or of the whole body when there
/// is none.
pub(crate) fn unwrap_data<T: serde::de::DeserializeOwned>(
    body: &[u8],
) -> Result<T, serde_json::Error> {
    #[derive(Deserialize)]
    struct Wrapped {
        data: Option<Box<RawValue>>,
    }
    match serde_json::from_slice::<Wrapped>(body) {
        Ok(Wrapped { data: Some(data) }) => serde_json::from_str(data.get()),
        _ => serde_json::from_slice(body),
    }
}

/// The rows of a hardware listing, which comes as a bare list or under `hardware`; each as its
/// text, so that one bad row spoils only itself and prices stay text.
pub(crate) fn hardware_rows(body: &[u8]) -> Result<Vec<Box<RawValue>>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Keyed {
        #[serde(deserialize_with = "lenient::elements")]
        hardware: Vec<Box<RawValue>>,
    }
    let data: Box<RawValue> = unwrap_data(body)?;
    match data.get().starts_with('[') {
        true => serde_json::from_str(data.get()),
        false => serde_json::from_str::<Keyed>(data.get()).map(|keyed| keyed.hardware),
    }
}

/// One kind of GPU at one location (`GET caas/hardware`).
#[derive(Debug, Deserialize)]
pub(crate) struct CaasHardware {
    pub(crate) hardware_id: Id,
    pub(crate) hardware_name: String,
    #[serde(default, deserialize_with = "lenient::optional")]
    pub(crate) location: Option<String>,
    /// USD per GPU-hour.
    pub(crate) price: Option<Decimal>,
    /// Free GPUs.
    #[serde(default, deserialize_with = "lenient::whole")]
    pub(crate) available: Option<u32>,
    /// Free replicas that are linked to the network; a count, not the name of a fabric.
    #[serde(default, deserialize_with = "lenient::whole")]
    pub(crate) network: Option<u32>,
    #[serde(default, deserialize_with = "lenient::whole")]
    pub(crate) max_gpus_per_container: Option<u32>,
    #[serde(default, deserialize_with = "lenient::whole")]
    pub(crate) min_gpus_per_container: Option<u32>,
}

/// One machine configuration (`GET vmaas/hardware`).
#[derive(Debug, Deserialize)]
pub(crate) struct VmHardware {
    /// For people; `deploy_id` is what a deployment takes.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub(crate) id: Option<Id>,
    pub(crate) deploy_id: Id,
    pub(crate) name: String,
    #[serde(default, deserialize_with = "lenient::whole")]
    pub(crate) num_cards: Option<u32>,
    #[serde(default, deserialize_with = "lenient::optional")]
    pub(crate) sold_out: Option<bool>,
    pub(crate) price: Option<Decimal>,
    #[serde(default, deserialize_with = "lenient::optional")]
    pub(crate) nvlink: Option<bool>,
    #[serde(default, deserialize_with = "lenient::optional")]
    pub(crate) location: Option<String>,
}

/// Body of `POST caas/deploy`.
#[derive(Serialize)]
pub(crate) struct CaasDeploy<'a> {
    pub(crate) resource_private_name: &'a str,
    pub(crate) hardware_id: &'a Id,
    pub(crate) duration_hours: u32,
    pub(crate) gpus_per_container: u16,
    pub(crate) container_config: ContainerConfig<'a>,
    pub(crate) registry_config: RegistryConfig<'a>,
    pub(crate) location_ids: [&'a str; 1],
    pub(crate) payment_source: &'static str,
    pub(crate) on_incomplete_booking: &'static str,
}

/// What runs in each container.
#[derive(Serialize)]
pub(crate) struct ContainerConfig<'a> {
    pub(crate) replica_count: u16,
    pub(crate) traffic_port: u16,
    pub(crate) env_variables: &'a BTreeMap<String, String>,
    pub(crate) secret_env_variables: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) entrypoint: Vec<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(crate) args: &'a [String],
}

/// Where the image comes from.
#[derive(Serialize)]
pub(crate) struct RegistryConfig<'a> {
    pub(crate) image_url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) registry_username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) registry_secret: Option<&'a str>,
}

/// Body of `POST vmaas/deploy`.
#[derive(Serialize)]
pub(crate) struct VmDeploy<'a> {
    pub(crate) resource_private_name: &'a str,
    pub(crate) hardware_id: &'a Id,
    pub(crate) duration_hours: u32,
    pub(crate) gpus_per_vm: u16,
    pub(crate) ssh_keys: BTreeMap<&'static str, &'a str>,
    pub(crate) location_ids: [&'a str; 1],
    pub(crate) vm_image_type: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) network_services: BTreeMap<String, NetworkService>,
}

/// A port opened on a machine; it cannot be changed later.
#[derive(Serialize)]
pub(crate) struct NetworkService {
    pub(crate) port: u16,
    pub(crate) protocol: &'static str,
    pub(crate) whitelist: [&'static str; 1],
}

/// Body of `POST deployment/{id}/extend`.
#[derive(Serialize)]
pub(crate) struct ExtendBody {
    pub(crate) duration_hours: u32,
}

/// Answer of a deployment: the id comes under one of three names.
#[derive(Debug, Deserialize)]
pub(crate) struct Created {
    #[serde(default, deserialize_with = "lenient::optional")]
    deployment_id: Option<Id>,
    #[serde(default, deserialize_with = "lenient::optional")]
    id: Option<Id>,
    #[serde(default, deserialize_with = "lenient::optional")]
    resource_id: Option<Id>,
}

impl Created {
    /// The id, if one came.
    pub(crate) fn id(self) -> Option<String> {
        let id = self
            .deployment_id
            .or(self.id)
            .or(self.resource_id)?
            .to_string();
        (!id.is_empty()).then_some(id)
    }
}

/// A deployment, in a listing or alone. Alone it has no `name`.
#[derive(Debug, Deserialize)]
pub(crate) struct Deployment {
    pub(crate) id: Id,
    #[serde(default, deserialize_with = "lenient::optional")]
    pub(crate) status: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional")]
    pub(crate) name: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional")]
    pub(crate) amount_paid: Option<Decimal>,
    #[serde(default, deserialize_with = "lenient::whole")]
    pub(crate) compute_minutes_served: Option<u32>,
    #[serde(default, deserialize_with = "lenient::whole")]
    pub(crate) compute_minutes_remaining: Option<u32>,
}

/// A page of deployments.
#[derive(Debug, Deserialize)]
pub(crate) struct DeploymentPage {
    /// Null for none; an answer without it is no listing.
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) deployments: Option<Vec<Deployment>>,
    /// Of all pages; not always right.
    #[serde(default, deserialize_with = "lenient::whole")]
    pub(crate) total: Option<u32>,
}

/// Workers of a deployment.
#[derive(Debug, Deserialize)]
pub(crate) struct WorkerPage {
    /// Null for none; an answer without it is no listing.
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) workers: Option<Vec<Worker>>,
}

/// A container or a machine of a deployment.
#[derive(Debug, Deserialize)]
pub(crate) struct Worker {
    #[serde(default, deserialize_with = "lenient::optional")]
    pub(crate) container_id: Option<Id>,
    #[serde(default, deserialize_with = "lenient::optional")]
    pub(crate) vm_id: Option<Id>,
    #[serde(default, deserialize_with = "lenient::optional")]
    pub(crate) device_id: Option<Id>,
    #[serde(default, deserialize_with = "lenient::optional")]
    pub(crate) status: Option<String>,
    /// Null until the platform's own health check passes.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub(crate) public_url: Option<String>,
    /// A ready SSH command, null until the machine is up.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub(crate) ssh_access: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional")]
    pub(crate) network_services: Option<BTreeMap<String, PublicService>>,
}

impl Worker {
    /// The network's key for it.
    pub(crate) fn key(&self) -> Option<String> {
        self.container_id
            .as_ref()
            .or(self.vm_id.as_ref())
            .map(Id::to_string)
    }
}

/// Where an opened port is reached.
#[derive(Debug, Deserialize)]
pub(crate) struct PublicService {
    #[serde(default, deserialize_with = "lenient::optional")]
    pub(crate) public_ip: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional")]
    pub(crate) public_port: Option<u16>,
}
