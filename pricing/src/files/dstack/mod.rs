//! dstack tasks, services and development environments.
//!
//! Fields follow `dstack/_internal/core/models/{configurations,profiles,resources}.py`.

mod resources;
mod service;
mod tables;

use std::collections::BTreeMap;

use tandem_model::workload::{
    CodeSource, NODES_MAX, SourceFormat, Workload, WorkloadClass, WorkloadKind,
};

use super::cursor::{Field, Fields};
use super::draft;
use super::problem::Problems;
use super::skypilot::sounds_secret;
use super::units;
use tables::{COMMON, DEV_ENVIRONMENT, FILE, REPO, RETRIED, RETRY, SERVICE, TASK, VOLUME};

/// Port of the notebook that stands in for an IDE.
const NOTEBOOK_PORT: u16 = 8888;
/// Installs and starts the notebook that stands in for an IDE.
const NOTEBOOK_SETUP: &str = "python3 -m pip install --quiet jupyterlab";
const NOTEBOOK_RUN: &str =
    "exec python3 -m jupyterlab --ip=0.0.0.0 --port=8888 --no-browser --allow-root";

/// Reads a dstack configuration; `given` holds values of variables given beside the file.
pub(super) fn read(
    root: &Field<'_>,
    given: &BTreeMap<String, String>,
    p: &mut Problems,
) -> Option<Workload> {
    let file = root.map(p)?;
    let kind = file.get("type").and_then(|f| f.text(p)).unwrap_or_default();
    let own = match kind {
        "service" => SERVICE,
        "dev-environment" => DEV_ENVIRONMENT,
        _ => TASK,
    };
    let table: Vec<_> = COMMON.iter().chain(own).copied().collect();
    file.check(&table, p);
    let mut w = draft::empty(SourceFormat::Dstack, &format!("dstack-{kind}"));
    if let Some(f) = file.get("name") {
        w.name = draft::name(&f, false, p).unwrap_or_default();
    }
    w.image = file.get("image").and_then(|f| draft::image(&f, p));
    w.working_dir = file
        .get("working_dir")
        .and_then(|f| draft::reference(&f, p));
    if let Some(f) = file.get("env") {
        env(&f, given, &mut w, p);
    }
    if let Some(f) = file.get("commands") {
        w.run = draft::commands(&f, p);
    }
    if let Some(f) = file.get("nodes") {
        let nodes = f.integer(1, u64::from(NODES_MAX), p).unwrap_or(1);
        w.resources.nodes = u16::try_from(nodes).unwrap_or(1);
    }
    if let Some(f) = file.get("resources") {
        resources::read(&f, &mut w, p);
    }
    ports(&file, &mut w, p);
    code(&file, &mut w, p);
    for f in file.get("volumes").map(|f| f.list(p)).unwrap_or_default() {
        volume(&f, p);
    }
    profile(&file, &mut w, p);
    switches(&file, p);
    match kind {
        "service" => service::read(&file, &mut w, p),
        "dev-environment" => dev_environment(&file, &mut w, p),
        _ => {}
    }
    draft::checkpoints_by_use(&mut w, root, p);
    draft::close(&w, root, p);
    Some(w)
}

/// `env` as a mapping or as a list of `NAME` and `NAME=value`.
fn env(field: &Field<'_>, given: &BTreeMap<String, String>, w: &mut Workload, p: &mut Problems) {
    let mut pairs: Vec<(String, Option<String>, Field<'_>)> = Vec::new();
    if field.is_map() {
        for (name, f) in field.map(p).iter().flat_map(Fields::iter) {
            let value = if f.node.is_null() {
                None
            } else {
                f.text(p).map(str::to_owned)
            };
            pairs.push((name.to_owned(), value, f));
        }
    } else {
        for f in field.list(p) {
            let Some(text) = f.text(p) else { continue };
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (text, None),
            };
            pairs.push((name.to_owned(), value, f));
        }
    }
    for (name, value, f) in pairs {
        match given.get(&name).cloned().or(value) {
            Some(value) if value.contains("${{") => {
                draft::add_secret(w, &name, &f, p);
                p.note(&f, "the whole value is given at submission");
            }
            Some(value) => {
                draft::set_env(w, &name, &value, &f, p);
                draft::note_rewritten(&f, p);
            }
            None => {
                draft::add_secret(w, &name, &f, p);
                if !sounds_secret(&name) {
                    p.note(&f, "has no value in the file; it is given at submission");
                }
            }
        }
    }
}

