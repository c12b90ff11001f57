//! Tests of the source itself: who may depend on whom, what a pure room may not name, how long a
//! file may be, and what no file may say.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cargo_metadata::{Metadata, MetadataCommand};

/// Lines above which a file fails.
const FILE_LINES_MAX: usize = 420;

/// Data tables may be longer: one row a card.
const LONG_FILES: &[&str] = &[
    "model/src/gpu/table/datacenter.rs",
    "model/src/gpu/table/desktop.rs",
];

/// What each room may depend on of ours.
const MAY_DEPEND: &[(&str, &[&str])] = &[
    ("tandem-model", &[]),
    ("tandem-pricing", &["tandem-model"]),
    ("tandem-sla", &["tandem-model"]),
    ("tandem-settlement", &["tandem-model"]),
    ("tandem-adapters", &["tandem-model"]),
    ("gpu-probe", &["tandem-model"]),
    (
        "tandem-sandbox",
        &["tandem-model", "tandem-adapters", "gpu-probe"],
    ),
    (
        "tandem",
        &[
            "tandem-model",
            "tandem-pricing",
            "tandem-sla",
            "tandem-settlement",
            "tandem-adapters",
            "gpu-probe",
            "tandem-sandbox",
        ],
    ),
    ("xtask", &[]),
];

/// Libraries that only some packages may name, in any kind of dependency.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("actix-web", &["tandem", "tandem-sandbox"]),
    ("rusqlite", &["tandem"]),
    ("tokio-postgres", &["tandem"]),
    ("alloy", &["tandem-settlement"]),
    ("solana-client", &["tandem-settlement"]),
    ("russh", &["tandem-adapters", "tandem-sandbox"]),
    ("object_store", &["gpu-probe"]),
];

/// What the source of a pure room may not contain.
const NOT_PURE: &[&str] = &[
    "async fn",
    ".await",
    "tokio",
    "SystemTime",
    "Instant::now",
    "thread_rng",
    "rand::rng()",
    "OsRng",
    "getrandom",
    "now_v7",
    "new_v4",
    "std::fs",
    "std::net",
    "std::env",
    "HashMap",
    "HashSet",
    "f32",
    "f64",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the checkout is whole")
        .to_owned()
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("the checkout is whole")
}

/// Files that git tracks or would track, relative to the root.
fn files() -> Vec<PathBuf> {
    let output = std::process::Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the files of the checkout");
    let text = String::from_utf8(output.stdout).expect("the checkout is whole");
    text.lines()
        .map(PathBuf::from)
        .filter(|p| root().join(p).is_file())
        .collect()
}

fn rust_files() -> Vec<(String, String)> {
    files()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .map(|path| {
            let text = std::fs::read_to_string(root().join(&path)).expect("the checkout is whole");
            (path.to_string_lossy().into_owned(), text)
        })
        .collect()
}

#[test]
fn rooms_depend_only_downwards() {
    let metadata = metadata();
    let ours: BTreeSet<_> = metadata
        .packages
        .iter()
        .map(|p| p.name.to_string())
        .collect();
    let listed: BTreeSet<_> = MAY_DEPEND
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    assert_eq!(ours, listed, "every package needs a line in MAY_DEPEND");
    for package in &metadata.packages {
        let (_, allowed) = MAY_DEPEND
            .iter()
            .find(|(name, _)| package.name == *name)
            .expect("the checkout is whole");
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            assert!(
                !ours.contains(name) || allowed.contains(&name),
                "{} may not depend on {name}",
                package.name
            );
        }
    }
}

#[test]
fn special_libraries_stay_in_their_rooms() {
    for package in &metadata().packages {
        for dependency in &package.dependencies {
            if let Some((_, rooms)) = ONLY_IN.iter().find(|(name, _)| *name == dependency.name) {
                assert!(
                    rooms.contains(&package.name.as_str()),
                    "{} may not name {}",
                    package.name,
                    dependency.name
                );
            }
        }
    }
}

#[test]
fn databases_and_chains_are_named_in_one_folder_each() {
    for (path, text) in rust_files() {
        for (word, folder) in [
            ("rusqlite::", "broker/src/store/"),
            ("tokio_postgres::", "broker/src/store/"),
            ("alloy::", "settlement/src/rails/"),
            ("solana_client::", "settlement/src/rails/"),
        ] {
            assert!(
                !text.contains(word)
                    || path.starts_with(folder)
                    || path.starts_with("xtask/tests/"),
                "{path} names {word} outside {folder}"
            );
        }
    }
}

