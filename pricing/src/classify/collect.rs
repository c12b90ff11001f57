//! From a tree to lines of text: which kind of place each field is, commands put back together from
//! the lists that they are written in, and variables with their values.

use super::facts::{Fact, Zone, is_off, push};
use crate::files::tree::{Body, Node, Scalar};

/// Field names and the kind of text that stands under them, innermost first.
const ZONES: &[(&str, Zone)] = &[
    ("run", Zone::Run),
    ("command", Zone::Run),
    ("commands", Zone::Run),
    ("commandline", Zone::Run),
    ("args", Zone::Run),
    ("extraargs", Zone::Run),
    ("arguments", Zone::Run),
    ("entrypoint", Zone::Run),
    ("script", Zone::Run),
    ("data", Zone::Run),
    ("onrun", Zone::Run),
    ("cmd", Zone::Run),
    ("setup", Zone::Setup),
    ("init", Zone::Setup),
    ("initcontainers", Zone::Setup),
    ("jobpreparationtask", Zone::Setup),
    ("runtimeenvyaml", Zone::Setup),
    ("image", Zone::Image),
    ("image_id", Zone::Image),
    ("docker_image", Zone::Image),
    ("dockerimage", Zone::Image),
    ("repository", Zone::Image),
    ("container_image", Zone::Image),
    ("env", Zone::Env),
    ("envs", Zone::Env),
    ("environment", Zone::Env),
    ("model", Zone::Env),
    ("base_model", Zone::Env),
    ("labels", Zone::Other),
    ("selector", Zone::Other),
    ("annotations", Zone::Other),
    ("volumes", Zone::Other),
    ("volumemounts", Zone::Other),
    ("file_mounts", Zone::Other),
    ("valuefrom", Zone::Other),
    ("containers", Zone::Other),
    ("name", Zone::Name),
    ("generatename", Zone::Name),
    ("id", Zone::Name),
    ("jobname", Zone::Name),
    ("displayname", Zone::Name),
    ("description", Zone::Name),
    ("hardware", Zone::Gpu),
    ("gpu", Zone::Gpu),
    ("nvidia", Zone::Gpu),
    ("nvidia.com/gpu", Zone::Gpu),
    ("cloud.google.com/gke-accelerator", Zone::Gpu),
    ("nvidia.com/gpu.product", Zone::Gpu),
    ("gpus", Zone::Gpu),
    ("requestgpu", Zone::Gpu),
    ("num_gpus", Zone::Gpu),
    ("gpu_count", Zone::Gpu),
    ("gpus_per_node", Zone::Gpu),
    ("gpu_type", Zone::Gpu),
    ("accelerators", Zone::Gpu),
    ("accelerator", Zone::Gpu),
    ("port", Zone::Port),
    ("ports", Zone::Port),
];
/// Fields whose texts are put into one line, in this order: what is started, and with what.
const WORDS: [&str; 5] = ["entrypoint", "command", "cmd", "args", "extraargs"];
/// Fields below which a name is that of a part, not of the work.
const PARTS: [&str; 6] = [
    "containers",
    "ports",
    "volumes",
    "volumemounts",
    "valuefrom",
    "env",
];

/// Parts of the images of containers that stand beside others, to ship logs or figures.
const SIDECARS: [&str; 8] = [
    "fluent-bit",
    "fluentbit",
    "fluentd",
    "filebeat",
    "promtail",
    "logstash",
    "timberio/vector",
    "opentelemetry-collector",
];

/// Adds every text of a tree; with `keys`, the names of its fields too.
pub(super) fn tree(root: &Node, keys: bool, facts: &mut Vec<Fact>) {
    let mut walk = Walk {
        path: Vec::new(),
        keys,
        is_aside: false,
        facts,
    };
    walk.node(root);
}

struct Walk<'a> {
    path: Vec<String>,
    keys: bool,
    /// Whether the fields are those of a sidecar.
    is_aside: bool,
    facts: &'a mut Vec<Fact>,
}

