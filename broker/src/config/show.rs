//! The effective configuration for a person: every key, its value and where that came from, without
//! secrets.

use config::ValueKind;
use serde_json::{Map, Value, json};

use super::layers::Layers;

/// Keys whose values are never shown.
const SECRETS: [&str; 4] = [
    "master_key",
    "networks.ionet.api_key",
    "networks.aethir.secret_key",
    "checkpoint_store.secret_access_key",
];

fn shown(layers: &Layers, key: &str) -> Value {
    let value = layers.value(key);
    match value.kind {
        ValueKind::Boolean(truth) => json!(truth),
        ValueKind::I64(number) => json!(number),
        // A JSON list of plain texts is a TOML list.
        ValueKind::Array(items) => {
            let texts = items
                .into_iter()
                .map(|v| v.into_string().unwrap_or_default());
            json!(texts.collect::<Vec<_>>())
        }
        ValueKind::String(text) if SECRETS.contains(&key) && !text.is_empty() => {
            json!("[secret]")
        }
        _ if SECRETS.contains(&key) => json!(""),
        _ => json!(layers.value(key).into_string().unwrap_or_default()),
    }
}

/// As TOML with the origin behind each value that is not a default.
pub fn show(layers: &Layers) -> String {
    let mut text = String::new();
    let mut section = "";
    // Keys without a section come first, and those of a section together, as TOML wants it.
    let mut keys: Vec<(&str, &str, &str)> = layers
        .keys()
        .map(|key| {
            let (head, name) = key.rsplit_once('.').unwrap_or(("", key));
            (head, name, key)
        })
        .collect();
    keys.sort_unstable();
    for (head, name, key) in keys {
        if head != section {
            text.push_str(&format!("\n[{head}]\n"));
            section = head;
        }
        // A JSON string without control characters is a TOML basic string.
        text.push_str(&format!("{name} = {}", shown(layers, key)));
        match layers.origin(key) {
            "the defaults" => text.push('\n'),
            origin => text.push_str(&format!(" # from {origin}\n")),
        }
    }
    text
}

/// As JSON: `{"listen":{"value":"127.0.0.1:8080","origin":"the defaults"},…}`.
pub fn show_json(layers: &Layers) -> Value {
    let all: Map<String, Value> = layers
        .keys()
        .map(|key| {
            let entry = json!({ "value": shown(layers, key), "origin": layers.origin(key) });
            (key.to_owned(), entry)
        })
        .collect();
    Value::Object(all)
}
