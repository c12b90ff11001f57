//! Needs that are told rather than computed, and the lines that speak for them and for the class.

use tandem_model::workload::{Checkpoints, WorkloadClass};

use super::Evidence;
use super::ask::Ask;
use super::facts::{Facts, Zone};
use super::rules::Finding;
use crate::files::Document;

/// Settings that save state, or take it up again.
const SAVES: &[&str] = &[
    "resume",
    "resume_from*",
    "resume-from*",
    "resume_mode",
    "auto_resume",
    "auto-resume",
    "save_steps",
    "save-steps",
    "save_freq",
    "save-freq",
    "save_every*",
    "save-every*",
    "save_interval",
    "save-interval",
    "save_checkpoint*",
    "save-checkpoint*",
    "checkpoint_every*",
    "checkpoint-every*",
    "checkpoint_interval",
    "checkpoint-interval",
    "checkpoint_size",
    "checkpoint-size",
    "enable_dcp",
];
/// Words for the state itself: what trains and names a place for it keeps it there. Other work
/// names the weights that it loads by the same words.
const STATES: &[&str] = &["checkpoint*", "ckpt*"];
/// Parts of names that load a state, save none, or trade memory for time.
const OTHERWISE: [&str; 13] = [
    "no",
    "skip",
    "disable",
    "without",
    "load",
    "init",
    "pretrained",
    "convert",
    "path",
    "file",
    "gradient",
    "activation",
    "wandb",
];
/// Words that split a rendering into tasks of a frame each.
const FRAMES: [&str; 2] = ["frame*", "parametricsweep"];

fn line(line: u32, source: &'static str, text: impl Into<String>, points_to: &str) -> Evidence {
    Evidence {
        line,
        source: source.into(),
        text: text.into(),
        points_to: points_to.to_owned(),
    }
}

/// The lines that speak for a class, those for the chosen one first, strongest first.
pub(super) fn of_class(
    document: &Document,
    findings: &[Finding],
    nodes: u16,
    class: WorkloadClass,
) -> Vec<Evidence> {
    let mut sorted: Vec<&Finding> = findings.iter().filter(|f| f.weight > 0).collect();
    sorted.sort_by_key(|f| (f.activity.class(nodes) != class, -f.weight, f.line));
    let stated = document.draft.as_ref().and_then(|w| w.class);
    let by_customer = stated
        .and(document.lines.get("class"))
        .map(|at| line(*at, "class", "stated by the customer", class.as_str()));
    let found = sorted.into_iter().map(|f| {
        let of = f.activity.class(nodes);
        line(f.line, f.source, f.text.clone(), of.as_str())
    });
    by_customer.into_iter().chain(found).collect()
}

/// The lines of the nodes and GPUs that are asked for.
pub(super) fn of_ask(ask: &Ask) -> Vec<Evidence> {
    let nodes = ask.nodes_line.map(|at| {
        line(
            at,
            "nodes",
            format!("{} nodes of one run", ask.nodes),
            "needs.nodes",
        )
    });
    let named = if ask.names.is_empty() {
        "any GPU".to_owned()
    } else {
        ask.names.join(" or ")
    };
    let count = ask.gpus_per_node.unwrap_or(1);
    let gpus = ask.gpu_line.filter(|_| count > 0).map(|at| {
        let text = format!("asks for {count} x {named} per node");
        line(at, "gpu", text, "needs.gpus_per_node")
    });
    nodes.into_iter().chain(gpus).collect()
}

/// The workload's port, or the first exposed one of another format.
pub(super) fn port(document: &Document, facts: &Facts) -> Option<(u16, Evidence)> {
    let written = |port: u16| {
        let text = port.to_string();
        let lines = facts.mentions(&text).map(|(f, at)| f.line_at(at));
        lines.min().unwrap_or(1)
    };
    let of_workload = document.draft.as_ref().and_then(|w| w.port);
    let exposed = || {
        // Ray's nodes open ports for each other.
        if facts.says(&[Zone::Other], "ray.io") {
            return None;
        }
        let first = facts
            .iter()
            .find(|f| f.zone == Zone::Port && f.text.chars().any(|c| c.is_ascii_digit()))?;
        let last = first.text.split('/').next()?.rsplit(':').next()?;
        last.trim().parse().ok()
    };
    let port = of_workload.or_else(exposed)?;
    let text = format!("port {port} is for its users");
    Some((port, line(written(port), "port", text, "needs.port")))
}

