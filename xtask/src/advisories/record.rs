//! What is kept of a check for advisories, so that a machine which can have no database still fails
//! when a dependency changed that nobody checked.

use std::path::PathBuf;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::database;
use crate::process::{command, root};

/// A check that passed: what was checked, against what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// SHA-256 of the `Cargo.lock`, in hexadecimal.
    cargo_lock_sha256: String,
    /// The database's commit.
    database_commit: String,
    /// That commit's day: advisories after it are not seen.
    pub(super) database_date: String,
}

/// Where the record is kept.
fn path() -> PathBuf {
    root().join("xtask/advisories-checked.json")
}

/// SHA-256 of the `Cargo.lock`, in hexadecimal.
fn lock_digest() -> anyhow::Result<String> {
    let lock = std::fs::read(root().join("Cargo.lock")).context("Cargo.lock cannot be read")?;
    Ok(digest(&lock))
}

fn digest(bytes: &[u8]) -> String {
    let sum = Sha256::digest(bytes);
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Record {
    /// Of the `Cargo.lock` and the database that are here.
    pub(super) fn here() -> anyhow::Result<Self> {
        let folder = database();
        let log = |format: &str| {
            let folder = folder.to_string_lossy();
            let output = command("git", &["-C", &folder, "log", "-1", format]).output();
            let output = output.context("git log of the advisory database")?;
            anyhow::Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        Ok(Self {
            cargo_lock_sha256: lock_digest()?,
            database_commit: log("--format=%H")?,
            database_date: log("--format=%cs")?,
        })
    }

    /// The one that is kept.
    pub(super) fn read() -> anyhow::Result<Self> {
        let path = path();
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is no record", path.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let value: Value = serde_json::from_str(text)?;
        let field = |name: &str| {
            let text = value.get(name).and_then(Value::as_str);
            text.map(str::to_owned)
                .with_context(|| format!("no {name}"))
        };
        Ok(Self {
            cargo_lock_sha256: field("cargo_lock_sha256")?,
            database_commit: field("database_commit")?,
            database_date: field("database_date")?,
        })
    }

    fn text(&self) -> anyhow::Result<String> {
        let text = serde_json::to_string_pretty(&json!({
            "cargo_lock_sha256": self.cargo_lock_sha256,
            "database_commit": self.database_commit,
            "database_date": self.database_date,
        }))?;
        Ok(text + "\n")
    }

    /// Keeps a check that has passed. Fails when the kept one is of another `Cargo.lock`, since a
    /// checkout with that one would fail where there is no database.
    pub(super) fn keep(&self) -> anyhow::Result<()> {
        let kept = Self::read();
        if kept.is_ok_and(|kept| kept.cargo_lock_sha256 == self.cargo_lock_sha256) {
            return Ok(());
        }
        std::fs::write(path(), self.text()?)?;
        bail!(
            "Cargo.lock has no advisory, and {} says so from now on: commit it and run this again",
            path().display()
        )
    }

    /// Relies on the kept check, which must be of this `Cargo.lock`.
    pub(super) fn rely_on(&self) -> anyhow::Result<()> {
        self.holds_for(&lock_digest()?)?;
        println!(
            "advisories: no database can be had here; this Cargo.lock had none on {} (commit {})",
            self.database_date, self.database_commit
        );
        Ok(())
    }

    fn holds_for(&self, cargo_lock_sha256: &str) -> anyhow::Result<()> {
        if self.cargo_lock_sha256 != cargo_lock_sha256 {
            bail!(
                "Cargo.lock was never checked for advisories, and no database of them can be had \
                 here: run `cargo xtask test --only deny` where the RustSec database can be \
                 cloned and commit {}",
                path().display()
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_its_file_and_holds_for_its_own_lock_alone() {
        let record = Record {
            cargo_lock_sha256: digest(b"lock"),
            database_commit: "bf5c0d24".into(),
            database_date: "2026-08-21".into(),
        };
        let read = Record::parse(&record.text().unwrap()).unwrap();
        assert_eq!(read, record);
        assert!(read.holds_for(&digest(b"lock")).is_ok());
        let refused = read.holds_for(&digest(b"another")).unwrap_err().to_string();
        assert!(refused.contains("never checked"), "{refused}");
        assert!(Record::parse("{}").is_err());
    }

    #[test]
    fn the_kept_record_is_of_the_lock_that_is_committed() {
        let kept = Record::read().unwrap();
        kept.holds_for(&lock_digest().unwrap()).unwrap();
    }
}
