//! `POST caas/deploy`: reading a container's configuration and booking it.

use serde_json::Value;
use tandem_adapters::wire::{WireRequest, WireResponse};

use super::answer::unprocessable;
use super::deploy::{book, read_booking, read_terms};
use super::price::REPLICAS_MAX;
use crate::fields::{Fields, Problem, TEXT_CHARS_MAX, body};
use crate::world::{ContainerSpec, Launch, Product, World};

/// Characters of an image reference.
const IMAGE_CHARS_MAX: usize = 512;
/// GPUs of a container when a request does not say.
const GPUS_DEFAULT: i64 = 8;

/// Starts containers.
pub(super) fn deploy(world: &mut World, request: &WireRequest, account: &str) -> WireResponse {
    let value = match body(request) {
        Ok(value) => value,
        Err(problem) => return unprocessable(&[problem]),
    };
    let mut fields = Fields::new(&value, &["body"]);
    let mut terms = read_terms(&mut fields, "gpus_per_container", Some(GPUS_DEFAULT));
    read_booking(&mut fields, &mut terms);
    let mut spec = ContainerSpec::default();
    let (config, registry) = (
        fields.raw("container_config"),
        fields.raw("registry_config"),
    );
    for (name, part) in [("container_config", config), ("registry_config", registry)] {
        if part.is_none() {
            fields.problem(name, "Field required", "missing");
        }
    }
    if let Some(config) = config {
        let (replicas, problems) = read_config(config, &mut spec);
        terms.replicas = replicas;
        fields.absorb(problems);
    }
    if let Some(registry) = registry {
        fields.absorb(read_registry(registry, &mut spec));
    }
    let problems = fields.finish();
    if !problems.is_empty() {
        return unprocessable(&problems);
    }
    book(
        world,
        account,
        Product::Caas,
        terms,
        Launch::Container(spec),
    )
}

fn read_config(value: &Value, spec: &mut ContainerSpec) -> (u16, Vec<Problem>) {
    let mut fields = Fields::new(value, &["body", "container_config"]);
    let replicas = fields.int("replica_count", 1..=REPLICAS_MAX);
    let port = fields.int("traffic_port", 1..=65_535);
    spec.port = u16::try_from(port).unwrap_or(80);
    spec.env = fields
        .optional_text_map("env_variables")
        .unwrap_or_default();
    spec.secret_env = fields
        .optional_text_map("secret_env_variables")
        .unwrap_or_default();
    spec.entrypoint = fields.optional_texts("entrypoint", 1);
    spec.args = fields.optional_texts("args", 1);
    spec.command = fields.optional_text("command", 0..=TEXT_CHARS_MAX);
    spec.ingress = fields.optional_flag("public_ingress_enabled");
    spec.tls = fields.optional_flag("tls_required");
    (u16::try_from(replicas).unwrap_or(1), fields.finish())
}

fn read_registry(value: &Value, spec: &mut ContainerSpec) -> Vec<Problem> {
    let mut fields = Fields::new(value, &["body", "registry_config"]);
    spec.image = fields.text("image_url", 1..=IMAGE_CHARS_MAX);
    spec.registry_username = fields.optional_text("registry_username", 0..=TEXT_CHARS_MAX);
    spec.registry_secret = fields.optional_text("registry_secret", 0..=TEXT_CHARS_MAX);
    fields.finish()
}
