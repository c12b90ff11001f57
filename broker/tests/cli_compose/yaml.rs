//! Just enough YAML for the compose file: blocks, lists and plain or quoted words. Anything else
//! fails the test.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

enum Open {
    List(Vec<Value>),
    Table(Map<String, Value>, Option<String>),
}

/// The only document of a text.
pub(crate) fn read(text: &str) -> Value {
    let mut open: Vec<Open> = Vec::new();
    let mut root = None;
    for event in Parser::new_from_str(text) {
        let done = match event.expect("the file is YAML").0 {
            Event::MappingStart(..) => {
                open.push(Open::Table(Map::new(), None));
                continue;
            }
            Event::SequenceStart(..) => {
                open.push(Open::List(Vec::new()));
                continue;
            }
            Event::Scalar(text, style, ..) => scalar(&text, style),
            Event::MappingEnd | Event::SequenceEnd => match open.pop() {
                Some(Open::List(list)) => Value::Array(list),
                Some(Open::Table(table, None)) => Value::Object(table),
                _ => panic!("an end without its start"),
            },
            Event::Alias(_) => panic!("no aliases in this file"),
            _ => continue,
        };
        match open.last_mut() {
            None => root = Some(done),
            Some(Open::List(list)) => list.push(done),
            Some(Open::Table(table, key)) => match key.take() {
                None => *key = Some(done.as_str().expect("keys are words").to_owned()),
                Some(key) => assert!(table.insert(key, done).is_none(), "a key twice"),
            },
        }
    }
    root.expect("the file holds a document")
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    match (style, text) {
        (ScalarStyle::Plain, "true") => Value::Bool(true),
        (ScalarStyle::Plain, "false") => Value::Bool(false),
        (ScalarStyle::Plain, "" | "~" | "null") => Value::Null,
        _ => Value::String(text.to_owned()),
    }
}
