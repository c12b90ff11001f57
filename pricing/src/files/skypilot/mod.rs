//! SkyPilot tasks. Fields follow `sky/utils/schemas.py` of SkyPilot 0.11 to 0.14.

mod fill;
mod mounts;
mod resources;
mod service;

use std::collections::BTreeMap;

use tandem_model::workload::{CodeSource, NODES_MAX, SourceFormat, Workload};

use super::cursor::Meaning::{Note, Refused, Used};
use super::cursor::{Field, Table};
use super::draft;
use super::problem::Problems;
use super::tree::Node;

const TASK: Table = &[
    ("name", Used),
    ("workdir", Used),
    ("num_nodes", Used),
    ("resources", Used),
    ("file_mounts", Used),
    ("service", Used),
    ("setup", Used),
    ("run", Used),
    ("envs", Used),
    ("secrets", Used),
    ("config", Used),
    (
        "pool",
        Refused(
            "pools of standing workers are not kept",
            "submit one job per task",
        ),
    ),
    (
        "volumes",
        Refused(
            "network volumes do not exist on these networks",
            "write checkpoints to TANDEM_CHECKPOINT_DIR, or copy from a bucket in `setup`",
        ),
    ),
    (
        "volume_mounts",
        Refused(
            "network volumes do not exist on these networks",
            "write checkpoints to TANDEM_CHECKPOINT_DIR",
        ),
    ),
    (
        "managed_secrets",
        Refused(
            "SkyPilot's own secret store cannot be read",
            "list the names under `secrets`",
        ),
    ),
    (
        "inputs",
        Refused(
            "chains of tasks are not planned",
            "submit the tasks one after another",
        ),
    ),
    (
        "outputs",
        Refused(
            "chains of tasks are not planned",
            "submit the tasks one after another",
        ),
    ),
    (
        "file_mounts_mapping",
        Refused(
            "this field is written by SkyPilot's server",
            "submit the original task",
        ),
    ),
    (
        "event_callback",
        Refused(
            "commands on events are not run",
            "subscribe to the job's events instead",
        ),
    ),
    (
        "api_server_access",
        Note("there is no SkyPilot API server here"),
    ),
    (
        "experimental",
        Note("SkyPilot's experimental settings have no effect here"),
    ),
    (
        "_metadata",
        Note("SkyPilot's own bookkeeping has no effect here"),
    ),
    (
        "_policies",
        Note("SkyPilot's own bookkeeping has no effect here"),
    ),
];
const WORKDIR: Table = &[("url", Used), ("ref", Used)];

/// Words in a variable's name that mark its value as a secret.
const SECRET_WORDS: [&str; 5] = ["TOKEN", "SECRET", "PASSWORD", "API_KEY", "ACCESS_KEY"];

/// Reads a SkyPilot task; `given` holds values of variables given beside the file.
pub(super) fn read(
    root: &mut Node,
    given: &BTreeMap<String, String>,
    p: &mut Problems,
) -> Option<Workload> {
    let mut w = draft::empty(SourceFormat::Skypilot, "skypilot-task");
    let open = {
        let whole = Field::root(root);
        let file = whole.map(p)?;
        file.check(TASK, p);
        let open = envs(file.get("envs"), given, &mut w, p);
        secrets(file.get("secrets"), &mut w, p);
        open
    };
    fill::fill(root, &w.env, &open, p);
    let whole = Field::root(root);
    let file = whole.map(p)?;
    if let Some(f) = file.get("name") {
        w.name = draft::name(&f, false, p).unwrap_or_default();
    }
    if let Some(f) = file.get("num_nodes") {
        let nodes = f.integer(1, u64::from(NODES_MAX), p).unwrap_or(1);
        w.resources.nodes = u16::try_from(nodes).unwrap_or(1);
    }
    w.setup = draft::script(&file, "setup", p);
    w.run = draft::script(&file, "run", p).unwrap_or_default();
    if let Some(f) = file.get("workdir") {
        workdir(&f, &mut w, p);
    }
    if let Some(f) = file.get("resources") {
        resources::read(&f, &mut w, p);
    }
    if let Some(f) = file.get("file_mounts") {
        mounts::read(&f, &mut w, p);
    }
    if let Some(f) = file.get("service") {
        service::read(&f, &mut w, p);
    }
    if let Some(f) = file.get("config") {
        config(&f, p);
    }
    draft::checkpoints_by_use(&mut w, &whole, p);
    draft::close(&w, &whole, p);
    Some(w)
}

