//! The program that probes: built here or named by the caller, and what it answered.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use crate::process::{self, cargo, command, root};

/// The program's exit code when nothing could be measured, or a proof could not be made.
const EXIT_COULD_NOT_RUN: i32 = 69;

/// A `gpu-probe` to start.
pub(super) struct Program(PathBuf);

/// What one probe answered.
#[derive(Debug)]
pub(super) struct Probed {
    /// What it printed; none without a report.
    pub(super) document: Option<Value>,
    pub(super) took: Duration,
    /// Why there is no report, or how else it ended than well.
    pub(super) problem: Option<String>,
    /// Whether there is no report because nothing could be measured on this machine.
    pub(super) is_without_card: bool,
}

impl Program {
    /// The one at `path`, or one that cargo builds for release.
    pub(super) fn of(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path else {
            process::run(cargo(&["build", "--release", "--package", "gpu-probe"]))?;
            return built().map(Self);
        };
        // It is started in the repository's root.
        let found = std::fs::canonicalize(path);
        Ok(Self(found.with_context(|| {
            format!("--program: no {}", path.display())
        })?))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(&self.0, arguments);
        // What it says ends up in files.
        command.env("NO_COLOR", "1");
        command
    }

    /// Probes card 0.
    pub(super) fn probe(&self, arguments: &[&str]) -> Probed {
        let mut all = vec!["run", "--json", "--device", "0"];
        all.extend(arguments);
        let begun = Instant::now();
        let output = self.command(&all).output();
        let took = begun.elapsed();
        match output {
            Ok(output) => Probed::of(&output, took),
            Err(error) => Probed {
                document: None,
                took,
                problem: Some(format!("could not start {}: {error}", self.0.display())),
                is_without_card: false,
            },
        }
    }

    /// What today's verifier says of a stored report.
    pub(super) fn verify(&self, report: &Path) -> anyhow::Result<Value> {
        let path = report.to_string_lossy();
        let output = self.command(&["verify", "--json", &path]).output();
        let output = output.with_context(|| format!("could not start {}", self.0.display()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        serde_json::from_slice(&output.stdout).with_context(|| format!("{path}: {}", said.trim()))
    }
}

fn built() -> anyhow::Result<PathBuf> {
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("cargo does not say where it builds to")?;
    let folder = metadata.target_directory.into_std_path_buf();
    Ok(folder.join("release/gpu-probe"))
}

impl Probed {
    fn of(output: &Output, took: Duration) -> Self {
        let said = String::from_utf8_lossy(&output.stderr);
        let document: Option<Value> = serde_json::from_slice(&output.stdout).ok();
        let is_without_card =
            document.is_none() && output.status.code() == Some(EXIT_COULD_NOT_RUN);
        let problem = if is_without_card {
            Some(format!("no GPU could be measured: {}", said.trim()))
        } else if document.is_none() {
            Some(format!("{} and no report: {}", output.status, said.trim()))
        } else if !output.status.success() {
            Some(format!("ended with {}", output.status))
        } else {
            None
        };
        Self {
            document,
            took,
            problem,
            is_without_card,
        }
    }

    /// Makes it a problem where a soak has no load.
    pub(super) fn needs_load(&mut self) {
        let Some(document) = &self.document else {
            return;
        };
        let soak = &document["report"]["report"]["devices"][0]["health"]["soak"];
        if soak["measured"].is_null() && self.problem.is_none() {
            self.problem = Some(format!("no load was measured: {soak}"));
        }
    }

    /// Whether both proofs were made and judged.
    pub(super) fn has_proofs(&self) -> bool {
        let document = self.document.as_ref();
        document.is_some_and(|document| document["verdict"].is_object())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    fn probed(code: i32, stdout: &[u8]) -> Probed {
        let output = Output {
            status: ExitStatus::from_raw(code << 8),
            stdout: stdout.to_vec(),
            stderr: b"no driver".to_vec(),
        };
        Probed::of(&output, Duration::ZERO)
    }

    #[test]
    fn a_machine_without_a_card_is_named_so_and_never_passes() {
        let probed = probed(EXIT_COULD_NOT_RUN, b"");
        assert!(probed.is_without_card && probed.document.is_none());
        let said = probed.problem.unwrap_or_default();
        assert!(
            said.contains("no GPU") && said.contains("no driver"),
            "{said}"
        );
    }

    #[test]
    fn a_report_is_kept_however_the_program_ended() {
        let broken = probed(EXIT_COULD_NOT_RUN, br#"{"report":{},"proof_error":"no"}"#);
        assert!(!broken.is_without_card && broken.document.is_some());
        assert!(broken.problem.is_some() && !broken.has_proofs());
        let silent = probed(1, b"half a docu");
        let said = silent.problem.unwrap_or_default();
        assert!(said.contains("no report"), "{said}");
        assert!(probed(0, br#"{"verdict":{}}"#).has_proofs());
    }

    #[test]
    fn a_soak_whose_load_could_not_run_is_a_problem() {
        let report = |soak: &str| {
            let device = format!(r#"{{"health":{{"soak":{soak}}}}}"#);
            format!(r#"{{"report":{{"report":{{"devices":[{device}]}}}}}}"#)
        };
        let mut hung = probed(
            0,
            report(r#"{"could_not_run":{"reason":"hung"}}"#).as_bytes(),
        );
        hung.needs_load();
        let said = hung.problem.unwrap_or_default();
        assert!(said.contains("hung"), "{said}");
        let mut loaded = probed(0, report(r#"{"measured":{}}"#).as_bytes());
        loaded.needs_load();
        assert_eq!(loaded.problem, None);
    }

    #[test]
    fn a_program_that_is_not_there_is_named_and_one_that_does_not_start_is_no_panic() {
        let error = Program::of(Some(Path::new("/nowhere/gpu-probe"))).err();
        let said = error.map(|error| format!("{error:#}")).unwrap_or_default();
        assert!(said.contains("--program"), "{said}");
        let folder = Program(PathBuf::from("/"));
        assert!(folder.probe(&[]).problem.is_some());
    }
}