impl Walk<'_> {
    fn zone(&self) -> Zone {
        if self.is_aside {
            return Zone::Other;
        }
        if self.path.iter().any(|name| name == "nvidia") {
            return Zone::Gpu;
        }
        let part = |name: &String| PARTS.contains(&name.as_str());
        for (depth, name) in self.path.iter().enumerate().rev() {
            let of_part = name == "name" && self.path[..depth].iter().any(part);
            if let Some((_, zone)) = ZONES.iter().find(|(known, _)| known == name)
                && !of_part
            {
                return *zone;
            }
        }
        Zone::Other
    }

    fn node(&mut self, node: &Node) {
        match &node.body {
            Body::Scalar(scalar) => self.scalar(node.place.line, scalar),
            Body::List(items) => self.list(items),
            Body::Map(entries) => {
                if self.variable(node) {
                    return;
                }
                self.words(node);
                for (key, value) in entries {
                    let name = key.text.to_ascii_lowercase();
                    if self.keys && !is_unset(value) {
                        let spelled = spelled(&key.text);
                        push(
                            key.place.line,
                            Zone::Key,
                            "",
                            &spelled,
                            Vec::new(),
                            self.facts,
                        );
                    }
                    if WORDS.contains(&name.as_str()) && is_words(value) {
                        continue;
                    }
                    self.path.push(name);
                    self.node(value);
                    self.path.pop();
                }
            }
        }
    }

    /// Every item; a sidecar among containers says nothing of the work.
    fn list(&mut self, items: &[Node]) {
        let has_others = items.iter().any(|item| !is_sidecar(item));
        for item in items {
            let outer = self.is_aside;
            self.is_aside |= has_others && is_sidecar(item);
            self.node(item);
            self.is_aside = outer;
        }
    }

    /// `{name: A, value: b}` below `env` is the variable `A=b`.
    fn variable(&mut self, node: &Node) -> bool {
        let below_env = self.path.last().is_some_and(|name| name == "env");
        let text = |name: &str| node.get(name).and_then(Node::text);
        let Some(name) = text("name").filter(|_| below_env) else {
            return false;
        };
        let value = text("value").unwrap_or_default();
        let path = self.path.join(".");
        for (i, part) in value.split('\n').enumerate() {
            let joined = if i == 0 {
                format!("{name}={part}")
            } else {
                part.to_owned()
            };
            push(
                node.place.line,
                if self.is_aside {
                    Zone::Other
                } else {
                    Zone::Env
                },
                &path,
                &joined,
                Vec::new(),
                self.facts,
            );
        }
        true
    }

    /// The words of a command and its arguments as one line; texts of several lines stay apart.
    fn words(&mut self, node: &Node) {
        let mut line = 0;
        let mut joined = String::new();
        let mut breaks: Vec<(usize, u32)> = Vec::new();
        let path = self.path.join(".");
        for field in WORDS {
            let Some(value) = get_any_case(node, field).filter(|n| is_words(n)) else {
                continue;
            };
            let items = match &value.body {
                Body::List(items) => items.as_slice(),
                _ => std::slice::from_ref(value),
            };
            for item in items {
                let Body::Scalar(scalar) = &item.body else {
                    continue;
                };
                let at = item.place.line;
                if scalar.text.trim_end().contains('\n') {
                    self.path.push(field.to_owned());
                    self.scalar(at, scalar);
                    self.path.pop();
                    continue;
                }
                if joined.is_empty() {
                    line = at;
                } else {
                    joined.push(' ');
                }
                if breaks.last().map_or(line, |(_, last)| *last) != at {
                    breaks.push((joined.len(), at));
                }
                joined.push_str(scalar.text.trim());
            }
        }
        let zone = if self.is_aside {
            Zone::Other
        } else {
            Zone::Run
        };
        push(line, zone, &path, &joined, breaks, self.facts);
    }

    /// A text line by line; a command that goes on in the next line stays one.
    fn scalar(&mut self, line: u32, scalar: &Scalar) {
        let zone = self.zone();
        let path = self.path.join(".");
        let commands = matches!(zone, Zone::Run | Zone::Setup);
        let mut open = Continued::default();
        for (i, text) in scalar.text.split('\n').enumerate() {
            let offset = if scalar.block {
                u32::try_from(i).unwrap_or(0)
            } else {
                0
            };
            match text.trim_end().strip_suffix('\\').filter(|_| commands) {
                Some(part) => open.add(line + offset, part),
                None => {
                    open.add(line + offset, text);
                    std::mem::take(&mut open).push(zone, &path, self.facts);
                }
            }
        }
        open.push(zone, &path, self.facts);
    }
}

/// A command over several lines, with the offset from which each further line counts.
#[derive(Default)]
struct Continued {
    line: u32,
    joined: String,
    breaks: Vec<(usize, u32)>,
}

impl Continued {
    fn add(&mut self, line: u32, text: &str) {
        if self.joined.is_empty() {
            self.line = line;
        } else if self.breaks.last().map_or(self.line, |(_, last)| *last) != line {
            self.breaks.push((self.joined.len(), line));
        }
        self.joined.push_str(text);
    }

    fn push(self, zone: Zone, path: &str, facts: &mut Vec<Fact>) {
        push(self.line, zone, path, &self.joined, self.breaks, facts);
    }
}

fn is_sidecar(node: &Node) -> bool {
    let image = node.get("image").and_then(Node::text).unwrap_or_default();
    SIDECARS.iter().any(|part| image.contains(part))
}

/// Whether a value is a word or a list of words.
fn is_words(node: &Node) -> bool {
    match &node.body {
        Body::Scalar(s) => !s.text.trim_end().contains('\n'),
        Body::List(items) => items.iter().all(|i| matches!(i.body, Body::Scalar(_))),
        Body::Map(_) => false,
    }
}

/// Whether a field says nothing, or that it is not wanted: its name then says nothing either.
fn is_unset(node: &Node) -> bool {
    match &node.body {
        Body::Scalar(s) => s.text.trim().is_empty() || is_off(&s.text.trim().to_ascii_lowercase()),
        Body::List(items) => items.is_empty(),
        Body::Map(entries) => entries.is_empty(),
    }
}

fn get_any_case<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let Body::Map(entries) = &node.body else {
        return None;
    };
    let found = entries
        .iter()
        .find(|(key, _)| key.text.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value)
}

/// `vllmConfig` as `vllm config`.
fn spelled(key: &str) -> String {
    let mut out = String::with_capacity(key.len() + 4);
    let mut small = false;
    for c in key.chars() {
        if c.is_ascii_uppercase() && small {
            out.push(' ');
        }
        small = c.is_ascii_lowercase();
        out.push(c);
    }
    out
}
