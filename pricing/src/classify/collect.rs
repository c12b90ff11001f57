//! From a tree to lines of text: which kind of place each field is, commands put back together from
//! the lists that they are written in, and variables with their values.

use super::facts::{Fact, Zone, push};
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

/// Adds every text of a tree; with `keys`, the names of its fields too.
pub(super) fn tree(root: &Node, keys: bool, facts: &mut Vec<Fact>) {
    let mut walk = Walk {
        path: Vec::new(),
        keys,
        facts,
    };
    walk.node(root);
}

struct Walk<'a> {
    path: Vec<String>,
    keys: bool,
    facts: &'a mut Vec<Fact>,
}

impl Walk<'_> {
    fn zone(&self) -> Zone {
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
            Body::List(items) => items.iter().for_each(|item| self.node(item)),
            Body::Map(entries) => {
                if self.variable(node) {
                    return;
                }
                self.words(node);
                for (key, value) in entries {
                    let name = key.text.to_ascii_lowercase();
                    if self.keys {
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
                Zone::Env,
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
        push(line, Zone::Run, &path, &joined, breaks, self.facts);
    }

    /// A text line by line; a command that goes on in the next line stays one.
    fn scalar(&mut self, line: u32, scalar: &Scalar) {
        let zone = self.zone();
        let path = self.path.join(".");
        let commands = matches!(zone, Zone::Run | Zone::Setup);
        let mut open: Option<(u32, String)> = None;
        for (i, text) in scalar.text.split('\n').enumerate() {
            let offset = if scalar.block {
                u32::try_from(i).unwrap_or(0)
            } else {
                0
            };
            let (start, mut joined) = open.take().unwrap_or((line + offset, String::new()));
            match text.trim_end().strip_suffix('\\').filter(|_| commands) {
                Some(part) => {
                    joined.push_str(part);
                    open = Some((start, joined));
                }
                None => {
                    joined.push_str(text);
                    push(start, zone, &path, &joined, Vec::new(), self.facts);
                }
            }
        }
        if let Some((start, joined)) = open {
            push(start, zone, &path, &joined, Vec::new(), self.facts);
        }
    }
}

/// Whether a value is a word or a list of words.
fn is_words(node: &Node) -> bool {
    match &node.body {
        Body::Scalar(s) => !s.text.trim_end().contains('\n'),
        Body::List(items) => items.iter().all(|i| matches!(i.body, Body::Scalar(_))),
        Body::Map(_) => false,
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
