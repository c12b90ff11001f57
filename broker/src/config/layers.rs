//! Laying the sources over one another, keeping where each value came from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use config::{Environment, File, FileFormat, Source, Value, ValueKind};
use tandem_model::near::nearest;

use super::{ConfigError, DEFAULTS, Problem, VARIABLE_PREFIX};

/// Largest configuration file in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Most letters in which a key may differ from the one that was probably meant.
const EDITS_MAX: usize = 3;
/// What values of the compiled-in file are said to come from.
const DEFAULT_ORIGIN: &str = "the defaults";

/// A value given on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The key it sets.
    pub key: &'static str,
    /// The flag as typed, `--listen`.
    pub name: &'static str,
    /// The value.
    pub value: String,
}

/// Where values come from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// Environment variables, all of them: those of other programs are passed over.
    pub variables: BTreeMap<String, String>,
    /// Flags.
    pub flags: Vec<Flag>,
}

impl Sources {
    /// The variables of this process, and nothing else yet.
    pub fn from_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self {
            variables: std::env::vars_os().filter_map(text).collect(),
            ..Self::default()
        }
    }

    /// Adds a flag when it was given.
    pub fn flag(&mut self, name: &'static str, key: &'static str, value: Option<String>) {
        self.flags
            .extend(value.map(|value| Flag { key, name, value }));
    }
}

/// Every key with its value and where that came from.
#[derive(Debug, Clone)]
pub struct Layers {
    values: BTreeMap<String, (Value, String)>,
}

impl Layers {
    /// Reads all sources. Refuses what is no key.
    pub fn read(sources: &Sources) -> Result<Self, ConfigError> {
        let mut layers = Self {
            values: BTreeMap::new(),
        };
        let mut problems = Vec::new();
        for (key, value) in flatten(parse(DEFAULTS, DEFAULT_ORIGIN)?) {
            layers.values.insert(key, (value, DEFAULT_ORIGIN.into()));
        }
        if let Some(path) = &sources.file {
            let origin = path.display().to_string();
            for (key, value) in flatten(parse(&text_of(path)?, &origin)?) {
                layers.set(key, value, origin.clone(), &mut problems);
            }
        }
        for (key, value) in flatten(variables(&sources.variables)?) {
            let origin = format!(
                "{VARIABLE_PREFIX}{}",
                key.to_ascii_uppercase().replace('.', "__")
            );
            layers.set(key, value, origin, &mut problems);
        }
        for flag in &sources.flags {
            let value = Value::new(None, ValueKind::String(flag.value.clone()));
            layers.set(flag.key.into(), value, flag.name.into(), &mut problems);
        }
        if problems.is_empty() {
            Ok(layers)
        } else {
            Err(ConfigError::Problems(problems))
        }
    }

    fn set(&mut self, key: String, value: Value, origin: String, problems: &mut Vec<Problem>) {
        if let Some(known) = self.values.get_mut(&key) {
            *known = (value, origin);
            return;
        }
        let text = match self.nearest(&key) {
            Some(near) => format!("there is no such key; did you mean `{near}`?"),
            None => "there is no such key; `tandem config show --default` lists all".into(),
        };
        problems.push(Problem { key, origin, text });
    }

    /// The known key of the same last name, or else one that differs little.
    fn nearest(&self, key: &str) -> Option<&str> {
        let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
        let mut keys = self.keys();
        let same_name = keys.find(|known| last(known) == last(key));
        same_name.or_else(|| nearest(key, self.keys(), EDITS_MAX))
    }

    /// Every key, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// A key's value; every key of the defaults has one.
    pub(super) fn value(&self, key: &str) -> Value {
        let found = self.values.get(key).map(|(value, _)| value.clone());
        found.unwrap_or_else(|| Value::new(None, ValueKind::Nil))
    }

    /// Where a key's value came from.
    pub fn origin(&self, key: &str) -> &str {
        self.values.get(key).map_or(DEFAULT_ORIGIN, |(_, o)| o)
    }
}

fn text_of(path: &std::path::Path) -> Result<String, ConfigError> {
    let refuse = |why: String| ConfigError::Unreadable {
        path: path.display().to_string(),
        why,
    };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|e| refuse(e.to_string()))?;
    let mut limited = std::io::Read::take(file, FILE_BYTES_MAX + 1);
    std::io::Read::read_to_string(&mut limited, &mut text).map_err(|e| refuse(e.to_string()))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(refuse(format!("larger than {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

type Table = config::Map<String, Value>;

fn parse(text: &str, origin: &str) -> Result<Table, ConfigError> {
    File::from_str(text, FileFormat::Toml)
        .collect()
        .map_err(|error| ConfigError::Syntax {
            path: origin.to_owned(),
            why: error.to_string().trim().to_owned(),
        })
}

/// The variables that are ours. Values stay text until their key says what they are.
fn variables(all: &BTreeMap<String, String>) -> Result<Table, ConfigError> {
    let ours = Environment::with_prefix(VARIABLE_PREFIX.trim_end_matches('_'))
        .prefix_separator("__")
        .separator("__")
        .source(Some(all.clone().into_iter().collect()));
    ours.collect().map_err(|error| ConfigError::Syntax {
        path: "the environment".into(),
        why: error.to_string(),
    })
}

/// Tables within tables as dotted keys.
fn flatten(table: Table) -> Vec<(String, Value)> {
    let mut flat = Vec::new();
    for (name, value) in table {
        match value.kind {
            ValueKind::Table(inner) if !inner.is_empty() => {
                let dotted = |(key, value)| (format!("{name}.{key}"), value);
                flat.extend(flatten(inner).into_iter().map(dotted));
            }
            _ => flat.push((name, value)),
        }
    }
    flat
}
