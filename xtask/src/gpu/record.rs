//! Reports as files: each written as soon as it is there, with a summary that holds what no report
//! says, and where a folder was named one tar of it all.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Map, Value, json};

use super::program::Probed;
use super::{judge, rates};
use crate::process::root;

/// The file with the summary.
pub(super) const SUMMARY: &str = "measured.json";
/// The folder of cards that no report names.
const UNKNOWN: &str = "unknown";
/// The one file with all others, in the folder that was named.
const TAR: &str = "reports.tar";

/// One quick probe.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) number: u32,
    pub(super) took_ms: u64,
    /// What it printed; none without a report.
    pub(super) document: Option<Value>,
    /// Why there is none, or how else it ended than well.
    pub(super) problem: Option<String>,
}

impl Run {
    pub(super) fn of(number: u32, probed: &Probed) -> Self {
        Self {
            number,
            took_ms: u64::try_from(probed.took.as_millis()).unwrap_or(u64::MAX),
            document: probed.document.clone(),
            problem: probed.problem.clone(),
        }
    }

    fn file(&self) -> String {
        format!("{:02}.json", self.number)
    }

    /// All but the report, which has a file of its own.
    fn summary(&self) -> Value {
        let mut beside = self.document.clone().unwrap_or_default();
        if let Some(members) = beside.as_object_mut() {
            members.remove("report");
        }
        json!({
            "number": self.number,
            "took_ms": self.took_ms,
            "problem": self.problem,
            "beside": beside,
        })
    }

    fn read(folder: &Path, summary: &Value) -> anyhow::Result<Self> {
        let number = summary["number"]
            .as_u64()
            .and_then(|n| u32::try_from(n).ok());
        let mut run = Self {
            number: number.context("`number` of a run is missing")?,
            took_ms: summary["took_ms"].as_u64().unwrap_or(0),
            document: None,
            problem: summary["problem"].as_str().map(str::to_owned),
        };
        if summary["beside"].is_object() {
            let mut document = summary["beside"].clone();
            document["report"] = read(&folder.join(run.file()))?;
            run.document = Some(document);
        }
        Ok(run)
    }
}

/// What was recorded so far.
#[derive(Debug)]
pub(super) struct Record {
    base: PathBuf,
    model: Option<String>,
    /// Whether a folder was named: then there is a tar, and a summary even without any report.
    is_named: bool,
    /// Whether a report was written.
    has_reports: bool,
    runs: Vec<Run>,
    /// Of the probes that are no repeated ones.
    problems: Vec<String>,
}

impl Record {
    /// In the folder that was named, or among the fixtures.
    pub(super) fn begin(out: Option<&Path>) -> anyhow::Result<Self> {
        let base = match out {
            Some(out) => {
                std::fs::create_dir_all(out).with_context(|| format!("--out {}", out.display()))?;
                std::fs::canonicalize(out).with_context(|| format!("--out {}", out.display()))?
            }
            None => root().join("gpu-probe/tests/recorded"),
        };
        Ok(Self {
            base,
            model: None,
            is_named: out.is_some(),
            has_reports: false,
            runs: Vec::new(),
            problems: Vec::new(),
        })
    }

    /// The runs of a folder that was written before, and what was wrong with the other probes.
    pub(super) fn read(folder: &Path) -> anyhow::Result<(Vec<Run>, Vec<String>)> {
        let summary = read(&folder.join(SUMMARY))?;
        let runs = summary["runs"].as_array().map(Vec::as_slice);
        let runs = runs.with_context(|| format!("{}: no `runs`", folder.display()))?;
        let runs = runs.iter().map(|run| Run::read(folder, run));
        let others = summary["others"].as_array().into_iter().flatten();
        let others = others.filter_map(Value::as_str).map(str::to_owned);
        Ok((runs.collect::<Result<_, _>>()?, others.collect()))
    }

    /// The card's folder.
    pub(super) fn folder(&self) -> PathBuf {
        self.base.join(self.model.as_deref().unwrap_or(UNKNOWN))
    }

    /// Writes a run and all that is known so far.
    pub(super) fn add(&mut self, run: Run) -> anyhow::Result<()> {
        if let Some(document) = &run.document {
            self.keep(&run.file(), document)?;
        }
        self.runs.push(run);
        self.sum_up()
    }

    /// Writes the report of a probe that is none of the repeated ones.
    pub(super) fn add_one(&mut self, file: &str, probed: &Probed) -> anyhow::Result<()> {
        let problem = probed.problem.iter();
        self.problems
            .extend(problem.map(|problem| format!("{file}: {problem}")));
        if let Some(document) = &probed.document {
            self.keep(file, document)?;
        }
        self.sum_up()
    }

