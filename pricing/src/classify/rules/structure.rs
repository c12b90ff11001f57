//! What the form of a file says: its kind, a service section, well-known ports.

use super::Activity::{Batch, Interact, Serve, Train};
use super::{Activity, Finding};
use crate::classify::facts::{Facts, Zone};
use crate::files::{Document, DocumentFormat};

/// Values of `type` and `kind` at the top of a document.
const KINDS: &[(&str, &str, Activity, i32, &str)] = &[
    (
        "type",
        "dev-environment",
        Interact,
        200,
        "a development environment",
    ),
    ("type", "service", Serve, 40, "a service"),
    ("kind", "service", Serve, 40, "a service"),
    ("kind", "finetune", Train, 80, "a fine-tuning recipe"),
    ("kind", "training", Train, 80, "a training recipe"),
    ("kind", "serving", Serve, 80, "a serving recipe"),
    ("kind", "batch", Batch, 60, "a batch recipe"),
    (
        "kind",
        "deployment",
        Serve,
        25,
        "a deployment that stays up",
    ),
    (
        "kind",
        "inferenceservice",
        Serve,
        80,
        "a model that answers requests",
    ),
    ("kind", "rayservice", Serve, 60, "a Ray service"),
    ("kind", "pytorchjob", Train, 60, "a training job"),
    ("kind", "mpijob", Train, 30, "an MPI job"),
    ("kind", "tfjob", Train, 60, "a training job"),
    ("kind", "notebook", Interact, 100, "a notebook"),
];

/// Ports by habit: who usually listens there.
const PORTS: &[(u16, Activity, i32)] = &[
    (8_888, Interact, 40),
    (7_860, Interact, 40),
    (8_188, Interact, 40),
    (7_681, Interact, 40),
    (8_501, Interact, 40),
    (8_000, Serve, 10),
    (8_080, Serve, 5),
    (30_000, Serve, 10),
    (11_434, Serve, 15),
];

/// Findings from the form of the document.
pub(super) fn findings(document: &Document, facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |line: u32, text: String, activity, weight| {
        found.push(Finding {
            line,
            source: "structure",
            text,
            activity,
            weight,
        });
    };
    for fact in facts.iter() {
        for (field, value, activity, weight, why) in KINDS {
            if fact.path == *field && fact.lower == *value {
                add(
                    fact.line,
                    format!("`{field}: {value}`: {why}"),
                    *activity,
                    *weight,
                );
            }
        }
    }
    if let Some(line) = document.lines.get("service") {
        add(*line, "`service`: it answers requests".into(), Serve, 40);
    }
    let probed = ["probes", "service.readiness_probe", "readiness_path"];
    if let Some(line) = probed.iter().find_map(|f| document.lines.get(*f)) {
        add(*line, "its readiness is asked for".into(), Serve, 15);
    }
    if document.format == DocumentFormat::Akash
        && let Some(fact) = facts.iter().find(|f| f.path.contains("expose"))
    {
        add(
            fact.line,
            "a deployment that stays up behind an exposed port".into(),
            Serve,
            30,
        );
    }
    let port = document.draft.as_ref().and_then(|w| w.port);
    let line_of_port = ["port", "ports", "resources.ports", "service.ports"]
        .iter()
        .find_map(|f| document.lines.get(*f));
    if let (Some(port), Some(line)) = (port, line_of_port) {
        add(*line, format!("port {port} is published"), Serve, 10);
    }
    habits(facts, &mut found);
    found
}

/// Ports that a kind of program uses by habit.
fn habits(facts: &Facts, found: &mut Vec<Finding>) {
    for fact in facts.iter().filter(|f| f.zone == Zone::Port) {
        for (port, activity, weight) in PORTS {
            let written = port.to_string();
            if fact.text.split(':').any(|p| p == written) {
                found.push(Finding {
                    line: fact.line,
                    source: "structure",
                    text: format!("port {port}, by habit"),
                    activity: *activity,
                    weight: *weight,
                });
            }
        }
    }
}