/// Reads `envs`; gives the names that are left without a value.
fn envs(
    field: Option<Field<'_>>,
    given: &BTreeMap<String, String>,
    w: &mut Workload,
    p: &mut Problems,
) -> Vec<String> {
    let mut open = Vec::new();
    for (name, value) in given {
        if draft::is_env_name(name) {
            w.env.insert(name.clone(), value.clone());
        }
    }
    let Some(fields) = field.and_then(|f| f.map(p)) else {
        return open;
    };
    for (name, f) in fields.iter() {
        if given.contains_key(name) {
            continue;
        }
        let itself = [format!("${name}"), format!("${{{name}}}")];
        let text = if f.node.is_null() { None } else { f.text(p) };
        match text {
            Some(text) if !itself.iter().any(|s| s == text) => {
                draft::set_env(w, name, text, &f, p);
                draft::note_rewritten(&f, p);
            }
            _ if !f.node.is_null() && text.is_none() => {}
            _ => {
                draft::add_secret(w, name, &f, p);
                p.note(&f, "has no value in the file; it is given at submission");
                open.push(name.to_owned());
            }
        }
    }
    open
}

fn secrets(field: Option<Field<'_>>, w: &mut Workload, p: &mut Problems) {
    let Some(field) = field else { return };
    if field.is_list() {
        for f in field.list(p) {
            if let Some(name) = f.text(p) {
                draft::add_secret(w, name, &f, p);
            }
        }
        return;
    }
    let Some(fields) = field.map(p) else { return };
    for (name, f) in fields.iter() {
        if !f.node.is_null()
            && f.text(p)
                .is_some_and(|t| !t.is_empty() && !t.starts_with('$'))
        {
            p.unsupported(
                &f,
                "a secret's value does not belong in a file",
                "leave it empty and give it at submission",
            );
            continue;
        }
        w.env.remove(name);
        draft::add_secret(w, name, &f, p);
    }
}

/// Whether a variable's name says that its value is secret.
pub(super) fn sounds_secret(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    SECRET_WORDS.iter().any(|word| upper.contains(word))
}

fn workdir(field: &Field<'_>, w: &mut Workload, p: &mut Problems) {
    let source = if field.is_map() {
        let Some(fields) = field.map(p) else { return };
        fields.check(WORKDIR, p);
        let Some(url) = fields.get("url").and_then(|f| draft::reference(&f, p)) else {
            p.missing(field, "url", "the repository's address belongs here");
            return;
        };
        match fields.get("ref").and_then(|f| draft::reference(&f, p)) {
            Some(reference) => CodeSource::Git(format!("{url}#{reference}")),
            None => CodeSource::Git(url),
        }
    } else {
        let Some(path) = draft::reference(field, p) else {
            return;
        };
        CodeSource::LocalPath(path)
    };
    w.code.push((".".into(), source));
}

/// Settings of other infrastructure; only Docker's would change what runs.
fn config(field: &Field<'_>, p: &mut Problems) {
    let Some(fields) = field.map(p) else { return };
    for (name, f) in fields.iter() {
        match name {
            "docker" => p.unsupported(&f, "options of the container engine cannot be set", ""),
            "hooks" => p.unsupported(
                &f,
                "commands on events are not run",
                "subscribe to the job's events instead",
            ),
            _ => p.note(&f, "settings of other infrastructure have no effect here"),
        }
    }
}
