//! What the form of a file says: its kind, a service section, well-known ports.

use super::Activity::{Batch, Evaluate, Interact, Render, Serve, Train};
use super::{Activity, Finding};
use crate::classify::facts::{Fact, Facts, Zone};
use crate::files::{Document, DocumentFormat};

/// Values of `type` and `kind` at the top of a document; negative weights speak against.
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
    ("kind", "statefulset", Serve, 20, "a set that stays up"),
    (
        "kind",
        "leaderworkerset",
        Serve,
        20,
        "a group that stays up",
    ),
    (
        "kind",
        "inferenceservice",
        Serve,
        80,
        "a model that answers requests",
    ),
    (
        "kind",
        "llminferenceservice",
        Serve,
        80,
        "a model that answers requests",
    ),
    ("kind", "rayservice", Serve, 60, "a Ray service"),
    (
        "kind",
        "raycluster",
        Interact,
        35,
        "a cluster that waits for its user's jobs",
    ),
    ("kind", "pytorchjob", Train, 60, "a training job"),
    ("kind", "tfjob", Train, 60, "a training job"),
    ("kind", "trainjob", Train, 50, "a training job"),
    ("kind", "mpijob", Train, 30, "an MPI job"),
    ("kind", "notebook", Interact, 100, "a notebook"),
    (
        "kind",
        "sparkapplication",
        Evaluate,
        60,
        "a Spark application",
    ),
    ("kind", "lmevaljob", Evaluate, 80, "an evaluation"),
    ("kind", "job", Serve, -40, "a job ends by itself"),
    ("kind", "rayjob", Serve, -60, "a job ends by itself"),
    ("kind", "cronjob", Serve, -40, "a job ends by itself"),
];

/// Ports by habit: who usually listens there.
const PORTS: &[(u16, Activity, i32)] = &[
    (8_888, Interact, 40),
    (7_860, Interact, 40),
    (8_188, Interact, 40),
    (7_681, Interact, 40),
    (8_501, Interact, 40),
    (3_389, Interact, 40),
    (22, Interact, 30),
    (8_000, Serve, 10),
    (8_080, Serve, 5),
    (30_000, Serve, 10),
    (11_434, Serve, 15),
];

/// Findings from the form of the document.
pub(super) fn findings(document: &Document, facts: &Facts) -> Vec<Finding> {
    let mut found = kinds(document, facts);
    let mut add = |line: u32, text: &str, activity, weight| {
        found.push(Finding {
            line,
            source: "structure",
            text: text.to_owned(),
            activity,
            weight,
        });
    };
    if let Some(line) = document.lines.get("service") {
        add(*line, "`service`: it answers requests", Serve, 40);
    }
    let probed = ["probes", "service.readiness_probe", "readiness_path"];
    let of_pod = |f: &&Fact| {
        ["readinessprobe", "livenessprobe"]
            .iter()
            .any(|probe| f.path.contains(probe))
    };
    let probe = probed.iter().find_map(|f| document.lines.get(*f)).copied();
    if let Some(line) = probe.or_else(|| facts.iter().find(of_pod).map(|f| f.line)) {
        add(line, "its readiness is asked for", Serve, 15);
    }
    if document.format == DocumentFormat::Akash
        && let Some(fact) = facts.iter().find(|f| f.path.contains("expose"))
    {
        add(
            fact.line,
            "a deployment that stays up behind an exposed port",
            Serve,
            30,
        );
    }
    if document.format == DocumentFormat::OpenJobDescription {
        add(1, "a job template of a render farm", Render, 20);
    }
    let port = document.draft.as_ref().and_then(|w| w.port);
    let line_of_port = ["port", "ports", "resources.ports", "service.ports"]
        .iter()
        .find_map(|f| document.lines.get(*f));
    if let (Some(port), Some(line)) = (port, line_of_port) {
        add(*line, &format!("port {port} is published"), Serve, 10);
    }
    if !is_ray(facts) {
        habits(facts, &mut found);
    }
    found
}

/// A Kubernetes Service stands beside much that answers nobody outside.
const BESIDE_WEIGHT: i32 = 15;

fn kinds(document: &Document, facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    let beside = document.format == DocumentFormat::Kubernetes;
    for fact in facts
        .iter()
        .filter(|f| matches!(f.path.as_str(), "type" | "kind"))
    {
        let known = KINDS.iter().filter(|(field, value, ..)| {
            let vendors_own = value.ends_with("torchjob") && fact.lower.ends_with(value);
            fact.path == *field && (fact.lower == *value || vendors_own)
        });
        found.extend(known.map(|(field, value, activity, weight, why)| Finding {
            line: fact.line,
            source: "structure",
            text: format!("`{field}: {value}`: {why}"),
            activity: *activity,
            weight: if beside && *value == "service" {
                BESIDE_WEIGHT
            } else {
                *weight
            },
        }));
    }
    found
}

/// Ray's own ports say nothing of what is done with it.
fn is_ray(facts: &Facts) -> bool {
    facts
        .iter()
        .any(|f| f.path == "apiversion" && f.lower.starts_with("ray.io/"))
}

/// Ports that a kind of program uses by habit.
fn habits(facts: &Facts, found: &mut Vec<Finding>) {
    for fact in facts.iter().filter(|f| f.zone == Zone::Port) {
        for (port, activity, weight) in PORTS {
            let written = port.to_string();
            if fact.text.split([':', '/']).any(|p| p == written) {
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
