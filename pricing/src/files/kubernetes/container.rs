//! One container: image, command, variables, hardware, and the port that is published.

use tandem_model::workload::Workload;

use crate::files::cursor::Meaning::{Note, Used};
use crate::files::cursor::{Field, Fields, Table};
use crate::files::problem::Problems;
use crate::files::{argv, draft};

use super::beside::Beside;
use super::tables::{CONTAINER, PORT};
use super::{accelerator, env};

const PROBE: &str = "the probe's times are fixed";
const READINESS: Table = &[
    ("httpGet", Used),
    (
        "tcpSocket",
        Note("the service counts as ready when its port answers"),
    ),
    (
        "exec",
        Note("the service counts as ready when its port answers"),
    ),
    (
        "grpc",
        Note("the service counts as ready when its port answers"),
    ),
    ("initialDelaySeconds", Note(PROBE)),
    ("periodSeconds", Note(PROBE)),
    ("timeoutSeconds", Note(PROBE)),
    ("successThreshold", Note(PROBE)),
    ("failureThreshold", Note(PROBE)),
    ("terminationGracePeriodSeconds", Note(PROBE)),
];
const GET: Table = &[
    ("path", Used),
    ("port", Used),
    ("scheme", Note("the gateway speaks HTTP with the service")),
    ("host", Note("the service is asked at its own address")),
    ("httpHeaders", Note("the probe sends no headers")),
];

/// Reads a container; `fields` are its own.
pub(super) fn read(
    field: &Field<'_>,
    fields: &Fields<'_>,
    beside: &Beside<'_>,
    w: &mut Workload,
    p: &mut Problems,
) {
    fields.check(CONTAINER, p);
    w.image = fields.get("image").and_then(|f| draft::image(&f, p));
    if fields.get("image").is_none() {
        p.missing(field, "image", "a container needs its image");
    }
    if let Some(f) = fields.get("envFrom") {
        env::read_from(&f, beside, w, p);
    }
    if let Some(f) = fields.get("env") {
        env::read(&f, beside, w, p);
    }
    let (command, args) = (fields.get("command"), fields.get("args"));
    argv::entry(command.as_ref(), args.as_ref(), w, p);
    w.working_dir = fields
        .get("workingDir")
        .and_then(|f| draft::reference(&f, p));
    if let Some(f) = fields.get("resources") {
        accelerator::resources(&f, w, p);
    }
    if let Some(f) = fields.get("securityContext") {
        security(&f, p);
    }
}

/// Reads where a container's users reach it, and what says that it is ready.
pub(super) fn reached(
    fields: &Fields<'_>,
    beside: &Beside<'_>,
    w: &mut Workload,
    p: &mut Problems,
) {
    port(fields.get("ports").as_ref(), beside, w, p);
    if let Some(f) = fields.get("readinessProbe") {
        readiness(&f, w, p);
    }
}

fn security(field: &Field<'_>, p: &mut Problems) {
    let Some(fields) = field.map(p) else { return };
    for (name, f) in fields.iter() {
        if name == "privileged" && f.boolean(p) == Some(true) {
            p.unsupported(&f, "containers are not privileged on these networks", "");
        } else {
            p.note(
                &f,
                "the image's own user runs the work, with the rights that the network gives",
            );
        }
    }
}

/// Of several ports, the one that a Service leads to, else one named for HTTP, else the first.
fn port(field: Option<&Field<'_>>, beside: &Beside<'_>, w: &mut Workload, p: &mut Problems) {
    let mut ports = Vec::new();
    for item in field.map(|f| f.list(p)).unwrap_or_default() {
        let Some(fields) = item.map(p) else { continue };
        fields.check(PORT, p);
        let name = fields
            .get("name")
            .and_then(|f| f.text(p))
            .unwrap_or_default();
        let udp = fields
            .get("protocol")
            .is_some_and(|f| !matches!(f.word(&["TCP", "UDP", "SCTP"], p), Some("TCP") | None));
        match fields.get("containerPort").map(|f| draft::port(&f, p)) {
            Some(Some(number)) if !udp => ports.push((name, number)),
            Some(_) => {}
            None => p.missing(
                &item,
                "containerPort",
                "a port from 1 to 65535 belongs here",
            ),
        }
    }
    let led_to = |(name, number): &&(&str, u16)| {
        beside
            .target_ports
            .iter()
            .any(|t| t == name || *t == number.to_string())
    };
    let http = |(name, _): &&(&str, u16)| name.starts_with("http");
    let found = ports
        .iter()
        .find(led_to)
        .or_else(|| ports.iter().find(http))
        .or(ports.first());
    if let (Some((_, number)), Some(f), true) = (found, field, ports.len() > 1) {
        p.note(f, format!("one port is published: {number}"));
    }
    w.port = found
        .map(|(_, number)| *number)
        .or_else(|| beside.target_ports.iter().find_map(|t| t.parse().ok()));
}

fn readiness(field: &Field<'_>, w: &mut Workload, p: &mut Problems) {
    let Some(fields) = field.map(p) else { return };
    fields.check(READINESS, p);
    let Some(get) = fields.get("httpGet").and_then(|f| f.map(p)) else {
        return;
    };
    get.check(GET, p);
    let other = get.get("port").filter(|f| {
        let number = f.node.text().and_then(|t| t.parse::<u16>().ok());
        number.is_some() && w.port.is_some() && number != w.port
    });
    match other {
        Some(f) => p.note(
            &f,
            "the probe asks another port, so the published one is asked instead",
        ),
        None => {
            w.readiness_path = get.get("path").and_then(|f| draft::readiness(&f, p));
        }
    }
}
