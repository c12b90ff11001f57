//! What a deployment at io.net is sent as.

use std::collections::BTreeMap;

use tandem_model::launch::ContainerLaunch;

use super::market::Locator;
use super::wire::{CaasDeploy, ContainerConfig, NetworkService, RegistryConfig, VmDeploy};
use crate::command::StartOrder;

/// Name under which our key is stored on a machine.
const SSH_KEY_NAME: &str = "tandem";

/// `$` starts an interpolation at the network; `$$` is a plain `$`.
fn double_dollar(words: &[String]) -> Vec<String> {
    words.iter().map(|word| word.replace('$', "$$")).collect()
}

pub(super) fn caas_body<'a>(
    order: &'a StartOrder,
    launch: &'a ContainerLaunch,
    locator: &'a Locator,
    tag: &'a str,
) -> CaasDeploy<'a> {
    let secrets = launch.secret_env.iter();
    CaasDeploy {
        resource_private_name: tag,
        hardware_id: &locator.id,
        duration_hours: order.hours,
        gpus_per_container: order.gpus_per_node,
        container_config: ContainerConfig {
            replica_count: order.nodes,
            traffic_port: launch.port,
            env_variables: &launch.env,
            secret_env_variables: secrets.map(|(k, v)| (k.as_str(), v.expose())).collect(),
            entrypoint: double_dollar(&launch.entrypoint),
            args: &launch.args,
        },
        registry_config: RegistryConfig {
            image_url: &launch.image,
            registry_username: launch.registry.as_ref().map(|r| r.username.as_str()),
            registry_secret: launch.registry.as_ref().map(|r| r.password.expose()),
        },
        location_ids: [&locator.location],
        payment_source: "credits",
        on_incomplete_booking: "full_refund",
    }
}

pub(super) fn vm_body<'a>(
    order: &'a StartOrder,
    key: &'a str,
    ports: &[u16],
    locator: &'a Locator,
    tag: &'a str,
) -> VmDeploy<'a> {
    let services = ports.iter().map(|&port| {
        let open = NetworkService {
            port,
            protocol: "tcp",
            whitelist: ["0.0.0.0/0"],
        };
        (format!("port-{port}"), open)
    });
    VmDeploy {
        resource_private_name: tag,
        hardware_id: &locator.id,
        duration_hours: order.hours,
        gpus_per_vm: order.gpus_per_node,
        ssh_keys: BTreeMap::from([(SSH_KEY_NAME, key)]),
        location_ids: [&locator.location],
        vm_image_type: "general",
        network_services: services.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_doubled_in_the_entrypoint() {
        assert_eq!(
            double_dollar(&["echo ${A} $B".to_owned()]),
            ["echo $${A} $$B"]
        );
    }
}