/// The code of a file without its tests, comments and documentation.
fn production_code(text: &str) -> String {
    let before_tests = text.split("#[cfg(test)]\nmod ").next().unwrap_or(text);
    before_tests
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| line.split(" // ").next().unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Files that only tests compile: `tests.rs`, `tests_shell.rs`, `props.rs`, `story.rs`, `tests/…`.
fn is_test_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path.contains("/tests/")
        || name.starts_with("tests")
        || ["props.rs", "story.rs"].contains(&name)
}

/// Whether `text` contains `word` with no identifier character around it.
fn names(text: &str, word: &str) -> bool {
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    text.match_indices(word).any(|(at, _)| {
        !is_word(text[..at].chars().next_back()) && !is_word(text[at + word.len()..].chars().next())
    })
}

#[test]
fn pure_rooms_name_no_clock_io_float_or_chance() {
    for (path, text) in rust_files() {
        let pure = ["model/src/", "pricing/src/", "sla/src/"];
        if !pure.iter().any(|room| path.starts_with(room)) || is_test_file(&path) {
            continue;
        }
        let code = production_code(&text);
        for word in NOT_PURE {
            assert!(
                !names(&code, word),
                "{path} is in a pure room and names `{word}`"
            );
        }
    }
}

#[test]
fn files_are_short_and_say_what_lives_there() {
    for (path, text) in rust_files() {
        assert!(
            text.starts_with("//!"),
            "{path} must open with what lives there and why"
        );
        let lines = text.lines().count();
        assert!(
            lines <= FILE_LINES_MAX || LONG_FILES.contains(&path.as_str()),
            "{path} has {lines} lines; the limit is {FILE_LINES_MAX}: split it"
        );
    }
}

#[test]
fn no_file_speaks_of_a_workplace_or_a_registry_host() {
    let forbidden = [
        concat!("/wo", "rk/"),
        concat!("crates", ".io"),
        concat!("pypi", ".org"),
        concat!("npmjs", ".com"),
        concat!("deb.debian", ".org"),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
    ];
    for path in files() {
        let name = path.to_string_lossy().into_owned();
        let Ok(text) = std::fs::read_to_string(root().join(&path)) else {
            continue;
        };
        if name == "Cargo.lock" {
            continue;
        }
        for word in forbidden {
            assert!(!text.contains(word), "{name} contains `{word}`");
        }
    }
}

#[test]
fn every_library_has_its_line_in_the_readme() {
    let manifest =
        std::fs::read_to_string(root().join("Cargo.toml")).expect("the checkout is whole");
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the checkout is whole");
    let dependencies = manifest
        .split("[workspace.dependencies]")
        .nth(1)
        .expect("the checkout is whole")
        .split("\n[")
        .next()
        .expect("the checkout is whole");
    let mut missing = Vec::new();
    for line in dependencies
        .lines()
        .filter(|l| l.contains('=') && !l.contains("path ="))
    {
        let name = line
            .split('=')
            .next()
            .expect("the checkout is whole")
            .trim();
        if !readme.contains(&format!("`{name}`")) {
            missing.push(name.to_owned());
        }
    }
    assert!(
        missing.is_empty(),
        "README's dependency table lacks {missing:?}"
    );
}

#[test]
fn every_unused_workspace_dependency_is_removed() {
    let manifest =
        std::fs::read_to_string(root().join("Cargo.toml")).expect("the checkout is whole");
    let dependencies = manifest
        .split("[workspace.dependencies]")
        .nth(1)
        .expect("the checkout is whole")
        .split("\n[")
        .next()
        .expect("the checkout is whole");
    let used: BTreeSet<String> = metadata()
        .packages
        .iter()
        .flat_map(|p| p.dependencies.iter().map(|d| d.name.clone()))
        .collect();
    for line in dependencies
        .lines()
        .filter(|l| l.contains('=') && !l.starts_with('#'))
    {
        let name = line
            .split('=')
            .next()
            .expect("the checkout is whole")
            .trim();
        assert!(used.contains(name), "no package uses `{name}`");
    }
}

#[test]
fn every_decision_record_names_its_status_and_consequences() {
    let records: Vec<_> = files()
        .into_iter()
        .filter(|p| p.starts_with("docs/decisions"))
        .collect();
    assert!(!records.is_empty());
    for record in records {
        let text = std::fs::read_to_string(root().join(&record)).expect("the checkout is whole");
        for part in ["## Context", "## Decision", "## Consequences"] {
            assert!(text.contains(part), "{} lacks `{part}`", record.display());
        }
    }
}
