//! Scripts: no workload files, but what they run, and what they ask of a batch system, can be told.

use tandem_model::error::ErrorCode;

use super::problem::{FieldLines, FileError};
use super::tree::{Body, Key, Node, Place, Scalar};
use super::{Document, DocumentFormat};

/// How directives of batch systems begin: Slurm, PBS, LSF, Grid Engine, Flux.
const DIRECTIVES: [&str; 5] = ["#SBATCH", "#PBS", "#BSUB", "#$ -", "#FLUX:"];
/// How a line begins that only a shell or Python understands.
const STARTS: [&str; 22] = [
    "import ",
    "from ",
    "def ",
    "class ",
    "export ",
    "set -",
    "source ",
    "module load",
    "srun ",
    "sbatch ",
    "mpirun ",
    "python ",
    "python3 ",
    "torchrun ",
    "accelerate ",
    "deepspeed ",
    "cd ",
    "pip ",
    "docker run",
    "if [",
    "for ",
    ": \"${",
];
/// Lines that are looked at.
const LINES_LOOKED_AT: usize = 200;

/// Whether a text says itself that it is a script.
pub(super) fn is_marked(text: &str) -> bool {
    let first = text.trim_start();
    first.starts_with("#!")
        || first
            .lines()
            .take(LINES_LOOKED_AT)
            .take_while(|l| l.is_empty() || l.starts_with('#'))
            .any(|l| DIRECTIVES.iter().any(|d| l.starts_with(d)))
}

/// Whether a text that is no mapping reads like a script.
pub(super) fn looks_like_one(text: &str) -> bool {
    let found = text
        .lines()
        .take(LINES_LOOKED_AT)
        .map(str::trim_start)
        .filter(|line| STARTS.iter().any(|s| line.starts_with(s)));
    found.count() > 0 && !text.trim_start().starts_with(['{', '['])
}

/// The script as a document with one field; it is refused for submission.
pub(super) fn document(text: &str) -> Document {
    let place = Place { line: 1, column: 1 };
    let scalar = Scalar {
        text: text.to_owned(),
        plain: false,
        block: true,
    };
    let value = Node {
        place,
        body: Body::Scalar(scalar),
    };
    let key = Key {
        text: "script".into(),
        place,
    };
    let root = Node {
        place,
        body: Body::Map(vec![(key, value)]),
    };
    let mut error = FileError::at(
        ErrorCode::WORKLOAD_SYNTAX,
        "",
        place,
        "a script, not a workload file".into(),
    );
    error.hint = Some(
        "put its text under `run: |` of a file that begins with `tandem: 1`, and what it asks of \
         a batch system (#SBATCH) under `resources`"
            .into(),
    );
    Document {
        text: text.to_owned(),
        format: DocumentFormat::Script,
        workload: None,
        notes: Vec::new(),
        lines: FieldLines::from([("script".to_owned(), 1)]),
        refusals: vec![error],
        roots: vec![root],
        draft: None,
    }
}
