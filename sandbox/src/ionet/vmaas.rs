//! `POST vmaas/deploy`: reading a machine's configuration and booking it.

use std::collections::BTreeMap;

use serde_json::Value;
use tandem_adapters::wire::{WireRequest, WireResponse};

use super::answer::unprocessable;
use super::deploy::{book, read_terms};
use crate::fields::{ENTRIES_MAX, Fields, Problem, body};
use crate::world::{Launch, MachineSpec, PortService, Product, World};

/// Starts one machine.
pub(super) fn deploy(world: &mut World, request: &WireRequest, account: &str) -> WireResponse {
    let value = match body(request) {
        Ok(value) => value,
        Err(problem) => return unprocessable(&[problem]),
    };
    let mut fields = Fields::new(&value, &["body"]);
    let terms = read_terms(&mut fields, "gpus_per_vm", None);
    let mut spec = MachineSpec {
        ssh_keys: fields.optional_text_map("ssh_keys").unwrap_or_default(),
        github_ids: fields.optional_texts("github_ids", 0).unwrap_or_default(),
        services: BTreeMap::new(),
    };
    let _image = fields.optional_word("vm_image_type", &["general", "datascience"]);
    let _deprecated = fields.optional_int("vms_qty", 1..=1);
    if let Some(services) = fields.raw("network_services") {
        let problems = read_services(services, &mut spec);
        fields.absorb(problems);
    }
    let problems = fields.finish();
    if !problems.is_empty() {
        return unprocessable(&problems);
    }
    book(world, account, Product::Vmaas, terms, Launch::Machine(spec))
}

fn read_services(value: &Value, spec: &mut MachineSpec) -> Vec<Problem> {
    let at = ["body", "network_services"];
    let Some(map) = value.as_object().filter(|m| m.len() <= ENTRIES_MAX) else {
        return vec![Problem::new(
            &at,
            "Input should be a valid dictionary",
            "dict_type",
        )];
    };
    let mut problems = Vec::new();
    for (name, service) in map {
        let mut fields = Fields::new(service, &[at[0], at[1], name]);
        let port = fields.int("port", 1..=65_535);
        let protocol = fields.optional_word("protocol", &["tcp", "udp"]);
        let whitelist = fields.optional_texts("whitelist", 1);
        if !fields.has("protocol") {
            fields.problem("protocol", "Field required", "missing");
        }
        if !fields.has("whitelist") {
            fields.problem("whitelist", "Field required", "missing");
        }
        problems.extend(fields.finish());
        let service = PortService {
            port: u16::try_from(port).unwrap_or(1),
            protocol: protocol.unwrap_or("tcp").to_owned(),
            whitelist: whitelist.unwrap_or_default(),
        };
        spec.services.insert(name.clone(), service);
    }
    problems
}