    /// Everything that is wrong with it.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = judge::runs(&self.runs);
        problems.extend(self.problems.iter().cloned());
        problems
    }

    fn keep(&mut self, file: &str, document: &Value) -> anyhow::Result<()> {
        if let (None, Some(model)) = (&self.model, model(document)) {
            let (unknown, known) = (self.folder(), self.base.join(&model));
            // Earlier reports may not have said which card it is.
            let is_moved = !self.has_reports || std::fs::rename(unknown, known).is_ok();
            self.model = is_moved.then_some(model);
        }
        self.has_reports = true;
        let folder = self.folder();
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        write(&folder.join(file), &document["report"])
    }

    fn sum_up(&self) -> anyhow::Result<()> {
        if !self.has_reports && !self.is_named {
            return Ok(());
        }
        let folder = self.folder();
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let documents = self.runs.iter().filter_map(|run| run.document.as_ref());
        let rates = rates::of(documents.clone());
        let of_rate = |(name, rates): (&&'static str, &Vec<u64>)| {
            let variation = rates::variation_permille(rates);
            let summary =
                json!({ "median": rates::median(rates), "variation_permille": variation });
            ((*name).to_owned(), summary)
        };
        let first = documents.clone().next().cloned().unwrap_or_default();
        let report = &first["report"]["report"];
        let summary = json!({
            "name": report["devices"][0]["identity"]["cuda"]["name"],
            "driver": report["driver"],
            "kernels_sha256": report["kernels_sha256"],
            "rates": rates.iter().map(of_rate).collect::<Map<_, _>>(),
            "problems": judge::runs(&self.runs),
            "others": self.problems,
            "runs": self.runs.iter().map(Run::summary).collect::<Vec<_>>(),
        });
        write(&folder.join(SUMMARY), &summary)?;
        if self.is_named {
            self.pack(&folder)?;
        }
        Ok(())
    }

    /// Packs the card's folder anew: few files come back from some machines.
    fn pack(&self, folder: &Path) -> anyhow::Result<()> {
        let (path, half) = (self.base.join(TAR), self.base.join("reports.tar.part"));
        let file = File::create(&half).with_context(|| half.display().to_string())?;
        let mut tar = tar::Builder::new(file);
        let name = self.model.as_deref().unwrap_or(UNKNOWN);
        let packed = tar.append_dir_all(name, folder).and_then(|()| tar.finish());
        packed.with_context(|| format!("cannot write {}", half.display()))?;
        std::fs::rename(&half, &path).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// The card of a document, by its own verdict.
fn model(document: &Value) -> Option<String> {
    let model = document["verdict"]["evidence"][0]["model"].as_str()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    model.chars().all(is_plain).then(|| model.to_owned())
}

fn write(path: &Path, value: &Value) -> anyhow::Result<()> {
    let text = serde_json::to_string(value)? + "\n";
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn read(path: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", path.display()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn probed(document: Option<Value>, problem: Option<&str>) -> Probed {
        Probed {
            document,
            took: Duration::from_secs(9),
            problem: problem.map(str::to_owned),
            is_without_card: false,
        }
    }

    fn document(verdict: Value, mark: u64) -> Value {
        json!({ "verdict": verdict, "report": { "report": { "mark": mark } }, "level": 0 })
    }

    #[test]
    fn what_was_measured_stays_when_a_later_probe_breaks_and_can_be_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut record = Record::begin(Some(folder.path())).unwrap();
        let add = |record: &mut Record, number, probed: &Probed| {
            record.add(Run::of(number, probed)).unwrap();
        };
        let broken = document(Value::Null, 1);
        add(&mut record, 1, &probed(Some(broken), Some("ended with 69")));
        assert!(folder.path().join("unknown/01.json").is_file());
        let whole = document(json!({ "evidence": [{ "model": "h100-sxm5-80gb" }] }), 2);
        add(&mut record, 2, &probed(Some(whole.clone()), None));
        add(
            &mut record,
            3,
            &probed(None, Some("signal 9 and no report")),
        );
        let soak = probed(None, Some("signal 9"));
        record.add_one("soak.json", &soak).unwrap();
        let cards = folder.path().join("h100-sxm5-80gb");
        assert_eq!(record.folder(), std::fs::canonicalize(&cards).unwrap());
        assert_eq!(read(&cards.join("01.json")).unwrap()["report"]["mark"], 1);
        let (runs, others) = Record::read(&cards).unwrap();
        assert_eq!(others, ["soak.json: signal 9"]);
        assert_eq!(runs.len(), 3);
        assert_eq!(runs[1].document, Some(whole));
        assert_eq!(runs[2].problem.as_deref(), Some("signal 9 and no report"));
        let problems = record.problems();
        assert!(
            problems.iter().any(|p| p.starts_with("soak.json")),
            "{problems:?}"
        );
        let packed = File::open(folder.path().join(TAR)).unwrap();
        let mut tar = tar::Archive::new(packed);
        let names = tar.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            entry.path().unwrap().to_string_lossy().into_owned()
        });
        let files = names.filter(|name| name.ends_with(".json"));
        assert_eq!(files.count(), 3, "two reports and the summary");
    }

    #[test]
    fn among_the_fixtures_nothing_is_written_without_a_report() {
        let mut record = Record::begin(None).unwrap();
        let silent = Run::of(1, &probed(None, Some("no GPU could be measured")));
        record.add(silent).unwrap();
        assert!(!record.folder().exists());
        assert_eq!(record.problems().len(), 1);
    }
}
