//! Tests of the source itself: who may depend on whom, what a pure room may not name, how long a
//! file may be, and what no file may say. `documents.rs` holds the tests of the documents.

mod checkout;

use std::collections::BTreeSet;

use checkout::{files, metadata, root};

/// Lines above which a file fails.
const FILE_LINES_MAX: usize = 400;

/// What each room may depend on of ours.
const MAY_DEPEND: &[(&str, &[&str])] = &[
    ("tandem-model", &[]),
    ("tandem-pricing", &["tandem-model"]),
    ("tandem-sla", &["tandem-model"]),
    ("tandem-settlement", &["tandem-model"]),
    ("tandem-adapters", &["tandem-model"]),
    ("gpu-probe", &["tandem-model"]),
    ("tandem-ptx-sim", &[]),
    ("tandem-fake-driver", &["tandem-ptx-sim"]),
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
    (
        "tandem-simulation",
        &[
            "tandem",
            "tandem-model",
            "tandem-pricing",
            "tandem-sla",
            "tandem-adapters",
            "gpu-probe",
            "tandem-sandbox",
        ],
    ),
    (
        "tandem-bench",
        &[
            "tandem",
            "tandem-model",
            "tandem-pricing",
            "tandem-sla",
            "tandem-adapters",
            "gpu-probe",
            "tandem-sandbox",
        ],
    ),
    ("xtask", &[]),
];

/// Libraries that only some packages may name, in any kind of dependency.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("actix-web", &["tandem", "tandem-sandbox", "tandem-bench"]),
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
    "rand::rng",
    "rand::random",
    "from_os_rng",
    "RandomState",
    "DefaultHasher",
    "OsRng",
    "getrandom",
    "now_v7",
    "new_v4",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::io",
    "HashMap",
    "HashSet",
    "f32",
    "f64",
];

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
                    || path.starts_with("broker/tests/store/")
                    || path.starts_with("xtask/tests/"),
                "{path} names {word} outside {folder}"
            );
        }
    }
}

/// The code of a file without its tests, comments and documentation. Test modules stand last or are
/// files of their own, so `mod tests;` takes away that line alone.
fn production_code(text: &str) -> String {
    let whole = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or(text);
    whole
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
        let pure = ["model/src/", "pricing/src/", "sla/src/", "settlement/src/"];
        let inside = pure.iter().any(|room| path.starts_with(room));
        if !inside || path.starts_with("settlement/src/rails/") || is_test_file(&path) {
            continue;
        }
        if let Some(word) = not_pure(&text) {
            panic!("{path} is in a pure room and names `{word}`");
        }
    }
}

/// The first thing in a file's code that a pure room may not name.
fn not_pure(text: &str) -> Option<&'static str> {
    let code = one_by_one(&production_code(text));
    NOT_PURE.iter().copied().find(|word| names(&code, word))
}

/// The code with the imports of `std` and `rand` that stand in braces written out: `std::{fs, net}`
/// as `std::fs std::net`.
fn one_by_one(code: &str) -> String {
    let mut out = code.to_owned();
    for root in ["std::", "rand::"] {
        for group in code.split(&format!("{root}{{")).skip(1) {
            let inside = group.split('}').next().unwrap_or_default();
            for name in inside.split([',', '{']) {
                out.push_str(&format!(" {root}{} ", name.trim()));
            }
        }
    }
    out
}

#[test]
fn what_is_not_pure_is_found_in_every_spelling() {
    for text in [
        "use std::fs;",
        "use std::{collections::BTreeMap, fs};",
        "use std::{\n    env,\n    fmt,\n};",
        "fn f() { std::time::SystemTime::now(); }",
        "use std::time::{Duration, Instant};\nfn f() { Instant::now(); }",
        "let x = 1.0_f64 as f64;",
        "async fn f() {}",
        "use rand::{Rng, random};",
        "#[cfg(test)]\nmod tests;\nuse std::fs;",
        "let a = \"http://x\"; use std::fs;",
    ] {
        assert!(not_pure(text).is_some(), "{text}");
    }
    for text in [
        "use std::{collections::BTreeMap, fmt};",
        "// std::fs is not used here",
        "fn f() {}\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n",
        "let after = instant::now;",
    ] {
        assert_eq!(not_pure(text), None, "{text}");
    }
}

#[test]
fn files_are_short_and_say_what_lives_there() {
    let mut wrong = Vec::new();
    for (path, text) in rust_files() {
        if !text.starts_with("//!") {
            wrong.push(format!("{path} must open with what lives there and why"));
        }
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            wrong.push(format!(
                "{path} has {lines} lines; the limit is {FILE_LINES_MAX}: split it"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
