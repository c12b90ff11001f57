//! `cargo deny`, with advisories from the live database or from a dated copy of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::process::{cargo, command, root, run, succeeds};
use crate::setup::local_deny;

/// The name under which cargo-deny keeps its default database.
const DATABASE_FOLDER: &str = "advisory-db-3157b0e258782691";

fn deny(arguments: &[&str]) -> Command {
    if local_deny().exists() {
        command(local_deny(), arguments)
    } else {
        let mut all = vec!["deny"];
        all.extend(arguments);
        cargo(&all)
    }
}

/// Checks bans, licences, sources and advisories.
pub(crate) fn check() -> anyhow::Result<()> {
    run(deny(&[
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]))?;
    forget_copy()?;
    if succeeds(deny(&["fetch", "db"])) {
        println!("advisories: live database");
        return run(deny(&["check", "advisories"]));
    }
    let database = from_copy().context("the live advisory database cannot be cloned")?;
    let date = command(
        "git",
        &[
            "-C",
            &database.to_string_lossy(),
            "log",
            "-1",
            "--format=%cs",
        ],
    )
    .output()
    .context("git log of the advisory database")?;
    let date = String::from_utf8_lossy(&date.stdout).trim().to_owned();
    println!("advisories: the live database cannot be cloned; using the copy of {date}");
    run(deny(&["--offline", "check", "advisories"]))
}

fn database() -> PathBuf {
    root().join("target/advisory-db").join(DATABASE_FOLDER)
}

/// Takes away a database that an earlier run unpacked from the copy: a fetch would ask the copy
/// again and call it live.
fn forget_copy() -> anyhow::Result<()> {
    let path = database();
    let origin = command(
        "git",
        &["-C", &path.to_string_lossy(), "remote", "get-url", "origin"],
    )
    .output()
    .context("git remote of the advisory database")?;
    let is_live = String::from_utf8_lossy(&origin.stdout).starts_with("https://");
    if path.exists() && !is_live {
        std::fs::remove_dir_all(&path).context("the copied advisory database stays")?;
    }
    Ok(())
}

/// Unpacks the database from the git bundle beside the checkout.
fn from_copy() -> anyhow::Result<PathBuf> {
    let database = database();
    let bundle = root().join("../shared/data/rustsec.bundle");
    if !bundle.exists() {
        bail!(
            "no copy of it at ../shared/data/rustsec.bundle either; \
             allow the clone, or put a bundle of the RustSec database there"
        );
    }
    let _ = std::fs::remove_dir_all(&database);
    clone(&bundle, &database)?;
    Ok(database)
}

fn clone(bundle: &Path, database: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(database.parent().unwrap_or(database))?;
    let (from, to) = (bundle.to_string_lossy(), database.to_string_lossy());
    run(command(
        "git",
        &["clone", "--quiet", &from, "-b", "main", &to],
    ))?;
    run(command(
        "git",
        &["-C", &to, "fetch", "--quiet", "origin", "main"],
    ))
}
