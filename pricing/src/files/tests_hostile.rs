//! Files that were written to do harm, or by a tool that went wrong: each is refused by place.

use tandem_model::error::ErrorCode;

use super::*;
use crate::classify::classify;

fn refusal(text: &str) -> FileError {
    match look(text) {
        Err(errors) => errors.0[0].clone(),
        Ok(document) => document.refusals.first().expect(text).clone(),
    }
}

#[test]
fn long_keys_cannot_multiply_into_long_paths() {
    let fields: Vec<_> = (0..900).map(|i| format!("a{i}: ")).collect();
    let key = format!(
        "? {}\n: {{{}}}\nrun: x\n",
        "k".repeat(100_000),
        fields.join(",")
    );
    assert_eq!(refusal(&key).code, ErrorCode::WORKLOAD_TOO_LARGE);
    let level = format!("{{{}: ", "k".repeat(1_000));
    let path = format!("run: {}x{}\n", level.repeat(3), "}".repeat(3));
    let error = refusal(&path);
    assert_eq!(error.code, ErrorCode::WORKLOAD_TOO_LARGE);
    assert!(error.field.len() <= PATH_BYTES_MAX && error.field.starts_with("run.kkk"));
}

#[test]
fn lines_are_counted_with_aliases_followed() {
    let block = format!("run: |\n{}", " a\n".repeat(LINES_MAX + 1));
    assert_eq!(refusal(&block).code, ErrorCode::WORKLOAD_TOO_LARGE);
    let half = " a\n".repeat(LINES_MAX / 2 + 1);
    let twice = format!("run: &a |\n{half}setup: *a\n");
    let error = refusal(&twice);
    assert_eq!(error.code, ErrorCode::WORKLOAD_TOO_LARGE);
    assert_eq!(error.field, "setup");
    let comments = format!("run: x\n{}", "#\n".repeat(LINES_MAX));
    assert_eq!(refusal(&comments).code, ErrorCode::WORKLOAD_TOO_LARGE);
}

#[test]
fn what_is_no_plain_value_is_refused_where_it_stands() {
    for (text, line, field) in [
        (
            "run: x\nname: !!python/object/apply:os.system [id]\n",
            2,
            "name",
        ),
        ("run: !mine x\n", 1, "run"),
        ("resources:\n  cpus: 1\n  cpus: 2\n", 3, "resources.cpus"),
        ("run: x\nenvs:\n  <<: 3\n", 3, "envs"),
        ("a: &a\n  b: *a\n", 2, "a.b"),
        ("\"\\e[31mred\": 1\n", 1, ""),
        ("run: x\nresources:\n  a: {\n", 4, "resources.a"),
        ("run: x\nresources:\n\tcpus: 1\n", 3, "resources"),
    ] {
        let error = refusal(text);
        assert_eq!(error.code, ErrorCode::WORKLOAD_SYNTAX, "{text}");
        assert_eq!((error.line, error.field.as_str()), (line, field), "{error}");
    }
    assert_eq!(read("run: !!str x\n").unwrap().workload.unwrap().run, "x");
}

#[test]
fn what_is_missing_is_named_as_a_field() {
    for (text, field) in [
        ("tandem: 1\nrun: x\n", "name"),
        ("tandem: 1\nname: a\n", "run"),
        ("num_nodes: 1\n", "run"),
        ("type: task\n", "commands"),
        ("type: service\ncommands: [x]\n", "port"),
        ("tandem: 1\nname: a\nrun: x\nkind: service\n", "port"),
        ("run: x\nservice: {replicas: 1}\n", "resources.ports"),
        (
            "tandem: 1\nname: a\nrun: x\ncheckpoints: {}\n",
            "checkpoints.interval_seconds",
        ),
    ] {
        assert_eq!(refusal(text).field, field, "{text}");
    }
}

#[test]
fn messages_hold_no_control_characters() {
    let error = refusal("run: x\nnum_nodes: \"\\e[31m\"\n");
    assert!(
        !error.to_string().chars().any(char::is_control),
        "{error:?}"
    );
}

#[test]
fn a_byte_order_mark_carriage_returns_and_trailing_commas_change_nothing() {
    let plain = read("name: a\nrun: |\n  echo a\n  echo b\n")
        .unwrap()
        .workload;
    let windows = read("\u{feff}name: a\r\nrun: |\r\n  echo a\r\n  echo b\r\n")
        .unwrap()
        .workload;
    assert_eq!(plain, windows);
    let json = read("{\"name\": \"a\", \"run\": \"echo a\\necho b\\n\",}")
        .unwrap()
        .workload;
    assert_eq!(plain, json);
}

#[test]
fn a_script_is_told_from_a_broken_workload_file() {
    let error = refusal("#!/bin/bash\n#SBATCH --gres=gpu:4\nsrun torchrun train.py --lr 1e-4\n");
    assert!(error.hint.is_some_and(|hint| hint.contains("`run: |`")));
}

#[test]
fn the_largest_file_that_is_read_can_be_classified() {
    let longest = format!("run: {}\n", "a.py ".repeat(FILE_BYTES_MAX / 5 - 4));
    let most_lines = format!("run: |\n{}", " vllm-x train-y\n".repeat(LINES_MAX - 1));
    for text in [longest, most_lines] {
        classify(&look(&text).unwrap());
    }
}
