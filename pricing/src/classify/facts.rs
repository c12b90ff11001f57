//! What a document says, line by line: commands, images, variables, names, comments.

use super::words;
use crate::files::Document;
use crate::files::tree::{Body, Node};

/// What kind of place a text stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    Run,
    Setup,
    Image,
    Env,
    Name,
    Gpu,
    Port,
    Comment,
    Other,
}

/// One line of text with its place.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    pub(super) line: u32,
    pub(super) zone: Zone,
    /// Lower-case path of the field, without list positions.
    pub(super) path: String,
    pub(super) text: String,
    pub(super) lower: String,
    /// Words of a command that name programs, one a line, in lower case.
    pub(super) programs: String,
    /// A command that is left running in the background.
    pub(super) background: bool,
}

/// Everything that a document says.
pub(super) struct Facts(Vec<Fact>);

/// Field names and the kind of text that stands under them, innermost first.
const ZONES: &[(&str, Zone)] = &[
    ("run", Zone::Run),
    ("command", Zone::Run),
    ("commands", Zone::Run),
    ("commandline", Zone::Run),
    ("args", Zone::Run),
    ("entrypoint", Zone::Run),
    ("script", Zone::Run),
    ("data", Zone::Run),
    ("onrun", Zone::Run),
    ("setup", Zone::Setup),
    ("init", Zone::Setup),
    ("jobpreparationtask", Zone::Setup),
    ("image", Zone::Image),
    ("image_id", Zone::Image),
    ("docker_image", Zone::Image),
    ("env", Zone::Env),
    ("envs", Zone::Env),
    ("environment", Zone::Env),
    ("model", Zone::Env),
    ("base_model", Zone::Env),
    ("name", Zone::Name),
    ("id", Zone::Name),
    ("jobname", Zone::Name),
    ("displayname", Zone::Name),
    ("description", Zone::Name),
    ("hardware", Zone::Gpu),
    ("gpu", Zone::Gpu),
    ("nvidia", Zone::Gpu),
    ("nvidia.com/gpu", Zone::Gpu),
    ("cloud.google.com/gke-accelerator", Zone::Gpu),
    ("gpus", Zone::Gpu),
    ("accelerators", Zone::Gpu),
    ("port", Zone::Port),
    ("ports", Zone::Port),
];

impl Facts {
    pub(super) fn of(document: &Document) -> Self {
        let mut facts = Vec::new();
        let together = document.format.documents_belong_together();
        let kept = if together { document.roots.len() } else { 1 };
        for root in document.roots.iter().take(kept) {
            collect(root, &mut Vec::new(), &mut facts);
        }
        let end = document
            .roots
            .get(kept)
            .map_or(u32::MAX, |next| next.place.line);
        comments(&document.text, end, &mut facts);
        facts.sort_by_key(|f| f.line);
        Self(facts)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Fact> {
        self.0.iter()
    }

    /// Whether a needle stands in one of the zones.
    pub(super) fn says(&self, zones: &[Zone], needle: &str) -> bool {
        self.iter()
            .any(|f| zones.contains(&f.zone) && words::find(&f.lower, needle))
    }
}

fn zone_of(path: &[String]) -> Zone {
    if path.iter().any(|name| name == "nvidia") {
        return Zone::Gpu;
    }
    for name in path.iter().rev() {
        if let Some((_, zone)) = ZONES.iter().find(|(known, _)| known == name) {
            return *zone;
        }
    }
    Zone::Other
}

fn collect(node: &Node, path: &mut Vec<String>, facts: &mut Vec<Fact>) {
    match &node.body {
        Body::Scalar(scalar) => {
            let zone = zone_of(path);
            let path = path.join(".");
            let commands = matches!(zone, Zone::Run | Zone::Setup);
            let lines = scalar.text.split('\n').enumerate();
            let mut open: Option<(u32, String)> = None;
            for (i, text) in lines {
                let offset = if scalar.block {
                    u32::try_from(i).unwrap_or(0)
                } else {
                    0
                };
                let at = node.place.line + offset;
                let (start, mut joined) = open.take().unwrap_or((at, String::new()));
                match text.trim_end().strip_suffix('\\').filter(|_| commands) {
                    Some(part) => {
                        joined.push_str(part);
                        open = Some((start, joined));
                    }
                    None => {
                        joined.push_str(text);
                        push(start, zone, &path, &joined, facts);
                    }
                }
            }
            if let Some((start, joined)) = open {
                push(start, zone, &path, &joined, facts);
            }
        }
        Body::List(items) => items.iter().for_each(|item| collect(item, path, facts)),
        Body::Map(entries) => {
            for (key, value) in entries {
                path.push(key.text.to_ascii_lowercase());
                collect(value, path, facts);
                path.pop();
            }
        }
    }
}

fn push(line: u32, zone: Zone, path: &str, text: &str, facts: &mut Vec<Fact>) {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return;
    }
    let spoken = trimmed.starts_with('#') || trimmed.starts_with("echo ");
    let commands = matches!(zone, Zone::Run | Zone::Setup);
    let background =
        (trimmed.ends_with('&') && !trimmed.ends_with("&&")) || trimmed.starts_with("nohup ");
    let lower = trimmed.to_lowercase();
    let programs = if commands && !spoken {
        words::programs(&lower).join("\n")
    } else {
        String::new()
    };
    facts.push(Fact {
        line,
        zone: if commands && spoken {
            Zone::Comment
        } else {
            zone
        },
        path: path.to_owned(),
        text: trimmed.to_owned(),
        lower,
        programs,
        background: commands && background,
    });
}

/// Lines that are comments of the file itself.
fn comments(text: &str, end: u32, facts: &mut Vec<Fact>) {
    let taken: std::collections::BTreeSet<u32> = facts.iter().map(|f| f.line).collect();
    for (i, line) in text.lines().enumerate() {
        let number = u32::try_from(i + 1).unwrap_or(u32::MAX);
        let trimmed = line.trim();
        if number < end && trimmed.starts_with('#') && !taken.contains(&number) {
            push(number, Zone::Comment, "", trimmed, facts);
        }
    }
}
