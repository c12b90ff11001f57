//! The checkout as the tests of source and documents read it.

#![allow(dead_code, reason = "each test file uses its part")]

use std::path::{Path, PathBuf};

use cargo_metadata::{Metadata, MetadataCommand};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the checkout is whole")
        .to_owned()
}

pub(crate) fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("the checkout is whole")
}

/// Files that git tracks or would track, relative to the root.
pub(crate) fn files() -> Vec<PathBuf> {
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

/// The text of a file of the checkout.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}
