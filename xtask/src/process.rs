//! Running other programs with their output in view, and the places that all tasks share.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// The repository's root: where this was built, or the current folder on a machine to which the built
/// program was carried.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    existing_or_current(manifest.parent().unwrap_or(manifest))
}

fn existing_or_current(built_in: &Path) -> PathBuf {
    match built_in.is_dir() {
        true => built_in.to_owned(),
        false => std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
    }
}

/// Where set-up puts what it downloads; ignored by git.
pub(crate) fn tools() -> PathBuf {
    root().join(".tools")
}

/// A command that runs in the root.
pub(crate) fn command(program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// The cargo that runs us.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    command(
        std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
        arguments,
    )
}

/// Runs a command to its end and fails when it fails.
pub(crate) fn run(mut command: Command) -> anyhow::Result<()> {
    let shown = format!("{command:?}").replace('"', "");
    let status = command
        .status()
        .with_context(|| format!("could not start {shown}"))?;
    if !status.success() {
        bail!("{shown} ended with {status}");
    }
    Ok(())
}

/// Whether a command ends well; its output is dropped.
pub(crate) fn succeeds(mut command: Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_a_machine_without_the_checkout_it_was_built_in_the_root_is_the_current_folder() {
        assert!(root().join("Cargo.toml").is_file());
        let current = std::env::current_dir().ok();
        let found = existing_or_current(Path::new("/nowhere/checkout"));
        assert_eq!(Some(found), current);
    }
}
