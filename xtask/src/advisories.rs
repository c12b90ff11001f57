//! `cargo deny`, with advisories from the live database, from a dated copy of it, or by the record
//! of the last check of the same `Cargo.lock`.

mod record;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::process::{cargo, command, root, run, succeeds};
use crate::setup::local_deny;
use record::Record;

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
///
/// A machine that can have no database goes by the record of the last check, which holds for the
/// same `Cargo.lock` alone.
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
        run(deny(&["check", "advisories"]))?;
        return Record::here()?.keep();
    }
    if !bundle().exists() {
        return Record::read()?.rely_on();
    }
    unpack()?;
    let record = Record::here()?;
    println!(
        "advisories: the live database cannot be cloned; using the copy of {}",
        record.database_date
    );
    run(deny(&["--offline", "check", "advisories"]))?;
    record.keep()
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

/// A git bundle of the database, where one lies beside the checkout.
fn bundle() -> PathBuf {
    root().join("../shared/data/rustsec.bundle")
}

/// Unpacks the database from the bundle.
fn unpack() -> anyhow::Result<()> {
    let database = database();
    let _ = std::fs::remove_dir_all(&database);
    clone(&bundle(), &database)
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
