//! Where a command's words go: results to stdout, progress and messages to stderr.

use std::io::{self, Write};
use std::path::Path;

use comfy_table::{Cell, Row, Table};
use tandem_model::error::ErrorCode;

use super::failure::Failure;

pub use gpu_probe::cli::table;

/// Largest file that a command reads.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Columns that a cell takes beside its text.
const CELL_EDGES: usize = 3;

/// A table whose first column is copied, such as an id. Where the terminal is too narrow for its
/// rows, each is told in lines of its own, and nothing of it is broken over two.
pub fn listing(rows: &Table) -> String {
    let widths = rows.column_max_content_widths();
    let needed: usize = widths.iter().map(|w| usize::from(*w) + CELL_EDGES).sum();
    match rows.width() {
        Some(width) if width > 0 && needed > usize::from(width) => records(rows),
        _ => rows.to_string(),
    }
}

fn records(rows: &Table) -> String {
    let texts = |row: &Row| -> Vec<String> { row.cell_iter().map(Cell::content).collect() };
    let head = rows.header().map(texts).unwrap_or_default();
    let longest = head.iter().skip(1).map(|name| name.chars().count()).max();
    let longest = longest.unwrap_or_default();
    let mut lines = Vec::new();
    for row in rows.row_iter().map(texts) {
        let mut cells = head.iter().zip(row);
        lines.extend(cells.next().map(|(_, first)| first));
        let told = cells.filter(|(_, text)| !text.is_empty());
        lines.extend(told.map(|(name, text)| format!("  {name:<longest$}  {text}")));
    }
    lines.join("\n")
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_too_wide_for_the_terminal_is_told_in_lines() {
        let mut rows = table(&["job", "name", "ended"]);
        rows.add_row(["job_1", "render-short-film", ""]);
        rows.add_row(["job_2", "train", "today"]);
        rows.force_no_tty().set_width(80);
        assert_eq!(listing(&rows), rows.to_string());
        rows.set_width(20);
        let lines = "job_1\n  name   render-short-film\njob_2\n  name   train\n  ended  today";
        assert_eq!(listing(&rows), lines);
    }
}