/// `port` of a service, or the one item of `ports`.
fn ports(file: &Fields<'_>, w: &mut Workload, p: &mut Problems) {
    if let Some(f) = file.get("port") {
        w.port = container_port(&f, p);
    }
    let items = file.get("ports").map(|f| f.list(p)).unwrap_or_default();
    if let Some(f) = items.first() {
        w.port = container_port(f, p);
    }
    if let Some(second) = items.get(1) {
        p.unsupported(
            second,
            "one port is published",
            "keep the port that users reach",
        );
    }
}

/// `8080`, `80:8080`, `*:8080` or a mapping with `container_port`.
fn container_port(field: &Field<'_>, p: &mut Problems) -> Option<u16> {
    if field.is_map() {
        let inner = field.map(p)?.get("container_port");
        if inner.is_none() {
            p.missing(
                field,
                "container_port",
                "a port from 1 to 65535 belongs here",
            );
        }
        return draft::port(&inner?, p);
    }
    let text = field.text(p)?;
    let port = text.rsplit(':').next().unwrap_or(text);
    match units::whole(port).and_then(|n| u16::try_from(n).ok()) {
        Some(n) if n > 0 => {
            if text.contains(':') {
                p.note(
                    field,
                    "the gateway gives the address; the local port has no effect",
                );
            }
            Some(n)
        }
        _ => {
            p.invalid(
                field,
                format!("`{}` is not a port from 1 to 65535", field.shown()),
            );
            None
        }
    }
}

/// `repos` and `files`.
fn code(file: &Fields<'_>, w: &mut Workload, p: &mut Problems) {
    for f in file.get("repos").map(|f| f.list(p)).unwrap_or_default() {
        if f.is_map() {
            let Some(repo) = f.map(p) else { continue };
            repo.check(REPO, p);
            let at = repo.get("path").and_then(|f| draft::reference(&f, p));
            let url = repo.get("url").and_then(|f| draft::reference(&f, p));
            let local = repo.get("local_path").and_then(|f| draft::reference(&f, p));
            let revision = ["hash", "branch"].iter().find_map(|n| repo.get(n)?.text(p));
            let source = match (url, local) {
                (Some(url), None) => CodeSource::Git(match revision {
                    Some(revision) => format!("{url}#{revision}"),
                    None => url,
                }),
                (None, Some(local)) => CodeSource::LocalPath(local),
                _ => {
                    p.invalid(&f, "exactly one of `url` and `local_path` belongs here");
                    continue;
                }
            };
            w.code.push((at.unwrap_or_else(|| ".".into()), source));
        } else if let Some(text) = draft::reference(&f, p) {
            let (source, at) = split_path(&text);
            let is_url = source.contains("://") || source.contains('@');
            let source = source.to_owned();
            let source = if is_url {
                CodeSource::Git(source)
            } else {
                CodeSource::LocalPath(source)
            };
            w.code.push((at.unwrap_or(".").to_owned(), source));
        }
    }
    for f in file.get("files").map(|f| f.list(p)).unwrap_or_default() {
        if f.is_map() {
            let Some(item) = f.map(p) else { continue };
            item.check(FILE, p);
            let local = item.get("local_path").and_then(|f| draft::reference(&f, p));
            let at = item.get("path").and_then(|f| draft::reference(&f, p));
            match local {
                Some(local) => {
                    let at = at.unwrap_or_else(|| local.clone());
                    w.code.push((at, CodeSource::LocalPath(local)));
                }
                None => p.missing(&f, "local_path", "the file's path belongs here"),
            }
        } else if let Some(text) = draft::reference(&f, p) {
            let (local, at) = split_path(&text);
            let at = at.unwrap_or(local).to_owned();
            w.code.push((at, CodeSource::LocalPath(local.to_owned())));
        }
    }
}

