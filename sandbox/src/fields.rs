//! Strict reading of request bodies and queries: every wrong field is named, unknown ones too.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use serde_json::{Map, Value};
use tandem_adapters::wire::WireRequest;

/// Entries of a list or map that a body may hold.
pub(crate) const ENTRIES_MAX: usize = 256;
/// Characters of an environment value or another long text.
pub(crate) const TEXT_CHARS_MAX: usize = 65_536;

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where: `body` or `query`, then the names.
    pub(crate) loc: Vec<String>,
    /// What, in words.
    pub(crate) msg: String,
    /// What, in one word.
    pub(crate) kind: &'static str,
}

impl Problem {
    pub(crate) fn new(loc: &[&str], msg: impl Into<String>, kind: &'static str) -> Self {
        Self {
            loc: loc.iter().map(|s| (*s).to_owned()).collect(),
            msg: msg.into(),
            kind,
        }
    }
}

static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);

/// Reader of one object.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    map: &'a Map<String, Value>,
    at: Vec<String>,
    seen: BTreeSet<&'static str>,
    problems: Vec<Problem>,
}

impl<'a> Fields<'a> {
    /// A reader of a value that should be an object.
    pub(crate) fn new(value: &'a Value, at: &[&str]) -> Self {
        let at: Vec<String> = at.iter().map(|s| (*s).to_owned()).collect();
        let (map, problems) = match value {
            Value::Object(map) => (map, Vec::new()),
            _ => {
                let msg = "Input should be a valid dictionary".to_owned();
                let kind = "dict_type";
                (
                    &*EMPTY,
                    vec![Problem {
                        loc: at.clone(),
                        msg,
                        kind,
                    }],
                )
            }
        };
        Self {
            map,
            at,
            seen: BTreeSet::new(),
            problems,
        }
    }

