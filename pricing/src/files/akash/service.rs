//! A service: image, command, variables, and the ports that it shows.

use tandem_model::workload::{Workload, WorkloadKind};

use crate::files::cursor::Meaning::{Note, Refused, Used};
use crate::files::cursor::{Field, Table};
use crate::files::problem::Problems;
use crate::files::skypilot::sounds_secret;
use crate::files::{argv, draft};

const SERVICE: Table = &[
    ("image", Used),
    ("command", Used),
    ("args", Used),
    ("env", Used),
    ("expose", Used),
    ("params", Used),
    (
        "depends_on",
        Refused("services do not wait for each other", ""),
    ),
    (
        "dependencies",
        Refused("services do not wait for each other", ""),
    ),
    (
        "credentials",
        Refused(
            "credentials do not belong in a file",
            "give registry credentials at submission",
        ),
    ),
];
const PARAMS: Table = &[
    ("storage", Used),
    (
        "permissions",
        Refused("providers' own rights are not given", ""),
    ),
    ("tee", Refused("trusted execution is not offered", "")),
];
const MOUNT: Table = &[("mount", Used), ("readOnly", Used)];
const EXPOSE: Table = &[
    ("port", Used),
    ("as", Note("the gateway gives the address and port")),
    ("to", Used),
    ("proto", Used),
    ("accept", Note("the gateway gives the address")),
    ("http_options", Note("the gateway has limits of its own")),
    ("ip", Refused("no addresses are leased", "")),
];
const TO: Table = &[
    ("global", Used),
    ("service", Used),
    ("ip", Refused("no addresses are leased", "")),
    ("http_options", Note("the gateway has limits of its own")),
];

/// Reads one service.
pub(super) fn read(field: &Field<'_>, w: &mut Workload, p: &mut Problems) {
    let Some(fields) = field.map(p) else { return };
    fields.check(SERVICE, p);
    w.image = fields.get("image").and_then(|f| draft::image(&f, p));
    if fields.get("image").is_none() {
        p.missing(field, "image", "a service needs its image");
    }
    for f in fields.get("env").map(|f| f.list(p)).unwrap_or_default() {
        env(&f, w, p);
    }
    let (command, args) = (fields.get("command"), fields.get("args"));
    argv::entry(command.as_ref(), args.as_ref(), w, p);
    expose(fields.get("expose").as_ref(), w, p);
    let Some(params) = fields.get("params").and_then(|f| f.map(p)) else {
        return;
    };
    params.check(PARAMS, p);
    let mounts = params.get("storage").and_then(|f| f.map(p));
    for (_, f) in mounts.iter().flat_map(|m| m.iter()) {
        let Some(mount) = f.map(p) else { continue };
        mount.check(MOUNT, p);
        if let Some(at) = mount.get("mount").and_then(|f| draft::reference(&f, p))
            && at != "/dev/shm"
        {
            p.note(&f, "the folder starts empty, on the container's own disk");
        }
    }
}

/// `NAME=value`; without a value it is given at submission when its name tells a secret.
fn env(field: &Field<'_>, w: &mut Workload, p: &mut Problems) {
    let Some(text) = field.text(p) else { return };
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    if value.is_empty() && (sounds_secret(name) || !text.contains('=')) {
        draft::add_secret(w, name, field, p);
        p.note(field, "has no value in the file; it is given at submission");
    } else {
        draft::set_env(w, name, value, field, p);
    }
}

/// The one port that is shown to everybody makes a service of it.
fn expose(field: Option<&Field<'_>>, w: &mut Workload, p: &mut Problems) {
    let items = field.map(|f| f.list(p)).unwrap_or_default();
    for item in items {
        let Some(fields) = item.map(p) else { continue };
        fields.check(EXPOSE, p);
        let mut global = false;
        for to in fields.get("to").map(|f| f.list(p)).unwrap_or_default() {
            let Some(target) = to.map(p) else { continue };
            target.check(TO, p);
            global |= target.get("global").and_then(|f| f.boolean(p)) == Some(true);
        }
        let Some(at) = fields.get("port") else {
            p.missing(&item, "port", "a port from 1 to 65535 belongs here");
            continue;
        };
        let Some(port) = draft::port(&at, p).filter(|_| global) else {
            continue;
        };
        if let Some(proto) = fields
            .get("proto")
            .filter(|f| f.node.text().is_some_and(|t| t.eq_ignore_ascii_case("udp")))
        {
            p.unsupported(&proto, "the gateway carries HTTP only", "");
        } else if w.port.is_some() {
            p.unsupported(
                &at,
                "one port is published",
                "keep the port that users reach",
            );
        } else {
            w.port = Some(port);
            w.kind = WorkloadKind::Service;
        }
    }
}
