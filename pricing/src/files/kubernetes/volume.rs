//! Volumes of a pod. Empty ones are folders of the container, ConfigMaps of the file are written
//! before the work starts, and everything that lives outside the pod is refused by name.

use tandem_model::workload::Workload;

use crate::files::cursor::Meaning::{Note, Used};
use crate::files::cursor::{Field, Fields, Table};
use crate::files::draft;
use crate::files::problem::Problems;
use crate::files::tree::Node;

use super::beside::Beside;

const MOUNT: Table = &[
    ("name", Used),
    ("mountPath", Used),
    ("subPath", Used),
    ("readOnly", Note("every folder can be written to")),
    ("recursiveReadOnly", Note("every folder can be written to")),
    ("mountPropagation", Note("nothing is mounted")),
    ("subPathExpr", Note("nothing is mounted")),
];
const EMPTY: [&str; 2] = ["emptyDir", "ephemeral"];
const SHARED_MEMORY: &str = "/dev/shm";

/// A ConfigMap that is mounted somewhere.
struct Mounted<'a> {
    map: Fields<'a>,
    items: Vec<(&'a str, &'a str)>,
    executable: bool,
}

/// Reads the volumes of a pod and where the container mounts them.
pub(super) fn read(
    pod: &Fields<'_>,
    mounts: Option<&Field<'_>>,
    beside: &Beside<'_>,
    w: &mut Workload,
    p: &mut Problems,
) {
    let volumes = pod.get("volumes").map(|f| f.list(p)).unwrap_or_default();
    let mounts = mounts.map(|f| f.list(p)).unwrap_or_default();
    for volume in &volumes {
        let Some(fields) = volume.map(p) else {
            continue;
        };
        let name = fields
            .get("name")
            .and_then(|f| f.text(p))
            .unwrap_or_default();
        let used: Vec<_> = mounts
            .iter()
            .filter(|m| m.node.get("name").and_then(Node::text) == Some(name))
            .collect();
        let sources: Vec<_> = fields.iter().filter(|(key, _)| *key != "name").collect();
        let Some((kind, source)) = sources.first() else {
            continue;
        };
        one(kind, source, &used, beside, w, p);
    }
    for mount in &mounts {
        let Some(fields) = mount.map(p) else { continue };
        fields.check(MOUNT, p);
        let name = fields.get("name").and_then(|f| f.text(p));
        let known = volumes
            .iter()
            .any(|v| v.node.get("name").and_then(Node::text) == name);
        if !known {
            p.invalid(mount, "no volume of the pod has this name");
        }
    }
}

fn one(
    kind: &str,
    source: &Field<'_>,
    mounts: &[&Field<'_>],
    beside: &Beside<'_>,
    w: &mut Workload,
    p: &mut Problems,
) {
    let at = |m: &&Field<'_>| {
        m.node
            .get("mountPath")
            .and_then(Node::text)
            .map(str::to_owned)
    };
    let shared = mounts
        .iter()
        .all(|m| at(m).as_deref() == Some(SHARED_MEMORY));
    if EMPTY.contains(&kind) {
        let text = if shared {
            "shared memory is that of the machine"
        } else {
            "the folder starts empty, on the container's own disk"
        };
        p.note(source, text);
    } else if kind == "hostPath" && shared {
        p.note(source, "shared memory is that of the machine");
    } else if kind == "configMap" {
        config_map(source, mounts, beside, w, p);
    } else if matches!(kind, "secret" | "projected" | "downwardAPI") {
        p.unsupported(
            source,
            "secrets and facts of a pod are not written to files",
            "give secrets as variables, by `secretKeyRef`",
        );
    } else {
        p.unsupported(
            source,
            "volumes that live outside the pod do not exist on these networks",
            "write checkpoints to TANDEM_CHECKPOINT_DIR, and fetch data and models in the command",
        );
    }
}

fn config_map(
    source: &Field<'_>,
    mounts: &[&Field<'_>],
    beside: &Beside<'_>,
    w: &mut Workload,
    p: &mut Problems,
) {
    let Some(fields) = source.map(p) else { return };
    let name = fields
        .get("name")
        .and_then(|f| f.text(p))
        .unwrap_or_default();
    let Some(map) = beside.map(name, p) else {
        p.unsupported(
            source,
            "the ConfigMap is not in this file",
            "put it into the file, or its texts into the image",
        );
        return;
    };
    let mut items = Vec::new();
    for item in fields.get("items").map(|f| f.list(p)).unwrap_or_default() {
        let of = |part: &str| item.node.get(part).and_then(Node::text);
        match (of("key"), of("path")) {
            (Some(key), Some(path)) => items.push((key, path)),
            _ => p.invalid(&item, "`key` and `path` belong here"),
        }
    }
    let mounted = Mounted {
        map,
        items,
        executable: fields.get("defaultMode").is_some(),
    };
    for mount in mounts {
        write(&mounted, mount, w, p);
    }
}

/// Adds the commands that write the entries under the mount's path to `setup`.
fn write(mounted: &Mounted<'_>, mount: &Field<'_>, w: &mut Workload, p: &mut Problems) {
    let Some(fields) = mount.map(p) else { return };
    let Some(folder) = fields
        .get("mountPath")
        .and_then(|f| draft::reference(&f, p))
    else {
        p.missing(mount, "mountPath", "a path belongs here");
        return;
    };
    let one = fields.get("subPath").and_then(|f| f.text(p));
    for (key, value) in mounted.map.iter() {
        let name = match mounted.items.iter().find(|(k, _)| *k == key) {
            Some((_, path)) => *path,
            None if mounted.items.is_empty() => key,
            None => continue,
        };
        let path = match one {
            Some(sub) if sub == name => folder.clone(),
            Some(_) => continue,
            None => format!("{}/{name}", folder.trim_end_matches('/')),
        };
        let Some(text) = value.text(p) else { continue };
        let (Ok(path), Ok(text)) = (shlex::try_quote(&path), shlex::try_quote(text)) else {
            continue;
        };
        let mut line = format!("mkdir -p \"$(dirname {path})\" && printf '%s' {text} > {path}");
        if mounted.executable {
            line.push_str(&format!(" && chmod 755 {path}"));
        }
        let setup = w.setup.get_or_insert_default();
        setup.push_str(&line);
        setup.push_str(" || exit 1\n");
    }
}
