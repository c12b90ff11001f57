//! `env` and `envFrom` of a container.

use tandem_model::workload::Workload;

use crate::files::cursor::Meaning::{Refused, Used};
use crate::files::cursor::{Field, Table};
use crate::files::problem::Problems;
use crate::files::{argv, draft};

use super::beside::Beside;

const VARIABLE: Table = &[("name", Used), ("value", Used), ("valueFrom", Used)];
const SOURCE: Table = &[
    ("secretKeyRef", Used),
    ("configMapKeyRef", Used),
    (
        "fieldRef",
        Refused(
            "facts of a pod are not known here",
            "use TANDEM_RANK, TANDEM_NODE_IPS and the like",
        ),
    ),
    (
        "resourceFieldRef",
        Refused("facts of a pod are not known here", "write the value"),
    ),
    ("fileKeyRef", Refused("files of a pod are not read", "")),
];
const KEY: Table = &[("name", Used), ("key", Used), ("optional", Used)];
const FROM: Table = &[
    ("configMapRef", Used),
    ("prefix", Used),
    (
        "secretRef",
        Refused(
            "the names of the secret's variables are not known",
            "list them under `env`, each with its `secretKeyRef`",
        ),
    ),
];

/// Reads `env`: values refer to earlier ones as `$(NAME)`.
pub(super) fn read(field: &Field<'_>, beside: &Beside<'_>, w: &mut Workload, p: &mut Problems) {
    for item in field.list(p) {
        let Some(fields) = item.map(p) else { continue };
        fields.check(VARIABLE, p);
        let Some(name) = fields.get("name").and_then(|f| f.text(p)) else {
            p.missing(&item, "name", "a variable needs its name");
            continue;
        };
        match fields.get("valueFrom") {
            Some(source) => from(name, &source, beside, w, p),
            None => {
                let value = fields.get("value").and_then(|f| f.text(p));
                let value = argv::fill(value.unwrap_or_default(), &w.env);
                w.secrets.retain(|s| s != name);
                draft::set_env(w, name, &value, &item, p);
            }
        }
    }
}

fn from(name: &str, source: &Field<'_>, beside: &Beside<'_>, w: &mut Workload, p: &mut Problems) {
    let Some(fields) = source.map(p) else { return };
    fields.check(SOURCE, p);
    if let Some(f) = fields.get("secretKeyRef") {
        if let Some(key) = f.map(p) {
            key.check(KEY, p);
        }
        w.env.remove(name);
        draft::add_secret(w, name, &f, p);
        p.note(&f, format!("the value of {name} is given at submission"));
    }
    let Some(f) = fields.get("configMapKeyRef") else {
        return;
    };
    let Some(reference) = f.map(p) else { return };
    reference.check(KEY, p);
    let text = |part: &str, p: &mut Problems| reference.get(part).and_then(|f| f.text(p));
    let (map, key) = (text("name", p), text("key", p));
    let entries = beside.map(map.unwrap_or_default(), p);
    match entries.and_then(|m| m.get(key.unwrap_or_default())?.text(p)) {
        Some(value) => draft::set_env(w, name, value, &f, p),
        None => p.unsupported(
            &f,
            "the ConfigMap's entry is not in this file",
            "put the ConfigMap into the file, or write the value",
        ),
    }
}

/// Reads `envFrom`: every entry of a ConfigMap of the file becomes a variable.
pub(super) fn read_from(
    field: &Field<'_>,
    beside: &Beside<'_>,
    w: &mut Workload,
    p: &mut Problems,
) {
    for item in field.list(p) {
        let Some(fields) = item.map(p) else { continue };
        fields.check(FROM, p);
        let prefix = fields.get("prefix").and_then(|f| f.text(p));
        let Some(f) = fields.get("configMapRef") else {
            continue;
        };
        let map = f.map(p).and_then(|r| r.get("name")?.text(p));
        let Some(entries) = beside.map(map.unwrap_or_default(), p) else {
            p.unsupported(
                &f,
                "the ConfigMap is not in this file",
                "put it into the file, or list its variables under `env`",
            );
            continue;
        };
        for (key, value) in entries.iter() {
            if let Some(text) = value.text(p) {
                let name = format!("{}{key}", prefix.unwrap_or_default());
                draft::set_env(w, &name, text, &value, p);
            }
        }
    }
}
