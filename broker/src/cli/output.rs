//! Where a command's words go: results to stdout, progress and messages to stderr.

use std::io::{self, Write};
use std::path::Path;

use tandem_model::error::ErrorCode;

use super::failure::Failure;

pub use gpu_probe::cli::table;

/// Largest file that a command reads.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Prints a line of the result. A reader that went away (`| head`) ends the command quietly.
pub fn say(line: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}

/// Prints a line of progress or advice.
pub fn tell(line: &str) {
    // Nobody can be told that telling failed.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Reads a workload file; `-` is standard input.
pub fn read_file(path: &str) -> anyhow::Result<String> {
    let hint = "give the path of a workload file, or - for standard input";
    read_text(path, FILE_BYTES_MAX, hint)
}

/// Reads a text file of at most so many bytes; `-` is standard input. `hint` says what to give.
pub fn read_text(path: &str, bytes_max: u64, hint: &str) -> anyhow::Result<String> {
    let refuse = |why: String| {
        Failure::new(
            ErrorCode::FILE_UNREADABLE,
            format!("cannot read {path}: {why}"),
        )
        .hint(hint)
    };
    let mut bytes = Vec::new();
    let read = if path == "-" {
        io::Read::read_to_end(&mut io::Read::take(io::stdin(), bytes_max + 1), &mut bytes)
    } else {
        std::fs::File::open(Path::new(path)).and_then(|file| {
            io::Read::read_to_end(&mut io::Read::take(file, bytes_max + 1), &mut bytes)
        })
    };
    read.map_err(|error| refuse(error.to_string()))?;
    if bytes.len() as u64 > bytes_max {
        return Err(refuse(format!("larger than {bytes_max} bytes")).into());
    }
    Ok(String::from_utf8(bytes).map_err(|_| refuse("not UTF-8 text".into()))?)
}
