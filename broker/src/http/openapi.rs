//! The OpenAPI document, made from the handlers and the types that they send, and its page for
//! people.

use std::fmt::Write as _;
use std::sync::LazyLock;

use serde_json::Value;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::service;
use super::v1::{
    accounts, classifications, conversion, denials, events, job_probes, jobs, keys, ledger, logs,
    nodes, offers, policies, policy_backtest, policy_changes, policy_shadow, quotes, receipts,
};
use crate::api::described;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tandem",
        description = "One API over two GPU networks: classify a workload, take a firm price, run it, and follow it wherever it moves. Every refusal is a problem document (RFC 9457) whose `type` leads to a page that says what to do.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/")),
    paths(
        classifications::classify,
        quotes::quote,
        denials::list,
        jobs::submit,
        jobs::list,
        jobs::show,
        jobs::cancel,
        receipts::show,
        receipts::keys,
        events::events,
        logs::logs,
        job_probes::list,
        nodes::list,
        nodes::show,
        nodes::ban,
        nodes::unban,
        offers::offers,
        accounts::create,
        accounts::list,
        keys::create,
        keys::list,
        keys::revoke,
        ledger::balances,
        policies::list,
        policies::current,
        conversion::list,
        policy_backtest::backtest,
        policies::show,
        policies::check,
        policies::diff,
        policy_changes::apply,
        policy_changes::rollback,
        policy_shadow::show,
        policy_shadow::set,
        policy_shadow::remove,
        service::livez,
        service::readyz,
        service::metrics,
        service::version,
        service::openapi,
        service::docs,
        service::error_page,
    ),
    // Shapes of parameters, which are not found by themselves.
    components(schemas(
        described::AccountIdText,
        described::AccountsText,
        described::ApiKeyIdText,
        described::DeviceUuidText,
        described::GradeWord,
        described::IdempotencyKeyText,
        described::JobIdText,
        described::JobStateWord,
        described::LogCursorText,
        described::PageLimit,
    )),
    modifiers(&ApiKeys),
    tags(
        (name = "quotes", description = "What a file is, and what it would cost"),
        (name = "jobs", description = "Work that runs, ran or waits"),
        (name = "offers", description = "The market"),
        (name = "nodes", description = "GPUs that probes saw, and bans of them"),
        (name = "accounts", description = "Tenants and their keys"),
        (name = "policies", description = "The pricing policy and its versions"),
        (name = "ledger", description = "The books"),
        (name = "service", description = "For machines that watch over this one; no key needed"),
    ),
)]
struct Api;

/// How callers prove themselves.
struct ApiKeys;

impl Modify for ApiKeys {
    fn modify(&self, document: &mut Document) {
        let bearer = Http::builder()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("tdm_…")
            .description(Some(
                "An API key. Each operation names the scope that it needs; `admin` has all.",
            ))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("api_key", SecurityScheme::Http(bearer));
    }
}

static JSON: LazyLock<String> = LazyLock::new(|| {
    Api::openapi()
        .to_pretty_json()
        .expect("the document is plain JSON")
});
static PAGE: LazyLock<String> = LazyLock::new(|| {
    let document: Value = serde_json::from_str(&JSON).expect("it was written just now");
    render(&document)
});

/// The document as JSON.
pub fn json() -> &'static str {
    &JSON
}

/// The document as a page without scripts.
pub(super) fn page() -> &'static str {
    &PAGE
}

const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
    code{background:#eee;padding:0 .2em}h2 code{background:none}\
    table{border-collapse:collapse}td,th{border:1px solid #bbb;padding:.2rem .5rem;text-align:left}\
    @media(prefers-color-scheme:dark){body{background:#111;color:#ddd}code{background:#333}}";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// Writes into a text, which cannot fail.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {
        let _ = write!($out, $($arg)*);
    };
}

fn render(document: &Value) -> String {
    let mut out = String::new();
    let info = &document["info"];
    put!(
        out,
        "<!doctype html><html lang=en><meta charset=utf-8><title>Tandem API</title><style>{STYLE}</style>\
         <h1>Tandem API {}</h1><p>{}</p><p>As a document: <a href=/openapi.json>openapi.json</a></p>",
        escaped(text(info, "version")),
        escaped(text(info, "description"))
    );
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            render_operation(&mut out, path, method, operation);
        }
    }
    out.push_str("<h1>Shapes</h1>");
    let schemas = &document["components"]["schemas"];
    for (name, schema) in schemas.as_object().into_iter().flatten() {
        render_schema(&mut out, name, schema);
    }
    out
}

fn render_operation(out: &mut String, path: &str, method: &str, operation: &Value) {
    put!(
        out,
        "<h2><code>{} {}</code></h2><p><b>{}</b> {}</p>",
        method.to_uppercase(),
        escaped(path),
        escaped(text(operation, "summary")),
        escaped(text(operation, "description"))
    );
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    for parameter in parameters {
        put!(
            out,
            "<p><code>{}</code> ({}): {}</p>",
            escaped(text(parameter, "name")),
            escaped(text(parameter, "in")),
            escaped(text(parameter, "description"))
        );
    }
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    if !body.is_null() {
        put!(out, "<p>Body: {}</p>", shape(body));
    }
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        put!(
            out,
            "<p>{status}: {}",
            escaped(text(response, "description"))
        );
        for (media, content) in response["content"].as_object().into_iter().flatten() {
            put!(
                out,
                " <code>{}</code> {}",
                escaped(media),
                shape(&content["schema"])
            );
        }
        out.push_str("</p>");
    }
}

fn render_schema(out: &mut String, name: &str, schema: &Value) {
    let name = escaped(name);
    put!(
        out,
        "<h2 id=\"{name}\"><code>{name}</code></h2><p>{}</p><table>",
        escaped(text(schema, "description"))
    );
    let parts = schema["allOf"].as_array().cloned().unwrap_or_default();
    for part in std::iter::once(schema).chain(&parts) {
        if part["$ref"].is_string() {
            put!(out, "<tr><td colspan=3>all of {}</td></tr>", shape(part));
        }
        for (field, property) in part["properties"].as_object().into_iter().flatten() {
            put!(
                out,
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
                escaped(field),
                shape(property),
                escaped(text(property, "description"))
            );
        }
    }
    out.push_str("</table>");
}

/// A schema in a few words, with a link to what it refers to.
fn shape(schema: &Value) -> String {
    if let Some(target) = schema["$ref"].as_str() {
        let name = escaped(target.rsplit('/').next().unwrap_or_default());
        return format!("<a href=\"#{name}\">{name}</a>");
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        if let Some(choices) = schema[key].as_array() {
            let all: Vec<String> = choices.iter().map(shape).collect();
            return all.join(" or ");
        }
    }
    match &schema["type"] {
        Value::String(kind) if kind == "array" => format!("list of {}", shape(&schema["items"])),
        Value::String(kind) => escaped(kind),
        Value::Array(kinds) => {
            let all: Vec<&str> = kinds.iter().filter_map(Value::as_str).collect();
            escaped(&all.join(" or "))
        }
        _ => "any".to_owned(),
    }
}
