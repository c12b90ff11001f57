//! `PATCH deployment/{id}`: flat fields, null clears, and a full redeploy.

use serde_json::json;
use tandem_adapters::wire::{WireRequest, WireResponse};

use super::answer::{business, json_answer, unprocessable};
use crate::fields::{Fields, Problem, TEXT_CHARS_MAX, body};
use crate::world::{ContainerSpec, Launch, Status, World};

/// Changes what a deployment's containers run.
pub(super) fn update(world: &mut World, request: &WireRequest, index: u32) -> WireResponse {
    let value = match body(request) {
        Ok(value) => value,
        Err(problem) => return unprocessable(&[problem]),
    };
    let rental = &world.rentals[index as usize];
    let Launch::Container(spec) = &rental.launch else {
        return business(409, "Deployment has no containers");
    };
    let mut changed = spec.clone();
    let problems = apply(Fields::new(&value, &["body"]), &mut changed);
    if !problems.is_empty() {
        return unprocessable(&problems);
    }
    if !matches!(rental.status, Status::Running | Status::Deploying) {
        return business(409, "Deployment cannot be updated in its state");
    }
    let id = rental.id.clone();
    world.rentals[index as usize].launch = Launch::Container(changed);
    world.redeploy(index);
    json_answer(200, &json!({ "status": "success", "deployment_id": id }))
}

fn apply(mut fields: Fields<'_>, spec: &mut ContainerSpec) -> Vec<Problem> {
    if fields.has("env_variables") {
        spec.env = fields
            .optional_text_map("env_variables")
            .unwrap_or_default();
    }
    if fields.has("secret_env_variables") {
        match fields.optional_map("secret_env_variables") {
            None => spec.secret_env.clear(),
            Some(changes) => {
                for (key, value) in changes {
                    match value {
                        Some(value) => spec.secret_env.insert(key, value),
                        None => spec.secret_env.remove(&key),
                    };
                }
            }
        }
    }
    if fields.has("entrypoint") {
        spec.entrypoint = fields.optional_texts("entrypoint", 1);
    }
    if fields.has("args") {
        spec.args = fields.optional_texts("args", 1);
    }
    let mut text = |name, target: &mut Option<String>| {
        if fields.has(name) {
            *target = fields.optional_text(name, 0..=TEXT_CHARS_MAX);
        }
    };
    text("command", &mut spec.command);
    text("registry_username", &mut spec.registry_username);
    text("registry_secret", &mut spec.registry_secret);
    if let Some(image) = fields.optional_text("image_url", 1..=512) {
        spec.image = image;
    }
    if let Some(port) = fields.optional_int("traffic_port", 1..=65_535) {
        spec.port = u16::try_from(port).unwrap_or(spec.port);
    }
    if fields.has("public_ingress_enabled") {
        spec.ingress = fields.optional_flag("public_ingress_enabled");
    }
    if fields.has("tls_required") {
        spec.tls = fields.optional_flag("tls_required");
    }
    fields.finish()
}