/// `source` or `source:path`, where the source may be a URL with colons of its own.
fn split_path(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((source, at)) if !at.starts_with("//") && !source.is_empty() => {
            let git_host = source.contains('@') && !source.contains(':') && !source.contains("://");
            if git_host {
                (text, None)
            } else {
                (source, Some(at))
            }
        }
        _ => (text, None),
    }
}

/// Instance volumes start empty here; network volumes are refused.
fn volume(field: &Field<'_>, p: &mut Problems) {
    let on_instance = if field.is_map() {
        let Some(fields) = field.map(p) else { return };
        fields.check(VOLUME, p);
        fields.get("instance_path").is_some()
    } else {
        field.text(p).is_some_and(|t| t.starts_with('/'))
    };
    if on_instance {
        p.note(
            field,
            "the directory is on the rented machine: it starts empty and is gone with it",
        );
    } else {
        p.unsupported(
            field,
            "network volumes do not exist on these networks",
            "write checkpoints to TANDEM_CHECKPOINT_DIR",
        );
    }
}

/// Spot, price and time.
fn profile(file: &Fields<'_>, w: &mut Workload, p: &mut Problems) {
    if let Some(f) = file.get("spot_policy") {
        let word = f.word(&["spot", "on-demand", "auto"], p);
        w.preemptible = matches!(word, Some("spot" | "auto"));
    }
    if let Some(f) = file.get("max_price")
        && let Some(amount) = draft::usd(&f, p)
    {
        w.limits.max_price_micro_usd =
            Some(draft::price_per_gpu(amount, w.resources.gpus_per_node));
    }
    if let Some(f) = file.get("max_duration")
        && let Some(text) = f.text(p)
        && !["off", "no", "false", "on", "yes", "true"]
            .contains(&text.to_ascii_lowercase().as_str())
    {
        match units::seconds(text) {
            Some(n) if n > 0 => w.limits.max_duration_seconds = Some(n),
            _ => p.invalid(
                &f,
                format!("`{}` is not a duration such as 2h or 1d", f.shown()),
            ),
        }
    }
    if let Some(f) = file.get("retry") {
        if !f.is_map() {
            f.boolean(p);
            p.note(&f, RETRIED);
        } else if let Some(fields) = f.map(p) {
            fields.check(RETRY, p);
        }
    }
}

/// Switches that are harmless when off and cannot be honoured when on.
fn switches(file: &Fields<'_>, p: &mut Problems) {
    let refused = [
        (
            "privileged",
            true,
            "containers are not privileged on these networks",
        ),
        (
            "docker",
            true,
            "there is no container engine inside the container",
        ),
        ("auth", false, "requests to a service always need a key"),
    ];
    for (name, bad, why) in refused {
        if let Some(f) = file.get(name)
            && f.boolean(p) == Some(bad)
        {
            p.unsupported(&f, why, "");
        }
    }
}

/// A person's workplace: a notebook behind the gateway stands in for the IDE.
fn dev_environment(file: &Fields<'_>, w: &mut Workload, p: &mut Problems) {
    w.kind = WorkloadKind::Service;
    w.class = Some(WorkloadClass::Interactive);
    w.setup = file.get("init").map(|f| draft::commands(&f, p));
    let setup = w.setup.take().filter(|s| !s.trim().is_empty());
    w.setup = Some(match setup {
        Some(own) => format!("{own}\n{NOTEBOOK_SETUP}"),
        None => NOTEBOOK_SETUP.to_owned(),
    });
    w.run = NOTEBOOK_RUN.to_owned();
    if let (Some(_), Some(f)) = (w.port, file.get("ports")) {
        p.unsupported(
            &f,
            "the one port is the notebook's",
            "remove `ports`, or use a task",
        );
    }
    w.port = Some(NOTEBOOK_PORT);
    if let Some(f) = file.get("ide").or_else(|| file.get("type")) {
        p.note(
            &f,
            "no IDE is attached; JupyterLab answers on port 8888 instead",
        );
    }
}
