//! What virtual machines show beside what every deployment shows.

use serde_json::{Value, json};

use crate::world::{MachineSpec, Rental, Unit, UnitState, World};

/// Adds a machine deployment's own fields to its details.
pub(super) fn add_details(value: &mut Value, rental: &Rental, spec: &MachineSpec) {
    value["gpus_per_vm"] = json!(rental.gpus_per_unit);
    value["total_vms"] = json!(rental.slots.len());
    value["ssh_keys"] = json!(spec.ssh_keys);
    value["github_ids"] = json!(spec.github_ids);
}

/// One machine. `ssh_access` is the ready command once the machine is up; the user is the
/// machine's id, because every machine shares one SSH server.
pub(super) fn worker(
    world: &World,
    unit: &Unit,
    spec: &MachineSpec,
    mut value: Value,
    events: Vec<Value>,
) -> Value {
    let is_up = unit.state == UnitState::Running;
    let ssh = &world.options.ssh;
    let services: serde_json::Map<String, Value> = spec
        .services
        .iter()
        .map(|(name, service)| {
            let shown = json!({
                "port": service.port,
                "protocol": service.protocol,
                "whitelist": service.whitelist,
                "public_port": is_up.then_some(service.port),
                "public_ip": is_up.then_some(&ssh.host),
                "srv_record": null,
            });
            (name.clone(), shown)
        })
        .collect();
    let access = is_up.then(|| format!("ssh -p {} {}@{}", ssh.port, unit.id, ssh.host));
    value["vm_id"] = json!(unit.id);
    value["gpus_per_vm"] = json!(unit.gpus);
    value["vm_events"] = json!(events);
    value["network_services"] = Value::Object(services);
    value["ssh_access"] = json!(access);
    value["is_external"] = json!(false);
    value
}