/// The name that stands around an offset: `save_steps` in `--save_steps 100`.
struct Setting<'a> {
    name: &'a str,
    /// Whether it is set as a flag or a variable, and not part of another text.
    is_setting: bool,
    /// Whether it is the ending of a file, as in `model.ckpt`.
    is_ending: bool,
}

impl<'a> Setting<'a> {
    fn at(text: &'a str, at: usize) -> Self {
        let other = |c: char| !c.is_alphanumeric() && c != '_' && c != '-';
        let (before, after) = text.split_at(at);
        let start = before
            .char_indices()
            .rev()
            .find(|(_, c)| other(*c))
            .map_or(0, |(i, c)| i + c.len_utf8());
        let end = at + after.find(other).unwrap_or(after.len());
        let name = &text[start..end];
        Self {
            name,
            is_setting: name.starts_with('-') || text[end..].starts_with('='),
            is_ending: start == at && before.ends_with('.') && name == "ckpt",
        }
    }

    fn saves(&self) -> bool {
        let mut parts = self.name.split(['_', '-']);
        !self.is_ending && !parts.any(|part| OTHERWISE.contains(&part))
    }
}

/// Why the work's state outlives it; none when it does not.
pub(super) fn checkpointing(
    document: &Document,
    facts: &Facts,
    class: WorkloadClass,
) -> Option<Evidence> {
    let need = "needs.checkpointing";
    if matches!(
        class,
        WorkloadClass::OnlineInference | WorkloadClass::Interactive
    ) {
        return None;
    }
    let declared = document
        .draft
        .as_ref()
        .is_some_and(|w| w.checkpoints != Checkpoints::None);
    if declared {
        let at = document.lines.get("checkpoints").copied().unwrap_or(1);
        return Some(line(at, "checkpoints", "checkpoints are kept", need));
    }
    let trains = matches!(
        class,
        WorkloadClass::DistributedTraining | WorkloadClass::SingleNodeTraining
    );
    let settings = SAVES.iter().flat_map(|w| facts.mentions(w));
    let settings = settings.filter(|(f, at)| Setting::at(&f.lower, *at).is_setting);
    let states = STATES.iter().filter(|_| trains);
    let states = states.flat_map(|w| facts.mentions(w));
    let saving = settings.chain(states).filter(|(f, at)| {
        let of_command = matches!(f.zone, Zone::Run | Zone::Env);
        of_command && !f.is_off_at(*at) && Setting::at(&f.lower, *at).saves()
    });
    if let Some(at) = saving.map(|(f, at)| f.line_at(at)).min() {
        return Some(line(
            at,
            "command",
            "state is saved or taken up again",
            need,
        ));
    }
    let framed = FRAMES.iter().flat_map(|w| facts.mentions(w));
    let at = framed
        .map(|(f, at)| f.line_at(at))
        .min()
        .filter(|_| class == WorkloadClass::Rendering)?;
    Some(line(at, "command", "each frame is a task of its own", need))
}

/// Why the work survives being stopped; none when it does not.
pub(super) fn preemption(document: &Document, saves: Option<&Evidence>) -> Option<Evidence> {
    let asked = document.draft.as_ref().is_some_and(|w| w.preemptible);
    let need = "needs.preemption_tolerant";
    if asked {
        let fields = ["preemptible", "resources.use_spot", "spot_policy"];
        let at = fields.iter().find_map(|f| document.lines.get(*f)).copied();
        return Some(line(
            at.unwrap_or(1),
            "structure",
            "it may be stopped at any time",
            need,
        ));
    }
    let saves = saves?;
    Some(line(
        saves.line,
        "checkpoints",
        "it goes on where it was",
        need,
    ))
}
