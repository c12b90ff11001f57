//! Where a command's words go: results to stdout, progress and messages to stderr.

use std::io::{self, Write};
use std::path::Path;

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use tandem_model::error::ErrorCode;

use super::failure::Failure;

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

/// Narrowest terminal into which a table is pressed.
const WIDTH_MIN: u16 = 40;

/// A line above, below, and under the head; rows stand close together.
const TABLE_STYLE: TableStyle = TableStyle::new()
    .top_border(LineStyle::none().fill('─').junction('─'))
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .bottom_border(LineStyle::none().fill('─').junction('─'));

/// An empty table in the style of all our tables.
pub fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(TABLE_STYLE).set_header(head.to_vec());
    // A terminal that does not know its width says 0.
    if table.width().is_none_or(|width| width >= WIDTH_MIN) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table
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