    /// The value of a field; null counts as absent.
    pub(crate) fn raw(&mut self, name: &'static str) -> Option<&'a Value> {
        self.seen.insert(name);
        self.map.get(name).filter(|v| !v.is_null())
    }

    /// Whether a field is there, null included.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    /// Records what is wrong with a field.
    pub(crate) fn problem(&mut self, name: &str, msg: impl Into<String>, kind: &'static str) {
        let mut loc = self.at.clone();
        loc.push(name.to_owned());
        self.problems.push(Problem {
            loc,
            msg: msg.into(),
            kind,
        });
    }

    fn required(&mut self, name: &'static str) -> Option<&'a Value> {
        let value = self.raw(name);
        if value.is_none() && self.problems.iter().all(|p| p.loc != self.at) {
            self.problem(name, "Field required", "missing");
        }
        value
    }

    fn as_text(
        &mut self,
        name: &'static str,
        value: &Value,
        chars: RangeInclusive<usize>,
    ) -> Option<String> {
        let Some(text) = value.as_str() else {
            self.problem(name, "Input should be a valid string", "string_type");
            return None;
        };
        if !chars.contains(&text.chars().count()) {
            let (low, high) = (chars.start(), chars.end());
            self.problem(
                name,
                format!("String should have {low} to {high} characters"),
                "string_length",
            );
            return None;
        }
        Some(text.to_owned())
    }

    /// A text that must be there; empty when it is not.
    pub(crate) fn text(&mut self, name: &'static str, chars: RangeInclusive<usize>) -> String {
        let value = self.required(name);
        value
            .and_then(|v| self.as_text(name, v, chars))
            .unwrap_or_default()
    }

    /// A text that may be missing.
    pub(crate) fn optional_text(
        &mut self,
        name: &'static str,
        chars: RangeInclusive<usize>,
    ) -> Option<String> {
        let value = self.raw(name)?;
        self.as_text(name, value, chars)
    }

    fn as_int(
        &mut self,
        name: &'static str,
        value: &Value,
        range: RangeInclusive<i64>,
    ) -> Option<i64> {
        let Some(number) = value.as_i64() else {
            self.problem(name, "Input should be a valid integer", "int_type");
            return None;
        };
        if !range.contains(&number) {
            let (low, high) = (range.start(), range.end());
            self.problem(
                name,
                format!("Input should be from {low} to {high}"),
                "int_range",
            );
            return None;
        }
        Some(number)
    }

    /// A number that must be there; the start of the range when it is not.
    pub(crate) fn int(&mut self, name: &'static str, range: RangeInclusive<i64>) -> i64 {
        let start = *range.start();
        let value = self.required(name);
        value
            .and_then(|v| self.as_int(name, v, range))
            .unwrap_or(start)
    }

    /// A number that may be missing.
    pub(crate) fn optional_int(
        &mut self,
        name: &'static str,
        range: RangeInclusive<i64>,
    ) -> Option<i64> {
        let value = self.raw(name)?;
        self.as_int(name, value, range)
    }

    /// A flag that may be missing.
    pub(crate) fn optional_flag(&mut self, name: &'static str) -> Option<bool> {
        let value = self.raw(name)?;
        let flag = value.as_bool();
        if flag.is_none() {
            self.problem(name, "Input should be a valid boolean", "bool_type");
        }
        flag
    }

    /// One word of several, that may be missing.
    pub(crate) fn optional_word(
        &mut self,
        name: &'static str,
        words: &[&'static str],
    ) -> Option<&'static str> {
        let value = self.raw(name)?;
        let word = words.iter().find(|w| value.as_str() == Some(**w)).copied();
        if word.is_none() {
            self.problem(
                name,
                format!("Input should be one of: {}", words.join(", ")),
                "enum",
            );
        }
        word
    }

    /// A list of texts that may be missing.
    pub(crate) fn optional_texts(&mut self, name: &'static str, min: usize) -> Option<Vec<String>> {
        let value = self.raw(name)?;
        let texts: Option<Vec<String>> = value
            .as_array()
            .filter(|list| (min..=ENTRIES_MAX).contains(&list.len()))
            .and_then(|list| list.iter().map(|v| v.as_str().map(str::to_owned)).collect());
        if texts.is_none() {
            let msg = format!("Input should be a list of {min} to {ENTRIES_MAX} strings");
            self.problem(name, msg, "list_type");
        }
        texts
    }

    /// A map of texts to texts, or to null, that may be missing.
    pub(crate) fn optional_map(
        &mut self,
        name: &'static str,
    ) -> Option<BTreeMap<String, Option<String>>> {
        let value = self.raw(name)?;
        let Some(map) = value.as_object().filter(|m| m.len() <= ENTRIES_MAX) else {
            let msg = format!("Input should be a dictionary of at most {ENTRIES_MAX} entries");
            self.problem(name, msg, "dict_type");
            return None;
        };
        let mut texts = BTreeMap::new();
        for (key, value) in map {
            match value {
                Value::String(text) if text.len() <= TEXT_CHARS_MAX => {
                    texts.insert(key.clone(), Some(text.clone()));
                }
                Value::Null => {
                    texts.insert(key.clone(), None);
                }
                _ => self.problem(
                    name,
                    format!("{key}: input should be a valid string"),
                    "string_type",
                ),
            }
        }
        Some(texts)
    }

    /// A map of texts to texts that may be missing; null values are refused.
    pub(crate) fn optional_text_map(
        &mut self,
        name: &'static str,
    ) -> Option<BTreeMap<String, String>> {
        let map = self.optional_map(name)?;
        let mut texts = BTreeMap::new();
        for (key, value) in map {
            match value {
                Some(text) => {
                    texts.insert(key, text);
                }
                None => self.problem(
                    name,
                    format!("{key}: input should be a valid string"),
                    "string_type",
                ),
            }
        }
        Some(texts)
    }

    /// Takes over what a reader of a part found.
    pub(crate) fn absorb(&mut self, problems: Vec<Problem>) {
        self.problems.extend(problems);
    }

    /// Everything that is wrong, unknown fields included.
    pub(crate) fn finish(mut self) -> Vec<Problem> {
        let unknown: Vec<&String> = self
            .map
            .keys()
            .filter(|k| !self.seen.contains(k.as_str()))
            .collect();
        for name in unknown.into_iter().take(ENTRIES_MAX) {
            let name: String = name.chars().take(64).collect();
            self.problem(&name, "Extra inputs are not permitted", "extra_forbidden");
        }
        self.problems
    }
}

/// The body as JSON; an empty body is an empty object.
pub(crate) fn body(request: &WireRequest) -> Result<Value, Problem> {
    if request.body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    serde_json::from_slice(&request.body)
        .map_err(|_| Problem::new(&["body"], "JSON decode error", "json_invalid"))
}

/// The first query value of a name.
pub(crate) fn query<'a>(request: &'a WireRequest, name: &str) -> Option<&'a str> {
    let found = request.query.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.as_str())
}

/// A number of the query.
pub(crate) fn query_int(
    request: &WireRequest,
    name: &str,
    range: RangeInclusive<i64>,
    default: Option<i64>,
) -> Result<i64, Problem> {
    let refuse = |msg: String, kind| Err(Problem::new(&["query", name], msg, kind));
    let Some(text) = query(request, name) else {
        return default.map_or_else(|| refuse("Field required".to_owned(), "missing"), Ok);
    };
    match text.parse::<i64>() {
        Ok(number) if range.contains(&number) => Ok(number),
        Ok(_) => {
            let msg = format!("Input should be from {} to {}", range.start(), range.end());
            refuse(msg, "int_range")
        }
        Err(_) => refuse("Input should be a valid integer".to_owned(), "int_parsing"),
    }
}
